"""What runs in containers only: images, their health probes, and the names that Kafka's and Spark's tools go by."""
