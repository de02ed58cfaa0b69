"""Cassandra's schema from versioned migrations: ``migrations/NNN_name.cql``, applied once each, in order.

Each statement is written so that it may run twice (``IF NOT EXISTS``): a migration that was cut short is run again.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from string import Template

from cassandra.cluster import Session

from market_pipeline.mendable import Mendable
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect


class MigrationError(Mendable):
    """The schema in Cassandra is not one that this version can bring up to date; one line with the cure."""


@dataclass(frozen=True)
class Migration:
    """One file of statements; ``checksum`` is over its text, so that a changed old migration is noticed."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def statements(self, settings: Settings) -> list[str]:
        bare = re.sub(r"^\s*--.*$", "", self.text, flags=re.MULTILINE)
        filled = Template(bare).substitute(
            keyspace=settings.keyspace,
            replication=settings.cassandra_replication,
            datacenter=settings.cassandra_local_dc,
        )
        return [statement.strip() for statement in re.split(r";\s*$", filled, flags=re.MULTILINE) if statement.strip()]


def all_migrations() -> list[Migration]:
    """The migrations that ship with this version, in order."""
    files = resources.files("market_pipeline.store") / "migrations"
    found = []
    for file in files.iterdir():
        matched = re.fullmatch(r"(\d{3})_(\w+)\.cql", file.name)
        if matched:
            found.append(Migration(int(matched[1]), matched[2], file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.version)


def pending(known: Iterable[Migration], applied: dict[int, str]) -> list[Migration]:
    """Those of ``known`` that are not yet ``applied`` (version → checksum).

    Raises:
        MigrationError: Cassandra has a newer schema than this version knows, or an applied migration was changed.
    """
    known = list(known)
    newest = max((migration.version for migration in known), default=0)
    ahead = [version for version in applied if version > newest]
    if ahead:
        raise MigrationError(
            f"Cassandra's schema is at migration {max(ahead)}, this version knows {newest}: use a newer "
            "market-pipeline, or another MARKET_PIPELINE_KEYSPACE"
        )
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise MigrationError(
                f"migration {migration.version:03d}_{migration.name} differs from what was applied: "
                "put the file back as it was and write a new migration"
            )
    return [migration for migration in known if migration.version not in applied]


def migrate(settings: Settings) -> list[str]:
    """Bring the keyspace up to date; returns the names of what was applied.

    Raises:
        StoreUnreachableError: Cassandra does not answer.
        MigrationError: see ``pending``.
    """
    with connect(settings, timeout_s=60) as session:
        applied = _applied(session, settings)
        todo = pending(all_migrations(), applied)
        for migration in todo:
            for statement in migration.statements(settings):
                session.execute(statement)
            _remember(session, settings, migration)
        return [f"{migration.version:03d}_{migration.name}" for migration in todo]


def _applied(session: Session, settings: Settings) -> dict[int, str]:
    there = session.execute(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s AND table_name = 'schema_migrations'",
        (settings.keyspace,),
    ).one()
    if there is None:
        return {}
    rows = session.execute(f"SELECT version, checksum FROM {settings.keyspace}.schema_migrations")
    return {row.version: row.checksum for row in rows}


def _remember(session: Session, settings: Settings, migration: Migration) -> None:
    session.execute(
        f"CREATE TABLE IF NOT EXISTS {settings.keyspace}.schema_migrations "
        "(version int PRIMARY KEY, name text, checksum text, applied_at timestamp)"
    )
    session.execute(
        f"INSERT INTO {settings.keyspace}.schema_migrations (version, name, checksum, applied_at) "
        "VALUES (%s, %s, %s, toTimestamp(now()))",
        (migration.version, migration.name, migration.checksum),
    )
