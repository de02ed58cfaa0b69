"""The journal: the write-ahead log of the feed.

Every frame is appended here, with a strictly increasing receive time, before anything else happens to it. So a killed
producer loses nothing that it read, Kafka may be away as long as there is disk, ``reconcile`` knows what was received,
and a day can be played again.
"""

from market_pipeline.feed.journal.frame import Frame
from market_pipeline.feed.journal.reader import read_backwards, read_frames
from market_pipeline.feed.journal.tail import Tail
from market_pipeline.feed.journal.writer import Journal, JournalFull

__all__ = ["Frame", "Journal", "JournalFull", "Tail", "read_backwards", "read_frames"]
