"""Where the stream stands in Kafka when it starts: from its checkpoints and from what Kafka still has.

All functions raise ``BrokerUnreachableError`` or ``TopicError`` when Kafka can't say.
"""

import logging
from datetime import datetime
from pathlib import Path

from market_pipeline.broker.offsets import begin_offsets, end_offsets
from market_pipeline.settings import Settings
from market_pipeline.stream import bars, checkpoints, dead_letters, queries
from market_pipeline.stream.checkpoints import BeyondEnd, LostOffsets
from market_pipeline.stream.oldest import oldest_ts

logger = logging.getLogger("stream")
ALL_QUERIES = (*queries.TABLES, bars.QUERY, dead_letters.QUERY)


def lost_offsets(settings: Settings) -> list[tuple[str, LostOffsets]]:
    """What the queries want next and Kafka has dropped."""
    oldest = begin_offsets(settings, settings.topic)
    found = []
    for query in ALL_QUERIES:
        wanted = checkpoints.next_offsets(_checkpoint(settings, query), settings.topic)
        if wanted is None:
            logger.info("%s has no checkpoint yet: it starts at Kafka's oldest record", query)
        else:
            found += [(query, each) for each in checkpoints.lost(settings.topic, wanted, oldest)]
    return found


def beyond_end(settings: Settings) -> list[tuple[str, BeyondEnd]]:
    """What the queries want next and the topic has not had yet: it is another topic of the same name."""
    every = {query: checkpoints.next_offsets(_checkpoint(settings, query), settings.topic) for query in ALL_QUERIES}
    ends = end_offsets(settings, settings.topic)  # asked last: a query that runs moves on
    return [
        (query, each)
        for query, wanted in every.items()
        for each in checkpoints.beyond_end(settings.topic, wanted or {}, ends)
    ]


def behind(settings: Settings) -> int:
    """Records between what ``trades_silver`` has and the end."""
    done = checkpoints.next_offsets(_checkpoint(settings, queries.SILVER), settings.topic)
    done = done or begin_offsets(settings, settings.topic)
    return sum(end - done.get(partition, 0) for partition, end in end_offsets(settings, settings.topic).items())


def bars_complete_from(settings: Settings) -> datetime | None:
    """Since when the stream's bars are complete; None: always.

    Decided once a checkpoint: one that was lost starts anew at Kafka's oldest record, and must not overwrite whole bars
    by what is left of their trades.
    """
    folder = _checkpoint(settings, bars.QUERY)
    if checkpoints.next_offsets(folder, settings.topic) is not None:
        return bars.remembered(folder)
    moment = bars.first_complete_minute(oldest_ts(settings))
    if moment is not None:
        logger.warning("Kafka's oldest records are gone: bars before %s are left as they are", moment)
    bars.remember(folder, moment)
    return moment


def _checkpoint(settings: Settings, query: str) -> Path:
    return settings.paths.checkpoints / query
