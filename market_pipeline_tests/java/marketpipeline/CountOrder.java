package marketpipeline;

import java.math.BigDecimal;

/** A trade comes while the rows of its minute are counted: prints what {@link Bars} wants next after each answer. */
public final class CountOrder {
  public static void main(String[] arguments) {
    Bars bars = new Bars(1_000, 0);
    Trade first = trade(1), second = trade(2);
    Minute minute = first.minute();
    bars.add(first);
    bars.toLoad();
    bars.loaded(minute);
    bars.stored(first);
    int before = bars.toSettle(9).size();
    bars.add(second);
    bars.stored(second);
    int meanwhile = bars.toSettle(9).size();
    bars.counted(minute, 2); // of the first trade and of another writer's
    int after = bars.toSettle(9).size();
    bars.counted(minute, 3);
    System.out.println(before + " " + meanwhile + " " + after + " " + bars.toLoad().size());
  }

  private static Trade trade(int number) {
    long received = 1_764_000_000_000_000L + number;
    return new Trade("S", received / 1000, "id" + number, BigDecimal.ONE, BigDecimal.ONE, null, 0, received);
  }
}
