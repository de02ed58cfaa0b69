package marketpipeline;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** The tables in memory. A statement takes effect when the test lets it, in any order, or never. */
final class MemoryTables implements Tables {

  /** What Cassandra keeps, for every writer: the row with the latest write time wins, cell by cell in a tie. */
  static final class Rows {
    final Map<Minute, TreeMap<String, Trade>> silver = new HashMap<>();
    final Map<String, Row> latest = new HashMap<>();
    final Map<Minute, Row> bars = new HashMap<>();
  }

  record Row(long writeTime, List<Object> cells) {}

  private record Statement(Runnable effect, Runnable answer) {}

  private final Rows rows;
  private final List<Statement> underWay = new ArrayList<>();

  MemoryTables(Rows rows) {
    this.rows = rows;
  }

  int underWay() {
    return underWay.size();
  }

  /** Lets a statement take effect, and be answered. */
  void complete(int number) {
    Statement statement = underWay.remove(number);
    statement.effect.run();
    statement.answer.run();
  }

  /** Lets a statement take effect whose answer is lost. */
  void lose(int number) {
    underWay.remove(number).effect.run();
  }

  private <T> CompletionStage<T> later(CompletableFuture<T> stage, java.util.function.Supplier<T> effect) {
    Object[] answer = new Object[1];
    @SuppressWarnings("unchecked")
    Runnable complete = () -> stage.complete((T) answer[0]);
    underWay.add(new Statement(() -> answer[0] = effect.get(), complete));
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
    return later(new CompletableFuture<>(), () -> {
      for (Trade trade : copy) rows.silver.computeIfAbsent(trade.minute(), key -> new TreeMap<>()).put(trade.ts() + trade.id(), trade);
      return null;
    });
  }

  @Override
  @SuppressWarnings({"unchecked", "rawtypes"})
  public CompletionStage<Void> setLatest(Trade trade) {
    Row row = new Row(LatestPrices.writeTime(trade), List.of(trade.id(), trade.price()));
    return later(new CompletableFuture<>(), () -> {
      set((Map) rows.latest, trade.symbol(), row);
      return null;
    });
  }

  @Override
  @SuppressWarnings({"unchecked", "rawtypes"})
  public CompletionStage<Void> setBar(Minute minute, Bar bar) {
    Row row = new Row(bar.writeTime(), cells(bar));
    return later(new CompletableFuture<>(), () -> {
      set((Map) rows.bars, minute, row);
      return null;
    });
  }

  static List<Object> cells(Bar bar) {
    BigDecimal vwap = bar.vwap() == null ? BigDecimal.ZERO : bar.vwap();
    return List.of(bar.open(), bar.high(), bar.low(), bar.close(), bar.volume(), vwap, bar.trades());
  }

  @Override
  public CompletionStage<Void> load(Minute minute, Bar bar) {
    return later(new CompletableFuture<>(), () -> {
      fold(minute, bar);
      return null;
    });
  }

  private void fold(Minute minute, Bar bar) {
    for (Trade trade : rows.silver.getOrDefault(minute, new TreeMap<>()).values())
      bar.add(trade.ts(), trade.id(), trade.price(), trade.volume(), trade.receivedMs());
  }

  @Override
  public CompletionStage<Long> count(Minute minute) {
    return later(new CompletableFuture<>(), () -> (long) rows.silver.getOrDefault(minute, new TreeMap<>()).size());
  }

  /** The bar of what the table has. */
  List<Object> expected(Minute minute) {
    Bar bar = new Bar();
    fold(minute, bar);
    return cells(bar);
  }
}
