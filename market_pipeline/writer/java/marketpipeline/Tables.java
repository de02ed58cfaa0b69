package marketpipeline;

import java.util.List;
import java.util.concurrent.CompletionStage;

/**
 * The tables that trades are written to. Every statement is idempotent. A stage fails when its statement is given up.
 */
public interface Tables {

  /** Inserts trades of one partition of {@code trades_silver}: one symbol, one UTC hour. */
  CompletionStage<Void> insert(List<Trade> trades);

  /** Sets a symbol's row of {@code latest_prices}, unless it has a later one. */
  CompletionStage<Void> setLatest(Trade trade);

  /** Sets a row of {@code ohlcv_1m}, unless it has a later one. The bar may change once this has returned. */
  CompletionStage<Void> setBar(Minute minute, Bar bar, long writeTime);

  /**
   * Adds to a bar what {@code trades_silver} has of its minute, and seals it where {@code ohlcv_1m} has a bar of more, for
   * trades are kept for a shorter time than bars. Nobody else uses the bar until the stage completes.
   */
  CompletionStage<Void> load(Minute minute, Bar bar);

  /** How many rows {@code trades_silver} has of a minute. */
  CompletionStage<Long> count(Minute minute);
}
