package marketpipeline;

import java.math.BigDecimal;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;

/** The tables in memory. A statement takes effect and is answered when the test lets it, in any order, or never. */
final class MemoryTables implements Tables {

  /** What Cassandra keeps, for every writer: the row with the latest write time wins, cell by cell in a tie. */
  static final class Rows {
    final Map<Minute, TreeMap<String, Trade>> silver = new HashMap<>();
    final Map<String, Row> latest = new HashMap<>();
    final Map<Minute, Row> bars = new HashMap<>();
  }

  record Row(long writeTime, List<Object> cells) {}

  /** What it does, step by step, and then its answer, which may be lost or be a failure. */
  private record Statement(Deque<Runnable> steps, Runnable answer, CompletableFuture<?> stage) {}

  private final Rows rows;
  private final List<Statement> underWay = new ArrayList<>();

  MemoryTables(Rows rows) {
    this.rows = rows;
  }

  synchronized int underWay() {
    return underWay.size();
  }

  /** Lets a statement take its next step, or be answered: another one may come between. */
  void advance(int number) {
    Runnable next;
    synchronized (this) {
      Statement statement = underWay.get(number);
      next = statement.steps.isEmpty() ? underWay.remove(number).answer : statement.steps.poll();
    }
    next.run();
  }

  /** Lets a statement take effect, and be answered. */
  void complete(int number) {
    int before = underWay();
    while (underWay() == before) advance(number);
  }

  /** Lets a statement take effect, whole or in part, whose answer is lost. */
  void lose(int number, int steps) {
    Statement statement = underWay.remove(number);
    for (int n = 0; n < steps && !statement.steps.isEmpty(); n++) statement.steps.poll().run();
  }

  /** The same, and the driver gives it up. */
  void fail(int number, int steps) {
    CompletableFuture<?> stage = underWay.get(number).stage;
    lose(number, steps);
    stage.completeExceptionally(new IllegalStateException("it timed out"));
  }

  private <T> CompletionStage<T> later(Supplier<T> answer, Runnable... steps) {
    CompletableFuture<T> stage = new CompletableFuture<>();
    synchronized (this) {
      underWay.add(new Statement(new ArrayDeque<>(List.of(steps)), () -> stage.complete(answer.get()), stage));
    }
    return stage;
  }

  private static void set(Map<Object, Row> table, Object key, Row row) {
    Row held = table.get(key);
    if (held == null || held.writeTime < row.writeTime) table.put(key, row);
    else if (held.writeTime == row.writeTime) table.put(key, new Row(row.writeTime, larger(held.cells, row.cells)));
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static List<Object> larger(List<Object> one, List<Object> other) {
    List<Object> cells = new ArrayList<>();
    for (int n = 0; n < one.size(); n++)
      cells.add(((Comparable) one.get(n)).compareTo(other.get(n)) > 0 ? one.get(n) : other.get(n));
    return cells;
  }

  @Override
  public CompletionStage<Void> insert(List<Trade> trades) {
    List<Trade> copy = List.copyOf(trades);
    return later(() -> null, () -> copy.forEach(trade -> minute(trade.minute()).put(trade.ts() + trade.id(), trade)));
  }

  @Override
  @SuppressWarnings({"unchecked", "rawtypes"})
  public CompletionStage<Void> setLatest(Trade trade) {
    Row row = new Row(LatestPrices.writeTime(trade), List.of(trade.id(), trade.price()));
    return later(() -> null, () -> set((Map) rows.latest, trade.symbol(), row));
  }

  @Override
  @SuppressWarnings({"unchecked", "rawtypes"})
  public CompletionStage<Void> setBar(Minute minute, Bar bar, long writeTime) {
    Row row = new Row(writeTime, cells(bar));
    return later(() -> null, () -> set((Map) rows.bars, minute, row));
  }

  static List<Object> cells(Bar bar) {
    BigDecimal vwap = bar.vwap() == null ? BigDecimal.ZERO : bar.vwap();
    return List.of(bar.open(), bar.high(), bar.low(), bar.close(), bar.volume(), vwap, bar.trades());
  }

  @Override
  public CompletionStage<Void> load(Minute minute, Bar bar) {
    List<Trade> found = new ArrayList<>();
    return later(() -> fold(found, bar), () -> found.addAll(page(minute, true)), () -> found.addAll(page(minute, false)));
  }

  private TreeMap<String, Trade> minute(Minute minute) {
    return rows.silver.computeIfAbsent(minute, key -> new TreeMap<>());
  }

  /** Half of a minute's trades: a read of several pages is no snapshot. */
  private List<Trade> page(Minute minute, boolean newer) {
    return minute(minute).values().stream().filter(trade -> trade.ts() - minute.start() >= 29_999 == newer).toList();
  }

  private static Void fold(Iterable<Trade> trades, Bar bar) {
    for (Trade trade : trades) bar.add(trade.ts(), trade.id(), trade.price(), trade.volume(), trade.receivedMs());
    return null;
  }

  @Override
  public CompletionStage<Long> count(Minute minute) {
    long[] found = new long[1];
    return later(() -> found[0], () -> found[0] += page(minute, true).size(), () -> found[0] += page(minute, false).size());
  }

  /** The bar of what the table has. */
  List<Object> expected(Minute minute) {
    Bar bar = new Bar();
    fold(minute(minute).values(), bar);
    return cells(bar);
  }
}
