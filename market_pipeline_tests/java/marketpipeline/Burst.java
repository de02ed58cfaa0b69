package marketpipeline;

import java.math.BigDecimal;

/**
 * A backlog of many symbols, one trade each, while no answer comes: prints how many trades were taken in and the most
 * requests in flight; then, after all answers, the rows of the three tables.
 */
public final class Burst {

  public static void main(String[] arguments) throws InterruptedException {
    int symbols = Integer.parseInt(arguments[0]), mostInFlight = Integer.parseInt(arguments[1]);
    int barRoom = Integer.parseInt(arguments[2]);
    MemoryTables.Rows rows = new MemoryTables.Rows();
    MemoryTables tables = new MemoryTables(rows);
    TableWriter writer =
        new TableWriter(tables, new TableWriter.Limits(8, mostInFlight, 200, 20_000, barRoom, 0), System::nanoTime);
    int added = 0, most = 0, before = -1;
    while (added < symbols) {
      while (added < symbols && writer.hasRoomNow()) {
        writer.add(trade(added++), true);
        most = Math.max(most, tables.underWay());
      }
      most = Math.max(most, tables.underWay());
      if (before < 0) before = added;
      if (tables.underWay() > 0) tables.complete(tables.underWay() - 1);
    }
    while (!writer.finish()) {
      most = Math.max(most, tables.underWay());
      tables.complete(tables.underWay() - 1);
    }
    System.out.println(before + " " + most + " " + rows.silver.size() + " " + rows.latest.size() + " " + rows.bars.size());
  }

  private static Trade trade(int number) {
    long received = 1_764_000_000_000_000L + number;
    return new Trade(
        "S" + number, received / 1000, String.format("%016d-00000", received), BigDecimal.ONE, BigDecimal.ONE, null, 0, received);
  }
}
