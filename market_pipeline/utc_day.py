"""UTC days, by which everything is partitioned, and moments as people write them."""

from datetime import UTC, date, datetime, timedelta


def day_start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def day_hours(day: date) -> list[datetime]:
    """The starts of a UTC day's hours."""
    return [day_start(day) + timedelta(hours=hour) for hour in range(24)]


def instant(epoch_ms: int) -> datetime:
    """The UTC time of so many epoch milliseconds, as which times leave Spark: PySpark's are in the machine's zone."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def moment(text: str) -> datetime:
    """A time in ISO 8601, UTC unless it tells a zone.

    Raises:
        ValueError: it is something else.
    """
    told = datetime.fromisoformat(text)
    return told if told.tzinfo else told.replace(tzinfo=UTC)
