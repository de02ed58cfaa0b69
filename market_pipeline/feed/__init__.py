"""Feed: from a socket to Kafka. The protocol is pure, the transport thin, the journal is written before Kafka."""
