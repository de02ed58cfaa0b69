"""UTC days, by which everything is partitioned."""

from datetime import UTC, date, datetime, timedelta


def day_start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def day_hours(day: date) -> list[datetime]:
    """The starts of a UTC day's hours."""
    return [day_start(day) + timedelta(hours=hour) for hour in range(24)]
