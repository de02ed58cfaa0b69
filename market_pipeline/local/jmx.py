"""The login of the embedded Cassandra's JMX, which is full control of the node: made anew for each start of the server,
in a file that only our user can read."""

import os
import secrets
from pathlib import Path

from market_pipeline.settings import Settings

USER = "market-pipeline"
_PREFIX = "com.sun.management.jmxremote"


def password_file(settings: Settings) -> Path:
    """The user and the password, as Java and nodetool read them."""
    return settings.paths.run / "cassandra-jmx.password"


def renew(settings: Settings) -> None:
    """Make a new password; the server that starts next asks for it."""
    path = password_file(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - a descriptor has no path
        file.write(f"{USER} {secrets.token_urlsafe(32)}\n")
    scratch.replace(path)


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
