"""The journal: the write-ahead log of the feed.

Every frame is appended here, with a strictly increasing receive time, before anything else happens to it. So a killed
producer loses nothing that it read, Kafka may be away as long as there is disk, ``reconcile`` knows what was received,
and a day can be played again.

Appending hands a frame to the operating system; a sync brings it to the disk itself. The journal is synced before a
frame goes to Kafka (one sync for all frames that came during the one before) and at least once a second, so a power cut
costs what came in since the last sync, and never a frame that Kafka has.
"""

from market_pipeline.feed.journal.frame import Frame
from market_pipeline.feed.journal.reader import read_backwards, read_frames
from market_pipeline.feed.journal.tail import Tail
from market_pipeline.feed.journal.writer import Journal, JournalFull

__all__ = ["Frame", "Journal", "JournalFull", "Tail", "read_backwards", "read_frames"]
