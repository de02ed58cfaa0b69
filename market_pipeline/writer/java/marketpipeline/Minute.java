package marketpipeline;

import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;

/**
 * A symbol's minute, which has one bar.
 *
 * @param symbol the vendor's symbol
 * @param start epoch milliseconds UTC
 */
public record Minute(String symbol, long start) {

  /** The first millisecond that is no longer part of it. */
  public long end() {
    return start + Trade.MINUTE_MS;
  }

  /** The UTC hour that its trades are stored under, epoch milliseconds. */
  public long bucket() {
    return Math.floorDiv(start, Trade.HOUR_MS) * Trade.HOUR_MS;
  }

  /** The UTC date that its bar is stored under. */
  public LocalDate day() {
    return Instant.ofEpochMilli(start).atZone(ZoneOffset.UTC).toLocalDate();
  }
}
