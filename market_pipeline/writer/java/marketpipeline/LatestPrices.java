package marketpipeline;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The rows of {@code latest_prices} that wait to be sent, conflated: of each symbol the newest trade alone. Pure, and not
 * thread-safe.
 */
public final class LatestPrices {
  private static final int MAX_SEQ = 999;
  private static final Comparator<Trade> BY_TIME =
      Comparator.comparingLong(LatestPrices::writeTime).thenComparing(Trade::id);

  private final Map<String, Trade> newest = new LinkedHashMap<>();

  /** The write time of a trade's row, epoch microseconds: its own time, so that an older trade can't win. */
  public static long writeTime(Trade trade) {
    return trade.ts() * 1000 + Math.max(0, Math.min(trade.seq(), MAX_SEQ));
  }

  /** Queues a trade, unless a newer one of its symbol waits. */
  public void add(Trade trade) {
    newest.merge(trade.symbol(), trade, (held, added) -> BY_TIME.compare(held, added) <= 0 ? added : held);
  }

  /** At most so many of the trades to send, of those symbols first that have waited longest. */
  public List<Trade> take(int count) {
    if (newest.isEmpty()) return List.of();
    List<Trade> taken = new ArrayList<>();
    for (Iterator<Trade> each = newest.values().iterator(); each.hasNext() && taken.size() < count; each.remove())
      taken.add(each.next());
    return taken;
  }

  /** How many wait. */
  public int size() {
    return newest.size();
  }
}
