package marketpipeline;

import com.datastax.oss.driver.api.core.ConsistencyLevel;
import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.DefaultConsistencyLevel;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.cql.AsyncResultSet;
import com.datastax.oss.driver.api.core.cql.BatchStatement;
import com.datastax.oss.driver.api.core.cql.BatchStatementBuilder;
import com.datastax.oss.driver.api.core.cql.BatchType;
import com.datastax.oss.driver.api.core.cql.BoundStatementBuilder;
import com.datastax.oss.driver.api.core.cql.PreparedStatement;
import com.datastax.oss.driver.api.core.cql.Row;
import com.datastax.oss.driver.api.core.cql.Statement;
import java.math.BigDecimal;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.Supplier;

/** The tables in Cassandra. */
public final class CassandraTables implements Tables {
  static final Duration TIMEOUT = Duration.ofSeconds(10);
  /** A server that is gone without a word, as one whose network goes with it, is known for that within so long, twice. */
  private static final Duration HEARTBEAT = Duration.ofSeconds(4);
  private static final Duration RECONNECT_FIRST = Duration.ofMillis(500), RECONNECT_LAST = Duration.ofSeconds(2);
  private static final Duration RETRY_FIRST = Duration.ofMillis(100), RETRY_LAST = Duration.ofSeconds(1);
  /**
   * How long an outage of Cassandra may last until the task fails, and with it the stream: with one more timeout, less than
   * until the stream ends itself as stalled, so that the reason is Cassandra's.
   */
  static final Duration PATIENCE = Duration.ofSeconds(75);
  private static final int PAGE = 5_000;
  /** Rows of {@code trades_silver} live for 90 days after they were written, which is never before they happened. */
  private static final Duration SILVER_KEPT = Duration.ofDays(89);

  private final CqlSession session;
  private final Retries retries;
  private final PreparedStatement insert, setLatest, setBar, load, count, stored;

  /**
   * Connects, and prepares the statements; tries again where Cassandra is away.
   *
   * @param timer sends requests again that failed
   */
  public static CassandraTables open(Connection to, ScheduledExecutorService timer) {
    Retries retries = new Retries(timer, RETRY_FIRST, RETRY_LAST, PATIENCE);
    try {
      return retries.of(() -> CompletableFuture.completedFuture(open(to, retries))).toCompletableFuture().join();
    } catch (CompletionException error) {
      throw new IllegalStateException("no connection to Cassandra: " + error.getCause().getMessage(), error.getCause());
    }
  }

  private static CassandraTables open(Connection to, Retries retries) {
    CqlSession session = connect(to);
    try {
      return new CassandraTables(session, to.keyspace(), retries);
    } catch (RuntimeException error) { // an attempt must not leave a session behind
      session.close();
      throw error;
    }
  }

  private CassandraTables(CqlSession session, String keyspace, Retries retries) {
    this.session = session;
    this.retries = retries;
    insert = session.prepare(insertInto(keyspace, TRADES_SILVER, TRADES_SILVER_COLUMNS));
    setLatest = session.prepare(insertInto(keyspace, LATEST_PRICES, LATEST_PRICES_COLUMNS) + " USING TIMESTAMP ?");
    setBar = session.prepare(insertInto(keyspace, OHLCV_1M, OHLCV_1M_COLUMNS) + " USING TIMESTAMP ?");
    String minute = " FROM " + keyspace + "." + TRADES_SILVER + " WHERE symbol = ? AND bucket = ? AND ts >= ? AND ts < ?";
    load = session.prepare("SELECT ts, trade_id, price, volume, received_at" + minute);
    count = session.prepare("SELECT count(*)" + minute);
    stored = session.prepare("SELECT trades FROM " + keyspace + "." + OHLCV_1M + " WHERE symbol = ? AND day = ? AND ts = ?");
  }

  static final String TRADES_SILVER = "trades_silver", LATEST_PRICES = "latest_prices", OHLCV_1M = "ohlcv_1m";
  /** The columns in the order in which they are bound; a test compares them with the model's. */
  public static final List<String>
      TRADES_SILVER_COLUMNS =
          List.of("symbol", "bucket", "ts", "trade_id", "price", "volume", "conditions", "received_at", "ingested_at"),
      LATEST_PRICES_COLUMNS = List.of("symbol", "ts", "price", "volume", "trade_id"),
      OHLCV_1M_COLUMNS = List.of("symbol", "day", "ts", "open", "high", "low", "close", "volume", "vwap", "trades");

  private static String insertInto(String keyspace, String table, List<String> columns) {
    String places = String.join(", ", java.util.Collections.nCopies(columns.size(), "?"));
    return "INSERT INTO " + keyspace + "." + table + " (" + String.join(", ", columns) + ") VALUES (" + places + ")";
  }

  /** A session for all tasks of this JVM: one connection, whose requests share a socket. */
  private static CqlSession connect(Connection to) {
    ConsistencyLevel consistency = DefaultConsistencyLevel.valueOf(to.consistency());
    DriverConfigLoader config =
        DriverConfigLoader.programmaticBuilder()
            .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, TIMEOUT)
            .withString(DefaultDriverOption.REQUEST_CONSISTENCY, consistency.name())
            .withBoolean(DefaultDriverOption.REQUEST_DEFAULT_IDEMPOTENCE, true)
            // token-aware routing needs the replication of this keyspace; the server's own take longer to read
            .withStringList(DefaultDriverOption.METADATA_SCHEMA_REFRESHED_KEYSPACES, List.of(to.keyspace()))
            .withDuration(DefaultDriverOption.HEARTBEAT_INTERVAL, HEARTBEAT)
            .withDuration(DefaultDriverOption.HEARTBEAT_TIMEOUT, HEARTBEAT)
            .withDuration(DefaultDriverOption.RECONNECTION_BASE_DELAY, RECONNECT_FIRST)
            .withDuration(DefaultDriverOption.RECONNECTION_MAX_DELAY, RECONNECT_LAST)
            .withInt(DefaultDriverOption.REQUEST_PAGE_SIZE, PAGE)
            .withInt(DefaultDriverOption.NETTY_IO_SIZE, 1)
            .withInt(DefaultDriverOption.NETTY_ADMIN_SIZE, 1)
            .withInt(DefaultDriverOption.CONNECTION_POOL_LOCAL_SIZE, 1)
            .withInt(DefaultDriverOption.CONNECTION_MAX_REQUESTS, 8_192)
            .withBoolean(DefaultDriverOption.NETTY_DAEMON, true)
            .build();
    var builder = CqlSession.builder().withConfigLoader(config).withLocalDatacenter(to.datacenter());
    for (String point : to.contactPoints().split(",")) builder.addContactPoint(address(point.strip(), to.port()));
    return builder.build();
  }

  /** Not resolved: the driver does it for each connection, and a server may come back under another address. */
  private static InetSocketAddress address(String point, int port) {
    int colon = point.lastIndexOf(':');
    boolean named = colon > 0 && point.indexOf(':') == colon;
    return named
        ? InetSocketAddress.createUnresolved(point.substring(0, colon), Integer.parseInt(point.substring(colon + 1)))
        : InetSocketAddress.createUnresolved(point, port);
  }

  @Override
  public CompletionStage<Void> insert(List<Trade> trades) {
    return send(() -> statement(trades, Instant.now())); // of the attempt that Cassandra takes
  }

  private Statement<?> statement(List<Trade> trades, Instant now) {
    if (trades.size() == 1) return inserted(trades.get(0), now).build();
    BatchStatementBuilder batch = BatchStatement.builder(BatchType.UNLOGGED);
    for (Trade trade : trades) batch.addStatement(inserted(trade, now).build());
    return batch.build();
  }

  private BoundStatementBuilder inserted(Trade trade, Instant now) {
    BoundStatementBuilder row =
        insert
            .boundStatementBuilder()
            .setString(0, trade.symbol())
            .setInstant(1, Instant.ofEpochMilli(trade.bucket()))
            .setInstant(2, Instant.ofEpochMilli(trade.ts()))
            .setString(3, trade.id())
            .setBigDecimal(4, plain(trade.price()))
            .setBigDecimal(5, plain(trade.volume()))
            .setInstant(7, Instant.ofEpochMilli(trade.receivedMs()))
            .setInstant(8, now);
    // unset and not null, which would be a tombstone in every row
    return trade.conditions() == null ? row : row.setList(6, trade.conditions(), String.class);
  }

  @Override
  public CompletionStage<Void> setLatest(Trade trade) {
    Statement<?> statement =
        setLatest
            .boundStatementBuilder()
            .setString(0, trade.symbol())
            .setInstant(1, Instant.ofEpochMilli(trade.ts()))
            .setBigDecimal(2, plain(trade.price()))
            .setBigDecimal(3, plain(trade.volume()))
            .setString(4, trade.id())
            .setLong(5, LatestPrices.writeTime(trade))
            .build();
    return send(() -> statement);
  }

  @Override
  public CompletionStage<Void> setBar(Minute minute, Bar bar, long writeTime) {
    Statement<?> statement =
        setBar
            .boundStatementBuilder()
            .setString(0, minute.symbol())
            .setLocalDate(1, minute.day())
            .setInstant(2, Instant.ofEpochMilli(minute.start()))
            .setBigDecimal(3, plain(bar.open()))
            .setBigDecimal(4, plain(bar.high()))
            .setBigDecimal(5, plain(bar.low()))
            .setBigDecimal(6, plain(bar.close()))
            .setBigDecimal(7, plain(bar.volume()))
            .setBigDecimal(8, plain(bar.vwap()))
            .setLong(9, bar.trades())
            .setLong(10, writeTime)
            .build();
    return send(() -> statement);
  }

  @Override
  public CompletionStage<Void> load(Minute minute, Bar bar) {
    // a page that comes again changes nothing
    boolean kept = minute.start() > System.currentTimeMillis() - SILVER_KEPT.toMillis();
    return retries.of(() -> kept ? loadTrades(minute, bar) : loadExpired(minute, bar));
  }

  private CompletionStage<Void> loadExpired(Minute minute, Bar bar) {
    // first the bar: what it is made of may be stored while it is asked for, and is in the trades then
    return session
        .executeAsync(stored.bind(minute.symbol(), minute.day(), Instant.ofEpochMilli(minute.start())))
        .thenCompose(
            rows -> {
              Row row = rows.one();
              long trades = row == null || row.isNull(0) ? 0 : row.getLong(0);
              return loadTrades(minute, bar).thenAccept(done -> { if (trades > bar.trades()) bar.seal(); });
            });
  }

  private CompletionStage<Void> loadTrades(Minute minute, Bar bar) {
    return session.executeAsync(slice(load, minute)).thenCompose(page -> fold(page, bar));
  }

  private static CompletionStage<Void> fold(AsyncResultSet page, Bar bar) {
    for (Row row : page.currentPage())
      bar.add(
          row.getInstant(0).toEpochMilli(),
          row.getString(1),
          row.getBigDecimal(2),
          row.getBigDecimal(3),
          row.isNull(4) ? 0 : row.getInstant(4).toEpochMilli());
    return page.hasMorePages() ? page.fetchNextPage().thenCompose(next -> fold(next, bar)) : CompletableFuture.completedFuture(null);
  }

  @Override
  public CompletionStage<Long> count(Minute minute) {
    return retries.of(() -> session.executeAsync(slice(count, minute))).thenApply(rows -> rows.one().getLong(0));
  }

  private static Statement<?> slice(PreparedStatement statement, Minute minute) {
    return statement.bind(
        minute.symbol(),
        Instant.ofEpochMilli(minute.bucket()),
        Instant.ofEpochMilli(minute.start()),
        Instant.ofEpochMilli(minute.end()));
  }

  /** Ends the session. */
  public void close() {
    session.close();
  }

  private CompletionStage<Void> send(Supplier<Statement<?>> statement) {
    return retries.of(() -> session.executeAsync(statement.get())).thenApply(done -> null);
  }

  /** A number with the digits that it has and no more: Cassandra's decimal keeps those that it is given. */
  static BigDecimal plain(BigDecimal number) {
    if (number == null) return null;
    BigDecimal stripped = number.stripTrailingZeros();
    return stripped.scale() < 0 ? stripped.setScale(0) : stripped;
  }
}
