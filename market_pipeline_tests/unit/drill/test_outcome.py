"""What a drill's figures mean, and the page of them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from market_pipeline.alerts.rulebook import RULES
from market_pipeline.cli import main
from market_pipeline.drill.faults import FAULTS, chosen
from market_pipeline.drill.outcome import HEADINGS, Outcome, cells, left_out, page
from market_pipeline.local.programs import EVERY_NAME
from market_pipeline.mendable import InvalidInput

WELL = Outcome("stream-hung", "stream hangs", 60.0, 20.0, "rule program-hung", 21.0, "🔴 P1", 50.0, should_be_told=True)


@pytest.mark.parametrize(
    ("outcome", "shortcomings", "is_failure"),
    [
        (WELL, [], False),
        (replace(WELL, healed_s=61.0), ["well again after 61 s, wanted within 60 s"], False),  # slow is no failure
        (replace(WELL, healed_s=None), ["not well again"], True),
        (replace(WELL, noticed_s=None), ["nobody noticed"], True),
        (replace(WELL, told_s=None), ["nobody was told"], True),
        (replace(WELL, told_s=None, should_be_told=False), [], False),
        (replace(WELL, lost=1), ["1 lost"], True),
        (replace(WELL, healed_s=99.0, doubled=2), ["well again after 99 s, wanted within 60 s", "2 doubled"], True),
        (replace(WELL, bars_wrong=3), ["3 bars wrong"], True),
        (left_out(FAULTS[0], "needs root"), [], False),
    ],
)
def test_what_is_not_as_it_should_be(outcome: Outcome, shortcomings: list[str], is_failure: bool) -> None:
    assert (outcome.shortcomings, outcome.is_failure) == (shortcomings, is_failure)


def test_the_page_has_a_line_for_each_fault_and_says_what_falls_short() -> None:
    outcomes = [replace(WELL, healed_s=75.0), left_out(FAULTS[-1], "needs root")]
    text = page(outcomes, datetime(2026, 11, 26, 6, tzinfo=UTC), "2 processors")
    assert "| stream hangs | 20.0 s | rule program-hung | 21.0 s | 75.0 s | 60 s | 0.0 s | 0 | 0 |" in text
    assert "- **stream-hung**: well again after 75 s, wanted within 60 s" in text
    assert "not tried: needs root" in text
    assert all(len(cells(each)) == len(HEADINGS) for each in outcomes)


def test_every_fault_is_of_a_program_and_of_rules_that_there_are() -> None:
    for fault in FAULTS:
        assert fault.program is None or fault.program in EVERY_NAME
        assert set(fault.rules) <= RULES.keys()
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_faults_are_chosen_by_name_in_the_drills_order() -> None:
    assert chosen(()) == list(FAULTS)
    assert [each.name for each in chosen(("stream-hung", "producer-killed"))] == ["producer-killed", "stream-hung"]
    with pytest.raises(InvalidInput, match="there is no fault 'strem-hung'; there are producer-killed"):
        chosen(("strem-hung",))


def test_the_command_lists_them_and_refuses_others_before_it_starts_anything() -> None:
    listed = CliRunner().invoke(main, ["drill", "--list"])
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [fault.name for fault in FAULTS]
    refused = CliRunner().invoke(main, ["drill", "--only", "nonsense"])
    assert refused.exit_code == 1
    assert "there is no fault 'nonsense'" in refused.stderr
