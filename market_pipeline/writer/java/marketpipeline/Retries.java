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
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends a request again while Cassandra is away or overloaded, so that an outage of Cassandra does not restart the query:
 * trades wait in Kafka meanwhile. Only for requests that may take effect more than once.
 */
final class Retries {
  private static final Logger logger = LoggerFactory.getLogger(Retries.class);

  private final ScheduledExecutorService clock;
  private final Duration firstDelay, longestDelay, patience;
  private final AtomicInteger waiting = new AtomicInteger();

  /**
   * @param clock runs the next attempts
   * @param firstDelay after the first failure; twice as long after each further one
   * @param longestDelay between two attempts
   * @param patience how long after its first attempt a request is given up
   */
  Retries(ScheduledExecutorService clock, Duration firstDelay, Duration longestDelay, Duration patience) {
    this.clock = clock;
    this.firstDelay = firstDelay;
    this.longestDelay = longestDelay;
    this.patience = patience;
  }

  /** The answer to the first attempt that succeeds, or the failure of the last one. */
  <T> CompletionStage<T> of(Supplier<CompletionStage<T>> request) {
    Attempts<T> attempts = new Attempts<>(request, System.nanoTime() + patience.toNanos());
    attempts.next();
    return attempts.answer;
  }

  /** Whether the same request may succeed later. */
  static boolean mayPass(Throwable error) {
    return error instanceof AllNodesFailedException
        || error instanceof DriverTimeoutException
        || error instanceof QueryExecutionException
        || error instanceof ClosedConnectionException
        || error instanceof HeartbeatException;
  }

  private final class Attempts<T> {
    final CompletableFuture<T> answer = new CompletableFuture<>();
    private final Supplier<CompletionStage<T>> request;
    private final long until;
    private long delayMs = firstDelay.toMillis();
    private boolean failed;

    Attempts(Supplier<CompletionStage<T>> request, long until) {
      this.request = request;
      this.until = until;
    }

    void next() {
      CompletionStage<T> attempt;
      try {
        attempt = request.get();
      } catch (RuntimeException error) { // on the clock's thread nobody would hear of it
        attempt = CompletableFuture.failedFuture(error);
      }
      attempt.whenComplete(this::answered);
    }

    private void answered(T found, Throwable error) {
      Throwable cause = error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
      if (cause != null && mayPass(cause) && System.nanoTime() < until) {
        if (!failed && waiting.getAndIncrement() == 0) logger.warn("Cassandra fails, requests are sent again: {}", cause.toString());
        failed = true;
        clock.schedule(this::next, delayMs, TimeUnit.MILLISECONDS);
        delayMs = Math.min(2 * delayMs, longestDelay.toMillis());
        return;
      }
      if (failed && waiting.decrementAndGet() == 0 && cause == null) logger.warn("Cassandra answers again");
      if (cause == null) answer.complete(found);
      else answer.completeExceptionally(cause);
    }
  }
}
