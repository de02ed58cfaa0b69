"""The writer through histories of answers that come late, in any order or never, of crashes, and of two writers."""

from market_pipeline_tests.writer.conftest import Program

HISTORIES = 40_000


def test_bars_equal_the_trades_that_are_stored_after_any_history(program: Program) -> None:
    """Seeds, so that a history that fails can be run again: ``Simulation SEED SEED+1``."""
    said, _ = program("Simulation", "0", str(HISTORIES)).communicate(timeout=300)
    assert said == "ok\n"
