package marketpipeline;

/** Prints which columns the writer binds, a table a line, and after how many seconds it gives a statement up. */
public final class Columns {
  public static void main(String[] arguments) {
    System.out.println("trades_silver " + String.join(" ", CassandraTables.TRADES_SILVER_COLUMNS));
    System.out.println("latest_prices " + String.join(" ", CassandraTables.LATEST_PRICES_COLUMNS));
    System.out.println("ohlcv_1m " + String.join(" ", CassandraTables.OHLCV_1M_COLUMNS));
    System.out.println("given_up_after " + CassandraTables.PATIENCE.plus(CassandraTables.TIMEOUT).toSeconds());
  }
}
