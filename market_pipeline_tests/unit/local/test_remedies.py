"""In which order a remedy restarts what."""

import pytest

from market_pipeline.local import remedies
from market_pipeline.local.preflight import StartError
from market_pipeline.local.programs import EVERY_NAME
from market_pipeline.local.restart import Restarted
from market_pipeline.settings import Settings


class Supervisor:
    """It has every program."""

    def __init__(self, settings: Settings) -> None: ...

    def processes(self) -> dict[str, None]:
        return dict.fromkeys(EVERY_NAME)


def test_what_depends_on_kafka_is_restarted_when_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def restart(settings: Settings, name: str) -> Restarted:
        done.append(f"restart {name}")
        return Restarted(1, 2, 0.5)

    def answers(settings: Settings, within_s: float) -> None:
        done.append("kafka answers")

    monkeypatch.setattr(remedies, "restart", restart)
    monkeypatch.setattr(remedies, "SupervisorClient", Supervisor)
    monkeypatch.setattr(remedies, "_ANSWERS", {"kafka": answers})
    told = [str(each) for each in remedies.mend(Settings.load(), "restart_kafka")]
    assert done == ["restart kafka", "kafka answers", "restart producer", "restart stream"]
    assert told[0] == "kafka: pid 1 → 2, ready after 0.5 s"


def test_an_unknown_program_is_told_with_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedies, "SupervisorClient", Supervisor)
    with pytest.raises(StartError, match="there is no program 'zookeeper'; there are kafka, cassandra"):
        remedies.mend_one(Settings.load(), "zookeeper")


def test_only_programs_that_there_are_can_be_restarted() -> None:
    assert {program for programs in remedies.RESTARTS.values() for program in programs} <= set(EVERY_NAME)
