"""How every client of ours reaches Cassandra."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from weakref import WeakKeyDictionary

from cassandra import DriverException
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
    Session,
)
from cassandra.connection import ConnectionException
from cassandra.policies import DCAwareRoundRobinPolicy, ExponentialReconnectionPolicy
from cassandra.query import PreparedStatement

from market_pipeline.mendable import Mendable
from market_pipeline.settings import Settings
from market_pipeline.unanswered import cure

CONNECT_TIMEOUT_S = 5.0
CONCURRENT_STATEMENTS = 32
"""How many of a list of statements are on their way at once."""


class StoreUnreachableError(Mendable):
    """Cassandra did not answer in time; the message says where it was looked for and what to do.

    What to do is found out when it is told: whoever tries again tells nobody.
    """

    def __init__(self, settings: Settings, why: str) -> None:
        super().__init__(why)
        self._settings = settings
        self._why = why

    def __str__(self) -> str:
        servers = [f"{host}:{self._settings.cql_port}" for host in self._settings.contact_points]
        what = "check CASSANDRA_CONTACT_POINTS"
        if self._settings.embedded_cassandra:
            what = cure(self._settings, "cassandra", servers)
        return f"Cassandra does not answer at {', '.join(servers)} ({self._why}): {what}"


STORE_ERRORS = (StoreUnreachableError, DriverException, NoHostAvailable, ConnectionException)
"""All that a request raises when Cassandra is away or fails; the driver's own have no class in common."""


@contextmanager
def connect(settings: Settings, *, timeout_s: float = 10.0) -> Iterator[Session]:
    """A session without a keyspace of its own, closed at the end; ``timeout_s`` is for one request.

    Create it after a fork, never before: the driver has threads.

    Raises:
        StoreUnreachableError: no node answers.
    """
    profile = ExecutionProfile(
        load_balancing_policy=DCAwareRoundRobinPolicy(settings.cassandra_local_dc),
        request_timeout=timeout_s,
    )
    try:
        cluster = Cluster(
            list(settings.contact_points),
            port=settings.cql_port,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            reconnection_policy=ExponentialReconnectionPolicy(0.5, 5.0),
            connect_timeout=CONNECT_TIMEOUT_S,
            control_connection_timeout=CONNECT_TIMEOUT_S,
            protocol_version=5,
            # read at each connection, by a dozen queries, and used by nobody
            schema_metadata_enabled=False,
            token_metadata_enabled=False,
        )
    except (*STORE_ERRORS, OSError) as error:  # a name that can't be resolved is told here
        raise StoreUnreachableError(settings, type(error).__name__) from None
    try:
        try:
            session = cluster.connect()
        except (*STORE_ERRORS, OSError) as error:
            raise StoreUnreachableError(settings, type(error).__name__) from None
        yield session
    finally:
        cluster.shutdown()


def prepared(session: Session, cql: str) -> PreparedStatement:
    """The statement, prepared the first time that the session asks for it: a trip to Cassandra and back."""
    known = _PREPARED.setdefault(session, {})
    if cql not in known:
        known[cql] = session.prepare(cql)
    return known[cql]


_PREPARED: WeakKeyDictionary[Session, dict[str, PreparedStatement]] = WeakKeyDictionary()


@contextmanager
def connect_when_up(settings: Settings, within_s: float) -> Iterator[Session]:
    """A session as ``connect`` gives it, once Cassandra answers a query.

    Raises:
        StoreUnreachableError: it did not within ``within_s``.
    """
    deadline = time.monotonic() + within_s
    with ExitStack() as connection:
        while True:
            try:
                session = connection.enter_context(connect(settings))
                session.execute("SELECT release_version FROM system.local")
            except STORE_ERRORS:
                connection.close()
                if time.monotonic() > deadline:
                    raise StoreUnreachableError(settings, f"waited {within_s:.0f} s") from None
                time.sleep(0.2)
            else:
                break
        yield session


def wait_for_cql(settings: Settings, timeout_s: float) -> None:
    """Return when Cassandra answers a query.

    Raises:
        StoreUnreachableError: it did not within ``timeout_s``.
    """
    with connect_when_up(settings, timeout_s):
        pass
