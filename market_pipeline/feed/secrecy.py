"""Keeps the key out of everything that is written: it is part of the URL, and libraries like to show URLs."""

import logging
import re
from urllib.parse import quote, quote_plus

_TOKEN = re.compile(r"(token=)[^&\s'\"]+", re.IGNORECASE)
_SLACK = re.compile(r"\bx(?:ox[a-z]|app)-[\w-]+|(?<=hooks\.slack\.com/)[\w/]+")
_HIDDEN = "***"


class Secrecy(logging.Filter):
    """Replaces the key in text and, as a filter of a log handler, in every record that passes.

    Args:
        keys: the keys; None in place of one that isn't set.
    """

    def __init__(self, *keys: str | None) -> None:
        super().__init__()
        forms = {form for key in keys if key for form in (key, quote(key, safe=""), quote_plus(key))}
        self._forms = sorted(forms, key=len, reverse=True)

    def redact(self, text: str) -> str:
        """The text without the key, however it was escaped."""
        for form in self._forms:
            text = text.replace(form, _HIDDEN)
        return _SLACK.sub(_HIDDEN, _TOKEN.sub(rf"\1{_HIDDEN}", text))

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.redact(record.getMessage()), None
        if record.exc_info:
            record.exc_text = self.redact(logging.Formatter().formatException(record.exc_info))
        if record.stack_info:
            record.stack_info = self.redact(record.stack_info)
        return True
