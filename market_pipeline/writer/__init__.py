"""The sink of the stream, in Java: the rows of the one query into the three tables, and what is no trade to Kafka."""
