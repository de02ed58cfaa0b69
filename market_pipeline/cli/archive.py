"""``market-pipeline archive``: Kafka's records into the bronze archive, now."""

import json
import logging
from datetime import UTC, datetime

import click

from market_pipeline.bronze import archive as bronze
from market_pipeline.bronze.compaction import SETTLED, CompactionResult
from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.cli.echo import echo


@click.command(name="archive")
@click.option("--compact", "compacting", is_flag=True, help="Then make one file of each hour that is over.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def archive(compacting: bool, as_json: bool) -> None:
    """Archive what is new on trades_raw as Parquet.

    Runs by itself every 10 minutes; safe to run at any time, beside anything.

    \b
    Examples:
      market-pipeline archive
      market-pipeline archive --compact
      market-pipeline archive --json | jq .rows
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    settings = load_settings()
    lost: bronze.OffsetsLost | None = None
    compacted = None
    try:
        result = bronze.archive_new(settings)
    except bronze.OffsetsLost as error:
        lost, result = error, error.result
    if compacting:
        compacted = bronze.compact(settings, datetime.now(UTC) - SETTLED)
    echo(_as_json(result, compacted) if as_json else _as_text(result, compacted))
    if lost is not None:
        raise PipelineError(str(lost))


def _as_text(result: bronze.ArchiveResult, compacted: CompactionResult | None) -> str:
    lines = ["nothing new on trades_raw"]
    if result.rows:
        lines = [
            f"archived {result.rows:,} records, {result.bytes:,} bytes in {_files(len(result.files))}, "
            f"in {result.seconds:.1f} s ({result.rows / max(result.seconds, 0.001):,.0f} records/s)"
        ]
    if result.first_trade and result.last_trade:
        first, last = (f"{each:%Y-%m-%d %H:%M:%S.%f}"[:-3] for each in (result.first_trade, result.last_trade))
        lines.append(f"trades from {first} to {last} UTC")
    if compacted is not None:
        lines.append(
            f"compacted {compacted.hours} hours: {compacted.files_before} files became {compacted.hours}, "
            f"{compacted.bytes_before:,} bytes became {compacted.bytes_after:,}"
        )
        if compacted.postponed:
            lines.append(f"{compacted.postponed} hours are being read: their old files go at the next compaction")
    return "\n".join(lines)


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _as_json(result: bronze.ArchiveResult, compacted: CompactionResult | None) -> str:
    record: dict[str, object] = {
        "rows": result.rows,
        "bytes": result.bytes,
        "first_trade": result.first_trade.isoformat() if result.first_trade else None,
        "last_trade": result.last_trade.isoformat() if result.last_trade else None,
        "files": [str(path) for path in result.files],
        "offsets": result.offsets,
        "gaps": [vars(gap) for gap in result.gaps],
        "seconds": round(result.seconds, 3),
    }
    if compacted is not None:
        record["compaction"] = vars(compacted)
    return json.dumps(record)
