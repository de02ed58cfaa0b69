package marketpipeline;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Executors;

/** The writer without Kafka and Spark: what it alone can do. Prints rows a second. */
public final class FromMemory {
  private static final int PARTITIONS = 3;

  public static void main(String[] arguments) throws Exception {
    Connection to = Connection.read(arguments[0]);
    int rows = Integer.parseInt(arguments[1]), symbols = Integer.parseInt(arguments[2]);
    CassandraTables tables = CassandraTables.open(to, Executors.newSingleThreadScheduledExecutor());
    int[] given = Arrays.stream(arguments).skip(3).mapToInt(Integer::parseInt).toArray(); // those of the stream
    TableWriter.Limits limits =
        new TableWriter.Limits(given[0], given[1] / PARTITIONS, given[2], given[3], given[4] / PARTITIONS, given[5]);
    long nowMs = System.currentTimeMillis(), began = System.nanoTime();
    List<Thread> threads = new ArrayList<>();
    for (int partition = 0; partition < PARTITIONS; partition++) {
      int mine = partition;
      Thread thread = new Thread(() -> write(new TableWriter(tables, limits, System::nanoTime), mine, rows, symbols, nowMs));
      thread.start();
      threads.add(thread);
    }
    for (Thread thread : threads) thread.join();
    System.out.println(Math.round(rows / ((System.nanoTime() - began) / 1e9)));
    System.exit(0);
  }

  private static void write(TableWriter writer, int partition, int rows, int symbols, long nowMs) {
    try {
      for (int n = 0; n < rows; n++)
        if (n % symbols % PARTITIONS == partition) writer.add(trade(n, rows, symbols, nowMs), true);
      writer.flush();
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }

  private static Trade trade(int n, int rows, int symbols, long nowMs) {
    long receivedUs = nowMs * 1000 + n, ts = nowMs - rows / symbols + n / symbols;
    return new Trade(
        "MEMORY:" + n % symbols, ts, String.format("%016d-00000", receivedUs), BigDecimal.valueOf(100 + n % 97),
        new BigDecimal("0.5"), List.of(), 0, receivedUs);
  }
}
