"""Variables that ask for a login or for TLS to Kafka or Cassandra, which are not supported yet.

Ignored in silence they would leave a user who believes that the connection is secured.
"""

import re
from collections.abc import Mapping

_SECURITY = re.compile(
    r"(MARKET_PIPELINE_)?(KAFKA_(SECURITY|SASL|SSL)(_\w*)?|CASSANDRA_(USER(NAME)?|PASSWORD|AUTH\w*|SSL\w*|TLS\w*))",
    re.IGNORECASE,
)


def unsupported_security(variables: Mapping[str, str | None]) -> str | None:
    """The first variable that asks for what isn't supported; None when none does."""
    asked = (name for name, value in sorted(variables.items()) if value and _SECURITY.fullmatch(name))
    return next((name for name in asked if not _is_plain(name, str(variables[name]))), None)


def _is_plain(name: str, value: str) -> bool:
    """Whether it asks for what there is."""
    return name.upper().endswith("KAFKA_SECURITY_PROTOCOL") and value.strip().upper() == "PLAINTEXT"
