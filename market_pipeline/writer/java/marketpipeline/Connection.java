package marketpipeline;

import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import org.apache.spark.SparkFiles;

/**
 * How the servers are reached, from a properties file that only its owner can read: credentials belong neither on a command
 * line nor into Spark's configuration, which everybody on a cluster can see.
 *
 * @param contactPoints of Cassandra, {@code host} or {@code host:port}, with commas between them
 * @param port of Cassandra, where a contact point names none
 * @param datacenter that the driver talks to
 * @param keyspace of the tables
 * @param consistency of reads and writes
 * @param bootstrapServers of Kafka, for dead letters
 * @param deadLetterTopic where dead letters go
 */
public record Connection(
    String contactPoints,
    int port,
    String datacenter,
    String keyspace,
    String consistency,
    String bootstrapServers,
    String deadLetterTopic) {

  /**
   * Reads the file.
   *
   * @throws IllegalStateException it can't be read, or lacks something; one line says what
   */
  public static Connection read(String file) {
    Properties given = new Properties();
    try (Reader reader = Files.newBufferedReader(here(file), StandardCharsets.UTF_8)) {
      given.load(reader);
    } catch (IOException error) {
      throw new IllegalStateException("the writer's connection file " + file + " can't be read: " + error.getMessage(), error);
    }
    return new Connection(
        value(given, file, "cassandra.contact.points"),
        Integer.parseInt(value(given, file, "cassandra.port")),
        value(given, file, "cassandra.datacenter"),
        value(given, file, "cassandra.keyspace"),
        value(given, file, "cassandra.consistency"),
        value(given, file, "kafka.bootstrap.servers"),
        value(given, file, "kafka.dead.letter.topic"));
  }

  /** The file itself, or on another machine the copy that Spark brought there ({@code spark.files}). */
  private static Path here(String file) {
    Path named = Path.of(file);
    return Files.isReadable(named) ? named : Path.of(SparkFiles.get(named.getFileName().toString()));
  }

  private static String value(Properties given, String file, String name) {
    String found = given.getProperty(name);
    if (found == null) throw new IllegalStateException("the writer's connection file " + file + " has no " + name);
    return found;
  }
}
