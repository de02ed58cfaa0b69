"""Whether time grows as fast as what is done: at 1, 4 and 16 times the trades, the symbols and the days."""

import shutil
from datetime import timedelta
from typing import Any

from market_pipeline_tests.bench import daily, reconciling
from market_pipeline_tests.bench.arms import REAL_TIME
from market_pipeline_tests.bench.catch_up import rate_of
from market_pipeline_tests.bench.servers import Servers, say

TIMES = (1, 4, 16)


def measure(servers: Servers, *, trades: int, rows: int) -> dict[str, Any]:
    """Figures by multiple.

    Args:
        servers: for what needs any.
        trades: of a day, and to reconcile, at one time.
        rows: to catch up on, whatever the symbols.
    """
    found: dict[str, dict[int, float]] = {}
    for times in TIMES:
        folder = servers.folder / f"growth-{times}"
        settings = daily.archive_of(folder, 2, trades * times)
        # the second day: the first has the compilation of the code in it
        found.setdefault("a day's bars, trades (s)", {})[times] = daily.by_spark(
            settings, [daily.LAST, daily.LAST - timedelta(days=1)]
        )[1]
        shutil.rmtree(folder)
    most = daily.archive_of(servers.folder / "growth-days", TIMES[-1], trades)
    for times in TIMES:
        # one day more before, for the compilation of the code
        taken = daily.by_spark(most, [daily.LAST, *(daily.LAST - timedelta(days=back) for back in range(times))])
        found.setdefault("days' bars, days (s)", {})[times] = sum(taken[1:])
    for times in TIMES:
        say(f"catch-up with {20 * times} symbols")
        found.setdefault("catch-up, symbols (rows/s)", {})[times] = rate_of(REAL_TIME, servers, rows, 20 * times)
    for times in TIMES:
        say(f"reconcile of {trades * times:,} trades")
        done = reconciling.measure(
            servers.settings, servers.session, trades * times, servers.folder / f"reconcile-{times}"
        )
        found.setdefault("reconcile, trades (s)", {})[times] = done.seconds
    return {"trades": trades, "rows": rows, "figures": found}
