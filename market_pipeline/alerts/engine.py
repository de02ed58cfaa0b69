"""The engine: what was seen, and the incidents so far, in; the incidents now, and what to tell, out. Pure.

An incident is a fact whether somebody is told of it or not. A silence, a maintenance window or another incident that
explains it keep the telling back, not the incident; one that outlasts what kept it back is told then.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from market_pipeline.alerts.incident import Change, Incident, State, Transition
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.alerts.silence import Silence, silence_over

STALE_ACK = 2.0
"""An ack is forgotten after so many times the time to respond: whoever gave it would have ended it by then."""
BY_ITSELF = "itself"
BY_THE_STOP = "the stop of the pipeline (only a running one can evaluate this rule)"
BY_UP = "reported by `up`"
HELPS_WITHIN_S = 300.0
"""What a run did so long before the last bad look may be why there was no other."""
KEPT_LATE_S = 15.0
"""A run tells what it did a moment after it has."""

Key = tuple[str, str]


@dataclass(frozen=True)
class Board:
    """The incidents that are not over, by rule and subject, as of ``at`` (epoch seconds)."""

    at: float = 0.0
    incidents: Mapping[Key, Incident] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """What a step made: the board now, and each change, in the order of its happening."""

    board: Board
    transitions: tuple[Transition, ...] = ()


def step(
    board: Board,
    signals: Iterable[Signal],
    rules: Mapping[str, Rule],
    silences: Iterable[Silence],
    now: float,
    healers: Mapping[str, Sequence[tuple[float, str]]] | None = None,
) -> Step:
    """Judge what was seen.

    Args:
        board: from the step before.
        signals: at most one for each rule and subject; what was not looked at stays as it is.
        rules: by id; a signal of a rule that is not among them is left out.
        silences: past ones do no harm.
        now: epoch seconds. A clock that was set back moves what is on the board with it, so that nothing waits for the
            clock to be where it was.
        healers: by an incident's id, what runs and the supervisor have done to mend it, each with its time, in order:
            one of just before it was well ended it, and not it itself.
    """
    board = _with_the_clock(board, now)
    incidents, changes = dict(board.incidents), list[tuple[Change, Key]]()
    for signal in signals:
        rule = rules.get(signal.rule)
        if rule is None:
            continue
        key = (signal.rule, signal.subject)
        change, incident = _judged(incidents.get(key), signal, rule, now)
        if incident is None:
            incidents.pop(key, None)
            continue
        incidents[key] = incident
        if change is not None:
            changes.append((change, key))
    # what keeps the telling back is only known when every incident of this step is
    keeping = list(silences)
    told: list[Transition] = []
    for change, key in changes:
        reason = _kept_back(key, _cause(incidents, key, rules, now), keeping, now)
        by = _healer(incidents[key], (healers or {}).get(incidents[key].id, ()))
        transition = _told(change, incidents[key], reason, now, by)
        incidents[key] = transition.incident
        told.append(transition)
    for key, incident in list(incidents.items()):
        if incident.is_active:
            cause = _cause(incidents, key, rules, now)
            reason = _kept_back(key, cause, keeping, now)
            if cause is not None:
                incident = replace(incident, followed_at=now)
            incidents[key], transition_of_time = _passed(incident, reason, rules.get(incident.rule), now)
            told += [transition_of_time] if transition_of_time is not None else []
    over = {key for key, incident in incidents.items() if incident.state is State.RESOLVED}
    return Step(Board(now, {key: each for key, each in incidents.items() if key not in over}), tuple(told))


def ack(incident: Incident, by: str, now: float) -> Transition | None:
    """Somebody takes it on, which ends its escalation at once; None when there is nothing to take on, or it was."""
    if incident.state is not State.OPEN:
        return None
    taken = replace(incident, state=State.ACKED, acked_at=now, acked_by=by, withheld=None)
    return Transition(Change.ACKED, taken, now, by)


def resolve(incident: Incident, by: str, now: float) -> Transition | None:
    """Somebody ends it by hand; a fault that goes on is a new incident. None when it is over, or was none yet."""
    return _resolved(incident, by, now) if incident.is_active else None


def stop(board: Board, rules: Mapping[str, Rule], now: float) -> Step:
    """The pipeline was stopped: what only a running one can evaluate is over, and what was only suspected is forgotten.

    What is still wrong then is found by the next start, as an incident of its own.
    """
    kept, transitions = dict[Key, Incident](), list[Transition]()
    for key, incident in board.incidents.items():
        rule = rules.get(incident.rule)
        if rule is None or rule.while_stopped:
            kept[key] = incident
        elif incident.is_active:
            transitions.append(_resolved(incident, BY_THE_STOP, now))
    return Step(Board(now, kept), tuple(transitions))


def inherit(board: Board, now: float) -> Iterator[Transition]:
    """A new start found these open: its history says so, and nobody is notified once more."""
    for incident in active(board):
        yield Transition(Change.INHERITED, incident, now, incident.severity.contact(incident.level), BY_UP)


def check(rules: Iterable[Rule]) -> dict[str, Rule]:
    """The rules by id.

    Raises:
        ValueError: two have one id, one inhibits what there isn't, or some inhibit each other, so that of none of them
            anybody would be told.
    """
    every = list(rules)
    by_id = {rule.id: rule for rule in every}
    if len(by_id) != len(every):
        raise ValueError("two rules have one id")
    for rule in every:
        if unknown := rule.inhibits - by_id.keys():
            raise ValueError(f"{rule.id} inhibits {', '.join(sorted(unknown))}, of which there is no rule")
        if rule.id in _follows(rule.id, by_id):
            raise ValueError(f"{rule.id} inhibits itself, by way of others")
    return by_id


def _follows(of: str, rules: Mapping[str, Rule]) -> set[str]:
    """Every rule that is inhibited by this one, directly or by way of others."""
    found: set[str] = set()
    ahead = set(rules[of].inhibits)
    while ahead:
        found |= ahead
        ahead = {each for one in ahead for each in rules[one].inhibits} - found
    return found


def _with_the_clock(board: Board, now: float) -> Board:
    back = now - board.at
    if back >= 0:
        return board
    return Board(now, {key: _moved(incident, back) for key, incident in board.incidents.items()})


_TIMES = (
    *("opened_at", "escalated_at", "acked_at", "clear_since", "bad_at", "evaluated_at", "no_data_since"),
    *("followed_at", "worst_at"),
)


def _moved(incident: Incident, by: float) -> Incident:
    moved = {name: at + by for name in _TIMES if (at := getattr(incident, name)) is not None}
    return replace(incident, since=incident.since + by, **moved)


def _judged(incident: Incident | None, signal: Signal, rule: Rule, now: float) -> tuple[Change | None, Incident | None]:
    """What the signal makes of the incident of its rule and subject; no incident when there is none any more."""
    match signal.verdict:
        case Verdict.UNKNOWN:
            # neither bad nor good: a run of good looks is broken, and nothing else follows from it meanwhile
            if incident is None:
                return None, None
            since = now if incident.no_data_since is None else incident.no_data_since
            return None, replace(incident, clear_since=None, no_data_since=since)
        case Verdict.FINE:
            return _fine(incident, rule, now)
        case Verdict.FAULT:
            return _faulty(incident, signal, rule, now)


def _fine(incident: Incident | None, rule: Rule, now: float) -> tuple[Change | None, Incident | None]:
    if incident is None or incident.state is State.PENDING:
        return None, None
    since = now if incident.clear_since is None else incident.clear_since
    incident = replace(incident, evaluated_at=now, no_data_since=None)
    if now - since >= rule.clear_s:
        return Change.RESOLVED, replace(incident, clear_since=since)
    return None, replace(incident, clear_since=since)


def _faulty(incident: Incident | None, signal: Signal, rule: Rule, now: float) -> tuple[Change | None, Incident]:
    severity = signal.severity or rule.severity
    if incident is None:
        name = f"{rule.id}/{signal.subject}/{int(now * 1000)}"
        incident = Incident(name, rule.id, signal.subject, severity, State.PENDING, now)
    worse = severity < incident.severity
    if _is_worst(incident, severity, signal, rule):
        incident = replace(
            incident,
            worst_at=now,
            worst_text=signal.text,
            worst_value=signal.value,
            worst_evidence=signal.evidence,
        )
    seen = replace(
        incident,
        severity=min(severity, incident.severity),
        text=signal.text,
        value=signal.value,
        mendable=signal.mendable,
        evidence=signal.evidence,
        bad_at=now,
        evaluated_at=now,
        no_data_since=None,
        clear_since=None,
        flaps=incident.flaps + (incident.clear_since is not None),
    )
    if seen.state is State.PENDING:
        if now - seen.since < rule.hold_s:
            return None, seen
        return Change.OPENED, replace(seen, state=State.OPEN, opened_at=now, escalated_at=now)
    if worse:  # an ack was for less than this
        return Change.WORSENED, replace(
            seen, state=State.OPEN, acked_at=None, acked_by=None, level=0, escalated_at=now
        )  # fmt: skip
    return None, seen


def _is_worst(incident: Incident, severity: Severity, signal: Signal, rule: Rule) -> bool:
    """Whether it was never so bad before: by its severity, then by the rule's figure."""
    if incident.worst_at is None or severity != incident.severity:
        return incident.worst_at is None or severity < incident.severity
    if signal.evidence.get("run") != incident.worst_evidence.get("run"):
        return True  # another run of Dagster's that failed is what there is to look into
    value = signal.value
    if value is None or incident.worst_value is None:
        return False
    return value < incident.worst_value if rule.low_is_bad else value > incident.worst_value


def _kept_back(key: Key, cause: Rule | None, silences: list[Silence], now: float) -> str | None:
    """Why nobody is told of this incident now, or None."""
    silence = silence_over(silences, *key, now)
    if silence is not None:
        return f"silenced by {silence.author}: {silence.reason}"
    return None if cause is None else f"follows from {cause.id}"


def _cause(incidents: Mapping[Key, Incident], key: Key, rules: Mapping[str, Rule], now: float) -> Rule | None:
    """The rule of an incident from which this one follows, if there is one that is known to be there now."""
    rule, _ = key
    causes = (rules[each.rule] for each in incidents.values() if each.rule in rules and each.is_current(now))
    return next((cause for cause in causes if rule in cause.inhibits), None)


def _told(change: Change, incident: Incident, reason: str | None, now: float, by: str) -> Transition:
    if change is Change.RESOLVED:
        return _resolved(incident, by, now)
    unheard = incident.withheld is not None or change is Change.OPENED
    kept = replace(incident, withheld=reason if unheard else None)
    return Transition(change, kept, now, kept.severity.contact(kept.level), reason)


def _healer(incident: Incident, did: Sequence[tuple[float, str]]) -> str:
    """The last of what was done that came in time to have ended it; else itself."""
    bad_at = incident.since if incident.bad_at is None else incident.bad_at
    latest = (incident.clear_since if incident.clear_since is not None else bad_at) + KEPT_LATE_S
    helped = [what for at, what in did if bad_at - HELPS_WITHIN_S <= at <= latest]
    return helped[-1] if helped else BY_ITSELF


def _resolved(incident: Incident, by: str, now: float) -> Transition:
    """The end. Of an incident that nobody heard of, nobody hears that it is over."""
    over = replace(incident, state=State.RESOLVED, resolved_at=now, resolved_by=by)
    nobody_heard = f"nobody was told of it ({incident.withheld})" if incident.withheld is not None else None
    return Transition(Change.RESOLVED, over, now, over.severity.contact(over.level), nobody_heard)


def _passed(
    incident: Incident, reason: str | None, rule: Rule | None, now: float
) -> tuple[Incident, Transition | None]:
    """What the passing of time makes of an active incident."""
    if incident.clear_since is not None:
        return incident, None  # it seems to be over
    if incident.withheld is not None:
        return _outlasted(incident, reason, rule, now)
    respond = incident.severity.respond_within_s
    if respond is None or reason is not None:
        return incident, None
    if incident.state is State.ACKED:
        if incident.acked_at is None or now - incident.acked_at < STALE_ACK * respond:
            return incident, None
        again = replace(incident, state=State.OPEN, acked_at=None, acked_by=None, escalated_at=now)
        return again, _change(Change.REOPENED, again, now)
    if incident.escalated_at is not None and now - incident.escalated_at >= respond:
        higher = replace(incident, level=incident.level + 1, escalated_at=now)
        return higher, _change(Change.ESCALATED, higher, now)
    return incident, None


def _outlasted(
    incident: Incident, reason: str | None, rule: Rule | None, now: float
) -> tuple[Incident, Transition | None]:
    """What was kept back is told when it outlasts what kept it back: after a silence at once, after another incident in
    a while, for what followed from that needs as long to get well as it needed to fall ill."""
    if reason is not None:
        return replace(incident, withheld=reason), None
    grace_s = max(rule.hold_s, rule.clear_s) if rule is not None else 0.0
    if incident.followed_at is not None and now - incident.followed_at < grace_s:
        return incident, None
    heard = replace(incident, withheld=None, escalated_at=now)
    return heard, _change(Change.TOLD_LATE, heard, now)


def _change(change: Change, incident: Incident, now: float) -> Transition:
    return Transition(change, incident, now, incident.severity.contact(incident.level))


def active(board: Board) -> Iterator[Incident]:
    """The incidents that are facts, the worst first and then the oldest."""
    return iter(sorted((each for each in board.incidents.values() if each.is_active), key=_urgency))


def _urgency(incident: Incident) -> tuple[str, float]:
    return incident.severity, incident.since
