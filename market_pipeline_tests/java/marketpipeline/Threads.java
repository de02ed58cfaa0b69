package marketpipeline;

import java.math.BigDecimal;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Two writers as in the stream, with threads of their own: tasks that add and flush, a clock, and a driver that answers from
 * another thread, after a while, in any order. Prints whether bars and prices are those of the trades; with {@code fail}, how
 * each writer ended of which a statement was given up.
 */
public final class Threads {
  private static final int TRADES = 3_000, SYMBOLS = 5, FLUSH_EVERY = 400;
  private static final TableWriter.Limits LIMITS = new TableWriter.Limits(4, 32, 20, 200, 300, 5);

  public static void main(String[] arguments) throws InterruptedException {
    boolean fails = arguments.length > 0 && arguments[0].equals("fail");
    MemoryTables.Rows rows = new MemoryTables.Rows();
    ScheduledExecutorService clock = Executors.newScheduledThreadPool(2);
    Thread[] tasks = new Thread[2];
    String[] ends = new String[tasks.length];
    MemoryTables[] tables = new MemoryTables[tasks.length];
    for (int n = 0; n < tasks.length; n++) {
      int number = n;
      tables[n] = new MemoryTables(rows);
      TableWriter writer = new TableWriter(tables[n], LIMITS, System::nanoTime);
      clock.scheduleWithFixedDelay(writer::tick, 1, 1, TimeUnit.MILLISECONDS);
      tasks[n] = new Thread(() -> ends[number] = end(writer, number));
      tasks[n].start();
    }
    Thread driver = new Thread(() -> drive(rows, tables, fails));
    driver.setDaemon(true);
    driver.start();
    for (Thread task : tasks) task.join();
    clock.shutdownNow();
    System.out.println(fails ? String.join(", ", ends) : check(rows, tables[0], ends));
    System.exit(0);
  }

  private static String end(TableWriter writer, int number) {
    Random random = new Random(number);
    try {
      for (int n = 0; n < TRADES; n++) {
        writer.add(trade(number, n, random), true);
        if (n % FLUSH_EVERY == 0) writer.flush();
      }
      writer.flush();
      return "ok";
    } catch (WriteFailed error) {
      return "failed";
    } catch (InterruptedException error) {
      return "interrupted";
    }
  }

  /** Statements of both writers one step at a time: the tables are no more thread-safe than that. */
  private static void drive(MemoryTables.Rows rows, MemoryTables[] tables, boolean fails) {
    Random random = new Random(7);
    for (long steps = 0; ; steps++)
      for (MemoryTables each : tables) {
        int underWay = each.underWay();
        if (underWay == 0) continue;
        if (fails && steps > 2_000) each.fail(random.nextInt(underWay), random.nextInt(2));
        else each.advance(random.nextInt(underWay));
      }
  }

  private static Trade trade(int partition, int number, Random random) {
    long received = 1_764_000_000_000_000L + number * 50_000L + partition;
    long ts = received / 1000 - random.nextInt(90_000);
    String id = String.format("%016d-%05d", received, partition);
    BigDecimal price = BigDecimal.valueOf(1 + random.nextInt(90));
    return new Trade("S" + random.nextInt(SYMBOLS), ts, id, price, BigDecimal.ONE, null, partition, received);
  }

  private static String check(MemoryTables.Rows rows, MemoryTables tables, String[] ends) {
    if (!List.of(ends).equals(List.of("ok", "ok"))) return String.join(", ", ends);
    long stored = rows.silver.values().stream().mapToLong(minute -> minute.size()).sum();
    if (stored != 2 * TRADES) return stored + " trades stored";
    for (Minute minute : rows.silver.keySet())
      if (!tables.expected(minute).equals(rows.bars.get(minute).cells())) return "the bar of " + minute + " is wrong";
    for (var minute : rows.silver.values())
      for (Trade trade : minute.values())
        if (rows.latest.get(trade.symbol()).writeTime() < LatestPrices.writeTime(trade)) return "a latest price is old";
    return "ok";
  }
}
