"""Brings what is due to Slack: a thread an incident, each change once, in order, whatever fails in between.

What Slack refuses keeps only that waiting which depends on it: a message, a thread or a channel. All of it waits for a
token that is refused, a limit of calls, and a Slack that does not answer.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from market_pipeline.alerts import message
from market_pipeline.alerts.buttons import Signer
from market_pipeline.alerts.notices import Notice, Notices
from market_pipeline.alerts.outbox import Line, Outbox, Parcel
from market_pipeline.alerts.refusals import Refusals
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.slack import Slack, SlackAway, SlackRefuses
from market_pipeline.alerts.slack_errors import Scope

logger = logging.getLogger(__name__)
T = TypeVar("T")
URGENT = (Severity.P1, Severity.P2)
MOST_ATTEMPTS = 5
"""After so many in vain a message waits behind all others."""
SET_ASIDE_AFTER_S = 86_400.0
"""One that is refused for a reason that nobody knows is set aside when it is so old: Slack's own bad hours, in which it
answers ``internal_error`` or the like, are over by then. The ledger has it."""
MOST_UNANSWERED = 2
"""After so many calls in a row without an answer nobody is there; one alone may be due to its message."""


@dataclass(frozen=True)
class Routing:
    """Which channel gets what; by Slack's ids (``C0123456789``), for a name can't be read by.

    Attributes:
        channel: of everything.
        urgent: of P1 and P2, where they have one of their own.
    """

    channel: str
    urgent: str | None = None

    def of(self, severity: Severity) -> tuple[str, ...]:
        """The channel, and the one that takes its place when Slack refuses it."""
        if self.urgent and severity in URGENT:
            return self.urgent, self.channel
        return (self.channel,)


@dataclass(frozen=True)
class _Pending:
    """What is due for one incident, or one notice, ``since`` when (epoch s); ``key`` is that of its refusals."""

    key: str
    since: float
    urgent: bool
    deliver: Callable[[], int]
    set_aside: Callable[[], None]


@dataclass
class Courier:
    """Delivers.

    Attributes:
        outbox: what is due for incidents.
        notices: what is due beside them.
        refusals: what Slack refused.
        slack: where.
        routing: in which channel.
        rules: by id.
        flags: what a command in a message needs to name this pipeline.
        page: Dagster's, to which messages link; '' without one.
        secret: what signs buttons; None where nobody listens, so that messages have commands instead.
        clock: epoch seconds.
    """

    outbox: Outbox
    notices: Notices
    refusals: Refusals
    slack: Slack
    routing: Routing
    rules: Mapping[str, Rule]
    flags: str = ""
    page: str = ""
    secret: bytes | None = None
    clock: Callable[[], float] = time.time

    def deliver(self) -> int:
        """Hand over what is due; returns how many lines Slack has now. What it does not take is kept for later."""
        count = unanswered = 0
        with self.outbox.claimed(self.clock()) as ours:
            if not ours:
                return 0
            try:
                for pending in self._due():
                    self.outbox.renew_claim(self.clock())
                    try:
                        count += self._deliver(pending)
                        unanswered = 0
                    except SlackAway as error:
                        unanswered += 1
                        if error.answered or unanswered == MOST_UNANSWERED:
                            raise
                        self._refused(pending, str(error), at_once=True)
                if unanswered:
                    raise SlackAway("Slack does not answer", answered=False)
            except SlackAway as error:
                wait = self.outbox.failed(str(error), self.clock(), error.retry_after_s)
                logger.warning("%s; the messages are kept, next attempt in %.0f s", error, wait)
            else:
                self.outbox.delivered()
        return count

    def _due(self) -> list[_Pending]:
        """What is urgent first, and of that what failed least; what fails again and again keeps nothing waiting."""
        pending = [
            _Pending(
                parcel.incident.id,
                parcel.lines[0].at,
                parcel.incident.severity in URGENT,
                partial(self._deliver_parcel, parcel),
                partial(self._set_aside, parcel),
            )
            for parcel in self.outbox.due()
        ]
        pending += [
            _Pending(
                f"notice {each.key}",
                each.at,
                False,
                partial(self._deliver_notice, each),
                partial(self.notices.posted, each.key, self.clock()),
            )
            for each in self.notices.due()
        ]
        known = self.refusals.all()
        for stale in known.keys() - {each.key for each in pending} - set(self.routing.of(Severity.P1)):
            self.refusals.remove(stale)
        attempts = {key: each.attempts for key, each in known.items()}

        def order(each: _Pending) -> tuple[bool, bool, int]:
            tried = attempts.get(each.key, 0)
            return tried >= MOST_ATTEMPTS, not each.urgent, tried

        return sorted((each for each in pending if not self._waits(each.key)), key=order)

    def _waits(self, key: str) -> bool:
        refusal = self.refusals.all().get(key)
        return refusal is not None and refusal.not_before > self.clock()

    def _deliver(self, pending: _Pending) -> int:
        try:
            count = pending.deliver()
        except SlackRefuses as error:
            if error.scope is not Scope.CHANNEL:  # the channel's own refusal is kept, and its messages with it
                self._refused(pending, str(error), for_good=error.scope is Scope.CONTENT)
            return 0
        self.refusals.remove(pending.key)
        return count

    def _refused(self, pending: _Pending, why: str, *, at_once: bool = False, for_good: bool = False) -> None:
        """Keep a message for another attempt, or set it aside: the log and the ledger have it."""
        refusal = self.refusals.add(pending.key, why, self.clock(), at_once=at_once)
        often = refusal.attempts >= MOST_ATTEMPTS and not at_once
        if for_good or (often and self.clock() - pending.since >= SET_ASIDE_AFTER_S):
            logger.error("%s; %s is set aside, `market-pipeline incidents list` has it", why, pending.key)
            pending.set_aside()
            self.refusals.remove(pending.key)
        else:
            logger.warning("%s; %s waits, the others do not", why, pending.key)

    def _set_aside(self, parcel: Parcel) -> None:
        for line in parcel.lines:
            self.outbox.posted(line.number, self.clock())

    def _deliver_notice(self, notice: Notice) -> int:
        channel = self.routing.channel
        if self._waits(channel):
            return 0
        if not notice.tried or self.slack.find(channel, notice.key) is None:
            self.notices.trying(notice.key, self.clock())
            shown = message.notice(notice.text)
            self._in_channel(channel, lambda: self._simpler(shown, partial(self.slack.post, channel, notice.key)))
        self.notices.posted(notice.key, self.clock())
        return 1

    def _deliver_parcel(self, parcel: Parcel) -> int:
        """Into the thread that there is; where that is gone, or its channel refuses, into one that takes its place."""
        thread, lines = parcel.thread, parcel.lines
        if thread is not None and thread.ts is not None and not self._waits(thread.channel):
            try:
                self._edit(parcel, thread.channel, thread.ts)
                return self._reply(thread.channel, thread.ts, lines)
            except SlackRefuses as error:
                if error.scope not in (Scope.THREAD, Scope.CHANNEL):
                    raise
                logger.warning("%s; %s is posted anew", error, parcel.incident.id)
        for channel in self._open_channels(parcel):
            try:
                return self._begin(parcel, channel)
            except SlackRefuses as error:
                if error.scope is not Scope.CHANNEL:
                    raise
        return 0

    def _edit(self, parcel: Parcel, channel: str, ts: str) -> None:
        edit = partial(self.slack.edit, channel, ts, parcel.incident.id)
        try:
            self._in_channel(channel, partial(self._simpler, self._shown(parcel, channel), edit))
        except SlackRefuses as error:
            if error.scope not in (Scope.EDIT, Scope.CONTENT):
                raise
            logger.warning("%s; what changed of %s is said in its thread alone", error, parcel.incident.id)

    def _open_channels(self, parcel: Parcel) -> Iterator[str]:
        """Where a new message may go: first where it may have arrived, then where such messages go."""
        begun = [parcel.thread.channel] if parcel.thread is not None and parcel.thread.ts is None else []
        for channel in dict.fromkeys([*begun, *self.routing.of(parcel.incident.severity)]):
            if not self._waits(channel):
                yield channel

    def _begin(self, parcel: Parcel, channel: str) -> int:
        """A new message of the incident, as it stands now, and in its thread what that does not say."""
        incident, before = parcel.incident, parcel.thread
        unsure = before is not None and before.ts is None and before.channel == channel
        found = self.slack.find(channel, incident.id) if unsure else None
        if found is None:
            self.outbox.trying_thread(incident.id, channel, self.clock())
            post = partial(self.slack.post, channel, incident.id)
            shown = self._shown(parcel, channel)
            found = self._in_channel(channel, lambda: self._simpler(shown, post))
        self.outbox.has_thread(incident.id, found)
        if before is not None and before.ts is not None:  # it takes another's place: its state alone says no change
            return self._reply(channel, found, parcel.lines)
        self.outbox.posted(parcel.lines[0].number, self.clock())  # the message itself is the first word
        return 1 + self._reply(channel, found, parcel.lines[1:])

    def _reply(self, channel: str, ts: str, lines: tuple[Line, ...]) -> int:
        for line in lines:
            mark = str(line.number)
            if not line.tried or self.slack.find(channel, mark, ts) is None:
                self.outbox.trying(line.number, self.clock())
                shown = message.reply(line.change, line.text, line.contact, line.at)
                post = partial(self.slack.post, channel, mark, thread_ts=ts)
                self._in_channel(channel, partial(self._simpler, shown, post))
            self.outbox.posted(line.number, self.clock())
        return len(lines)

    def _shown(self, parcel: Parcel, channel: str) -> message.Message:
        rule = self.rules.get(parcel.incident.rule)
        signer = Signer(self.secret, channel, self.clock()) if self.secret is not None else None
        return message.root(parcel.incident, rule, self.flags, signer, self.page)

    def _in_channel(self, channel: str, call: Callable[[], T]) -> T:
        """Remember of a channel whether it takes messages."""
        try:
            done = call()
        except SlackRefuses as error:
            if error.scope is Scope.CHANNEL:
                refusal = self.refusals.add(channel, f"channel {channel}: {error}", self.clock())
                wait_s = refusal.not_before - self.clock()
                logger.warning("channel %s: %s; next attempt in %.0f s", channel, error, wait_s)
            raise
        self.refusals.remove(channel)
        return done

    def _simpler(self, shown: message.Message, send: Callable[..., T]) -> T:
        """Send it, and where Slack refuses what it looks like, its words alone."""
        try:
            return send(message=shown)
        except SlackRefuses as error:
            if error.scope is not Scope.CONTENT:
                raise
            logger.warning("%s; it is sent as plain words", error)
            return send(message=message.plain(shown))
