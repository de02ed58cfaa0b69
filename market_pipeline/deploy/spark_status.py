"""``spark-submit --status`` without an id, as the runbook has it: the state of the cluster and what runs on it.

Spark's own ``--status`` knows only drivers that were submitted to the cluster; the stream's driver is a container of
its own. The master tells the rest as JSON: https://spark.apache.org/docs/latest/monitoring.html.
"""

import json
import sys
import urllib.request
from collections.abc import Mapping
from typing import Any

from market_pipeline.escaping import for_terminal
from market_pipeline.private_process import keep_private
from market_pipeline.supervision.log_lines import write_error

MASTER_PAGE = "http://127.0.0.1:8080/json/"
TIMEOUT_S = 10


def lines(state: Mapping[str, Any]) -> list[str]:
    """What the master's page says, for a person."""
    workers = state.get("workers", [])
    found = [
        f"master {state.get('url')} is {state.get('status')}: "
        f"{state.get('aliveworkers', 0)} workers, {state.get('coresused', 0)} of {state.get('cores', 0)} cores and "
        f"{state.get('memoryused', 0)} of {state.get('memory', 0)} MB in use"
    ]
    found += [
        f"worker {each['host']}:{each['port']} {each['state']}, {each['coresused']} of {each['cores']} cores"
        for each in workers
    ]
    applications = state.get("activeapps", [])
    found += [
        f"application {each['name']} ({each['id']}) {each['state']} for {each['duration'] // 1000} s, "
        f"{each['cores']} cores"
        for each in applications
    ]
    return found if applications else [*found, "no application is running"]


def main() -> int:
    keep_private()
    try:
        with urllib.request.urlopen(MASTER_PAGE, timeout=TIMEOUT_S) as page:
            state = json.load(page)
    except (OSError, ValueError) as error:
        write_error(f"the master does not answer at {MASTER_PAGE}: {error}")
        return 1
    sys.stdout.write(for_terminal("\n".join(lines(state))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
