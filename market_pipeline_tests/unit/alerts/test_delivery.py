"""Messages to a Slack workspace over a socket: each once, in its incident's thread, whatever Slack does."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from market_pipeline.alerts.delivery import Courier, Routing
from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.notices import Notices
from market_pipeline.alerts.outbox import CLAIM_S, Outbox
from market_pipeline.alerts.refusals import Refusals
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.alerts.silence import Silence
from market_pipeline.alerts.silences import Silences
from market_pipeline.alerts.slack import Slack
from market_pipeline_tests.slack_server import TOKEN, Answer, SlackServer

T0 = 1_800_000_000.0
ALL, URGENT = "C00000000ALL", "C0000URGENT0"


@dataclass
class Watch:
    """A ledger, a courier and a clock for both."""

    ledger: Ledger
    courier: Courier
    now: float = T0

    def see(self, verdict: Verdict, *, severity: Severity | None = None, subject: str = "cassandra") -> None:
        signal = Signal("cassandra-disk", subject, verdict, f"85 % used <{subject}>", 85.0, severity, {"log": "a & b"})
        self.ledger.judge([signal], RULES, self.now)

    def later(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def watch(tmp_path: Path, slack: SlackServer) -> Watch:
    path = tmp_path / "ledger.sqlite"
    courier = Courier(Outbox(path), Notices(path), Refusals(path), Slack(TOKEN, slack.url), Routing(ALL), RULES)
    made = Watch(Ledger(path), courier)
    courier.clock = lambda: made.now
    return made


def test_an_incident_is_one_thread_that_is_edited_in_place(watch: Watch, slack: SlackServer) -> None:
    watch.see(Verdict.FAULT)
    assert watch.courier.deliver() == 1
    (root,) = slack.messages
    assert (root["channel"], root["text"].startswith("🟠 P2")) == (ALL, True)
    assert watch.courier.deliver() == 0

    watch.ledger.ack("cassandra-disk", "ann", watch.now)
    watch.later(10)
    watch.see(Verdict.FINE)
    watch.later(300)
    watch.see(Verdict.FINE)
    assert watch.courier.deliver() == 2
    assert len(slack.roots) == 1
    assert slack.roots[0]["text"].startswith("✅ P2")
    assert [each["text"].partition(": ")[2].partition(".")[0] for each in slack.replies(root["ts"])] == [
        "taken on by ann",
        "over",
    ]
    assert "0:00:10" in str(slack.roots[0]["blocks"])  # how long it lasted


def test_what_is_shown_helps_to_act(watch: Watch, slack: SlackServer) -> None:
    watch.see(Verdict.FAULT)
    watch.courier.deliver()
    shown = str(slack.messages[0]["blocks"])
    assert "Runbook, Common Alerts 4: Cassandra Out of Disk" in shown
    assert "85 % used &lt;cassandra&gt;" in shown  # no markup of Slack's
    assert "log: a &amp; b" in shown
    assert "market-pipeline incidents ack cassandra-disk/cassandra/" in shown


def test_what_is_kept_back_is_not_sent(watch: Watch, slack: SlackServer, tmp_path: Path) -> None:
    Silences(tmp_path / "ledger.sqlite").keep(Silence("*", "*", "ann", "moving", T0 - 1, T0 + 1_000))
    watch.see(Verdict.FAULT)
    watch.later(10)
    watch.see(Verdict.FINE)
    watch.later(300)
    watch.see(Verdict.FINE)
    assert watch.courier.deliver() == 0
    assert slack.calls == []


def test_what_is_urgent_has_a_channel_of_its_own(watch: Watch, slack: SlackServer) -> None:
    watch.courier.routing = Routing(ALL, URGENT)
    watch.see(Verdict.FAULT, severity=Severity.P1)
    watch.courier.deliver()
    assert slack.messages[0]["channel"] == URGENT


def always(answer: Answer) -> Callable[[str], Answer]:
    return lambda method: answer


@pytest.mark.parametrize(
    "bad",
    [
        Answer(status=500, body={"ok": False, "error": "internal_error"}),
        Answer(body={"ok": False, "error": "channel_not_found"}),
        Answer(status=429, headers={"Retry-After": "30"}, body={"ok": False, "error": "ratelimited"}),
        Answer(cut=True),
    ],
)
def test_what_slack_does_not_take_is_kept_and_sent_later_once(watch: Watch, slack: SlackServer, bad: Answer) -> None:
    slack.bad_day = always(bad)
    watch.see(Verdict.FAULT)
    assert watch.courier.deliver() == 0
    assert watch.courier.outbox.trouble()
    tries = len(slack.calls)
    assert watch.courier.deliver() == 0
    assert len(slack.calls) == tries  # not before it is due
    slack.bad_day = lambda method: None
    watch.later(31)
    assert watch.courier.deliver() == 1
    assert len(slack.messages) == 1
    assert watch.courier.outbox.trouble() is None


def test_429_waits_as_long_as_slack_says(watch: Watch, slack: SlackServer) -> None:
    slack.bad_day = always(Answer(status=429, headers={"Retry-After": "90"}))
    watch.see(Verdict.FAULT)
    watch.courier.deliver()
    slack.bad_day = lambda method: None
    watch.later(89)
    assert watch.courier.deliver() == 0
    watch.later(1)
    assert watch.courier.deliver() == 1


@pytest.mark.parametrize("bad", [Answer(taken=True, cut=True), Answer(status=503, taken=True)])
def test_what_was_taken_though_nobody_said_so_is_found_and_not_doubled(
    watch: Watch, slack: SlackServer, bad: Answer
) -> None:
    slack.bad_day = lambda method: bad if method == "chat.postMessage" else None
    watch.see(Verdict.FAULT)
    assert watch.courier.deliver() == 0
    assert len(slack.messages) == 1
    slack.bad_day = lambda method: None
    watch.later(60)
    assert watch.courier.deliver() == 1
    assert len(slack.messages) == 1

    slack.bad_day = lambda method: bad if method == "chat.postMessage" else None
    watch.ledger.ack("cassandra-disk", "ann", watch.now)
    assert watch.courier.deliver() == 0
    slack.bad_day = lambda method: None
    watch.later(60)
    assert watch.courier.deliver() == 1
    assert len(slack.replies(slack.roots[0]["ts"])) == 1


def test_couriers_that_deliver_at_once_send_each_message_once(watch: Watch, slack: SlackServer) -> None:
    for number in range(20):
        watch.see(Verdict.FAULT, subject=f"s{number}")
    with ThreadPoolExecutor(6) as pool:
        sent = list(pool.map(lambda _: watch.courier.deliver(), range(12)))
    watch.courier.deliver()
    assert sum(sent) <= 20
    assert len(slack.roots) == 20


def test_who_died_while_delivering_is_followed(watch: Watch, slack: SlackServer) -> None:
    watch.see(Verdict.FAULT)
    dead = watch.courier.outbox.claimed(watch.now)
    assert dead.__enter__()
    assert watch.courier.deliver() == 0
    watch.later(CLAIM_S)
    assert watch.courier.deliver() == 1
    assert len(slack.messages) == 1


def test_a_wrong_token_is_told_and_not_shown(
    watch: Watch, slack: SlackServer, caplog: pytest.LogCaptureFixture
) -> None:
    watch.courier.slack = Slack("xoxb-wrong", slack.url)
    watch.see(Verdict.FAULT)
    assert watch.courier.deliver() == 0
    assert watch.courier.outbox.trouble() == "Slack refuses: invalid_auth: check SLACK_BOT_TOKEN"
    assert "xoxb-wrong" not in caplog.text


def test_nobody_there_is_no_exception(watch: Watch, refusing_port: int) -> None:
    watch.courier.slack = Slack(TOKEN, f"http://127.0.0.1:{refusing_port}/api/")
    watch.see(Verdict.FAULT)
    assert watch.courier.deliver() == 0
    assert "does not answer" in (watch.courier.outbox.trouble() or "")


def test_a_notice_is_told_once_whatever_slack_does(watch: Watch, slack: SlackServer) -> None:
    notices = watch.courier.notices
    assert notices.tell("daily/2026-11-25", "✅ Daily checks: all is well\n✅ lag: <0>", T0)
    slack.bad_day = always(Answer(taken=True, cut=True))  # it has it, and nobody knows
    assert watch.courier.deliver() == 0
    slack.bad_day = lambda method: None
    watch.later(1_000)
    assert watch.courier.deliver() == 1
    assert not notices.tell("daily/2026-11-25", "again", T0 + 5)
    assert watch.courier.deliver() == 0
    (told,) = slack.messages
    assert told["text"] == "✅ Daily checks: all is well"
    assert "lag: &lt;0&gt;" in str(told["blocks"])
