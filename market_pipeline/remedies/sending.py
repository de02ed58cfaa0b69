"""Sends trades to Kafka on behalf of a remedy, and waits until Kafka has them."""

import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, Message

from market_pipeline.feed.outbox import Outbox
from market_pipeline.mendable import Mendable
from market_pipeline.model import Trade
from market_pipeline.settings import Settings

FLUSH_WITHIN_S = 30.0


class NotConfirmed(Mendable):
    """Kafka did not take all of them; what was sent is harmless, and all can be sent again."""


def send(settings: Settings, trades: Sequence[Trade]) -> int:
    """Send the trades, in order; returns how many they were.

    Raises:
        NotConfirmed: Kafka did not confirm all.
    """
    confirmed = 0

    def delivered(error: KafkaError | None, _: Message) -> None:
        nonlocal confirmed
        confirmed += error is None

    outbox = Outbox.to_kafka(settings, lambda _: None)
    for trade in trades:
        _put(outbox, trade, delivered)
    outbox.flush(FLUSH_WITHIN_S)
    if confirmed != len(trades):
        raise NotConfirmed(f"Kafka confirmed {confirmed:,} of {len(trades):,} trades: send them again")
    return confirmed


def _put(outbox: Outbox, trade: Trade, delivered: Callable[[KafkaError | None, Message], None]) -> None:
    deadline = time.monotonic() + FLUSH_WITHIN_S
    while True:
        try:
            # of its own time: what is sent again is no arrival of now
            outbox.put(trade, delivered, trade.received_at // 1000)
        except BufferError:
            if time.monotonic() > deadline:
                raise NotConfirmed("Kafka takes no more trades: see `market-pipeline status`, then try again") from None
            outbox.poll(0.1)
        else:
            return
