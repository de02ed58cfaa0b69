"""What Slack refuses keeps only that waiting which depends on it, over a socket."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from market_pipeline.alerts.delivery import MOST_ATTEMPTS, SET_ASIDE_AFTER_S, Courier, Routing
from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.notices import Notices
from market_pipeline.alerts.outbox import Outbox
from market_pipeline.alerts.refusals import LONGEST_WAIT_S, Refusals
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.alerts.slack import Slack
from market_pipeline.alerts.slack_errors import SCOPES, Scope
from market_pipeline.cli import main
from market_pipeline.settings import Settings
from market_pipeline_tests.slack_server import TOKEN, Answer, SlackServer

T0 = 1_800_000_000.0
ALL, URGENT = "C00000000ALL", "C0000URGENT0"
DOCUMENTED = """
access_denied accesslimited account_inactive as_user_not_supported block_mismatch cant_broadcast_message
cant_update_message channel_not_found deprecated_endpoint edit_window_closed ekm_access_denied
enterprise_is_restricted external_channel_migrating fatal_error internal_error invalid_arg_name
invalid_arguments invalid_array_arg invalid_attachments invalid_auth invalid_blocks invalid_blocks_format
invalid_charset invalid_cursor invalid_form_data invalid_metadata_format invalid_metadata_schema
invalid_post_type invalid_ts_latest invalid_ts_oldest is_archived is_inactive markdown_text_conflict
message_not_found metadata_must_be_sent_from_app metadata_too_large method_deprecated missing_post_type
missing_scope msg_too_long no_dual_broadcast_content_update no_permission no_text not_allowed_token_type
not_authed not_in_channel org_login_required rate_limited ratelimited request_timeout restricted_action
restricted_action_non_threadable_channel restricted_action_read_only_channel
restricted_action_thread_only_channel service_unavailable slack_connect_file_link_sharing_blocked
streaming_state_conflict team_access_not_granted team_added_to_org team_not_found thread_not_found
token_expired token_revoked too_many_attachments two_factor_setup_required update_failed
"""
"""Of chat.postMessage, chat.update, conversations.history and conversations.replies, by Slack's reference."""


@dataclass
class Watch:
    """A pipeline's incidents, their delivery, a workspace, and a clock for all."""

    slack: SlackServer
    path: Path
    now: float = T0
    refused: dict[str, str] = field(default_factory=dict)
    """Which error a call to a channel, or for a message with such a text, is refused with."""

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.path)
        routing = Routing(ALL, URGENT)
        outbox, notices, refusals = Outbox(self.path), Notices(self.path), Refusals(self.path)
        self.courier = Courier(outbox, notices, refusals, Slack(TOKEN, self.slack.url), routing, RULES)
        self.courier.clock = lambda: self.now
        self.slack.refuses = self._refuses

    def _refuses(self, method: str, given: dict[str, Any]) -> str | None:
        said = f"{method} {given.get('channel')} {given.get('text', '')}"
        return next((code for part, code in self.refused.items() if part in said), None)

    def see(self, subject: str, severity: Severity = Severity.P3, verdict: Verdict = Verdict.FAULT) -> None:
        signal = Signal("cassandra-disk", subject, verdict, f"about {subject}", 85.0, severity)
        self.ledger.judge([signal], RULES, self.now)

    def deliver(self, later_s: float = 0.0) -> int:
        self.now += later_s
        return self.courier.deliver()

    def told(self, subject: str) -> list[str]:
        """The channels of the messages about it."""
        return [each["channel"] for each in self.slack.roots if f"about {subject}" in each["text"]]


@pytest.fixture
def watch(tmp_path: Path, slack: SlackServer) -> Iterator[Watch]:
    return Watch(slack, tmp_path / "ledger.sqlite")


def test_every_documented_error_is_classified() -> None:
    assert set(DOCUMENTED.split()) <= SCOPES.keys()


def codes(*scopes: Scope, of_each: int = 3) -> list[str]:
    """Some of the codes of each scope, the first that SCOPES has: the others take the same way."""
    return [code for scope in scopes for code in [each for each in SCOPES if SCOPES[each] is scope][:of_each]]


@pytest.mark.parametrize("code", [*codes(Scope.THREAD, Scope.EDIT, Scope.CONTENT, Scope.UNKNOWN), "never_heard_of"])
def test_a_message_that_slack_refuses_to_edit_keeps_no_other_waiting(watch: Watch, code: str) -> None:
    watch.see("old", Severity.P1)
    watch.deliver()
    watch.ledger.ack("cassandra-disk/old", "ann", watch.now)
    watch.refused["chat.update"] = code
    watch.see("new", Severity.P1)
    watch.deliver(1)
    assert watch.told("new") == [URGENT]


def test_a_message_that_was_deleted_is_posted_anew_with_what_changed(watch: Watch) -> None:
    watch.see("old")
    watch.deliver()
    watch.slack.messages.clear()
    watch.ledger.ack("cassandra-disk/old", "ann", watch.now)
    assert watch.deliver(1) == 1
    (root,) = watch.slack.roots
    assert "about old" in root["text"]
    assert ["taken on by ann" in each["text"] for each in watch.slack.replies(root["ts"])] == [True]
    watch.ledger.resolve("cassandra-disk/old", "ann", watch.now)
    watch.deliver(1)
    assert len(watch.slack.roots) == 1  # the new one is edited from now on
    assert watch.slack.roots[0]["text"].startswith("✅")


def test_a_message_that_can_not_be_edited_is_still_its_thread(watch: Watch) -> None:
    watch.see("old")
    watch.deliver()
    watch.refused["chat.update"] = "edit_window_closed"
    watch.ledger.ack("cassandra-disk/old", "ann", watch.now)
    assert watch.deliver(1) == 1
    (root,) = watch.slack.roots
    assert len(watch.slack.replies(root["ts"])) == 1


@pytest.mark.parametrize("code", codes(Scope.CHANNEL))
def test_a_channel_that_refuses_keeps_no_other_waiting_and_another_takes_what_is_urgent(
    watch: Watch, code: str
) -> None:
    watch.refused[URGENT] = code
    watch.see("urgent", Severity.P1)
    watch.see("other")
    assert watch.deliver() == 2
    assert (watch.told("urgent"), watch.told("other")) == ([ALL], [ALL])
    assert f"channel {URGENT}: Slack refuses: {code}" in (watch.courier.outbox.trouble() or "")
    watch.refused.clear()
    watch.see("second", Severity.P1)
    watch.deliver(LONGEST_WAIT_S)
    assert watch.told("second") == [URGENT]
    assert watch.courier.outbox.trouble() is None


def test_what_only_the_refusing_channel_takes_waits_for_it(watch: Watch) -> None:
    watch.refused[ALL] = "not_in_channel"
    watch.see("plain")
    watch.see("urgent", Severity.P2)
    assert watch.deliver() == 1
    assert watch.told("urgent") == [URGENT]
    assert "invite the app to the channel" in (watch.courier.outbox.trouble() or "")
    for _ in range(2 * MOST_ATTEMPTS):
        assert watch.deliver(LONGEST_WAIT_S) == 0
    watch.refused.clear()
    assert watch.deliver(LONGEST_WAIT_S) == 1
    assert watch.told("plain") == [ALL]


@pytest.mark.parametrize("code", codes(Scope.DELIVERY))
def test_an_error_of_the_token_holds_everything_and_says_why(watch: Watch, code: str) -> None:
    watch.refused["chat.postMessage"] = code
    watch.see("urgent", Severity.P1)
    watch.see("other")
    assert watch.deliver() == 0
    assert watch.slack.calls == ["chat.postMessage"]  # the others are not even tried
    assert f"Slack refuses: {code}" in (watch.courier.outbox.trouble() or "")
    watch.refused.clear()
    assert watch.deliver(LONGEST_WAIT_S) == 2


def test_the_list_of_incidents_says_why_messages_wait(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    data = watch.path.parent / "data"
    incidents = Settings.load(data_dir=data).paths.incidents
    watch.path = incidents
    watch.__post_init__()
    watch.refused["chat.postMessage"] = "invalid_auth"
    watch.see("urgent", Severity.P1)
    watch.deliver()
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(data))
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    shown = CliRunner().invoke(main, ["incidents", "list"])
    assert "warning: messages wait for Slack: Slack refuses: invalid_auth" in shown.stderr
    assert "check SLACK_BOT_TOKEN" in shown.stderr


@pytest.mark.parametrize("code", ["missing_scope", "not_in_channel", "internal_error"])
def test_where_it_must_not_read_it_posts_again(watch: Watch, code: str) -> None:
    watch.see("urgent", Severity.P1)
    watch.slack.bad_day = lambda method: Answer(cut=True) if method == "chat.postMessage" else None
    assert watch.deliver() == 0
    watch.slack.bad_day = lambda method: None
    watch.refused["conversations.history"] = code
    assert watch.deliver(LONGEST_WAIT_S) == 1
    assert watch.told("urgent") == [URGENT]


@pytest.mark.parametrize("code", codes(Scope.CONTENT))
def test_a_message_whose_looks_are_refused_is_sent_in_plain_words(watch: Watch, slack: SlackServer, code: str) -> None:
    slack.refuses = lambda method, given: code if given.get("blocks") not in ("[]", []) else None
    watch.see("urgent", Severity.P1)
    assert watch.deliver() == 1
    assert watch.told("urgent") == [URGENT]


@pytest.mark.parametrize("code", [*codes(Scope.UNKNOWN), "never_heard_of"])
def test_an_error_that_nobody_knows_is_tried_again_and_after_a_day_set_aside(watch: Watch, code: str) -> None:
    watch.refused["about strange"] = code
    watch.see("strange", Severity.P1)
    watch.see("other")
    assert watch.deliver() == 1
    for _ in range(2 * MOST_ATTEMPTS):
        watch.deliver(LONGEST_WAIT_S)
    assert len(watch.courier.outbox.due()) == 1
    assert watch.slack.calls.count("chat.postMessage") == 2 * MOST_ATTEMPTS + 2
    watch.deliver(SET_ASIDE_AFTER_S)
    assert watch.courier.outbox.due() == []
    assert watch.courier.outbox.trouble() is None


@pytest.mark.parametrize("code", codes(Scope.UNKNOWN))
def test_an_urgent_message_outlasts_an_hour_in_which_slack_fails(watch: Watch, code: str) -> None:
    """First nobody answers, then every call is refused with an error of Slack's own."""
    watch.see("urgent", Severity.P1)
    watch.slack.bad_day = lambda method: Answer(cut=True)
    for _ in range(2 * MOST_ATTEMPTS):
        assert watch.deliver(LONGEST_WAIT_S) == 0
    watch.slack.bad_day = lambda method: None
    watch.refused["chat.postMessage"] = code
    for _ in range(2 * MOST_ATTEMPTS):
        assert watch.deliver(5 * LONGEST_WAIT_S) == 0
    watch.refused.clear()
    assert watch.deliver(LONGEST_WAIT_S) == 1
    assert watch.told("urgent") == [URGENT]


def test_a_call_that_is_never_answered_keeps_no_other_waiting(watch: Watch, slack: SlackServer) -> None:
    watch.see("strange", Severity.P1)
    watch.see("other", Severity.P1)
    watch.refused["about strange"] = "cut"
    given_up = slack.refuses
    slack.refuses = lambda method, given: None if given_up(method, given) is None else "service_unavailable_for_it"
    assert watch.deliver() == 1
    assert watch.told("other") == [URGENT]


SUBJECTS = st.sampled_from(["a", "b", "c"])
OF_ONE = [*codes(Scope.THREAD, Scope.EDIT, Scope.CONTENT, Scope.UNKNOWN), "new_in_2030"]
FAILURES = st.fixed_dictionaries(
    {},
    optional={ALL: st.sampled_from([*OF_ONE, *codes(Scope.CHANNEL)])}
    | dict.fromkeys(("about a", "about b", "about c", "chat.update", "conversations"), st.sampled_from(OF_ONE)),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("see"), SUBJECTS, st.sampled_from([Severity.P2, Severity.P3])),
        st.tuples(st.just("ack"), SUBJECTS, st.none()),
        st.tuples(st.just("resolve"), SUBJECTS, st.none()),
        st.tuples(st.just("delete"), SUBJECTS, st.none()),
        st.tuples(st.just("fail"), FAILURES, st.none()),
        st.tuples(st.just("notice"), SUBJECTS, st.none()),
    ),
    max_size=12,
)


@settings(max_examples=15, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(STEPS)
def test_whatever_failed_before_an_urgent_message_to_a_healthy_channel_arrives_at_once(steps: list[Any]) -> None:
    slack = SlackServer()
    try:
        with TemporaryDirectory() as folder:
            watch = Watch(slack, Path(folder) / "ledger.sqlite")
            for number, (what, subject, more) in enumerate(steps):
                name = f"cassandra-disk/{subject}" if isinstance(subject, str) else ""
                known = {each.subject for each in watch.ledger.not_over()}
                if what == "see":
                    watch.see(subject, more)
                elif what == "ack" and subject in known:
                    watch.ledger.ack(name, "ann", watch.now)
                elif what == "resolve" and subject in known:
                    watch.ledger.resolve(name, "ann", watch.now)
                elif what == "delete":
                    slack.messages[:] = [each for each in slack.messages if f"about {subject}" not in each["text"]]
                elif what == "fail":
                    watch.refused = dict(subject)
                elif what == "notice":
                    watch.courier.notices.tell(f"{subject}-{number}", f"notice {subject}-{number}", watch.now)
                watch.deliver(3)
                urgent = f"urgent-{number}"
                watch.see(urgent, Severity.P1)
                watch.deliver()
                assert watch.told(urgent) == [URGENT]
                watch.ledger.resolve(f"cassandra-disk/{urgent}", "ann", watch.now)
            watch.refused = {}
            watch.see("last")  # a channel that refused is in trouble until it takes something
            for _ in range(3):
                watch.deliver(LONGEST_WAIT_S)
            assert watch.courier.outbox.due() == []
            assert watch.courier.notices.due() == []
            assert watch.courier.outbox.trouble() is None
            notices = Counter(each["text"] for each in slack.messages if "notice" in each["text"])
            assert set(notices.values()) <= {1}
    finally:
        slack.close()
