"""Sends dead letters again that are trades by now, after the rules that refused them were mended.

A trade keeps the identity that it would have had, from the receive time and the place in its frame, so that it is the
same row however often it is sent.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from market_pipeline.broker.records import Record, read_topic
from market_pipeline.feed.journal.frame import Frame
from market_pipeline.feed.normalise import ANYTHING, WHOLE_FRAME, Normaliser
from market_pipeline.feed.subscribed import Subscribed, load_subscribed
from market_pipeline.mendable import Mendable
from market_pipeline.model import MAX_WHOLE, RejectedTrade, Trade, decode, trade_id
from market_pipeline.remedies.sending import send
from market_pipeline.settings import Settings
from market_pipeline.utc_day import moment


@dataclass
class Replayed:
    """What became of the dead letters.

    Attributes:
        seen: letters that were looked at.
        trades: trades in them that are accepted now.
        sent: of these, how many Kafka has confirmed; 0 in a dry run.
        still: letters that are none yet, by the reason of today.
    """

    seen: int = 0
    trades: int = 0
    sent: int = 0
    still: Counter[str] = field(default_factory=Counter)


class NotAMoment(Mendable, ValueError):
    """What was given is no time; the message says how to write one."""


def epoch_ms(text: str | None) -> int:
    """ISO 8601 as epoch milliseconds, UTC unless it tells a zone; 0 for None.

    Raises:
        NotAMoment: it is something else.
    """
    if text is None:
        return 0
    try:
        return round(moment(text).timestamp() * 1000)
    except ValueError:
        raise NotAMoment(f"{text!r} is not a time: write it as 2026-11-24T14:30:00Z") from None


def replay(settings: Settings, *, really: bool, since_ms: int = 0) -> Replayed:
    """Look at the dead letters, and send again what is a trade now.

    Args:
        settings: of the pipeline.
        really: send; otherwise only count.
        since_ms: leave out letters that Kafka had before (epoch milliseconds).

    Raises:
        BrokerUnreachableError, TopicError: Kafka does not answer.
        NotConfirmed: it did not confirm all.
    """
    found = Replayed()
    mended: list[Trade] = []
    subscribed = load_subscribed(settings.paths.journal)
    for record in read_topic(settings, settings.dead_letter_topic):
        if record.timestamp < since_ms:
            continue
        found.seen += 1
        trades, reason = judge(record, settings.active_feed, subscribed)
        mended += trades
        if reason is not None:
            found.still[reason] += 1
    found.trades = len(mended)
    if really and mended:
        found.sent = send(settings, mended)
    return found


def judge(letter: Record, feed: str, subscribed: Subscribed = ANYTHING) -> tuple[list[Trade], str | None]:
    """The trades in a dead letter by today's rules, and why what is left of it is none; None where nothing is left.

    Args:
        letter: as it is on the topic of dead letters.
        feed: where a letter of the feed came from.
        subscribed: what the feed may send.
    """
    headers = {name: value.decode("utf-8", "replace") for name, value in letter.headers}
    if "bytes" in headers:
        return [], "cut off"
    if headers.get("origin") == "feed":
        return _of_feed(letter.value, headers, feed, subscribed)
    try:
        return [decode(letter.value)], None
    except RejectedTrade as rejected:
        return [], str(rejected.reason)


def _of_feed(
    value: bytes, headers: Mapping[str, str], feed: str, subscribed: Subscribed
) -> tuple[list[Trade], str | None]:
    try:
        received_at, index = int(headers["received_at"]), int(headers["index"])
    except (KeyError, ValueError):
        return [], "no receive time"
    if not 0 <= received_at <= MAX_WHOLE["received_at"]:
        return [], "no receive time"
    whole = index == WHOLE_FRAME
    payload = value if whole else b'{"type":"trade","data":[' + value + b"]}"
    normaliser = Normaliser(feed, subscribed)
    trades = [item for item in normaliser.items(Frame(received_at, payload, feed)) if isinstance(item, Trade)]
    if not whole:
        trades = [replace(trade, trade_id=trade_id(received_at, index)) for trade in trades[:1]]
    reason = next(iter(normaliser.rejected), None)
    return trades, str(reason) if reason is not None else (None if trades else "no trade")
