"""The oldest records that Kafka still has."""

from market_pipeline.broker.offsets import begin_offsets, end_offsets
from market_pipeline.broker.records import read_topic
from market_pipeline.model import RejectedTrade, decode
from market_pipeline.settings import Settings


def oldest_ts(settings: Settings) -> dict[int, int]:
    """The event time (ms) of the oldest trade of each partition that has lost records to retention.

    Raises:
        BrokerUnreachableError: Kafka does not answer.
        TopicError: there is no such topic.
    """
    end = end_offsets(settings, settings.topic)
    begin = {p: offset for p, offset in begin_offsets(settings, settings.topic).items() if 0 < offset < end[p]}
    found: dict[int, int] = {}
    if not begin:
        return found
    for record in read_topic(settings, settings.topic, start=begin):
        if record.partition in begin and record.partition not in found:
            try:
                found[record.partition] = decode(record.value).ts
            except RejectedTrade:
                continue
        if found.keys() == begin.keys():
            break
    return found
