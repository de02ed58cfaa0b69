"""The smoke tests that Kafka has, or may have, a record of.

Whoever counts what came leaves them out, for a person tests most when no trade comes. A count that is one too low for
ten minutes does no harm; one that is too high would end an incident.
"""

from pathlib import Path

from market_pipeline.alerts.database import Database


class SmokeTests:
    """In the incidents' file. Every method raises ``sqlite3.Error`` where that can't be used."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def sending(self, at_us: int) -> None:
        """The probe of that moment (epoch microseconds) is about to be sent."""
        with self._database.changing() as connection:
            connection.execute("INSERT OR IGNORE INTO smoke_test VALUES (?)", (at_us,))

    def count(self, since_ms: int = 0, until_ms: int = 2**52) -> int:
        """How many there are in [since_ms, until_ms), epoch milliseconds."""
        with self._database.reading() as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM smoke_test WHERE sent_us >= ? AND sent_us < ?", (since_ms * 1000, until_ms * 1000)
            ).fetchone()
            return int(count)
