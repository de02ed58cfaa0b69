"""Brings what is to be told to Slack: a thread an incident, each change once, in order, whatever fails in between."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from market_pipeline.alerts import message
from market_pipeline.alerts.notices import Notice, Notices
from market_pipeline.alerts.outbox import Line, Outbox, Parcel
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.slack import Slack, SlackAway, SlackRefuses

logger = logging.getLogger(__name__)
URGENT = (Severity.P1, Severity.P2)


@dataclass(frozen=True)
class Routing:
    """Which channel hears of what; by Slack's ids (``C0123456789``), for a name can't be looked into.

    Attributes:
        channel: of everything.
        urgent: of P1 and P2, where they have one of their own.
    """

    channel: str
    urgent: str | None = None

    def of(self, severity: Severity) -> str:
        return self.urgent if self.urgent and severity in URGENT else self.channel


@dataclass
class Courier:
    """Delivers.

    Attributes:
        outbox: what is to be told of incidents.
        notices: what is to be told beside them.
        slack: where.
        routing: in which channel.
        rules: by id.
        flags: what a command in a message needs to name this pipeline.
        page: Dagster's, to which messages link; '' without one.
        secret: what signs buttons; None where nobody hears them, so that messages have commands instead.
        clock: epoch seconds.
    """

    outbox: Outbox
    notices: Notices
    slack: Slack
    routing: Routing
    rules: Mapping[str, Rule]
    flags: str = ""
    page: str = ""
    secret: bytes | None = None
    clock: Callable[[], float] = time.time

    def deliver(self) -> int:
        """Hand over what is due; returns how many lines Slack has now. What it does not take is kept for later."""
        count = 0
        with self.outbox.claimed(self.clock()) as ours:
            if not ours:
                return 0
            try:
                for parcel in self.outbox.due():
                    count += self._unless_refused(partial(self._deliver, parcel), partial(self._set_aside, parcel))
                for notice in self.notices.due():
                    aside = partial(self.notices.posted, notice.key, self.clock())
                    count += self._unless_refused(partial(self._tell, notice), aside)
            except SlackAway as error:
                wait = self.outbox.failed(str(error), self.clock(), error.retry_after_s)
                logger.warning("%s; the messages are kept, next try in %.0f s", error, wait)
            else:
                self.outbox.delivered()
        return count

    def _deliver(self, parcel: Parcel) -> int:
        channel, ts, is_new = self._thread(parcel)
        for index, line in enumerate(parcel.lines):
            if not (is_new and index == 0):  # the first one is the message itself
                self._reply(channel, ts, line)
            self.outbox.posted(line.number, self.clock())
        return len(parcel.lines)

    def _unless_refused(self, deliver: Callable[[], int], set_aside: Callable[[], None]) -> int:
        """What Slack never takes must not keep the others waiting; the log and the ledger have it."""
        try:
            return deliver()
        except SlackRefuses as error:
            logger.error("%s; it is set aside, `market-pipeline incidents` tells it", error)
            set_aside()
            return 0

    def _set_aside(self, parcel: Parcel) -> None:
        for line in parcel.lines:
            self.outbox.posted(line.number, self.clock())

    def _tell(self, notice: Notice) -> int:
        channel = self.routing.channel
        if not notice.tried or self.slack.find(channel, notice.key) is None:
            self.notices.trying(notice.key, self.clock())
            self.slack.post(channel, notice.key, message.notice(notice.text))
        self.notices.posted(notice.key, self.clock())
        return 1

    def _thread(self, parcel: Parcel) -> tuple[str, str, bool]:
        """The incident's message as it stands now: edited, or found, or posted; and whether it is the first word."""
        incident, thread = parcel.incident, parcel.thread
        rule = self.rules.get(incident.rule)
        shown = message.root(incident, rule, self.flags, self.secret, self.page)
        if thread is not None and thread.ts is not None:
            self.slack.edit(thread.channel, thread.ts, incident.id, shown)
            return thread.channel, thread.ts, False
        channel = thread.channel if thread is not None else self.routing.of(incident.severity)
        found = self.slack.find(channel, incident.id) if thread is not None else None
        if found is None:
            self.outbox.trying_thread(incident.id, channel, self.clock())
            found = self.slack.post(channel, incident.id, shown)
        self.outbox.has_thread(incident.id, found)
        return channel, found, True

    def _reply(self, channel: str, ts: str, line: Line) -> None:
        mark = str(line.number)
        if line.tried and self.slack.find(channel, mark, ts) is not None:
            return
        self.outbox.trying(line.number, self.clock())
        self.slack.post(channel, mark, message.reply(line.change, line.text, line.contact, line.at), ts)
