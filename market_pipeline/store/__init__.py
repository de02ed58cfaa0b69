"""Store: Cassandra, its tables of silver and gold, and what rebuilds a day of them from bronze."""
