package marketpipeline;

import java.io.Serializable;
import java.util.Map;
import java.util.TreeMap;
import org.HdrHistogram.Histogram;

/** What a writer did since it was asked last. Not thread-safe: its writer's lock guards it. */
public final class WriterMetrics implements Serializable {
  private static final long serialVersionUID = 1;
  /** Two digits of each time, of at most so many microseconds. */
  private static final long LONGEST_US = 60_000_000L;

  private long trades, statements, batches, barWrites, barLoads, barCounts;
  private long largestBatch, mostQueued, mostInFlight;
  private final TreeMap<String, Long> deadLetters = new TreeMap<>();
  private final Histogram acknowledgedUs = new Histogram(LONGEST_US, 2);

  void trade(int queued) {
    trades++;
    mostQueued = Math.max(mostQueued, queued);
  }

  void batch(int rows) {
    batches++;
    largestBatch = Math.max(largestBatch, rows);
  }

  void statement(int inFlight) {
    statements++;
    mostInFlight = Math.max(mostInFlight, inFlight);
  }

  void barWritten() {
    barWrites++;
  }

  void barLoaded() {
    barLoads++;
  }

  void barCounted() {
    barCounts++;
  }

  void acknowledged(long ns) {
    acknowledgedUs.recordValue(Math.max(0, Math.min(ns / 1000, LONGEST_US)));
  }

  void deadLetter(String reason) {
    deadLetters.merge(reason, 1L, Long::sum);
  }

  /** Adds what another one has. */
  void add(WriterMetrics other) {
    trades += other.trades;
    statements += other.statements;
    batches += other.batches;
    barWrites += other.barWrites;
    barLoads += other.barLoads;
    barCounts += other.barCounts;
    largestBatch = Math.max(largestBatch, other.largestBatch);
    mostQueued = Math.max(mostQueued, other.mostQueued);
    mostInFlight = Math.max(mostInFlight, other.mostInFlight);
    other.deadLetters.forEach((reason, count) -> deadLetters.merge(reason, count, Long::sum));
    acknowledgedUs.add(other.acknowledgedUs);
  }

  /** Whether nothing was done. */
  boolean isEmpty() {
    return trades == 0 && statements == 0 && deadLetters.isEmpty();
  }

  /** The figures by name; times in microseconds. */
  Map<String, Long> figures() {
    Map<String, Long> found = new TreeMap<>();
    found.put("trades", trades);
    found.put("statements", statements);
    found.put("batches", batches);
    found.put("largest_batch", largestBatch);
    found.put("most_queued", mostQueued);
    found.put("most_in_flight", mostInFlight);
    found.put("bar_writes", barWrites);
    found.put("bar_loads", barLoads);
    found.put("bar_counts", barCounts);
    found.put("acknowledged_p50_us", acknowledgedUs.getValueAtPercentile(50));
    found.put("acknowledged_p99_us", acknowledgedUs.getValueAtPercentile(99));
    found.put("acknowledged_max_us", acknowledgedUs.getMaxValue());
    deadLetters.forEach((reason, count) -> found.put("dead_letters." + reason, count));
    return found;
  }
}
