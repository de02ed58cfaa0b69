"""Store: Cassandra (silver and gold tables) and the bronze archive (Parquet)."""
