package marketpipeline;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.Producer;
import org.apache.spark.sql.ForeachWriter;
import org.apache.spark.sql.Row;

/**
 * The sink of the stream's query: gives the rows of one Kafka partition to a {@link TableWriter}, or to {@link DeadLetters}.
 *
 * <p>An epoch ends when all of its rows are acknowledged; then Spark commits its offsets. The writer of a partition is kept
 * for its next rows, if those come here: so its bars need not be loaded again.
 */
public final class TradeWriter extends ForeachWriter<Row> {
  private static final long serialVersionUID = 1;
  private static final Map<Integer, Kept> KEPT = new ConcurrentHashMap<>();
  private static final Set<TableWriter> OPEN = ConcurrentHashMap.newKeySet();

  /** The writer of a partition of Kafka's, and the offset of the next record after those that it has written. */
  private record Kept(TableWriter writer, long next) {}

  /** The query's columns, in the order in which {@link #process} reads them. */
  public static final List<String> COLUMNS =
      List.of(
          "symbol", "ts", "trade_id", "price", "volume", "conditions", "seq", "received_at", "place", "reason", "detail",
          "key", "value", "topic", "partition", "offset");

  /** The place of a row. */
  public static final int EVERYWHERE = 0, SILVER_ALONE = 1, DEAD_LETTER = 2;

  /** How often due bars are looked for. */
  private static final int TICK_MS = 40;

  private static CassandraTables tables;
  private static Producer<byte[], byte[]> producer;
  private static String deadLetterTopic;

  private final String connectionFile;
  private final TableWriter.Limits limits;
  private final MetricsAccumulator accumulator;
  private transient TableWriter writer;
  private transient WriterMetrics metrics;
  private transient DeadLetters letters;
  private transient int partition;
  private transient long next;

  /**
   * @param connectionFile see {@link Connection}
   * @param limits of the writer of each partition
   * @param accumulator takes what was done in each epoch
   */
  public TradeWriter(String connectionFile, TableWriter.Limits limits, MetricsAccumulator accumulator) {
    this.connectionFile = connectionFile;
    this.limits = limits;
    this.accumulator = accumulator;
  }

  /** Connects this JVM for all of its tasks, once; tries again where Cassandra is away. */
  static synchronized void connect(String file) {
    if (tables != null) return;
    Connection to = Connection.read(file);
    ScheduledExecutorService timer = timer();
    CassandraTables connected = null;
    try {
      connected = CassandraTables.open(to, timer);
      producer = DeadLetters.connect(to);
    } catch (RuntimeException error) { // a task that is tried again must leave neither a thread nor a session behind
      timer.shutdown();
      if (connected != null) connected.close();
      throw error;
    }
    deadLetterTopic = to.deadLetterTopic();
    timer.scheduleWithFixedDelay(() -> OPEN.forEach(TableWriter::tick), TICK_MS, TICK_MS, TimeUnit.MILLISECONDS);
    tables = connected;
  }

  private static ScheduledExecutorService timer() {
    return Executors.newSingleThreadScheduledExecutor(
        task -> {
          Thread thread = new Thread(task, "market-pipeline-timer");
          thread.setDaemon(true);
          return thread;
        });
  }

  @Override
  public boolean open(long partition, long epoch) {
    connect(connectionFile);
    writer = null;
    letters = new DeadLetters(producer, deadLetterTopic);
    metrics = new WriterMetrics();
    return true;
  }

  /** Takes the writer of the first row's partition: Spark numbers its own anew where one of Kafka's has no records. */
  private void begin(Row first) {
    partition = first.getInt(14);
    Kept kept = KEPT.remove(partition);
    // where its rows are not the next, another executor has written some, or these are read again
    boolean goesOn = kept != null && kept.next == first.getLong(15);
    writer = goesOn ? kept.writer : new TableWriter(tables, limits, System::nanoTime);
    OPEN.add(writer);
  }

  @Override
  public void process(Row row) {
    if (writer == null) begin(row);
    next = row.getLong(15) + 1;
    int place = row.getInt(8);
    try {
      if (place == DEAD_LETTER) addLetter(row);
      else writer.add(trade(row), place == EVERYWHERE);
    } catch (InterruptedException error) {
      throw interrupted(error);
    }
  }

  private static Trade trade(Row row) {
    return new Trade(
        row.getString(0),
        row.getLong(1),
        row.getString(2),
        row.getDecimal(3),
        row.getDecimal(4),
        row.isNullAt(5) ? null : row.getList(5),
        row.getInt(6),
        row.getLong(7));
  }

  private void addLetter(Row row) {
    metrics.deadLetter(row.getString(9));
    letters.add(
        row.getAs(11), row.getAs(12), row.getString(9), row.getString(10), row.getString(13), row.getInt(14), row.getLong(15));
  }

  @Override
  public void close(Throwable error) {
    if (writer == null) return;
    OPEN.remove(writer);
    if (error != null) return; // the epoch is read again
    try {
      writer.flush();
      letters.flush();
    } catch (InterruptedException stopped) {
      throw interrupted(stopped);
    }
    metrics.add(writer.takeMetrics());
    accumulator.add(metrics);
    KEPT.put(partition, new Kept(writer, next));
  }

  private static RuntimeException interrupted(InterruptedException error) {
    Thread.currentThread().interrupt();
    return new IllegalStateException("the task was ended", error);
  }
}
