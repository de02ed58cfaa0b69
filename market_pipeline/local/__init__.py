"""Local: the embedded default, real Kafka and real Cassandra on one machine without a container engine."""
