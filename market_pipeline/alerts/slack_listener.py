"""The program that hears the buttons of Slack's messages, over Socket Mode: no port of ours is open to the world."""

import logging
import sqlite3
import threading
import time
from collections.abc import Mapping
from typing import Any, NoReturn

from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from market_pipeline.alerts.answers import answer
from market_pipeline.alerts.buttons import Action, Press, press
from market_pipeline.alerts.database import NewerLedger
from market_pipeline.alerts.delivery import Courier
from market_pipeline.alerts.message import note
from market_pipeline.alerts.permission import why_not
from market_pipeline.alerts.round import courier
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.slack import TIMEOUT_S, SlackAway, SlackRefuses
from market_pipeline.feed.program import EXIT_USAGE, settings_or_exit
from market_pipeline.settings import Settings
from market_pipeline.supervision.heartbeat import Heartbeat
from market_pipeline.supervision.lock import EXIT_ALREADY_RUNNING, AlreadyRunning, ProcessLock
from market_pipeline.supervision.log_lines import start_logging, write_error
from market_pipeline.supervision.termination import on_termination

NAME = "slack"
PING_EVERY_S = 10.0
CONNECT_AGAIN_S = 10.0
logger = logging.getLogger(NAME)


class Listener:
    """Takes what Slack sends, confirms it at once, for Slack waits three seconds, and does it then."""

    def __init__(self, settings: Settings, messenger: Courier, secret: bytes) -> None:
        self._settings = settings
        self._courier = messenger
        self._secret = secret
        self._team = ""
        self.heard = 0
        """Presses of buttons of ours since the start."""

    def hear(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        """One envelope."""
        client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        if request.type != "interactive":
            return
        try:
            self._act(request.payload, request.envelope_id)
        except Exception:
            logger.exception("a button")

    def _act(self, payload: Mapping[str, Any], envelope: str) -> None:
        pressed = press(payload, self._secret)
        if pressed is None:
            logger.warning("Slack sent something that none of our buttons says: nothing was done")
            return
        self.heard += 1
        now = time.time()
        said = self._why_not(pressed, now) or answer(pressed, RULES, self._settings.paths.incidents, now).said
        who = f"{pressed.by} ({pressed.user})"
        logger.info("%s by %s of %s: %s", pressed.action, who, pressed.incident, said or "done")
        if said:
            try:
                self._courier.slack.post(pressed.channel, envelope, note(said, now), pressed.thread_ts)
            except (SlackAway, SlackRefuses) as error:
                logger.warning("%s; in the thread should be: %s", error, said)
        self._courier.deliver()

    def _why_not(self, pressed: Press, now: float) -> str:
        try:
            self._team = self._team or self._courier.slack.team()
        except (SlackAway, SlackRefuses) as error:
            return f"{error}: whose workspace this is could not be checked, and nothing was done"
        thread = self._courier.outbox.thread(pressed.incident)
        allowed = {
            Action.ACK: self._settings.slack_ack_users,
            Action.SILENCE: self._settings.slack_silence_users,
            Action.RUN: self._settings.slack_run_users,
        }
        return why_not(pressed, thread, self._team, allowed, now)


def main() -> None:
    """Listen until told to stop."""
    start_logging()
    logging.getLogger("slack_sdk").setLevel(logging.CRITICAL)  # what matters of it is told by us, in one line
    settings = settings_or_exit(NAME)
    try:
        messenger = courier(settings)
    except (NewerLedger, sqlite3.Error, OSError) as error:
        _give_up(f"the incidents' file can't be used: {error}")
    if messenger is None or messenger.secret is None or settings.slack_app_token is None:
        _give_up("buttons need SLACK_BOT_TOKEN, SLACK_APP_TOKEN and MARKET_PIPELINE_SLACK_CHANNEL")
    try:
        with ProcessLock(settings.paths.lock(NAME)):
            _listen(settings, messenger, messenger.secret, settings.slack_app_token.get_secret_value())
    except AlreadyRunning as error:
        write_error(str(error))
        raise SystemExit(EXIT_ALREADY_RUNNING) from None


def _listen(settings: Settings, messenger: Courier, secret: bytes, app_token: str) -> None:
    stopped = threading.Event()
    on_termination(stopped.set)
    listener = Listener(settings, messenger, secret)
    web = WebClient(base_url=settings.slack_api_url, timeout=TIMEOUT_S)
    client = SocketModeClient(app_token, web_client=web, ping_interval=PING_EVERY_S)
    client.socket_mode_request_listeners.append(listener.hear)
    told = lambda: {"connected": client.is_connected(), "heard": listener.heard}  # noqa: E731
    heartbeat = Heartbeat(settings.paths.heartbeat(NAME), NAME, told).start()
    try:
        while not stopped.is_set():
            try:
                client.connect()  # from then on it connects again by itself
                logger.info("connected: the buttons of Slack's messages work")
                stopped.wait()
            except (SlackClientError, OSError) as error:
                logger.warning("Slack is not reached (%s); next try in %.0f s", type(error).__name__, CONNECT_AGAIN_S)
                client.wss_uri = None
                stopped.wait(CONNECT_AGAIN_S)
    finally:
        client.close()
        heartbeat.stop()


def _give_up(why: str) -> NoReturn:
    write_error(why)
    raise SystemExit(EXIT_USAGE)


if __name__ == "__main__":
    main()
