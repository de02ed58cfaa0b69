"""Restarts are counted from the supervisor's log."""

import pytest

from market_pipeline.local.supervisor_log import histories

STARTED = "2026-01-05 10:00:00,001 INFO supervisord started with pid 100"


def at(second: int, what: str) -> str:
    return f"2026-01-05 10:00:{second:02d},123 WARN {what}"


def test_a_first_start_is_no_restart() -> None:
    found = histories([STARTED, at(1, "spawned: 'kafka' with pid 7"), at(6, "success: kafka entered RUNNING state, …")])
    assert (found["kafka"].restarts, found["kafka"].last_exit) == (0, None)


def test_a_kill_is_counted_and_told() -> None:
    found = histories(
        [
            STARTED,
            at(1, "spawned: 'producer' with pid 7"),
            at(9, "exited: producer (terminated by SIGKILL; not expected)"),
            at(10, "spawned: 'producer' with pid 8"),
        ]
    )
    assert found["producer"].restarts == 1
    assert found["producer"].last_exit == "terminated by SIGKILL at 2026-01-05 10:00:09"


def test_a_restart_that_was_asked_for_is_not_counted() -> None:
    found = histories(
        [
            STARTED,
            at(1, "spawned: 'stream' with pid 7"),
            at(9, "stopped: stream (exit status 0)"),
            at(10, "spawned: 'stream' with pid 8"),
        ]
    )
    assert (found["stream"].restarts, found["stream"].last_exit) == (0, None)


def test_a_program_that_was_given_up_says_why() -> None:
    lines = [STARTED]
    for second in range(3):
        lines += [
            at(second, "spawned: 'stream' with pid 7"),
            at(second, "exited: stream (exit status 1; not expected)"),
        ]
    lines.append(at(4, "gave up: stream entered FATAL state, too many start retries too quickly"))
    found = histories(lines)
    assert found["stream"].restarts == 2
    assert found["stream"].last_exit == "gave up: exit status 1 at 2026-01-05 10:00:02"


def test_an_earlier_supervisor_does_not_count() -> None:
    earlier = [STARTED, at(1, "spawned: 'kafka' with pid 7"), at(2, "exited: kafka (exit status 1; not expected)")]
    assert histories([*earlier, STARTED, at(8, "spawned: 'kafka' with pid 9")])["kafka"].restarts == 0


@pytest.mark.parametrize(
    ("name", "how", "told"),
    [
        ("stream", "exit status 70; not expected", "exit status 70 (it stalled and ended itself, to be started again)"),
        ("producer", "exit status 70; not expected", "exit status 70 (an error that nobody caught)"),
        ("producer", "exit status 2; not expected", "exit status 2 (a setting is wrong)"),
        ("kafka", "exit status 3; not expected", "exit status 3"),
    ],
)
def test_an_exit_status_has_a_meaning(name: str, how: str, told: str) -> None:
    found = histories([STARTED, at(1, f"spawned: '{name}' with pid 7"), at(9, f"exited: {name} ({how})")])
    assert found[name].last_exit == f"{told} at 2026-01-05 10:00:09"


def test_noise_is_skipped() -> None:
    assert histories(["", "Traceback (most recent call last):", "  spawned: 'x' with pid 1", "\x00"]) == {}
