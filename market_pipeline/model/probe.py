"""Probes: trades of symbols that no feed has, which prove the path from Kafka to the tables.

They are on Kafka and in the archive like any other record, and whatever counts a day's trades leaves them out. A smoke
test sends one over the whole path and removes it. A canary comes twice a minute by itself, so that the latency is known
when no market is open; of the tables that people read, only ``trades_silver`` ever has it, for a moment.
"""

from decimal import Decimal

from market_pipeline.model.trade import Trade, trade_id

PROBE = "PROBE:"
"""How the symbols of all probes begin."""
SMOKE_TEST = f"{PROBE}SMOKE-TEST:"
"""How those of smoke tests begin. Each has one of its own: the deletion of one hides none that comes later."""
CANARY = f"{PROBE}CANARY"
PROBE_AWAITED_MS = 600_000
"""How long after it was sent one is looked for, and written at all: nobody would remove one that is read again."""
PROBE_RECORD_BEGINS = f'{{"symbol":"{PROBE}'.encode()
"""As ``encode`` writes it."""
_CONDITION = "probe"


def smoke_test_probe(now_us: int) -> Trade:
    """The probe of a smoke test of this moment, epoch microseconds."""
    return _probe(f"{SMOKE_TEST}{now_us}", now_us)


def canary(now_us: int) -> Trade:
    """The canary of this moment, epoch microseconds."""
    return _probe(CANARY, now_us)


def is_probe(value: bytes) -> bool:
    """Whether a record of ``trades_raw`` is one."""
    return value.startswith(PROBE_RECORD_BEGINS)


def _probe(symbol: str, now_us: int) -> Trade:
    one = Decimal(1)
    return Trade(symbol, one, one, now_us // 1000, trade_id(now_us, 0), 0, _CONDITION, now_us)
