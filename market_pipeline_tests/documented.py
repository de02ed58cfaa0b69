"""The commands of the documentation, and how each of them is proved to work.

A command is a line of a code block that is indented, or a line after ``$ `` in a fenced one. Each has an entry in
``HOW``: a command that is added to a page, or changed there, needs one before the tests pass.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "RUNBOOK.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md")
ASSIGNMENT = re.compile(r"(?:export )?[A-Z][A-Z_]*=")
_INLINE = re.compile(r"`((?:market-pipeline|dagster(?:-\w+)?|make) [^`]+)`")
_PLACEHOLDER = re.compile(r"…|\[|\||<|\b[A-Z]{1,8}\b(?![=:._-])|--data-dir`|/NAME")


class How(Enum):
    """How a command of the documentation is run by a test."""

    RUN = "on a running pipeline: it must succeed"
    FAIL = "on a running pipeline: it must end with one clear line, since what it names is not there"
    FOLLOW = "on a running pipeline, and ended once it has printed something: it runs until it is ended"
    ELSEWHERE = "by another test, against real servers"
    CONTAINERS = "in the containers' test"
    PARSE = "its options are parsed; what it does is beyond a test"


@dataclass(frozen=True)
class Command:
    """One command as a page has it, without the remark behind it."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {self.text}"


def commands() -> list[Command]:
    """Every command of every page, in order."""
    return [Command(str(page.relative_to(ROOT)), line, text) for page in _pages() for line, text in _commands_of(page)]


def inline_commands() -> list[Command]:
    """Commands within the text of a page, as far as they can be typed as they stand there."""
    return [
        Command(str(page.relative_to(ROOT)), number, text)
        for page in _pages()
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        for text in _INLINE.findall(line)
        if not _PLACEHOLDER.search(text)
    ]


def _pages() -> list[Path]:
    return sorted(page for pattern in PAGES for page in ROOT.glob(pattern))


def _commands_of(page: Path) -> Iterator[tuple[int, str]]:
    fenced, begun, held = False, 0, ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
            continue
        if fenced:
            text = line[2:] if line.startswith("$ ") else ""
        elif line.startswith("    ") and not line.lstrip().startswith(("- ", "#")):
            text = line.strip()
        else:
            text = ""
        if not text:
            continue
        begun = begun if held else number
        held = f"{held} {text}".strip()
        if held.endswith("\\"):
            held = held[:-1].rstrip()
            continue
        yield begun, without_remark(held)
        held = ""


def without_remark(text: str) -> str:
    """The command, without what stands behind a ``#``."""
    return re.split(r"\s+# ", text, maxsplit=1)[0].strip()


def words(text: str) -> list[str]:
    """The words of a command as a shell takes them apart, without variables that are set for it alone."""
    found = shlex.split(text, comments=True)
    while found and ASSIGNMENT.match(found[0]):
        found.pop(0)
    return found


_JOB = "dagster job execute -m market_pipeline.definitions -j"
HOW: dict[str, How] = {
    # README.md, CONTRIBUTING.md
    "make run": How.PARSE,
    'make run ARGS="--symbols AAPL,MSFT,BINANCE:BTCUSDT,OANDA:EUR_USD"': How.PARSE,
    "make test": How.PARSE,
    "make test-nightly": How.PARSE,
    "make coverage": How.PARSE,
    "make unit": How.PARSE,
    "make golden": How.PARSE,
    ".venv/bin/pytest market_pipeline_tests/spark -k bars": How.PARSE,
    "echo FINNHUB_API_KEY=… > .env": How.PARSE,
    "export MARKET_PIPELINE_DATA_DIR=~/.local/share/market-pipeline": How.PARSE,
    "export DAGSTER_HOME=$MARKET_PIPELINE_DATA_DIR/dagster DAGSTER_DISABLE_TELEMETRY=yes": How.RUN,
    "dagster asset materialize -m market_pipeline.definitions --select ohlcv_1d --partition 2025-11-10": How.RUN,
    "dagster asset materialize -m market_pipeline.definitions --select trades_silver --partition 2025-11-10": How.RUN,
    "market-pipeline status": How.RUN,
    "market-pipeline reconcile": How.RUN,
    "market-pipeline incidents list": How.RUN,
    "market-pipeline runbook": How.RUN,
    "market-pipeline drill --list": How.RUN,
    # docs/operations.md, RUNBOOK.md
    "market-pipeline incidents show zero-trades": How.RUN,
    "market-pipeline incidents show high-latency": How.RUN,
    "market-pipeline incidents show kafka-down": How.RUN,
    "market-pipeline incidents show cassandra-disk": How.RUN,
    "market-pipeline incidents ack kafka-down": How.FAIL,
    "market-pipeline incidents run kafka-down": How.FAIL,
    "market-pipeline incidents run program-hung/stream": How.FAIL,
    "market-pipeline incidents report kafka-down": How.FAIL,
    "market-pipeline incidents report program-hung/stream": How.FAIL,
    'market-pipeline incidents silence "cassandra-*" --for 2h --reason "new disk on its way"': How.RUN,
    "SLACK_BOT_TOKEN=xoxb-…": How.PARSE,
    "SLACK_APP_TOKEN=xapp-…": How.PARSE,
    "MARKET_PIPELINE_SLACK_CHANNEL=C0123456789": How.PARSE,
    "MARKET_PIPELINE_SLACK_URGENT_CHANNEL=C9876543210": How.PARSE,
    "MARKET_PIPELINE_DAGSTER_URL=https://dagster.example.org": How.PARSE,
    """echo '{ops: {restart_producer_now: {config: {symbols: [AAPL, "BINANCE:BTCUSDT"]}}}}' > producer.yaml""": How.RUN,
    f"{_JOB} restart_producer --config producer.yaml": How.RUN,
    "echo '{ops: {reset_stream_now: {config: {really: true}}}}' > stream.yaml": How.RUN,
    f"{_JOB} reset_stream --config stream.yaml": How.ELSEWHERE,
    f"{_JOB} restart_kafka": How.ELSEWHERE,
    f"{_JOB} fill_gap": How.ELSEWHERE,
    f"{_JOB} compact_keyspace": How.ELSEWHERE,
    f'{_JOB} daily_routine --tags "{{\\"dagster/partition\\": \\"$(date -u -d yesterday +%F)\\"}}"': How.ELSEWHERE,
    f"{_JOB} weekly_routine": How.ELSEWHERE,
    f"{_JOB} monthly_routine": How.ELSEWHERE,
    "market-pipeline status --watch": How.FOLLOW,
    "market-pipeline logs -f": How.FOLLOW,
    "market-pipeline logs kafka -n 100": How.RUN,
    "market-pipeline doctor": How.PARSE,
    "market-pipeline topics list": How.RUN,
    "market-pipeline topics read trades_raw --max-messages 5": How.RUN,
    "market-pipeline topics create new_topic --partitions 6 --replication-factor 1": How.RUN,
    "market-pipeline topics delete old_topic": How.FAIL,
    "market-pipeline groups list": How.RUN,
    "market-pipeline groups describe spark-consumer": How.RUN,
    "market-pipeline nodetool tpstats": How.RUN,
    "market-pipeline nodetool info": How.RUN,
    "market-pipeline nodetool status": How.RUN,
    "market-pipeline nodetool tablestats market_data": How.RUN,
    "market-pipeline restart producer": How.RUN,
    "market-pipeline restart stream": How.ELSEWHERE,
    "market-pipeline smoke-test -v": How.RUN,
    "market-pipeline cqlsh": How.RUN,
    'market-pipeline query "SELECT * FROM market_data.latest_prices"': How.RUN,
    "market-pipeline tune apply --profile tuned": How.RUN,
    "market-pipeline drill --only producer-killed": How.ELSEWHERE,
    # docs/security.md
    "market-pipeline dagster-url": How.ELSEWHERE,
    (
        """printf 'Authorization: Bearer %s' "$(cat ~/.local/share/market-pipeline/run/dagster-webserver.token)" | """
        """curl -H @- -H "Content-Type: application/json" -d '{"query": "{ version }"}' http://127.0.0.1:29030/graphql"""
    ): How.ELSEWHERE,
    "ssh -L 8030:127.0.0.1:29030 server": How.PARSE,
    "MARKET_PIPELINE_DAGSTER_HOST=10.0.0.5": How.PARSE,
    "MARKET_PIPELINE_DAGSTER_HOSTS=box.lan:29030": How.PARSE,
    "MARKET_PIPELINE_DAGSTER_TRUSTED_PROXIES=10.0.0.4": How.PARSE,
    "MARKET_PIPELINE_DAGSTER_IDENTITY_HEADER=X-Auth-Request-Email": How.PARSE,
    # docs/containers.md
    "docker-compose exec dagster-webserver market-pipeline dagster-url": How.CONTAINERS,
    "cp .env.example .env": How.CONTAINERS,
    'sed -i "s/^POSTGRES_PASSWORD=.*/POSTGRES_PASSWORD=$(openssl rand -hex 24)/" .env': How.CONTAINERS,
    "docker-compose build": How.CONTAINERS,
    "docker-compose up -d": How.CONTAINERS,
    "docker-compose up -d --scale spark-worker=3": How.CONTAINERS,
    'docker-compose exec cassandra cqlsh -e "SELECT * FROM market_data.latest_prices;"': How.CONTAINERS,
    'docker cp trades.jsonl "$(docker-compose ps -q feed-server)":/var/lib/market-pipeline/': How.CONTAINERS,
}
"""Of each command of the documentation how it is run."""
