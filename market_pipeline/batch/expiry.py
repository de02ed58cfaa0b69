"""What silver does not remember any more, so that nobody calls it lost."""

from datetime import date, datetime

from market_pipeline.bronze.archive import summarise_day
from market_pipeline.settings import Settings
from market_pipeline.store.trades import SILVER_KEPT


def may_have_expired(settings: Settings, day: date, now: datetime) -> bool:
    """Whether rows of the UTC day may have left ``trades_silver`` because their time to live is over.

    Not the day tells it but when its trades came: a recording of an old day is written when it is played. A rebuild
    writes the rows of a day anew, so that they may be there all the same.
    """
    came = summarise_day(settings, day).first_arrival
    return came is not None and came + SILVER_KEPT <= now
