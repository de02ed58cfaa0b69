package marketpipeline;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;

/** Bars by lines of text: each line in is a bar's trades, {@code ts id price volume receivedMs;…}, each line out its figures. */
public final class BarConsole {
  public static void main(String[] arguments) throws IOException {
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    for (String line; (line = in.readLine()) != null; ) {
      Bar bar = new Bar();
      int added = 0;
      for (String trade : line.split(";")) {
        String[] part = trade.split(" ");
        boolean isNew =
            bar.add(Long.parseLong(part[0]), part[1], new BigDecimal(part[2]), new BigDecimal(part[3]), Long.parseLong(part[4]));
        if (isNew) added++;
      }
      out.println(
          String.join(
              " ", text(bar.open()), text(bar.high()), text(bar.low()), text(bar.close()), text(bar.volume()), text(bar.vwap()),
              Long.toString(bar.trades()), Long.toString(bar.writeTime()), Integer.toString(added)));
    }
  }

  private static String text(BigDecimal number) {
    return number == null ? "null" : CassandraTables.plain(number).toPlainString();
  }
}
