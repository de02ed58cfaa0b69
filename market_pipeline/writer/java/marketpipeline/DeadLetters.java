package marketpipeline;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.ArrayList;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Sends records that are no trades to the topic of dead letters: key and value as they came, with the reason and where they
 * came from as headers. At least once: partition and offset tell a letter that comes again.
 */
public final class DeadLetters {
  private static final int LARGEST_BYTES = 8 << 20;
  private static final String ORIGIN = "stream";

  private final Producer<byte[], byte[]> producer;
  private final String topic;
  private final List<Future<?>> sent = new ArrayList<>();

  public DeadLetters(Producer<byte[], byte[]> producer, String topic) {
    this.producer = producer;
    this.topic = topic;
  }

  /** A producer for all tasks of this JVM. */
  public static Producer<byte[], byte[]> connect(Connection to) {
    Map<String, Object> configuration = new HashMap<>();
    configuration.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, to.bootstrapServers());
    configuration.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, LARGEST_BYTES);
    configuration.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
    configuration.put(ProducerConfig.CLIENT_ID_CONFIG, "market-pipeline-writer");
    return new KafkaProducer<>(configuration, new ByteArraySerializer(), new ByteArraySerializer());
  }

  /** Sends a record; {@link #flush} tells whether Kafka has it. */
  public void add(byte[] key, byte[] value, String reason, String detail, String from, int partition, long offset) {
    List<Header> headers =
        List.of(
            header("reason", reason),
            header("detail", detail),
            header("origin", ORIGIN),
            header("topic", from),
            header("partition", Integer.toString(partition)),
            header("offset", Long.toString(offset)));
    sent.add(producer.send(new ProducerRecord<>(topic, null, null, key, value, headers)));
  }

  private static Header header(String name, String value) {
    return new RecordHeader(name, (value == null ? "" : value).getBytes(java.nio.charset.StandardCharsets.UTF_8));
  }

  /**
   * Waits until Kafka has acknowledged every letter.
   *
   * @throws WriteFailed it did not
   */
  public void flush() throws InterruptedException {
    if (sent.isEmpty()) return;
    producer.flush();
    try {
      for (Future<?> each : sent) each.get();
    } catch (ExecutionException error) {
      throw new WriteFailed("Kafka did not take a dead letter", error.getCause());
    } finally {
      sent.clear();
    }
  }
}
