package marketpipeline;

import com.datastax.oss.driver.api.core.AllNodesFailedException;
import com.datastax.oss.driver.api.core.DriverTimeoutException;
import com.datastax.oss.driver.api.core.connection.ClosedConnectionException;
import com.datastax.oss.driver.api.core.connection.HeartbeatException;
import com.datastax.oss.driver.api.core.servererrors.QueryExecutionException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends a request again while Cassandra is away or overloaded, so that an outage of Cassandra does not end the query: trades
 * wait in Kafka meanwhile. Only for requests that may take effect more than once.
 */
final class Retries {
  private static final Logger logger = LoggerFactory.getLogger(Retries.class);
  private static final long LOG_INTERVAL_NS = TimeUnit.MINUTES.toNanos(1);

  private final ScheduledExecutorService timer;
  private final Duration firstDelay, longestDelay, patience;
  private final AtomicLong logAgainAt = new AtomicLong(System.nanoTime());

  /**
   * @param timer runs the next attempts
   * @param firstDelay after the first failure; twice as long after each further one
   * @param longestDelay between two attempts
   * @param patience how long after its first attempt a request is given up
   */
  Retries(ScheduledExecutorService timer, Duration firstDelay, Duration longestDelay, Duration patience) {
    this.timer = timer;
    this.firstDelay = firstDelay;
    this.longestDelay = longestDelay;
    this.patience = patience;
  }

  /**
   * The answer to the first attempt that succeeds, or the failure of the last one.
   *
   * @param request makes an attempt, the first on this thread and the next ones on the timer's
   */
  <T> CompletionStage<T> of(Supplier<CompletionStage<T>> request) {
    Attempts<T> attempts = new Attempts<>(request);
    attempts.next();
    return attempts.answer;
  }

  /** Whether the same request may succeed later. */
  static boolean isTransient(Throwable error) {
    return error instanceof AllNodesFailedException
        || error instanceof DriverTimeoutException
        || error instanceof QueryExecutionException
        || error instanceof ClosedConnectionException
        || error instanceof HeartbeatException;
  }

  static Throwable causeOf(Throwable error) {
    return error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
  }

  private void logOnceAMinute(Throwable cause) {
    long now = System.nanoTime(), due = logAgainAt.get();
    if (now - due < 0 || !logAgainAt.compareAndSet(due, now + LOG_INTERVAL_NS)) return;
    logger.warn("Cassandra fails, requests are sent again for {} s: {}", patience.toSeconds(), cause.toString());
  }

  private final class Attempts<T> {
    final CompletableFuture<T> answer = new CompletableFuture<>();
    private final Supplier<CompletionStage<T>> request;
    private final long until = System.nanoTime() + patience.toNanos();
    private long delayMs = firstDelay.toMillis();

    Attempts(Supplier<CompletionStage<T>> request) {
      this.request = request;
    }

    void next() {
      CompletionStage<T> attempt;
      try {
        attempt = request.get();
      } catch (Throwable error) { // the timer's thread tells nobody of what is thrown
        attempt = CompletableFuture.failedFuture(error);
      }
      attempt.whenComplete(this::answered);
    }

    private void answered(T found, Throwable error) {
      Throwable cause = causeOf(error);
      try {
        if (cause != null && isTransient(cause) && System.nanoTime() - until < 0) {
          logOnceAMinute(cause);
          long delay = delayMs / 2 + ThreadLocalRandom.current().nextLong(delayMs / 2 + 1); // or all would come at once
          delayMs = Math.min(2 * delayMs, longestDelay.toMillis());
          timer.schedule(this::next, delay, TimeUnit.MILLISECONDS);
          return;
        }
      } catch (Throwable thrown) { // the timer was shut down
        cause = thrown;
      }
      if (cause == null) answer.complete(found);
      else answer.completeExceptionally(cause);
    }
  }
}
