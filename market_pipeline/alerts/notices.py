"""What is told of no incident, such as that all is well: in the incidents' file until Slack has it, each once."""

from pathlib import Path
from typing import NamedTuple

from market_pipeline.alerts.database import Database


class Notice(NamedTuple):
    """One of them; ``tried`` when it was handed over and is not known to have arrived."""

    key: str
    text: str
    at: float
    tried: bool


class Notices:
    """Every method raises ``sqlite3.Error`` where the file can't be used. Times are epoch seconds."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def tell(self, key: str, text: str, now: float) -> bool:
        """Keep it to be told; False when one of that key was told, or is to be, already."""
        with self._database.changing() as connection:
            done = connection.execute("INSERT OR IGNORE INTO notice (key, text, at) VALUES (?, ?, ?)", (key, text, now))
            return done.rowcount == 1

    def due(self) -> list[Notice]:
        """What Slack does not have, the oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT key, text, at, tried_at IS NOT NULL FROM notice WHERE posted_at IS NULL ORDER BY at"
            )
            return [Notice(key, text, at, bool(tried)) for key, text, at, tried in rows]

    def trying(self, key: str, now: float) -> None:
        """It is about to be handed over."""
        with self._database.changing() as connection:
            connection.execute("UPDATE notice SET tried_at = ? WHERE key = ?", (now, key))

    def posted(self, key: str, now: float) -> None:
        """Slack has it."""
        with self._database.changing() as connection:
            connection.execute("UPDATE notice SET posted_at = ? WHERE key = ?", (now, key))
