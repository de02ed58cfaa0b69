"""The login of the embedded Cassandra's JMX, which is full control of the node: made anew for each start of the server,
in a file that only our user can read."""

import secrets
from pathlib import Path

from market_pipeline.local.private_files import write_private
from market_pipeline.settings import Settings

USER = "market-pipeline"
_PREFIX = "com.sun.management.jmxremote"


def password_file(settings: Settings) -> Path:
    """The user and the password, as Java and nodetool read them."""
    return settings.paths.run / "cassandra-jmx.password"


def renew(settings: Settings) -> None:
    """Make a new password; the server that starts next asks for it."""
    write_private(password_file(settings), f"{USER} {secrets.token_urlsafe(32)}\n")


def server_options(settings: Settings) -> list[str]:
    """What makes Cassandra's JMX listen on two ports of ours, on loopback, and ask for the password."""
    return [
        # Cassandra makes Java's own check of password files, which Java exports to nobody
        *("--add-exports", "java.management/com.sun.jmx.remote.security=ALL-UNNAMED"),
        f"-Dcassandra.jmx.local.port={settings.ports.cassandra_jmx}",
        f"-D{_PREFIX}.rmi.port={settings.ports.cassandra_jmx_rmi}",
        f"-D{_PREFIX}.authenticate=true",
        f"-D{_PREFIX}.password.file={password_file(settings)}",
    ]


def client_options(settings: Settings) -> list[str]:
    """nodetool's options that log in; none while no server has asked for a password yet."""
    path = password_file(settings)
    return ["-u", USER, "-pwf", str(path)] if path.exists() else []
