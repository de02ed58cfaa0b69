"""What a run of Dagster writes to its standard error acts on no terminal."""

import os
import subprocess
import sys

SCRIPT = """
import dagster as dg
import market_pipeline.definitions

market_pipeline.definitions.defs()

@dg.op
def an_op(context):
    context.log.info("symbol %s", "\x1b]0;forged\x07\u202eLPAA")
    context.log.warning("half of it: 100 %")
    raise ValueError("\x1b[2Jcleared")

@dg.job
def a_job():
    an_op()

a_job.execute_in_process(raise_on_error=False)
"""


def test_a_run_shows_control_characters_and_does_not_write_them() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, env=os.environ, timeout=300, check=True)
    written = (done.stdout + done.stderr).decode()
    for shown in (r"symbol \u001b]0;forged\u0007\u202eLPAA", "half of it: 100 %", r"\u001b[2Jcleared"):
        assert shown in written
    assert [each for each in ("\x1b]", "\x07", "\u202e", "\x1b[2J") if each in written] == []
