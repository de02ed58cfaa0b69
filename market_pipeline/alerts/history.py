"""Figures of past looks, for what is judged over a window: in the ledger's own file."""

from pathlib import Path

from market_pipeline.alerts.database import Database

LAG, DISK, DELAY = "lag", "disk", "delay"
ARRIVALS = "arrivals"
"""Of ten minutes; a series for each list of symbols, named ``arrivals/…``."""
EVER, CANARIES = "ever", "canaries"
"""How many trades, and how many canaries, Kafka ever had."""
DAY_S = 86_400.0
KEPT_S = {
    LAG: 8 * DAY_S,
    DISK: 45 * DAY_S,
    DELAY: 45 * DAY_S,
    ARRIVALS: 36 * DAY_S,
    EVER: 900.0,
    CANARIES: 900.0,
}
"""How long each series is kept, seconds."""
EVERY_S = {LAG: 0.0, DISK: 1_800.0, DELAY: 300.0, ARRIVALS: 300.0, EVER: 0.0, CANARIES: 0.0}
"""How far apart what is kept is, at least, seconds."""


class History:
    """Figures by series, each with its time in epoch seconds.

    Every method raises ``sqlite3.Error`` where the file can't be used.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def remember(self, series: str, at: float, value: float) -> None:
        """Keep a figure, unless the last one is too young; and forget what is too old.

        A series ``name/…`` is kept as ``name`` is, and forgotten with the others of that name.
        """
        name = series.partition("/")[0]
        with self._database.changing() as connection:
            (newest,) = connection.execute("SELECT max(at) FROM sample WHERE series = ?", (series,)).fetchone()
            if newest is not None and newest > at:  # the clock was set back: what is from the future tells nothing
                connection.execute("DELETE FROM sample WHERE series = ? AND at > ?", (series, at))
            elif newest is not None and at - newest < EVERY_S[name]:
                return
            connection.execute("INSERT OR REPLACE INTO sample VALUES (?, ?, ?)", (series, at, value))
            connection.execute("DELETE FROM sample WHERE series = ? AND at < ?", (series, at - KEPT_S[name]))
            if series != name:
                old = (f"{name}/*", at - KEPT_S[name])
                connection.execute("DELETE FROM sample WHERE series GLOB ? AND at < ?", old)

    def newest(self, series: str) -> float | None:
        """The figure that was kept last, if there is one."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT value FROM sample WHERE series = ? ORDER BY at DESC", (series,)).fetchone()
            return None if row is None else float(row[0])

    def since(self, series: str, at: float) -> list[tuple[float, float]]:
        """What is kept from ``at`` on, the oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT at, value FROM sample WHERE series = ? AND at >= ? ORDER BY at", (series, at)
            )
            return [(float(when), float(value)) for when, value in rows]
