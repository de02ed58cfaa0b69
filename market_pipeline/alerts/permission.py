"""Who may press which button, from where, and how long. Pure."""

from collections.abc import Collection, Mapping

from market_pipeline.alerts.buttons import Action, Press
from market_pipeline.alerts.outbox import Thread

VALID_FOR_S = 7 * 86_400.0
"""Each change of an incident makes its buttons anew."""
CLOCKS_DIFFER_S = 60.0


def why_not(
    press: Press, thread: Thread | None, team: str, allowed: Mapping[Action, Collection[str]], now: float
) -> str:
    """Why nothing is done; '' when the press counts.

    Args:
        press: what was pressed, signed by us.
        thread: where the incident's message is.
        team: the workspace of our token.
        allowed: Slack's ids of the users who may do what; where there is none, every member of the workspace.
        now: epoch seconds.
    """
    if press.team != team or press.home != team:
        return f"{press.by} is not of this workspace: nothing was done"
    if thread is None or (thread.channel, thread.ts) != (press.channel, press.thread_ts):
        return "this is not the incident's message: nothing was done"
    if not -CLOCKS_DIFFER_S <= now - press.signed_at <= VALID_FOR_S:
        return f"this button has expired: use `market-pipeline incidents show {press.incident}`"
    if allowed[press.action] and press.user not in allowed[press.action]:
        setting = f"MARKET_PIPELINE_SLACK_{press.action.upper()}_USERS"
        return f"{press.by} is not allowed to do this ({setting}): nothing was done"
    return ""
