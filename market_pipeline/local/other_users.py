"""What other users of this machine can reach of a pipeline: loopback keeps out other machines, and nobody here."""

import os
import pwd
from collections.abc import Iterable

import psutil

from market_pipeline.settings import LOOPBACK, Settings

FIRST_PERSON, NOBODY = 1000, 65534
"""Lower uids are the system's own."""
_NO_LOGIN = ("nologin", "false", "sync")


def people(accounts: Iterable[pwd.struct_passwd], running: Iterable[int], own: int) -> list[str]:
    """The names of others who can log in here, or have a process here, whatever directory they are from.

    Args:
        accounts: of this machine.
        running: the uids of its processes.
        own: our uid.
    """
    known = {account.pw_uid: account for account in accounts}
    can_log_in = {uid for uid, account in known.items() if not account.pw_shell.endswith(_NO_LOGIN)}
    others = {uid for uid in can_log_in | set(running) if FIRST_PERSON <= uid != NOBODY and uid != own}
    return sorted(known[uid].pw_name if uid in known else f"uid {uid}" for uid in others)


def people_here() -> list[str]:
    uids = [process.info["uids"] for process in psutil.process_iter(["uids"])]
    return people(pwd.getpwall(), (each.real for each in uids if each is not None), os.getuid())


def without_login(settings: Settings) -> list[str]:
    """The services of this pipeline that ask nobody on this machine who they are."""
    ports = settings.ports
    found = []
    if settings.embedded_kafka:
        found.append(f"Kafka ({LOOPBACK}:{ports.kafka}, {ports.kafka_controller})")
    if settings.embedded_cassandra:
        found.append(f"Cassandra ({LOOPBACK}:{ports.cassandra}, {ports.cassandra_storage})")
    if settings.active_feed != "finnhub":
        found.append(f"the {settings.active_feed} ({LOOPBACK}:{ports.feed})")
    if not settings.local_spark and settings.spark_auth_secret_file is None:
        found.append(f"Spark's driver ({settings.spark_driver_host}:{ports.stream.driver})")
    return found
