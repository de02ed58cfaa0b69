"""A day's OHLCV bars by DuckDB or by Polars, from the same Parquet that the batch reads: JSON in a binary column.

It runs in the bench's own environment and prints the number of bars and the seconds that it took.
"""

import sys
import time

# a price times a volume in DOUBLE: neither has a decimal type that holds it


def by_duckdb(files: str) -> int:
    import duckdb

    return len(
        duckdb.connect()
        .execute(
            """
            WITH trades AS (
              SELECT DISTINCT ON (trade_id) * FROM (
                SELECT t.* FROM (
                  SELECT from_json(CAST(decode(value) AS JSON),
                    '{"symbol":"VARCHAR","price":"DECIMAL(28,18)","volume":"DECIMAL(32,18)","ts":"BIGINT",
                      "trade_id":"VARCHAR"}') AS t
                  FROM read_parquet(?)
                )
              )
            )
            SELECT symbol, arg_min(price, (ts, trade_id)), max(price), min(price), arg_max(price, (ts, trade_id)),
                   sum(volume), sum(price::DOUBLE * volume::DOUBLE) / sum(volume::DOUBLE), count(*)
            FROM trades GROUP BY symbol
            """,
            [files],
        )
        .fetchall()
    )


def by_polars(files: str) -> int:
    import polars as pl

    shape = pl.Struct(
        {"symbol": pl.String, "price": pl.Float64, "volume": pl.Float64, "ts": pl.Int64, "trade_id": pl.String}
    )
    return (
        pl.scan_parquet(files)
        .select(pl.col("value").cast(pl.String).str.json_decode(shape).alias("t"))
        .unnest("t")
        .unique("trade_id")
        .sort("ts", "trade_id")
        .group_by("symbol")
        .agg(
            pl.col("price").first().alias("open"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("price").last().alias("close"),
            pl.col("volume").sum(),
            ((pl.col("price") * pl.col("volume")).sum() / pl.col("volume").sum()).alias("vwap"),
            pl.len().alias("trades"),
        )
        .collect()
        .height
    )


def main(way: str, *days: str) -> int:
    """``days`` are patterns of files, one a day."""
    build = {"duckdb": by_duckdb, "polars": by_polars}[way]
    for day in days:
        began = time.perf_counter()
        bars = build(day)
        sys.stdout.write(f"{bars} {time.perf_counter() - began:.3f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
