"""What the engine makes of good and bad looks, of time, of silences and of what explains what."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_pipeline.alerts import engine, rulebook
from market_pipeline.alerts.engine import Board
from market_pipeline.alerts.incident import STALE_AFTER_S, Change, Incident, State, Transition
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import ON_CALL, TEAM_LEAD, Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.alerts.silence import LONGEST_S, NoSilence, Silence

KAFKA = Rule("kafka-down", "Kafka is down", Severity.P1, "3", clear_s=60, inhibits=frozenset({"lag-grows"}))
LAG = Rule("lag-grows", "Lag grows", Severity.P2, "2", hold_s=120, clear_s=60)
DISK = Rule("disk-full", "The disk fills up", Severity.P2, "4", clear_s=60)
KEY = Rule("key-old", "The key is old", Severity.P4, "monthly")
STORED = Rule("failed-run", "A run failed", Severity.P3, "daily", while_stopped=True)
RATE = Rule("trade-rate", "Few trades", Severity.P1, "1", low_is_bad=True)
RULES = engine.check([KAFKA, LAG, DISK, KEY, STORED, RATE])
T0 = 1_800_000_000.0
MINUTE = 60.0


@dataclass
class World:
    """An engine with a clock that a test moves."""

    now: float = T0
    board: Board = field(default_factory=Board)
    silences: list[Silence] = field(default_factory=list)
    heard: list[Transition] = field(default_factory=list)

    def see(
        self, rule: Rule, verdict: Verdict, *, subject: str = "x", severity: Severity | None = None
    ) -> list[Change]:
        return self.look([Signal(rule.id, subject, verdict, f"{rule.id} is {verdict}", severity=severity)])

    def look(self, signals: Sequence[Signal] = ()) -> list[Change]:
        step = engine.step(self.board, signals, RULES, self.silences, self.now)
        self.board = step.board
        self.heard += step.transitions
        return [each.change for each in step.transitions]

    def take(self, transition: Transition | None) -> None:
        assert transition is not None
        self.board = Board(self.board.at, dict(self.board.incidents) | {transition.incident.key: transition.incident})

    @property
    def only(self) -> Incident:
        (incident,) = self.board.incidents.values()
        return incident

    @property
    def told(self) -> list[Change]:
        return [each.change for each in self.heard if each.withheld is None]


@pytest.fixture
def world() -> World:
    return World()


def test_a_fault_is_an_incident_when_it_has_lasted_and_is_over_when_it_was_fine_for_long_enough(world: World) -> None:
    assert world.see(LAG, Verdict.FAULT) == []
    assert world.only.state is State.PENDING
    world.now += LAG.hold_s
    assert world.see(LAG, Verdict.FAULT) == [Change.OPENED]
    assert (world.only.since, world.only.opened_at) == (T0, world.now)
    world.now += 10
    assert world.see(LAG, Verdict.FINE) == []
    world.now += LAG.clear_s
    assert world.see(LAG, Verdict.FINE) == [Change.RESOLVED]
    assert world.board.incidents == {}
    assert world.heard[-1].incident.resolved_by == engine.BY_ITSELF


def bad(rule: Rule, value: float | None, severity: Severity | None = None, run: str | None = None) -> Signal:
    evidence = {"value": value} | ({"run": run} if run else {})
    return Signal(rule.id, "x", Verdict.FAULT, f"{value}", value, severity, evidence)


@pytest.mark.parametrize(
    ("rule", "looks", "worst"),
    [
        (DISK, [bad(DISK, 85), bad(DISK, 88), bad(DISK, 82)], 1),
        (DISK, [bad(DISK, 88), bad(DISK, 88)], 0),
        (DISK, [bad(DISK, 92, Severity.P1), bad(DISK, 99), bad(DISK, 91, Severity.P1)], 0),
        (DISK, [bad(DISK, 99), bad(DISK, 91, Severity.P1)], 1),
        (DISK, [bad(DISK, None), bad(DISK, 5)], 0),
        (RATE, [bad(RATE, 9), bad(RATE, 2), bad(RATE, 5)], 1),
        (STORED, [bad(STORED, None, run="a"), bad(STORED, None, run="b"), bad(STORED, 9, run="b")], 1),
    ],
)
def test_the_evidence_of_the_worst_moment_is_kept(world: World, rule: Rule, looks: list[Signal], worst: int) -> None:
    for signal in looks:
        world.look([signal])
        world.now += 10
    kept, seen = world.only.worst, looks[worst]
    assert (kept.at, kept.text, kept.value, kept.evidence) == (T0 + 10 * worst, seen.text, seen.value, seen.evidence)
    assert world.only.text == looks[-1].text
    world.see(rule, Verdict.FINE)
    assert world.only.worst == kept


def test_a_short_fault_is_none(world: World) -> None:
    world.see(LAG, Verdict.FAULT)
    world.now += LAG.hold_s - 1
    world.see(LAG, Verdict.FINE)
    assert world.board.incidents == {}
    world.now += 1
    assert world.see(LAG, Verdict.FAULT) == []  # it begins anew
    assert world.heard == []


def test_what_flaps_is_one_incident(world: World) -> None:
    assert world.see(DISK, Verdict.FAULT) == [Change.OPENED]
    for _ in range(20):
        world.now += DISK.clear_s - 1
        assert world.see(DISK, Verdict.FINE) == []
        world.now += 1
        assert world.see(DISK, Verdict.FAULT) == []
    assert world.only.flaps == 20


def test_who_can_not_look_neither_raises_an_alarm_nor_gives_the_all_clear(world: World) -> None:
    assert world.see(DISK, Verdict.UNKNOWN) == []
    assert world.board.incidents == {}
    world.see(LAG, Verdict.FAULT)
    world.now += LAG.hold_s
    assert world.see(LAG, Verdict.UNKNOWN) == []
    assert world.see(LAG, Verdict.FAULT) == [Change.OPENED]
    world.see(LAG, Verdict.FINE)
    world.now += LAG.clear_s
    assert world.see(LAG, Verdict.UNKNOWN) == []
    assert world.see(LAG, Verdict.FINE) == []  # the run of good looks begins anew
    world.now += LAG.clear_s
    assert world.see(LAG, Verdict.FINE) == [Change.RESOLVED]


@pytest.mark.parametrize(
    ("rule", "after_s", "contacts"),
    [
        (KAFKA, 15 * MINUTE, [ON_CALL, TEAM_LEAD, "sprint owner", "sprint owner"]),
        (DISK, 60 * MINUTE, [TEAM_LEAD, ON_CALL, ON_CALL, ON_CALL]),
    ],
)
def test_who_does_not_answer_in_time_is_followed_by_the_next(
    world: World, rule: Rule, after_s: float, contacts: list[str]
) -> None:
    world.see(rule, Verdict.FAULT)
    for _ in contacts[1:]:
        world.now += after_s - 1
        assert world.see(rule, Verdict.FAULT) == []
        world.now += 1
        assert world.see(rule, Verdict.FAULT) == [Change.ESCALATED]
    assert [each.contact for each in world.heard] == contacts


def test_nobody_is_woken_for_the_backlog(world: World) -> None:
    world.see(KEY, Verdict.FAULT)
    world.now += 30 * 86_400
    assert world.see(KEY, Verdict.FAULT) == []


def test_an_ack_ends_the_escalation_at_once_and_a_forgotten_one_reopens(world: World) -> None:
    world.see(KAFKA, Verdict.FAULT)
    world.now += 15 * MINUTE
    world.take(engine.ack(world.only, "ann", world.now))
    assert world.see(KAFKA, Verdict.FAULT) == []  # at the very moment at which it was due
    assert engine.ack(world.only, "bob", world.now) is None  # a double click
    world.now += 30 * MINUTE - 1
    assert world.see(KAFKA, Verdict.FAULT) == []
    world.now += 1
    assert world.see(KAFKA, Verdict.FAULT) == [Change.REOPENED]
    assert (world.only.state, world.only.acked_by) == (State.OPEN, None)
    world.now += 15 * MINUTE
    assert world.see(KAFKA, Verdict.FAULT) == [Change.ESCALATED]


def test_an_acked_incident_that_gets_well_is_over(world: World) -> None:
    world.see(KAFKA, Verdict.FAULT)
    world.take(engine.ack(world.only, "ann", world.now))
    world.see(KAFKA, Verdict.FINE)
    world.now += KAFKA.clear_s
    assert world.see(KAFKA, Verdict.FINE) == [Change.RESOLVED]


def test_what_gets_worse_is_told_again_though_it_was_acked(world: World) -> None:
    world.see(DISK, Verdict.FAULT)
    world.take(engine.ack(world.only, "ann", world.now))
    assert world.see(DISK, Verdict.FAULT, severity=Severity.P1) == [Change.WORSENED]
    assert (world.only.state, world.only.severity) == (State.OPEN, Severity.P1)
    assert world.heard[-1].contact == ON_CALL
    assert world.see(DISK, Verdict.FAULT, severity=Severity.P2) == []
    assert world.only.severity is Severity.P1  # the worst so far


def test_what_follows_from_another_incident_is_kept_and_not_told(world: World) -> None:
    world.see(KAFKA, Verdict.FAULT)
    world.see(LAG, Verdict.FAULT)
    world.now += LAG.hold_s
    assert world.see(LAG, Verdict.FAULT) == [Change.OPENED]
    assert world.heard[-1].withheld == "follows from kafka-down"
    world.see(KAFKA, Verdict.FINE)
    world.now += KAFKA.clear_s
    assert world.see(KAFKA, Verdict.FINE) == [Change.RESOLVED]
    world.see(LAG, Verdict.FINE)
    world.now += LAG.clear_s
    assert world.see(LAG, Verdict.FINE) == [Change.RESOLVED]
    assert world.told == [Change.OPENED, Change.RESOLVED]  # of Kafka: no "resolved" of what nobody had heard of
    assert "follows from kafka-down" in str(world.heard[-1].withheld)


def lag_outlasts_kafka(world: World) -> None:
    """Kafka is down and well again; the lag that followed from it was an incident meanwhile."""
    world.see(KAFKA, Verdict.FAULT)
    world.see(LAG, Verdict.FAULT)
    world.now += LAG.hold_s
    world.see(LAG, Verdict.FAULT)
    world.see(KAFKA, Verdict.FINE)
    world.now += KAFKA.clear_s
    world.see(KAFKA, Verdict.FINE)


def test_what_outlasts_its_cause_is_told_then(world: World) -> None:
    lag_outlasts_kafka(world)
    assert world.see(LAG, Verdict.FAULT) == []
    world.now += LAG.hold_s - 1
    assert world.see(LAG, Verdict.FAULT) == []
    world.now += 1
    assert world.see(LAG, Verdict.FAULT) == [Change.TOLD_LATE]
    assert {each.at for each in world.heard if each.change is Change.TOLD_LATE} == {world.now}
    world.now += 60 * MINUTE - 1
    assert world.see(LAG, Verdict.FAULT) == []
    world.now += 1
    assert world.see(LAG, Verdict.FAULT) == [Change.ESCALATED]  # an hour from when it was told
    assert (world.heard[-1].at, world.heard[-1].contact) == (world.now, ON_CALL)


def test_a_cause_that_is_only_suspected_keeps_its_consequences_back(world: World) -> None:
    slow = Rule("kafka-slow", "Kafka is slow", Severity.P1, "3", hold_s=300, inhibits=frozenset({"lag-grows"}))
    rules = engine.check([slow, LAG])
    signals = [Signal(each, "x", Verdict.FAULT) for each in rules]
    first = engine.step(Board(), signals, rules, [], T0)
    second = engine.step(first.board, signals, rules, [], T0 + LAG.hold_s)
    assert [each.withheld for each in second.transitions] == ["follows from kafka-slow"]


def test_a_silence_keeps_the_telling_back_until_its_end(world: World) -> None:
    world.silences = [Silence("disk-*", "*", "ann", "bigger disk on its way", T0 - 10, T0 + 600)]
    assert world.see(DISK, Verdict.FAULT) == [Change.OPENED]
    assert world.heard[-1].withheld == "silenced by ann: bigger disk on its way"
    world.now = T0 + 599
    assert world.see(DISK, Verdict.FAULT) == []
    world.now = T0 + 600
    assert world.see(DISK, Verdict.FAULT) == [Change.TOLD_LATE]  # whoever is no longer silenced has to know it now


def test_a_silence_begins_with_its_first_second_and_may_last_a_year() -> None:
    silence = Silence("disk-*", "x", "ann", "a bigger disk", T0, T0 + LONGEST_S)
    assert [silence.covers("disk-full", "x", at) for at in (T0 - 1, T0, T0 + LONGEST_S - 1, T0 + LONGEST_S)] == [
        *(False, True, True, False)
    ]
    with pytest.raises(NoSilence, match=r"^a silence lasts a year at most: "):
        Silence("disk-*", "x", "ann", "a bigger disk", T0, T0 + LONGEST_S + 1)
    with pytest.raises(NoSilence, match=r"^a silence needs an end that is after its start$"):
        Silence("disk-*", "x", "ann", "a bigger disk", T0, T0)
    with pytest.raises(NoSilence, match=r"^a silence needs an author and a reason$"):
        Silence("disk-*", "x", "ann", " ", T0, T0 + 1)


def test_why_nobody_is_told_is_the_reason_of_now(world: World) -> None:
    """A silence that another one takes over from."""
    world.silences = [
        Silence("*", "*", author, "why", T0 + at, T0 + at + 60) for author, at in (("ann", 0), ("bob", 60))
    ]
    world.see(DISK, Verdict.FAULT)
    assert world.only.withheld == "silenced by ann: why"
    world.now += 60
    assert world.see(DISK, Verdict.FAULT) == []
    assert world.only.withheld == "silenced by bob: why"


def test_what_is_left_of_a_rule_that_is_no_more_is_told_when_its_silence_ends() -> None:
    silence = Silence("*", "*", "ann", "why", T0, T0 + 60)
    board = engine.step(Board(), [Signal(DISK.id, "x", Verdict.FAULT)], RULES, [silence], T0).board
    (told,) = engine.step(board, [], {}, [], T0 + 60).transitions
    assert (told.change, told.withheld) == (Change.TOLD_LATE, None)


def test_who_acts_by_hand_is_noted_with_the_moment(world: World) -> None:
    world.silences = [Silence("*", "*", "ann", "why", T0, T0 + 60)]
    world.see(DISK, Verdict.FAULT)
    found, at = world.only, T0 + 7
    assert found.withheld is not None
    taken = replace(found, state=State.ACKED, acked_at=at, acked_by="bob", withheld=None)
    assert engine.ack(found, "bob", at) == Transition(Change.ACKED, taken, at, "bob")
    over = replace(taken, state=State.RESOLVED, resolved_at=at + 1, resolved_by="cid")
    assert engine.resolve(taken, "cid", at + 1) == Transition(Change.RESOLVED, over, at + 1, TEAM_LEAD)


def test_what_a_run_mended_was_ended_by_the_run(world: World) -> None:
    (opened,) = engine.step(Board(), [Signal(DISK.id, "x", Verdict.FAULT)], RULES, [], T0).transitions
    board = Board(T0, {opened.incident.key: opened.incident})
    did = [(T0 + 0.5, "run 1a2b (compacted)"), (T0 + 1 + DISK.clear_s, "run 5e6f (too late to have helped)")]
    healers = {opened.incident.id: did, "another": [(T0 + 0.9, "run 3c4d (nothing of this)")]}
    fine = [Signal(DISK.id, "x", Verdict.FINE)]
    board = engine.step(board, fine, RULES, [], T0 + 1, healers).board
    (resolved,) = engine.step(board, fine, RULES, [], T0 + 1 + DISK.clear_s, healers).transitions
    assert (resolved.change, resolved.incident.resolved_by) == (Change.RESOLVED, "run 1a2b (compacted)")


def test_what_a_run_did_long_before_it_was_well_did_not_end_it(world: World) -> None:
    world.see(DISK, Verdict.FAULT)
    healers = {world.only.id: [(T0 + 1, "run 1a2b (restarted, which did not help)")]}
    world.now += 3 * 3_600
    world.see(DISK, Verdict.FAULT)
    world.now += 30
    fine = [Signal(DISK.id, "x", Verdict.FINE)]
    board = engine.step(world.board, fine, RULES, [], world.now, healers).board
    (resolved,) = engine.step(board, fine, RULES, [], world.now + DISK.clear_s, healers).transitions
    assert resolved.incident.resolved_by == engine.BY_ITSELF


def test_what_followed_while_it_was_silenced_has_its_grace_all_the_same(world: World) -> None:
    """Nobody is to be told of what gets well by itself, because a silence ended just then."""
    world.silences = [Silence("*", "*", "ann", "moving Kafka", T0 - 1, T0 + LAG.hold_s + KAFKA.clear_s + 1)]
    lag_outlasts_kafka(world)
    world.now += 2  # the silence is over
    assert world.see(LAG, Verdict.FAULT) == []
    world.now += LAG.hold_s
    assert world.see(LAG, Verdict.FAULT) == [Change.TOLD_LATE]


def test_a_silence_stops_escalation_of_what_was_told_and_its_end_is_told(world: World) -> None:
    world.see(KAFKA, Verdict.FAULT)
    world.silences = [Silence("*", "x", "ann", "moving house", T0, T0 + 86_400)]
    world.now += 3_600
    assert world.see(KAFKA, Verdict.FAULT) == []
    world.see(KAFKA, Verdict.FINE)
    world.now += KAFKA.clear_s
    assert world.see(KAFKA, Verdict.FINE) == [Change.RESOLVED]
    assert world.told == [Change.OPENED, Change.RESOLVED]


@pytest.mark.parametrize(
    "wrong", [{"author": " "}, {"reason": ""}, {"ends_at": T0}, {"ends_at": T0 - 1}, {"ends_at": float("nan")}]
)
def test_a_silence_has_an_author_a_reason_and_an_end(wrong: dict[str, object]) -> None:
    given_: dict[str, object] = {"author": "ann", "reason": "because", "starts_at": T0, "ends_at": T0 + 1} | wrong
    with pytest.raises(ValueError, match="a silence needs"):
        Silence("*", "*", **given_)  # type: ignore[arg-type]


def test_somebody_may_end_it_and_a_fault_that_goes_on_is_a_new_incident(world: World) -> None:
    world.see(DISK, Verdict.FAULT)
    first = world.only
    ended = engine.resolve(first, "ann", world.now)
    assert ended is not None
    assert (ended.incident.state, ended.incident.resolved_by) == (State.RESOLVED, "ann")
    assert engine.resolve(ended.incident, "ann", world.now) is None
    world.board = Board(world.now)
    world.now += 1
    assert world.see(DISK, Verdict.FAULT) == [Change.OPENED]
    assert world.only.id != first.id


def test_a_clock_that_is_set_back_stops_nothing(world: World) -> None:
    world.see(LAG, Verdict.FAULT)
    world.now += 100
    world.see(LAG, Verdict.FAULT)
    world.now -= 86_400
    assert world.see(LAG, Verdict.FAULT) == []
    world.now += LAG.hold_s - 100
    assert world.see(LAG, Verdict.FAULT) == [Change.OPENED]


def test_with_a_clock_that_is_set_back_go_all_times_of_an_incident(world: World) -> None:
    """Who does not answer is followed by the next after as long, and what gets well is over after as long."""
    world.see(KAFKA, Verdict.FAULT)
    world.now += 60
    world.see(KAFKA, Verdict.FAULT)
    world.now -= 3_600
    assert world.see(KAFKA, Verdict.FAULT) == []
    assert world.only.opened_at == world.now - 60
    world.now += 14 * MINUTE - 1
    assert world.see(KAFKA, Verdict.FAULT) == []
    world.now += 1
    assert world.see(KAFKA, Verdict.FAULT) == [Change.ESCALATED]
    world.see(KAFKA, Verdict.FINE)
    world.now -= 3_600
    assert world.see(KAFKA, Verdict.FINE) == []
    world.now += KAFKA.clear_s
    assert world.see(KAFKA, Verdict.FINE) == [Change.RESOLVED]


def test_rules_that_explain_each_other_are_refused() -> None:
    one = Rule("one", "", Severity.P1, "", inhibits=frozenset({"two"}))
    two = Rule("two", "", Severity.P1, "", inhibits=frozenset({"one"}))
    with pytest.raises(ValueError, match="inhibits itself"):
        engine.check([one, two])
    with pytest.raises(ValueError, match="of which there is no rule"):
        engine.check([one])
    with pytest.raises(ValueError, match="one id"):
        engine.check([LAG, LAG])


def test_a_signal_of_no_rule_and_what_was_not_looked_at_change_nothing(world: World) -> None:
    world.see(DISK, Verdict.FAULT)
    before = world.only
    world.now += 5
    assert world.look([Signal("nobody", "x", Verdict.FAULT)]) == []
    assert world.only == before


observations = st.lists(
    st.tuples(
        st.sampled_from([KAFKA, LAG, DISK]),
        st.sampled_from(["x", "y"]),
        st.sampled_from(list(Verdict)),
        st.sampled_from([-3_600.0, 0.0, 1.0, 30.0, 61.0, 130.0, 1_000.0, 8_000.0]),
        st.sampled_from(["", "ack", "resolve", "silence"]),
    ),
    max_size=60,
)


@settings(max_examples=1_000)
@given(observations)
def test_each_incident_is_notified_once_and_its_end_once(story: list[tuple[Rule, str, Verdict, float, str]]) -> None:
    world = World()
    for rule, subject, verdict, later, action in story:
        world.now += later
        incident = world.board.incidents.get((rule.id, subject))
        if action == "silence":
            world.silences.append(Silence(rule.id, "*", "ann", "why", world.now, world.now + 500))
        elif action and incident is not None:
            by_hand = engine.ack if action == "ack" else engine.resolve
            done = by_hand(incident, "ann", world.now)
            if done is not None:
                world.take(done)
                world.heard.append(done)
                if done.change is Change.RESOLVED:  # the store keeps it, and no longer evaluates it
                    del world.board.incidents[done.incident.key]
        world.see(rule, verdict, subject=subject)
    for rule in (KAFKA, LAG, DISK):
        for subject in ("x", "y"):
            assert_life_cycles(each for each in world.heard if each.incident.key == (rule.id, subject))


def assert_life_cycles(transitions: Iterable[Transition]) -> None:
    """Of one rule and subject: one incident after the other, and what each is notified of."""
    life: list[Transition] = []
    for each in transitions:
        assert (each.change is Change.OPENED) == (not life)
        life.append(each)
        notified = [one for one in life if one.withheld is None]
        assert sum(one.change in (Change.OPENED, Change.TOLD_LATE) for one in notified) <= 1
        if each.change is Change.RESOLVED:
            acted = each.incident.acked_by or each.incident.resolved_by == "ann"  # who acts on it knows of it
            assert each.withheld is not None or acted or len(notified) > 1
            life = []


def test_an_incident_without_current_data_suppresses_nothing(world: World) -> None:
    """It may have been left open by a pipeline that was stopped hours ago."""
    world.see(KAFKA, Verdict.FAULT)
    world.see(LAG, Verdict.FAULT)
    world.now += LAG.hold_s
    assert world.look([Signal(KAFKA.id, "x", Verdict.FAULT), Signal(LAG.id, "x", Verdict.FAULT)]) == [Change.OPENED]
    assert world.heard[-1].withheld == "follows from kafka-down"
    world.now += 3_600
    world.look([Signal(KAFKA.id, "x", Verdict.UNKNOWN), Signal(LAG.id, "x", Verdict.FAULT)])
    assert Change.TOLD_LATE in world.told


def test_an_incident_that_nobody_evaluates_any_more_suppresses_nothing(world: World) -> None:
    world.see(KAFKA, Verdict.FAULT)
    world.now += STALE_AFTER_S + 1
    world.see(LAG, Verdict.FAULT)
    world.now += LAG.hold_s
    assert world.see(LAG, Verdict.FAULT) == [Change.OPENED]
    assert world.heard[-1].withheld is None


@pytest.mark.parametrize("ended", ["stream", "dagster-webserver"])
def test_a_program_that_hangs_is_told_of_whatever_ended_before(ended: str) -> None:
    """Three restarts within some minutes raise a suspicion, which must not withhold what is known."""
    down, hung = Signal("program-down", ended, Verdict.FAULT), Signal("program-hung", "stream", Verdict.FAULT)
    step = engine.step(Board(), [down, hung], rulebook.RULES, [], T0)
    assert [(each.incident.rule, each.withheld) for each in step.transitions] == [("program-hung", None)]


NAMES = sorted(RULES)
SEEN = st.lists(
    st.tuples(
        st.floats(min_value=0.5, max_value=2 * STALE_AFTER_S),
        st.dictionaries(st.sampled_from(NAMES), st.sampled_from(list(Verdict)), max_size=len(NAMES)),
    ),
    max_size=40,
)


@given(SEEN)
def test_nothing_is_suppressed_by_what_had_no_data_or_was_not_evaluated_lately(
    seen: list[tuple[float, dict[str, Verdict]]],
) -> None:
    world = World()
    last: dict[str, tuple[float, Verdict]] = {}
    for after_s, verdicts in seen:
        world.now += after_s
        last |= {rule: (world.now, verdict) for rule, verdict in verdicts.items()}
        before = len(world.heard)
        world.look([Signal(rule, "x", verdict) for rule, verdict in verdicts.items()])
        kept_back = [each.withheld for each in world.heard[before:] if each.change is not Change.RESOLVED]
        kept_back += [each.withheld for each in world.board.incidents.values() if each.followed_at == world.now]
        for reason in filter(None, kept_back):
            at, verdict = last[reason.removeprefix("follows from ")]
            assert verdict is not Verdict.UNKNOWN
            assert world.now - at <= STALE_AFTER_S


def test_a_stop_ends_what_only_a_running_pipeline_can_evaluate(world: World) -> None:
    world.see(KAFKA, Verdict.FAULT)
    world.see(STORED, Verdict.FAULT)
    world.see(LAG, Verdict.FAULT)  # a suspicion
    step = engine.stop(world.board, RULES, world.now)
    assert [(each.change, each.incident.rule) for each in step.transitions] == [(Change.RESOLVED, KAFKA.id)]
    assert step.transitions[0].incident.resolved_by == engine.BY_THE_STOP
    assert (step.transitions[0].at, step.transitions[0].incident.resolved_at) == (world.now, world.now)
    assert step.board.at == world.now
    assert [each.rule for each in step.board.incidents.values()] == [STORED.id]


def test_the_worst_are_first_and_of_those_the_oldest(world: World) -> None:
    for rule, subject in ((DISK, "a"), (KAFKA, "b"), (DISK, "c"), (KAFKA, "d"), (LAG, "suspected")):
        world.now += 1
        world.see(rule, Verdict.FAULT, subject=subject)
    backwards = Board(world.now, dict(reversed(world.board.incidents.items())))
    assert [each.subject for each in engine.active(backwards)] == ["b", "d", "a", "c"]
