"""The probe: a trade of a symbol that no feed has, which a smoke test sends over the whole path and then removes.

It is on Kafka and in the archive like any other record, and whatever counts a day's trades leaves it out.
"""

from decimal import Decimal

from market_pipeline.model.trade import Trade, trade_id

PROBE = "PROBE:SMOKE-TEST:"
"""How the symbols of probes begin. Each has one of its own: the deletion of one hides none that comes later."""
PROBE_RECORD_BEGINS = f'{{"symbol":"{PROBE}'.encode()
"""As ``encode`` writes it."""


def probe(now_us: int, newest_ts: int | None = None) -> Trade:
    """The probe of this moment.

    Args:
        now_us: the moment, epoch microseconds.
        newest_ts: event time of the newest trade so far, epoch milliseconds. The probe is no newer: one watermark over
            all symbols decides which trade is too late for its bar, and a feed that plays old trades has old times.
    """
    one, now_ms = Decimal(1), now_us // 1000
    ts = now_ms if newest_ts is None else min(now_ms, newest_ts)
    return Trade(f"{PROBE}{now_us}", one, one, ts, trade_id(now_us, 0), 0, "probe", now_us)


def is_probe(value: bytes) -> bool:
    """Whether a record of ``trades_raw`` is one."""
    return value.startswith(PROBE_RECORD_BEGINS)
