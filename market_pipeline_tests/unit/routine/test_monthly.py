"""What a month of incidents says, versions against registries that are made by hand, and the key."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from market_pipeline.alerts.incident import Incident, State
from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.local.java import FLOOR, Candidate
from market_pipeline.routine import monthly, versions
from market_pipeline.routine.alert_review import responses, review
from market_pipeline.routine.versions import RegistryAway, Version, jar_versions, newest_final, python_versions
from market_pipeline.settings import Settings

T0 = 1_800_000_000.0


def incident(
    number: int, rule: str = "high-latency", *, lasted_s: float | None = 100.0, by: str = "itself"
) -> Incident:
    since = T0 + 10_000.0 * number
    over = since + lasted_s if lasted_s is not None else None
    return Incident(
        f"{rule}/{number}", rule, "stream", RULES[rule].severity,
        State.OPEN if over is None else State.RESOLVED, since, opened_at=since + 60, resolved_at=over,
        resolved_by=by if over is not None else None, clear_since=over - 30 if over is not None else None,
    )  # fmt: skip


def test_a_rule_whose_fires_mostly_pass_is_worth_a_longer_hold() -> None:
    found = {each.rule: each for each in review([incident(n) for n in range(4)], {}, RULES)}
    latency = found["high-latency"]
    assert (latency.fires, latency.passing, latency.median_lasted_s) == (4, 4, 70.0)
    assert (latency.hold_s, latency.proposed_hold_s) == (RULES["high-latency"].hold_s, 70.0)
    assert found["kafka-down"].fires == 0
    assert set(found) == set(RULES)


@pytest.mark.parametrize(
    "fires",
    [
        [incident(n) for n in range(2)],  # too few
        [incident(n, by="ann") for n in range(4)],  # somebody ended them
        [incident(n, lasted_s=4_000.0) for n in range(4)],  # somebody should have answered by then
        [incident(n, lasted_s=None) for n in range(4)],
        [incident(n, lasted_s=50.0) for n in range(4)],  # shorter than the hold, but for the clearing
    ],
)
def test_no_hold_is_proposed_without_a_reason(fires: list[Incident]) -> None:
    (latency,) = [each for each in review(fires, {}, RULES) if each.rule == "high-latency"]
    assert latency.proposed_hold_s is None


def test_one_that_was_taken_on_did_not_pass() -> None:
    fires = [incident(n) for n in range(4)]
    acked = {each.id: each.since + 70 for each in fires}
    (latency,) = [each for each in review(fires, acked, RULES) if each.rule == "high-latency"]
    assert (latency.passing, latency.proposed_hold_s) == (0, None)


def test_answers_are_measured_against_the_matrix() -> None:
    fires = [incident(0), incident(1), incident(2, "kafka-down", lasted_s=None)]
    acked = {fires[0].id: fires[0].since + 60 + 600, fires[1].id: fires[1].since + 60 + 7_200}
    found = {each.severity: each for each in responses(fires, acked, T0 + 30_000)}
    assert found[Severity.P2].to_ack_s == 3_900.0
    assert found[Severity.P2].in_time == 1
    assert (found[Severity.P1].to_ack_s, found[Severity.P1].to_heal_s) == (None, None)
    assert (found[Severity.P1].unanswered, found[Severity.P1].late) == (1, True)  # bad for hours, and nobody came
    assert not next(responses([incident(0)], {}, T0 + 30_000)).late  # it passed before anybody had to come


def test_the_first_ack_is_the_ledgers_own(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, feed="simulator")
    ledger = Ledger(settings.paths.incidents)
    ledger.judge([Signal("cassandra-disk", "cassandra", Verdict.FAULT, "85 % used")], RULES, T0)
    ledger.ack("cassandra", "ann", T0 + 30)
    found = monthly.response_times(settings, datetime.fromtimestamp(T0 + 60, UTC))
    assert found.fine is True
    assert (found.rows[0]["severity"], found.rows[0]["to ack"]) == (Severity.P2, "0:00:30")
    thresholds = monthly.alert_thresholds(settings, datetime.fromtimestamp(T0 + 60, UTC))
    assert thresholds.text.startswith("1 incidents of 1 rules")


def test_versions_of_ours_are_told_and_not_those_of_others() -> None:
    found = {each.name: each for each in python_versions(lambda: {"dagster": "99.0", "certifi": "99.0"})}
    assert found["dagster"].behind
    assert "certifi" not in found  # somebody else's dependency
    assert not found["pyspark"].behind
    jars = {each.name: each for each in jar_versions(lambda group, artifact: "9" if "kafka_2" in artifact else None)}
    assert jars["kafka_2.13"] == Version("kafka_2.13", "jar", jars["kafka_2.13"].used, "9")
    assert jars["cassandra-all"].newest is None
    assert not jars["cassandra-all"].behind


def test_an_older_java_is_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, behind in (("17.0.9", True), (FLOOR, False)):
        monkeypatch.setattr(versions, "find", lambda _, v=version: Candidate("JAVA_HOME", tmp_path, 17, version=v))
        (found,) = versions.java_version(Settings.load(data_dir=tmp_path))
        assert (found.name, found.used, found.newest, found.behind) == ("Java", version, FLOOR, behind)


def test_what_is_only_tried_out_is_not_the_newest() -> None:
    assert newest_final(["5.0.9", "6.0-alpha2", "5.0.10", "6.0-rc1"]) == "5.0.10"
    assert newest_final(["1.0-M1"]) is None


def test_a_registry_that_is_away_makes_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise RegistryAway("pip can't tell newer versions (TimeoutExpired)")

    monkeypatch.setattr(monthly, "python_versions", away)
    found = monthly.versions(Settings.load(data_dir=tmp_path), datetime.fromtimestamp(T0, UTC))
    assert (found.fine, found.text) == (None, "pip can't tell newer versions (TimeoutExpired)")


def test_a_key_that_only_the_producer_has_is_not_taken_for_none(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, feed="finnhub")
    found = monthly.api_key(settings, datetime.fromtimestamp(T0, UTC))
    assert found.fine is None
    assert "market-pipeline doctor" in found.text


def test_without_a_key_there_is_none_to_check(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, feed="simulator", finnhub_api_key=None)
    assert monthly.api_key(settings, datetime.fromtimestamp(T0, UTC)).text == "the simulator needs no key"
