"""What Slack's errors are about: the whole delivery, one channel, one thread or one message. Pure.

The codes are those that Slack documents for ``chat.postMessage``, ``chat.update``, ``conversations.history`` and
``conversations.replies`` (https://docs.slack.dev/reference/methods). One that is not here is about its message alone:
others must not wait for it.
"""

from enum import StrEnum


class Scope(StrEnum):
    """Whom an error keeps waiting."""

    DELIVERY = "delivery"
    """Every message: the token, the workspace, or a limit of calls."""
    CHANNEL = "channel"
    """Every message of this channel."""
    THREAD = "thread"
    """The message that is edited or replied to is gone or closed: another has to take its place."""
    EDIT = "edit"
    """The message is there and stays as it is: what changed can be said in its thread."""
    CONTENT = "content"
    """This text will never be taken."""
    UNKNOWN = "unknown"
    """This call, for a reason that may pass."""


_CODES: dict[Scope, str] = {
    Scope.DELIVERY: """
        not_authed invalid_auth account_inactive token_revoked token_expired not_allowed_token_type missing_scope
        org_login_required team_added_to_org two_factor_setup_required enterprise_is_restricted access_denied
        accesslimited ekm_access_denied team_access_not_granted team_not_found deprecated_endpoint method_deprecated
        message_limit_exceeded ratelimited rate_limited service_unavailable
    """,
    Scope.CHANNEL: """
        channel_not_found not_in_channel is_archived is_inactive no_permission restricted_action
        restricted_action_read_only_channel
        restricted_action_thread_only_channel restricted_action_non_threadable_channel channel_type_not_supported
        messages_tab_disabled external_channel_migrating duplicate_channel_not_found cannot_dm_bot user_not_found
    """,
    Scope.THREAD: """
        message_not_found thread_not_found cannot_reply_to_message restricted_action_thread_locked
        duplicate_message_not_found
    """,
    Scope.EDIT: """
        cant_update_message edit_window_closed block_mismatch streaming_state_conflict update_failed
        cant_broadcast_message no_dual_broadcast_content_update
    """,
    Scope.CONTENT: """
        invalid_blocks invalid_blocks_format invalid_attachments msg_too_long msg_blocks_too_long no_text
        metadata_too_large invalid_metadata_format invalid_metadata_schema metadata_must_be_sent_from_app
        too_many_attachments attachment_payload_limit_exceeded too_many_contact_cards markdown_text_conflict
        as_user_not_supported slack_connect_canvas_sharing_blocked slack_connect_file_link_sharing_blocked
        slack_connect_lists_sharing_blocked invalid_arguments invalid_arg_name invalid_array_arg invalid_charset
        invalid_form_data invalid_post_type missing_post_type
    """,
    Scope.UNKNOWN: """
        internal_error fatal_error request_timeout invalid_cursor invalid_ts_latest invalid_ts_oldest
        invalid_metadata_keys invalid_limit
    """,
}
SCOPES = {code: scope for scope, codes in _CODES.items() for code in codes.split()}
"""Every documented code."""
_HINTS = {
    "not_in_channel": "invite the app to the channel",
    "no_permission": "invite the app to the channel",
    "channel_not_found": "check the channel's id; a private channel has to have the app as a member",
    "is_archived": "unarchive the channel, or set another one",
    "restricted_action": "let the app post in this channel (Slack's posting permissions)",
    "restricted_action_read_only_channel": "let the app post in this channel (Slack's posting permissions)",
    "missing_scope": "add the scope to the app and install it again",
    "invalid_auth": "check SLACK_BOT_TOKEN",
    "not_authed": "check SLACK_BOT_TOKEN",
    "account_inactive": "the app was removed or its workspace is gone: install it again, and set SLACK_BOT_TOKEN",
    "token_revoked": "the app was removed: install it again, and set SLACK_BOT_TOKEN",
    "token_expired": "set a new SLACK_BOT_TOKEN",
    "not_allowed_token_type": "SLACK_BOT_TOKEN has to be a bot token (xoxb-…)",
}


def scope_of(code: str) -> Scope:
    """Whom the error keeps waiting; of one that nobody documented, its message alone."""
    return SCOPES.get(code, Scope.UNKNOWN)


def explained(code: str, needed: str = "") -> str:
    """The error with the scope that the token lacks, if it does, and with what to do about it, where that is known."""
    lacks = f" ({needed})" if needed else ""
    hint = _HINTS.get(code, "")
    return f"{code}{lacks}" + (f": {hint}" if hint else "")
