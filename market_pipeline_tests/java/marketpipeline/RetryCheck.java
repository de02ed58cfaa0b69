package marketpipeline;

import com.datastax.oss.driver.api.core.DriverTimeoutException;
import com.datastax.oss.driver.api.core.NoNodeAvailableException;
import com.datastax.oss.driver.api.core.servererrors.InvalidQueryException;
import com.datastax.oss.driver.api.core.servererrors.OverloadedException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;

/** Prints for each way in which requests fail how many attempts there were, and how they ended. */
public final class RetryCheck {
  private final List<RuntimeException> failures;
  private int attempts;

  private RetryCheck(RuntimeException... failures) {
    this.failures = new ArrayList<>(List.of(failures));
  }

  /** Fails as it was given, one failure after the other; then it is answered. */
  private CompletionStage<String> request() {
    attempts++;
    if (failures.isEmpty()) return CompletableFuture.completedFuture("answered");
    RuntimeException next = failures.remove(0);
    if (next instanceof IllegalStateException) throw next;
    return CompletableFuture.failedFuture(next);
  }

  public static void main(String[] arguments) {
    ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    Retries patient = new Retries(timer, Duration.ofMillis(1), Duration.ofMillis(4), Duration.ofMinutes(1));
    Retries impatient = new Retries(timer, Duration.ofMillis(1), Duration.ofMillis(4), Duration.ofMillis(50));
    RuntimeException away = new NoNodeAvailableException(), late = new DriverTimeoutException("late");
    RuntimeException busy = new OverloadedException(null), refused = new InvalidQueryException(null, "no such table");

    RetryCheck outage = new RetryCheck(away, new CompletionException(away), late, busy);
    System.out.println("outage: " + end(patient.of(outage::request)) + " after " + outage.attempts);
    RetryCheck wrong = new RetryCheck(refused);
    System.out.println("wrong: " + end(patient.of(wrong::request)) + " after " + wrong.attempts);
    RetryCheck closed = new RetryCheck(away, new IllegalStateException("closed"));
    System.out.println("closed: " + end(patient.of(closed::request)) + " after " + closed.attempts);
    RetryCheck forGood = new RetryCheck(Collections.nCopies(100_000, away).toArray(RuntimeException[]::new));
    System.out.println("for good: " + end(impatient.of(forGood::request)) + " after " + (forGood.attempts > 2 ? "several" : "few"));
    System.exit(0);
  }

  private static String end(CompletionStage<String> answer) {
    try {
      return answer.toCompletableFuture().join();
    } catch (CompletionException error) {
      return error.getCause().getClass().getSimpleName();
    }
  }
}
