"""``doctor``: what this machine lacks, before it is missed."""

import json
from dataclasses import asdict

import click

from market_pipeline.cli import load_settings
from market_pipeline.cli.echo import Styled, echo
from market_pipeline.local.checkup import Check, examine

MARKS = {
    "ok": ("ok", "green"),
    "not checked": ("n/c", "yellow"),
    "warning": ("warn", "yellow"),
    "failed": ("FAIL", "red"),
}


@click.command(short_help="check this machine")
@click.option("--verify", is_flag=True, help="Read every jar and compare its SHA-256, whatever was read before.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def doctor(verify: bool, as_json: bool) -> None:
    """Check Java, versions, jars, disk, memory, ports, what other users can reach, the feed and its key, what must be
    reached, and the clock; exit 1 if one fails. What can't be checked is marked n/c.

    \b
    Examples:
      market-pipeline doctor
      market-pipeline doctor --verify
      market-pipeline doctor --json | jq '.checks[] | select(.verdict != "ok")'
    """
    checks = []
    for check in examine(load_settings(), verify=verify):
        checks.append(check)
        if not as_json:
            _show(check)
    healthy = all(check.verdict != "failed" for check in checks)
    if as_json:
        echo(json.dumps({"healthy": healthy, "checks": [asdict(check) for check in checks]}))
    if not healthy:
        raise SystemExit(1)


def _show(check: Check) -> None:
    mark, colour = MARKS[check.verdict]
    cure = f" → {check.cure}" if check.cure else ""
    echo(Styled(f"{mark:<5}", colour), f"{check.name:<13}{check.found}", Styled(cure, colour))
