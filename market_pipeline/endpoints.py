"""Where keys and tokens may be sent: over TLS, or to this machine itself."""

import ipaddress
from urllib.parse import urlsplit


def check_encrypted(url: str, scheme: str) -> str:
    """``url``, to which a secret may be sent.

    Args:
        url: that is configured.
        scheme: the encrypted one, ``https`` or ``wss``; the same without its ``s`` is for loopback only.

    Raises:
        ValueError: the secret would cross a network in clear, or it is no address; the message does not show it, for
            some are secrets themselves.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host = None
    if not host or not url.isprintable() or " " in url or not url.isascii():
        raise ValueError(f"it must be an address that begins with {scheme}://")
    if parts.scheme != scheme and not (parts.scheme == scheme.removesuffix("s") and is_loopback(host)):
        raise ValueError(
            f"it must begin with {scheme}:// (without encryption only to this machine itself), "
            "for a secret is sent there"
        )
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by any network: ``localhost``, ``127.…`` or ``::1``."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
