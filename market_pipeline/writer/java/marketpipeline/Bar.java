package marketpipeline;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/**
 * A bar of one minute: a fold over the <em>set</em> of the minute's trades, so that neither their order nor a trade that
 * comes again changes it.
 *
 * <p>Sums are exact. Not thread-safe.
 */
public final class Bar {
  static final int VWAP_DECIMALS = 18;

  /** Volumes are DECIMAL(32,18) and Spark's sums of them DECIMAL(38,18): a larger one is null, in batches too. */
  private static final BigDecimal MAX_VOLUME = BigDecimal.TEN.pow(20);

  private final Set<String> ids = new HashSet<>();
  private BigDecimal open, high, low, close;
  private long openTs, closeTs;
  private String openId, closeId;
  private BigDecimal volume = BigDecimal.ZERO, notional = BigDecimal.ZERO;
  private long trades, newest, weight;
  private boolean sealed;

  /**
   * Adds a trade; returns whether it was not in it yet.
   *
   * @param receivedMs when its frame left the socket, epoch milliseconds: the table keeps no more
   */
  public boolean add(long ts, String id, BigDecimal price, BigDecimal volume, long receivedMs) {
    if (!ids.add(id)) return false;
    if (openId == null || isBefore(ts, id, openTs, openId)) {
      open = price;
      openTs = ts;
      openId = id;
    }
    if (closeId == null || isBefore(closeTs, closeId, ts, id)) {
      close = price;
      closeTs = ts;
      closeId = id;
    }
    high = high == null ? price : high.max(price);
    low = low == null ? price : low.min(price);
    this.volume = this.volume.add(volume);
    notional = notional.add(price.multiply(volume));
    if (volume.signum() > 0) trades++;
    weight += weight(id);
    newest = Math.max(newest, receivedMs);
    return true;
  }

  private static boolean isBefore(long ts, String id, long otherTs, String otherId) {
    if (ts != otherTs) return ts < otherTs;
    // by bytes, as Spark and Cassandra do: Java's own order of characters beyond 16 bits is another
    return Arrays.compareUnsigned(id.getBytes(UTF_8), otherId.getBytes(UTF_8)) < 0;
  }

  /** How many trades and price updates are in it. */
  public int size() {
    return ids.size();
  }

  /** How much memory it takes, in usual trades of some 100 bytes. */
  public long weight() {
    return weight;
  }

  /** The same of one trade: it is remembered by its id. */
  static int weight(String id) {
    return 1 + id.length() / 64;
  }

  /** The table has a bar of trades that are no longer stored: this one, which lacks them, is not to replace it. */
  public void seal() {
    sealed = true;
  }

  public boolean isSealed() {
    return sealed;
  }

  /**
   * The write time of a row that is made of it, epoch microseconds: of two sets of trades one of which is part of the
   * other, the larger one always has the later, and the same set has the same. So a writer that knows less can't win,
   * whenever its row arrives.
   */
  public long writeTime() {
    return newest * 1000 + ids.size();
  }

  public BigDecimal open() {
    return open;
  }

  public BigDecimal high() {
    return high;
  }

  public BigDecimal low() {
    return low;
  }

  public BigDecimal close() {
    return close;
  }

  /** Units traded; null when they outgrew the column's type. */
  public BigDecimal volume() {
    return volume.compareTo(MAX_VOLUME) < 0 ? volume : null;
  }

  /** The volume-weighted average price, rounded half up to 18 decimals; null when nothing was traded. */
  public BigDecimal vwap() {
    if (volume.signum() == 0 || volume() == null) return null;
    return notional.divide(volume, VWAP_DECIMALS, RoundingMode.HALF_UP);
  }

  /** Price updates (volume 0) are not counted. */
  public long trades() {
    return trades;
  }
}
