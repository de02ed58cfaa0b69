package marketpipeline;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToIntFunction;

/**
 * Which rows are sent together, and when: adaptive batching, as a Kafka producer with {@code linger.ms} 0 does it.
 *
 * <p>While few requests are in flight, a row is sent at once, alone. Otherwise rows gather by partition, and are sent
 * together as soon as an answer comes. So a lone row waits for nothing, and a backlog goes out in large batches. Requests
 * in flight have a limit, which many partitions reach: the rest waits. Pure, and not thread-safe.
 */
public final class Batching<R> {
  private final int concurrent, most, largest, heaviest;
  private final ToIntFunction<R> weight;
  private final Map<Object, List<R>> waiting = new LinkedHashMap<>();
  private int queued, inFlight;
  private long queuedWeight;

  /**
   * @param concurrent the requests in flight below which a row does not wait
   * @param most the requests in flight beyond which nothing is sent
   * @param largest the most rows of one batch
   * @param weight of a row, in bytes
   * @param heaviest the most that rows of one batch weigh together; a heavier row goes alone
   */
  public Batching(int concurrent, int most, int largest, ToIntFunction<R> weight, int heaviest) {
    this.concurrent = concurrent;
    this.most = most;
    this.largest = largest;
    this.weight = weight;
    this.heaviest = heaviest;
  }

  /** Queues a row. */
  public void add(Object partition, R row) {
    waiting.computeIfAbsent(partition, key -> new ArrayList<>()).add(row);
    queued++;
    queuedWeight += weight.applyAsInt(row);
  }

  /**
   * Batches to send now, each of one partition, of those first that have waited longest; they count as in flight until
   * {@link #answered}.
   *
   * @param count the most batches
   */
  public List<List<R>> take(int count) {
    if (queued == 0) return List.of();
    List<List<R>> batches = new ArrayList<>();
    for (Iterator<List<R>> each = waiting.values().iterator(); each.hasNext() && batches.size() < count; ) {
      List<R> rows = each.next();
      int from = 0;
      while (from < rows.size() && batches.size() < count) {
        int until = end(rows, from);
        List<R> batch = List.copyOf(rows.subList(from, until));
        for (R row : batch) queuedWeight -= weight.applyAsInt(row);
        batches.add(batch);
        from = until;
      }
      queued -= from;
      if (from == rows.size()) each.remove();
      else rows.subList(0, from).clear();
    }
    inFlight += batches.size();
    return batches;
  }

  /** The end of the batch that begins at {@code from}. */
  private int end(List<R> rows, int from) {
    int until = from + 1;
    long weighs = weight.applyAsInt(rows.get(from));
    while (until < rows.size() && until - from < largest) {
      weighs += weight.applyAsInt(rows.get(until));
      if (weighs > heaviest) break;
      until++;
    }
    return until;
  }

  /** A request that shares the connection without being a batch of rows. */
  public void sent() {
    inFlight++;
  }

  /** A request was answered, or failed. */
  public void answered() {
    inFlight--;
  }

  /** Whether rows gather. */
  public boolean isBusy() {
    return inFlight >= concurrent;
  }

  /** How many requests may be sent now. */
  public int room() {
    return Math.max(0, most - inFlight);
  }

  /** Rows that wait. */
  public int queued() {
    return queued;
  }

  /** What they weigh, in bytes. */
  public long queuedWeight() {
    return queuedWeight;
  }

  /** Requests that are not answered yet. */
  public int inFlight() {
    return inFlight;
  }
}
