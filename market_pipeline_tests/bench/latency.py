"""Received → queryable at several rates, of every arm, and how fresh the bars of those are that make any."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from market_pipeline_tests.bench.arms import Arm, ready
from market_pipeline_tests.bench.figures import summary
from market_pipeline_tests.bench.prober import Prober, latencies_ms
from market_pipeline_tests.bench.servers import Servers, fed, say

RATES = (1, 138, 1_000, 5_000)
"""Trades a second: a quiet night, a busy symbol of a busy day, a busy market, and one that nobody has seen yet."""

WARM_UP_RATE = 1_000
LEAD_IN_S = 3


def measure(servers: Servers, arms: Sequence[Arm], *, rounds: int, seconds: float, warm_up_s: float) -> dict[str, Any]:
    """Rows of arm, table, rate and, by round, percentiles in milliseconds; the arms take turns."""
    rows: dict[tuple[str, str, int], list[dict[str, float]]] = {}
    for number in range(1, rounds + 1):
        for arm in arms:
            with ExitStack() as stack:
                writer = stack.enter_context(ready(arm, servers))
                prober = Prober(servers.session, arm.keyspace(servers))
                if warm_up_s:
                    say(f"round {number} of {rounds}: {arm.name} warms up for {warm_up_s:.0f} s")
                    with fed(servers, WARM_UP_RATE, round(WARM_UP_RATE * warm_up_s), [writer]):
                        pass
                for rate in RATES:
                    say(f"round {number} of {rounds}: {arm.name}, {rate:,} trades/s for {seconds:.0f} s")
                    with fed(servers, rate, rate * LEAD_IN_S, [writer]):
                        found = latencies_ms(servers.settings, prober, seconds)
                        rows.setdefault((arm.name, "trades_silver", rate), []).append(summary(found))
                        if arm.bars:
                            found = latencies_ms(servers.settings, prober, seconds / 2, of_bars=True)
                            rows.setdefault((arm.name, "ohlcv_1m", rate), []).append(summary(found))
    return {
        "seconds": seconds,
        "warm_up_s": warm_up_s,
        "rows": [
            {"arm": arm, "table": table, "rate": rate, "rounds": found} for (arm, table, rate), found in rows.items()
        ],
    }
