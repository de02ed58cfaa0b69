package marketpipeline;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * One or two writers whose trades share symbols and minutes; statements take effect late, step by step, and are answered
 * later, in any order, by a failure, or never, when a writer crashes and reads again from where it last was flushed.
 */
public final class Simulation {
  private static final int SYMBOLS = 2, MINUTES = 3;

  /** A Kafka partition, and the program that writes it. */
  private static final class Partition {
    final List<Trade> records = new ArrayList<>();
    int committed, read;
    MemoryTables tables;
    TableWriter writer;
    boolean flushing;
  }

  private final Random random;
  private final MemoryTables.Rows rows = new MemoryTables.Rows();
  private final List<Partition> partitions = new ArrayList<>();
  private final TableWriter.Limits limits;
  private long now = 1;

  private Simulation(long seed) {
    random = new Random(seed);
    limits = new TableWriter.Limits(1 + random.nextInt(3), 1 + random.nextInt(6), 1 + random.nextInt(4), 1_000, random.nextInt(12), random.nextInt(3));
    int count = 1 + random.nextInt(2);
    for (int number = 0; number < count; number++) {
      Partition partition = new Partition();
      long received = 1_764_000_000_000_000L + number;
      for (int n = random.nextInt(14); n > 0; n--) {
        received += random.nextInt(3) == 0 ? 0 : 1 + random.nextInt(30_000_000);
        partition.records.add(trade(number, partition.records.size(), received));
        if (random.nextInt(5) == 0) partition.records.add(partition.records.get(random.nextInt(partition.records.size())));
      }
      start(partition);
      partitions.add(partition);
    }
  }

  private Trade trade(int partition, int number, long received) {
    long ts = 1_764_000_000_000L + random.nextInt(MINUTES) * 60_000L + random.nextInt(3) * 29_999L;
    BigDecimal price = BigDecimal.valueOf(1 + random.nextInt(5)), volume = BigDecimal.valueOf(random.nextInt(4));
    String id = String.format("%016d-%d%04d", received, partition, number);
    return new Trade("S" + random.nextInt(SYMBOLS), ts, id, price, volume, null, number + 500 * partition, received);
  }

  private void start(Partition partition) {
    partition.tables = new MemoryTables(rows);
    partition.writer = new TableWriter(partition.tables, limits, () -> now);
    partition.read = partition.committed;
    partition.flushing = false;
  }

  private void step(Partition partition, boolean mayCrash) throws InterruptedException {
    now += random.nextInt(2_000_000);
    MemoryTables tables = partition.tables;
    switch (random.nextInt(18)) {
      case 0 -> {
        if (!mayCrash) return;
        while (tables.underWay() > 0 && random.nextBoolean()) tables.lose(random.nextInt(tables.underWay()), random.nextInt(3));
        start(partition);
      }
      case 7 -> {
        if (mayCrash && tables.underWay() > 0 && random.nextInt(4) == 0) tables.fail(random.nextInt(tables.underWay()), random.nextInt(3));
      }
      case 1 -> partition.flushing = true;
      case 2 -> partition.writer.tick();
      case 3, 4, 5, 6 -> {
        if (partition.flushing || partition.read == partition.records.size() || !partition.writer.hasRoomNow()) return;
        partition.writer.add(partition.records.get(partition.read++), true);
      }
      default -> {
        if (tables.underWay() > 0) tables.advance(random.nextInt(tables.underWay()));
      }
    }
    if (partition.flushing && partition.writer.finish()) {
      partition.flushing = false;
      partition.committed = partition.read;
    }
  }

  /** A step; a writer that gives up is started anew, as a task that failed is. */
  private void stepOrStart(Partition partition, boolean mayCrash) throws InterruptedException {
    try {
      step(partition, mayCrash);
    } catch (WriteFailed failed) {
      start(partition);
    }
  }

  private void run() throws InterruptedException {
    for (int steps = random.nextInt(300); steps > 0; steps--) stepOrStart(partitions.get(random.nextInt(partitions.size())), true);
    for (int patience = 100_000; !isDone(); patience--) {
      if (patience == 0) throw new AssertionError("it does not come to an end");
      Partition partition = partitions.get(random.nextInt(partitions.size()));
      partition.flushing |= partition.read == partition.records.size();
      stepOrStart(partition, false);
    }
    MemoryTables tables = partitions.get(0).tables;
    for (Minute minute : rows.silver.keySet()) {
      List<Object> stored = rows.bars.containsKey(minute) ? rows.bars.get(minute).cells() : null;
      if (!tables.expected(minute).equals(stored))
        throw new AssertionError(minute + ": bar " + stored + ", trades " + tables.expected(minute));
    }
    long distinct = partitions.stream().flatMap(each -> each.records.stream()).map(Trade::id).distinct().count();
    long stored = rows.silver.values().stream().mapToLong(Map::size).sum();
    if (distinct != stored) throw new AssertionError(distinct + " trades, " + stored + " stored");
    for (Partition partition : partitions)
      for (Trade trade : partition.records)
        if (rows.latest.get(trade.symbol()).writeTime() < LatestPrices.writeTime(trade)) throw new AssertionError("latest price is old");
  }

  private boolean isDone() {
    return partitions.stream().allMatch(each -> each.committed == each.records.size() && each.tables.underWay() == 0);
  }

  /** Runs the histories of these seeds; what was wrong with the first that fails, or null. */
  public static String run(long from, long to) {
    for (long seed = from; seed < to; seed++) {
      try {
        new Simulation(seed).run();
      } catch (Throwable wrong) {
        return "seed " + seed + ": " + wrong;
      }
    }
    return null;
  }

  public static void main(String[] arguments) {
    long from = Long.parseLong(arguments[0]), to = Long.parseLong(arguments[1]);
    String wrong = run(from, to);
    System.out.println(wrong == null ? "ok" : wrong);
    if (wrong != null) System.exit(1);
  }
}
