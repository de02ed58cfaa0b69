package marketpipeline;

import java.util.Map;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;
import org.slf4j.LoggerFactory;

/**
 * Connects an executor as soon as it is started, while the driver still plans the query: the first task finds it done.
 *
 * <p>{@code spark.plugins} names it, {@link #CONNECTION_FILE} the file.
 */
public final class ConnectAhead implements SparkPlugin {
  /** Spark's property with the path of the connection file, see {@link Connection}. */
  public static final String CONNECTION_FILE = "spark.marketpipeline.connectionFile";

  @Override
  public DriverPlugin driverPlugin() {
    return null;
  }

  @Override
  public ExecutorPlugin executorPlugin() {
    return new ExecutorPlugin() {
      @Override
      public void init(PluginContext context, Map<String, String> given) {
        String file = context.conf().get(CONNECTION_FILE);
        Thread thread = new Thread(() -> tryToConnect(file), "market-pipeline-connect");
        thread.setDaemon(true);
        thread.start();
      }
    };
  }

  private static void tryToConnect(String file) {
    try {
      TradeWriter.connect(file);
    } catch (Throwable error) { // the first task tries again and fails with it; thrown here it would end the executor
      LoggerFactory.getLogger(ConnectAhead.class).warn("not connected ahead: {}", error.toString());
    }
  }
}
