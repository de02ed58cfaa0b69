"""Where the stream stands in Kafka when it starts: from its checkpoints and from what Kafka still has.

All functions raise ``BrokerUnreachableError`` or ``TopicError`` when Kafka can't say.
"""

import logging
from datetime import datetime
from pathlib import Path

from market_pipeline.broker.offsets import begin_offsets, end_offsets
from market_pipeline.broker.topics import topic_id
from market_pipeline.settings import Settings
from market_pipeline.stream import bars, checkpoints, dead_letters, queries
from market_pipeline.stream.checkpoints import OutOfReach
from market_pipeline.stream.failure import StreamError
from market_pipeline.stream.oldest import oldest_ts

logger = logging.getLogger("stream")
ALL_QUERIES = (*queries.TABLES, bars.QUERY, dead_letters.QUERY)


def out_of_reach(settings: Settings) -> list[tuple[str, OutOfReach]]:
    """What the queries want next and Kafka does not have, with the query's name."""
    # the oldest is asked first and the end last: a query that runs moves on meanwhile
    oldest = begin_offsets(settings, settings.topic)
    every = {query: checkpoints.next_offsets(_checkpoint(settings, query), settings.topic) for query in ALL_QUERIES}
    ends = end_offsets(settings, settings.topic)
    found = []
    for query, wanted in every.items():
        if wanted is None:
            logger.info("%s has no checkpoint yet: it starts at Kafka's oldest record", query)
        else:
            found += [(query, each) for each in checkpoints.out_of_reach(settings.topic, wanted, oldest, ends)]
    return found


def forget_half_written(settings: Settings) -> None:
    """Remove what a killed stream had begun to write, before any query starts."""
    for query in ALL_QUERIES:
        checkpoints.forget_half_written(_checkpoint(settings, query))


def check(settings: Settings) -> None:
    """See that Kafka's topic is the one that the queries have read, and has what they want next; what not is logged.

    Raises:
        StreamError: it has not, and going on would be wrong or was not accepted (``settings.accept_lost_offsets``).
    """
    now = topic_id(settings, settings.topic)
    for query in ALL_QUERIES:
        another = checkpoints.of_another_topic(_checkpoint(settings, query), now)
        if another is not None:
            raise made_anew(settings, f"{query}: {settings.topic}: {another}")
    found = out_of_reach(settings)
    for query, each in found:
        logger.error("%s: %s", query, each)
    for query, each in found:
        if each.beyond_end:
            raise made_anew(settings, f"{query}: {each}")
    if found and not settings.accept_lost_offsets:
        raise StreamError(f"{found[0][0]}: {found[0][1]}; {checkpoints.CURE}")
    for query in ALL_QUERIES:
        checkpoints.keep_topic_id(_checkpoint(settings, query), now)


def made_anew(settings: Settings, what: str) -> StreamError:
    """The error that tells of a topic that was deleted and created, with the cure."""
    return StreamError(f"{what}; {checkpoints.MADE_ANEW_CURE.format(checkpoints=settings.paths.checkpoints)}")


def behind(settings: Settings) -> int:
    """Records between what ``trades_silver`` has and the end."""
    done = checkpoints.next_offsets(_checkpoint(settings, queries.SILVER), settings.topic)
    done = done or begin_offsets(settings, settings.topic)
    return sum(end - done.get(partition, 0) for partition, end in end_offsets(settings, settings.topic).items())


def next_offsets(settings: Settings, query: str) -> dict[int, int]:
    """What a query wants next of each partition, by its checkpoint; empty of one that has none."""
    return checkpoints.next_offsets(_checkpoint(settings, query), settings.topic) or {}


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
