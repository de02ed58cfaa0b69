"""The probe: a trade of a symbol that no feed has, which a smoke test sends over the whole path and then removes.

It is on Kafka and in the archive like any other record, and whatever counts a day's trades leaves it out.
"""

from decimal import Decimal

from market_pipeline.model.trade import Trade, trade_id

PROBE = "PROBE:SMOKE-TEST"
PROBE_RECORD_BEGINS = f'{{"symbol":"{PROBE}"'.encode()
"""As ``encode`` writes it."""


def probe(now_us: int) -> Trade:
    """The probe of this moment (epoch microseconds)."""
    one = Decimal(1)
    return Trade(PROBE, one, one, now_us // 1000, trade_id(now_us, 0), 0, "probe", now_us)


def is_probe(value: bytes) -> bool:
    """Whether a record of ``trades_raw`` is one."""
    return value.startswith(PROBE_RECORD_BEGINS)
