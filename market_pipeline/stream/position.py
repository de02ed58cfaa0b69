"""Where the stream stands in Kafka when it starts: from its checkpoints and from what Kafka still has.

All functions raise ``BrokerUnreachableError`` or ``TopicError`` when Kafka can't say.
"""

import logging

from market_pipeline.broker.offsets import begin_offsets, end_offsets
from market_pipeline.broker.topics import topic_id
from market_pipeline.settings import Settings
from market_pipeline.stream import checkpoints
from market_pipeline.stream.checkpoints import OutOfReach
from market_pipeline.stream.failure import StreamError
from market_pipeline.stream.query import checkpoint

logger = logging.getLogger("stream")


def out_of_reach(settings: Settings) -> list[OutOfReach]:
    """What the query wants next and Kafka does not have."""
    # the oldest is asked first and the end last: a query that runs moves on meanwhile
    oldest = begin_offsets(settings, settings.topic)
    wanted = checkpoints.next_offsets(checkpoint(settings), settings.topic)
    ends = end_offsets(settings, settings.topic)
    if wanted is None:
        logger.info("there is no checkpoint yet: the stream starts at Kafka's oldest record")
        return []
    return checkpoints.out_of_reach(settings.topic, wanted, oldest, ends)


def check(settings: Settings) -> list[OutOfReach]:
    """See that Kafka's topic is the one that the query has read, and has what it wants next; what not is logged.

    Returns:
        what is lost and was accepted as lost (``settings.accept_lost_offsets``).

    Raises:
        StreamError: it has not, and going on would be wrong or was not accepted.
    """
    now = topic_id(settings, settings.topic)
    another = checkpoints.of_another_topic(checkpoint(settings), now)
    if another is not None:
        raise made_anew(settings, f"{settings.topic}: {another}")
    found = out_of_reach(settings)
    for each in found:
        logger.error("%s", each)
    for each in found:
        if each.beyond_end:
            raise made_anew(settings, str(each))
    if found and not settings.accept_lost_offsets:
        raise StreamError(f"{found[0]}; {checkpoints.CURE}")
    checkpoints.keep_topic_id(checkpoint(settings), now)
    return found


def made_anew(settings: Settings, what: str) -> StreamError:
    """The error that tells of a topic that was deleted and created, with the cure."""
    return StreamError(f"{what}; {checkpoints.MADE_ANEW_CURE.format(checkpoints=settings.paths.checkpoints)}")


def next_offsets(settings: Settings) -> dict[int, int]:
    """What the query wants next of each partition, by its checkpoint; empty where there is none."""
    return checkpoints.next_offsets(checkpoint(settings), settings.topic) or {}
