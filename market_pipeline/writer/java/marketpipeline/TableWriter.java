package marketpipeline;

import java.io.Serializable;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * Writes the trades of one Kafka partition to the three tables.
 *
 * <p>Trades go out as {@link Batching} says, {@code latest_prices} conflated with them, bars as a view of what is stored.
 * {@link #flush} returns when all that was added is acknowledged; only then may the trades' offsets be committed. Every
 * statement may be sent again, so that trades that come again after a crash change nothing.
 *
 * <p>Three threads use it, its lock in turn: the task's, which adds, and the driver's and the timer's, which hand in answers.
 * Nothing is waited for while the lock is held but the lock's own condition.
 */
public final class TableWriter {

  /**
   * How it writes.
   *
   * @param concurrent requests in flight below which a trade does not wait
   * @param mostInFlight requests in flight beyond which {@link #add} waits
   * @param largestBatch trades of one statement
   * @param mostQueued trades that wait, beyond which {@link #add} does
   * @param barRoom trades that the bars in memory may be made of
   * @param barIntervalMs the least time between two rows of a bar
   */
  public record Limits(
      int concurrent, int mostInFlight, int largestBatch, int mostQueued, int barRoom, int barIntervalMs)
      implements Serializable {}

  /** Bytes: Cassandra refuses a mutation of half of a segment of its commit log, which is 16 or 32 MiB. */
  private static final int HEAVIEST_BATCH = 1 << 20;

  /** Bytes of trades that wait, beyond which {@link #add} does. */
  private static final long HEAVIEST_QUEUE = 16 << 20;

  private final Tables tables;
  private final Limits limits;
  private WriterMetrics metrics = new WriterMetrics();
  private final LongSupplier clock;
  private final Batching<Trade> trades;
  private final LatestPrices latest = new LatestPrices();
  private final Bars bars;
  private Throwable failure;

  /**
   * @param clock nanoseconds, monotonic
   */
  public TableWriter(Tables tables, Limits limits, LongSupplier clock) {
    this.tables = tables;
    this.limits = limits;
    this.clock = clock;
    trades = new Batching<>(limits.concurrent, limits.mostInFlight, limits.largestBatch, Trade::bytes, HEAVIEST_BATCH);
    bars = new Bars(limits.barRoom, limits.barIntervalMs * 1_000_000L);
  }

  /**
   * Adds a trade; waits while too many do.
   *
   * @param everywhere whether it is to be seen in every table; a canary is in {@code trades_silver} alone
   * @throws WriteFailed a statement was given up
   */
  public synchronized void add(Trade trade, boolean everywhere) throws InterruptedException {
    while (!hasRoomNow()) wait();
    trades.add(List.of(trade.symbol(), trade.bucket()), trade);
    metrics.trade(trades.queued());
    if (everywhere) {
      latest.add(trade);
      bars.add(trade);
      load();
    }
    if (!trades.isBusy()) send();
  }

  synchronized boolean hasRoomNow() {
    check();
    if (!trades.isBusy()) send();
    if (bars.isFull()) {
      writeChanged();
      settle();
      bars.makeRoom();
    }
    boolean queueHasRoom =
        trades.queued() < limits.mostQueued
            && trades.queuedWeight() < HEAVIEST_QUEUE
            && latest.size() < limits.mostQueued;
    return queueHasRoom && trades.room() > 0 && !bars.isFull();
  }

  /** Writes what is due by the clock alone; to be called several times in the interval of bars. */
  public synchronized void tick() {
    try {
      if (failure == null && !trades.isBusy()) send();
    } catch (Throwable error) { // the timer and the driver tell nobody of what is thrown
      fail(error);
      notifyAll();
    }
  }

  /**
   * Sends all that waits, and waits until all of it is acknowledged and the bars are settled.
   *
   * @throws WriteFailed a statement was given up
   */
  public synchronized void flush() throws InterruptedException {
    while (!finish()) wait();
  }

  /** Whether nothing is left to do; sends what may be sent now. */
  synchronized boolean finish() {
    check();
    send();
    writeChanged();
    settle();
    return trades.inFlight() == 0 && trades.queued() == 0 && latest.size() == 0 && bars.isSettled();
  }

  /** What was done since this was called last. */
  public synchronized WriterMetrics takeMetrics() {
    WriterMetrics taken = metrics;
    metrics = new WriterMetrics();
    return taken;
  }

  private void check() {
    if (failure != null) throw new WriteFailed("Cassandra did not take a write", failure);
  }

  /** Sends what waits, as far as there is room; no table takes all of it. */
  private void send() {
    for (List<Trade> batch : trades.take((trades.room() + 1) / 2)) {
      metrics.batch(batch.size());
      track(tables.insert(batch), done -> batch.forEach(bars::stored));
    }
    for (Trade newest : latest.take((trades.room() + 1) / 2)) request(tables.setLatest(newest), done -> {});
    for (Bars.Held due : bars.due(clock.getAsLong(), trades.room())) setBar(due);
  }

  private void writeChanged() {
    for (Bars.Held changed : bars.changed(clock.getAsLong(), trades.room())) setBar(changed);
  }

  private void setBar(Bars.Held due) {
    metrics.barWritten();
    request(tables.setBar(due.minute(), due.bar(), due.writeTime()), done -> {});
  }

  private void load() {
    for (Bars.Held wanted : bars.toLoad()) {
      metrics.barLoaded();
      request(tables.load(wanted.minute(), wanted.bar()), done -> bars.loaded(wanted.minute()));
    }
  }

  private void settle() {
    for (Minute minute : bars.toSettle(trades.room())) {
      metrics.barCounted();
      request(tables.count(minute), rows -> bars.counted(minute, rows));
    }
    load();
  }

  private <T> void request(CompletionStage<T> request, Consumer<T> then) {
    trades.sent();
    track(request, then);
  }

  private <T> void track(CompletionStage<T> request, Consumer<T> then) {
    metrics.statement(trades.inFlight());
    long began = clock.getAsLong();
    request.whenComplete((answer, error) -> answered(answer, error, then, began));
  }

  private synchronized <T> void answered(T answer, Throwable error, Consumer<T> then, long began) {
    trades.answered();
    metrics.acknowledged(clock.getAsLong() - began);
    try {
      if (error != null) fail(error);
      else {
        then.accept(answer);
        load();
        bars.makeRoom();
        if (failure == null && !trades.isBusy() && trades.queued() > 0) send();
      }
    } catch (Throwable thrown) {
      fail(thrown);
    }
    notifyAll();
  }

  private void fail(Throwable error) {
    if (failure == null) failure = Retries.causeOf(error);
  }
}
