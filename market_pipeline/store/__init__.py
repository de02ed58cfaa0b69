"""Store: Cassandra and its tables of silver and gold."""
