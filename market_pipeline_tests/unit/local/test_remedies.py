"""In which order a remedy restarts what."""

import pytest

from market_pipeline.local import remedies
from market_pipeline.local.programs import EVERY_NAME
from market_pipeline.local.restart import Restarted
from market_pipeline.settings import Settings


def test_what_depends_on_kafka_is_restarted_when_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def restart(settings: Settings, name: str) -> Restarted:
        done.append(f"restart {name}")
        return Restarted(1, 2, 0.5)

    def answers(settings: Settings, within_s: float) -> None:
        done.append("kafka answers")

    monkeypatch.setattr(remedies, "restart", restart)
    monkeypatch.setattr(remedies, "_ANSWERS", {"kafka": answers})
    told = [str(each) for each in remedies.mend(Settings.load(), "restart_kafka")]
    assert done == ["restart kafka", "kafka answers", "restart producer", "restart stream"]
    assert told[0] == "kafka: pid 1 → 2, ready after 0.5 s"


def test_only_programs_that_there_are_can_be_restarted() -> None:
    assert {program for programs in remedies.RESTARTS.values() for program in programs} <= set(EVERY_NAME)
