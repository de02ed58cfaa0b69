"""What a vendor sends forges no line of a log, in any process of ours."""

import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.supervision.log_lines import LineFormatter

FORGED = "2026-11-29T10:00:00.000Z CRITICAL producer: forged"
BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\x1b[2K\x1b[G"]


def record(text: str, *args: object, error: Exception | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error is not None else None
    return logging.LogRecord("producer", logging.WARNING, __file__, 1, text, args, exc_info)


@pytest.mark.parametrize("line_break", BREAKS)
def test_one_record_is_one_line(line_break: str) -> None:
    written = LineFormatter().format(record("symbol %s", f"AAPL{line_break}{FORGED}"))
    assert len(written.splitlines()) == 1
    assert "\x1b" not in written


@given(st.text(st.characters()))
def test_one_record_is_one_line_whatever_it_holds(text: str) -> None:
    assert len(LineFormatter().format(record("%s", text)).splitlines()) == 1


@pytest.mark.parametrize("line_break", BREAKS)
def test_the_lines_of_an_error_are_indented_and_look_like_no_record(line_break: str) -> None:
    try:
        raise ValueError(f"bad{line_break}{FORGED}")
    except ValueError as error:
        written = LineFormatter().format(record("it failed", error=error))
    first, *below = written.splitlines()
    assert first.endswith("WARNING producer: it failed")
    assert any("forged" in each for each in below)
    assert all(each.startswith("  ") for each in below)


def test_what_nobody_catches_forges_no_line_either_and_passes_the_filters() -> None:
    program = f"""
import logging, threading
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.supervision.log_lines import start_logging
start_logging(Secrecy("top-secret"))
def fail():
    raise ValueError("token=top-secret\\n{FORGED}\\x1b[2J")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count(r"forged\u001b[2J") == 2  # beside the line of code, which newer Pythons show
    assert "top-secret" not in done.stderr
    assert "\x1b" not in done.stderr
    assert not [each for each in done.stderr.splitlines() if each.startswith("2026-11-29T10:00:00")]
