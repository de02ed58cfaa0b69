package marketpipeline;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
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
  private static final int LARGEST_VALUE = LARGEST_BYTES - (1 << 20);
  private static final String ORIGIN = "stream";

  private final Producer<byte[], byte[]> producer;
  private final String topic;
  private final AtomicReference<Exception> failure = new AtomicReference<>();
  private boolean sent;

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
    List<Header> headers = new ArrayList<>();
    headers.add(header("reason", reason));
    headers.add(header("detail", detail));
    headers.add(header("origin", ORIGIN));
    headers.add(header("topic", from));
    headers.add(header("partition", Integer.toString(partition)));
    headers.add(header("offset", Long.toString(offset)));
    if (value != null && value.length > LARGEST_VALUE) { // one that came compressed; the whole of it is where it came from
      headers.add(header("bytes", Integer.toString(value.length)));
      value = Arrays.copyOf(value, LARGEST_VALUE);
    }
    sent = true;
    producer.send(
        new ProducerRecord<>(topic, null, null, key, value, headers),
        (done, error) -> { if (error != null) failure.compareAndSet(null, error); });
  }

  private static Header header(String name, String value) {
    return new RecordHeader(name, (value == null ? "" : value).getBytes(java.nio.charset.StandardCharsets.UTF_8));
  }

  /**
   * Waits until Kafka has acknowledged every letter.
   *
   * @throws WriteFailed it did not
   */
  public void flush() {
    if (!sent) return;
    producer.flush();
    if (failure.get() != null) throw new WriteFailed("Kafka did not take a dead letter", failure.get());
  }
}
