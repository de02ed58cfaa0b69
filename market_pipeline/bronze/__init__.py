"""Bronze: the Parquet archive of ``trades_raw``, from which everything can be rebuilt."""
