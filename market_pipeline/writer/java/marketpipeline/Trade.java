package marketpipeline;

import java.math.BigDecimal;
import java.util.List;

/**
 * A trade as it comes from {@code trades_raw}.
 *
 * @param symbol the vendor's symbol
 * @param ts when it happened, epoch milliseconds UTC
 * @param id its {@code trade_id}
 * @param price of one unit, in the quote currency
 * @param volume units traded; 0 for a price update
 * @param conditions the vendor's codes; null where it sent none
 * @param seq how many trades of this symbol in this millisecond arrived before
 * @param receivedAt when its frame left the socket, epoch microseconds
 */
public record Trade(
    String symbol, long ts, String id, BigDecimal price, BigDecimal volume, List<String> conditions, int seq, long receivedAt) {

  static final long MINUTE_MS = 60_000, HOUR_MS = 3_600_000;

  /** About how many bytes its row has, and no fewer. */
  int bytes() {
    long texts = symbol.length() + id.length();
    if (conditions != null) for (String code : conditions) texts += code.length() + 4;
    return (int) Math.min(Integer.MAX_VALUE, 160 + 3 * texts);
  }

  /** When its frame left the socket, epoch milliseconds: so much of it is stored. */
  public long receivedMs() {
    return Math.floorDiv(receivedAt, 1000L);
  }

  /** The minute whose bar it belongs to. */
  public Minute minute() {
    return new Minute(symbol, Math.floorDiv(ts, MINUTE_MS) * MINUTE_MS);
  }

  /** The UTC hour that is part of the partition key of {@code trades_silver}, epoch milliseconds. */
  public long bucket() {
    return Math.floorDiv(ts, HOUR_MS) * HOUR_MS;
  }
}
