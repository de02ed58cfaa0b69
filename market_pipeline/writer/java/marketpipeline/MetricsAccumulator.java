package marketpipeline;

import java.util.Map;
import java.util.stream.Collectors;
import org.apache.spark.util.AccumulatorV2;

/** What the writers of all tasks did, on whichever executor: Spark hands it to the driver when an epoch ends. */
public final class MetricsAccumulator extends AccumulatorV2<WriterMetrics, WriterMetrics> {
  private static final long serialVersionUID = 1;

  private WriterMetrics sum = new WriterMetrics();

  @Override
  public synchronized boolean isZero() {
    return sum.isEmpty();
  }

  @Override
  public synchronized AccumulatorV2<WriterMetrics, WriterMetrics> copy() {
    MetricsAccumulator made = new MetricsAccumulator();
    made.sum.add(sum);
    return made;
  }

  @Override
  public synchronized void reset() {
    sum = new WriterMetrics();
  }

  @Override
  public synchronized void add(WriterMetrics done) {
    sum.add(done);
  }

  @Override
  public void merge(AccumulatorV2<WriterMetrics, WriterMetrics> other) {
    WriterMetrics theirs = other.value();
    add(theirs);
  }

  @Override
  public synchronized WriterMetrics value() {
    return sum;
  }

  /** The figures since the stream started, as a JSON object of whole numbers. */
  public synchronized String json() {
    Map<String, Long> figures = sum.figures();
    return figures.entrySet().stream()
        .map(each -> '"' + each.getKey() + "\":" + each.getValue())
        .collect(Collectors.joining(",", "{", "}"));
  }
}
