package marketpipeline;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
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

  private final Map<String, Trade> newest = new HashMap<>();

  /** The write time of a trade's row, epoch microseconds: its own time, so that an older trade can't win. */
  public static long writeTime(Trade trade) {
    return trade.ts() * 1000 + Math.max(0, Math.min(trade.seq(), MAX_SEQ));
  }

  /** Queues a trade, unless a newer one of its symbol waits. */
  public void add(Trade trade) {
    newest.merge(trade.symbol(), trade, (held, added) -> BY_TIME.compare(held, added) <= 0 ? added : held);
  }

  /** The trades to send; none waits afterwards. */
  public List<Trade> take() {
    if (newest.isEmpty()) return List.of();
    List<Trade> taken = new ArrayList<>(newest.values());
    newest.clear();
    return taken;
  }
}
