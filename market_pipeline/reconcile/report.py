"""What a comparison found."""

from dataclasses import dataclass, field
from datetime import date

from market_pipeline.local.programs import MATERIALIZE
from market_pipeline.mendable import Mendable
from market_pipeline.quality.bar_sums import BarMismatch
from market_pipeline.quality.digest import Difference
from market_pipeline.quality.latest import PriceMismatch
from market_pipeline.store.trades import SILVER_KEPT


class DayExpired(Mendable):
    """Trades of the day have left silver, so that it can't be compared; the message says what to do."""

    def __init__(self, day: date) -> None:
        super().__init__(
            f"{day} can't be compared any more: trades_silver keeps a row for {SILVER_KEPT.days} days, and some of "
            "that day's have left it. Write them anew from the archive: "
            f"`{MATERIALIZE} trades_silver --partition {day}`"
        )


@dataclass
class Report:
    """What was compared and what differs. All of it comes from one read of each hop.

    Attributes:
        day: the UTC day, by event time.
        counts: trades of the day by hop, without the filled ones; of the bars all that they hold.
        filled: trades by hop that were filled in from a second source, where there are any.
        since: by hop, the receive time (ISO-8601) before which it remembers nothing, where that matters.
        repeated: records that the producer sent again after a crash, by hop; they are harmless and counted apart.
        differences: by hop, against the hop before it.
        bars: bars that do not add up to their trades.
        open_bars: bars that were left out, because trades have come into them since the comparison began.
        prices: rows of ``latest_prices`` that are not the newest trade of their symbol.
        unsettled: minutes that differed when they were counted and no more when they were read again.
    """

    day: date
    counts: dict[str, int] = field(default_factory=dict)
    filled: dict[str, int] = field(default_factory=dict)
    since: dict[str, str] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    bars: list[BarMismatch] = field(default_factory=list)
    open_bars: int = 0
    prices: list[PriceMismatch] = field(default_factory=list)
    unsettled: int = 0
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        return sum(len(difference.missing) + difference.more_missing for difference in self.differences)

    @property
    def doubled(self) -> int:
        return sum(len(difference.extra) + difference.more_extra for difference in self.differences)

    @property
    def empty(self) -> bool:
        """No hop has a trade of the day: nothing was compared."""
        return not any((*self.counts.values(), *self.filled.values()))

    @property
    def clean(self) -> bool:
        return not (self.bars or self.prices or self.unsettled or any(self.differences))
