"""Stream: the Spark Structured Streaming application, from Kafka to Cassandra."""
