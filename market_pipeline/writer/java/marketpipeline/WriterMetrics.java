package marketpipeline;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAccumulator;
import java.util.concurrent.atomic.LongAdder;

/** What a writer did, for all tasks of a JVM together, since it started. */
public final class WriterMetrics {
  final LongAdder trades = new LongAdder();
  final LongAdder statements = new LongAdder();
  final LongAdder batches = new LongAdder();
  final LongAdder batchedTrades = new LongAdder();
  final LongAdder barWrites = new LongAdder();
  final LongAdder barLoads = new LongAdder();
  private final LongAccumulator largestBatch = new LongAccumulator(Math::max, 0);
  private final LongAdder acknowledgedNs = new LongAdder();
  private final Map<String, LongAdder> deadLetters = new ConcurrentHashMap<>();

  void batch(int rows) {
    batches.increment();
    batchedTrades.add(rows);
    largestBatch.accumulate(rows);
  }

  void acknowledged(long ns) {
    acknowledgedNs.add(ns);
  }

  void deadLetter(String reason) {
    deadLetters.computeIfAbsent(reason, key -> new LongAdder()).increment();
  }

  /** The counters by name. */
  public Map<String, Long> counters() {
    Map<String, Long> found = new TreeMap<>();
    found.put("trades", trades.sum());
    found.put("statements", statements.sum());
    found.put("batches", batches.sum());
    found.put("batched_trades", batchedTrades.sum());
    found.put("largest_batch", largestBatch.get());
    found.put("bar_writes", barWrites.sum());
    found.put("bar_loads", barLoads.sum());
    found.put("acknowledged_us", acknowledgedNs.sum() / 1000);
    deadLetters.forEach((reason, count) -> found.put("dead_letters." + reason, count.sum()));
    return found;
  }
}
