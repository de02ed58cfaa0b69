"""What Slack refused, in the incidents' file: an incident's messages, a notice or a channel, and when to try again.

What is refused waits alone; everything else goes on.
"""

from dataclasses import dataclass
from pathlib import Path

from market_pipeline.alerts.database import Database

FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 60.0
"""Between two attempts; each wait is twice the one before. One call a minute is nothing to Slack."""


def wait_s(attempts: int) -> float:
    """How long to wait after so many attempts in vain, in seconds. Pure."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempts - 1, 20))


@dataclass(frozen=True)
class Refusal:
    """Attempts in vain, when to try again (epoch seconds), and what was said last."""

    attempts: int
    not_before: float
    error: str


class Refusals:
    """Every method raises ``sqlite3.Error`` where the file can't be used. Times are epoch seconds."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def all(self) -> dict[str, Refusal]:
        """Those that hold, by key, the newest first."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT key, attempts, not_before, error FROM refusal ORDER BY at DESC")
            return {key: Refusal(attempts, not_before, error) for key, attempts, not_before, error in rows}

    def add(self, key: str, error: str, now: float, *, at_once: bool = False) -> Refusal:
        """One more attempt in vain. The next may come after a wait, or ``at_once``."""
        with self._database.changing() as connection:
            row = connection.execute("SELECT attempts FROM refusal WHERE key = ?", (key,)).fetchone()
            attempts = 1 + (row[0] if row is not None else 0)
            made = Refusal(attempts, now if at_once else now + wait_s(attempts), error)
            connection.execute(
                "INSERT OR REPLACE INTO refusal VALUES (?, ?, ?, ?, ?)", (key, attempts, made.not_before, error, now)
            )
            return made

    def remove(self, key: str) -> None:
        """Slack took it, or it is given up."""
        with self._database.changing() as connection:
            connection.execute("DELETE FROM refusal WHERE key = ?", (key,))
