"""How the writer reaches Cassandra and Kafka, in a file that only its owner can read.

Neither a command line nor Spark's configuration, which everybody on a cluster can see, is a place for what may become
a password.
"""

from pathlib import Path

from market_pipeline.local.jvm import properties
from market_pipeline.local.private_files import write_private
from market_pipeline.settings import Settings


def connection_file(settings: Settings) -> Path:
    """Where the file is."""
    return settings.paths.run / "trade-writer.properties"


def write_connection_file(settings: Settings) -> Path:
    """Write the file, as ``Connection.java`` reads it.

    Raises:
        OSError: it can't be written.
    """
    path = connection_file(settings)
    write_private(path, properties(connection(settings).items()))
    return path


def connection(settings: Settings) -> dict[str, str]:
    """The properties in it."""
    return {
        "cassandra.contact.points": ",".join(settings.contact_points),
        "cassandra.port": str(settings.cql_port),
        "cassandra.datacenter": settings.cassandra_local_dc,
        "cassandra.keyspace": settings.keyspace,
        "cassandra.consistency": settings.cassandra_consistency,
        "kafka.bootstrap.servers": settings.bootstrap_servers,
        "kafka.dead.letter.topic": settings.dead_letter_topic,
    }
