"""A row that bronze does not have is deleted only when bronze would have it if it were true."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from market_pipeline.batch.rebuild_silver import delete_extra
from market_pipeline.bronze.lacking import Lacking
from market_pipeline.model import trade_id
from market_pipeline.settings import Settings

HOUR = datetime(2025, 11, 28, 7, tzinfo=UTC)
NOON = datetime(2025, 11, 28, 12, tzinfo=UTC)
AS_OF_US = 1_000_000


class Row(NamedTuple):
    ts: datetime
    trade_id: str
    written_us: int


class OneHour:
    """A session whose partition holds these rows; it remembers what was deleted."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows, self.deleted = rows, list[str]()

    def prepare(self, statement: str) -> str:
        return statement.split()[0]

    def execute(self, statement: str, values: tuple[Any, ...], timeout: float | None = None) -> list[Row]:
        if statement == "SELECT":
            return self.rows
        self.deleted.append(values[-1])
        return []


def at(moment: datetime) -> str:
    return trade_id(int(moment.timestamp() * 1_000_000), 0)


BEFORE, AFTER = at(HOUR.replace(minute=30)), at(NOON.replace(minute=1))
ROWS = [Row(HOUR, AFTER, 5), Row(HOUR, "x", 5), Row(HOUR, BEFORE, 5), Row(HOUR, BEFORE + "0", AS_OF_US)]


@pytest.mark.parametrize(
    ("may_lack", "deleted", "kept"),
    [
        (Lacking(), [AFTER, "x", BEFORE], 0),
        (Lacking(until=NOON), [AFTER, "x"], 1),
        (Lacking(whole_day=True), [], 3),
    ],
)
def test_what_kafka_may_have_lost_is_kept(tmp_path: Path, may_lack: Lacking, deleted: list[str], kept: int) -> None:
    session: Any = OneHour(ROWS)
    settings = Settings.load(data_dir=tmp_path)
    found = delete_extra(session, settings, None, ("AAPL", HOUR), AS_OF_US, may_lack)
    assert session.deleted == deleted
    assert found == (len(deleted), kept)
