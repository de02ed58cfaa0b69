"""``topics`` and ``groups``: the runbook's Kafka commands, on the embedded broker or on a configured one."""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice

import click
from rich.table import Table

from market_pipeline.broker import offsets as broker_offsets
from market_pipeline.broker import topics as broker_topics
from market_pipeline.broker.offsets import end_offsets
from market_pipeline.broker.records import Record, read_topic
from market_pipeline.cli import PipelineError, load_settings
from market_pipeline.cli.echo import confirm, echo
from market_pipeline.cli.terminal import console
from market_pipeline.mendable import InvalidInput
from market_pipeline.settings import Settings

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def topics() -> None:
    """List, read, create or delete Kafka topics.

    \b
    Examples:
      market-pipeline topics list
      market-pipeline topics read trades_raw
      market-pipeline topics create new_topic --partitions 6
      market-pipeline topics delete old_topic
    """


@topics.command("list")
@click.option("--internal", is_flag=True, help="Kafka's own topics too.")
@as_json
def list_(internal: bool, as_json: bool) -> None:
    """Every topic with its partitions and record offsets.

    \b
    Example:
      market-pipeline topics list --json
    """
    settings = load_settings()
    found = broker_topics.list_topics(settings, internal=internal)
    sizes = {topic.name: size for topic in found if (size := _retained(settings, topic.name)) is not None}
    if as_json:
        rows = [
            {"topic": t.name, "partitions": t.partitions, "replication": t.replication, "records": sizes[t.name]}
            for t in found
            if t.name in sizes
        ]
        echo(json.dumps(rows))
        return
    table = Table("topic", "partitions", "replication", "records kept")
    for topic in found:
        if topic.name not in sizes:
            continue
        table.add_row(topic.name, str(topic.partitions), str(topic.replication), f"{sizes[topic.name]:,}")
    console().print(table)


@topics.command()
@click.argument("name")
@click.option("--max-messages", "-n", default=5, show_default=True, type=click.IntRange(1), help="How many at most.")
@click.option("--from-beginning", is_flag=True, help="The oldest instead of the newest.")
def read(name: str, max_messages: int, from_beginning: bool) -> None:
    """Print a topic's newest records, one JSON object a line.

    \b
    Examples:
      market-pipeline topics read trades_raw --max-messages 5
      market-pipeline topics read trades_dlq --from-beginning | jq .headers.reason
    """
    settings = load_settings()
    end = end_offsets(settings, name)
    start = None if from_beginning else {p: max(0, offset - max_messages) for p, offset in end.items()}
    records: Iterable[Record] = read_topic(settings, name, start=start, end=end)
    if not from_beginning:
        records = sorted(records, key=lambda record: record.timestamp)[-max_messages:]
    for record in islice(records, max_messages):
        echo(_as_json(record))


def _as_json(record: Record) -> str:
    told = {
        "partition": record.partition,
        "offset": record.offset,
        "time": datetime.fromtimestamp(record.timestamp / 1000, UTC).isoformat(timespec="milliseconds"),
        "key": record.key.decode("utf-8", "replace") if record.key is not None else None,
        "value": record.value.decode("utf-8", "replace"),
        "headers": {header: value.decode("utf-8", "replace") for header, value in record.headers},
    }
    return json.dumps(told, ensure_ascii=False)


@topics.command()
@click.argument("name")
@click.option("--partitions", default=6, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--replication-factor", default=1, show_default=True, type=click.IntRange(1, 100))
@click.option("--config", "configs", multiple=True, metavar="KEY=VALUE", help="A topic setting; repeatable.")
def create(name: str, partitions: int, replication_factor: int, configs: tuple[str, ...]) -> None:
    """Create a topic.

    \b
    Example:
      market-pipeline topics create new_topic --partitions 6 --replication-factor 1 --config retention.ms=3600000
    """
    settings = load_settings()
    pairs = dict(config.partition("=")[::2] for config in configs)
    if name in {topic.name for topic in broker_topics.list_topics(settings, internal=True)}:
        raise InvalidInput(f"topic {name} exists already (see `market-pipeline topics list`)")
    broker_topics.create_topic(settings, broker_topics.TopicSpec(name, partitions, replication_factor, pairs))
    echo(f"created topic {name} with {partitions} partitions")


@topics.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask.")
def delete(name: str, yes: bool) -> None:
    """Delete a topic and every record in it.

    \b
    Example:
      market-pipeline topics delete old_topic --yes
    """
    settings = load_settings()
    if name in (settings.topic, settings.dead_letter_topic):
        raise InvalidInput(f"{name} is the pipeline's own, with records that nobody else may have: it is not deleted")
    if name not in {topic.name for topic in broker_topics.list_topics(settings, internal=True)}:
        raise InvalidInput(f"there is no topic {name} (see `market-pipeline topics list`)")
    if not yes:
        if not sys.stdin.isatty():
            raise InvalidInput(f"{name} is not deleted: nobody can be asked here, so say --yes")
        confirm(f"Delete topic {name} with all its records?")
    broker_topics.delete_topic(settings, name)
    echo(f"deleted topic {name}")


@click.group()
def groups() -> None:
    """List or describe Kafka consumer groups.

    \b
    Examples:
      market-pipeline groups list
      market-pipeline groups describe spark-consumer
    """


@groups.command("list")
@as_json
def list_groups(as_json: bool) -> None:
    """Every consumer group.

    \b
    Example:
      market-pipeline groups list
    """
    settings = load_settings()
    found = broker_offsets.list_groups(settings)
    if as_json:
        echo(json.dumps([{"group": name, "state": state} for name, state in found]))
        return
    table = Table("group", "state")
    for name, state in found:
        table.add_row(name, state)
    console().print(table)


@groups.command()
@click.argument("group", default="spark-consumer")
@click.option("--topic", default=None, help="The topic (default: trades_raw).")
@as_json
def describe(group: str, topic: str | None, as_json: bool) -> None:
    """A group's place and lag in each partition. Spark keeps its own offsets; the stream mirrors them here.

    \b
    Example:
      market-pipeline groups describe spark-consumer
    """
    settings = load_settings()
    parts = broker_offsets.partition_lags(settings, group, topic or settings.topic)
    if all(part.committed is None for part in parts):
        raise PipelineError(f"group {group} never committed an offset of {topic or settings.topic}")
    if as_json:
        rows = [
            {"partition": p.partition, "committed": p.committed, "begin": p.begin, "end": p.end, "lag": p.lag}
            for p in parts
        ]
        echo(json.dumps(rows))
        return
    table = Table("partition", "committed", "log end", "lag", title=f"{group} on {topic or settings.topic}")
    for part in parts:
        table.add_row(str(part.partition), _number(part.committed), _number(part.end), _number(part.lag))
    console().print(table)


def _retained(settings: Settings, topic: str) -> int | None:
    """Records that Kafka still has; None for a topic that was deleted since it was listed."""
    try:
        begin, end = broker_offsets.begin_offsets(settings, topic), broker_offsets.end_offsets(settings, topic)
    except broker_topics.TopicError:
        return None
    return sum(end.values()) - sum(begin.values())


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"
