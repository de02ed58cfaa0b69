"""Broker: Kafka topics, offsets and consumer lag."""
