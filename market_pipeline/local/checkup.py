"""What `doctor` checks: each check is one line, and a failing one says the cure."""

import importlib.metadata
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import psutil

from market_pipeline.local import ports, preflight
from market_pipeline.local.jars import altered, locked, missing
from market_pipeline.local.java import FLOOR, UPDATE, NoJava, find
from market_pipeline.local.jvm import UnusablePath, check_path
from market_pipeline.local.other_users import people_here, without_login
from market_pipeline.local.preflight import StartError
from market_pipeline.local.reach import Reply, ask_vendor, knock, listens
from market_pipeline.local.supervisord import NAME as SUPERVISOR
from market_pipeline.settings import Settings
from market_pipeline.supervision.lock import holder

Verdict = Literal["ok", "not checked", "warning", "failed"]

NEEDED_MEMORY = 4 * 1024**3
OFFSET_LIMIT_S = 2.0
"""HTTP tells whole seconds. A trade's time is the vendor's, its receive time ours: an offset looks like latency."""

PACKAGES = ("dagster", "pyspark", "confluent-kafka", "cassandra-driver", "supervisor")


@dataclass(frozen=True)
class Check:
    """One thing that was checked, or could not be. ``cure`` is '' when nothing is wrong."""

    name: str
    verdict: Verdict
    found: str
    cure: str = ""


def examine(settings: Settings, *, verify: bool = False) -> Iterator[Check]:
    """All checks, in the order in which they are shown; ``verify`` reads every jar, whatever is known of it."""
    running = holder(settings.paths.lock(SUPERVISOR)) is not None
    yield check_java(settings)
    yield check_versions(sys.version_info[:3])
    yield check_jars(verify=verify)
    yield check_data_dir(settings)
    yield check_disk(settings)
    memory = psutil.virtual_memory()
    yield check_memory(settings, memory.available, memory.total, running=running)
    yield check_ports(settings, running=running)
    yield check_other_users(settings, people_here())
    yield check_spark(settings)
    yield check_feed(settings)
    yield from check_vendor(settings, ask_vendor)
    yield check_websocket(settings, knock)
    yield from check_key(settings, ask_vendor)
    yield from check_servers(settings)


def check_java(settings: Settings) -> Check:
    try:
        found = find(settings)
    except NoJava as error:
        why, _, cure = str(error).partition(". ")
        return Check("java", "failed", why, cure)
    text = f"Java {found.version} from {found.source}, {found.home}"
    if not found.current:
        return Check("java", "warning", f"{text}: vulnerabilities of it are known, {FLOOR} has their fixes", UPDATE)
    return Check("java", "ok", text)


def check_versions(python: tuple[int, ...]) -> Check:
    found = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    text = f"Python {'.'.join(map(str, python))}, {found}"
    if not (3, 11) <= python[:2] < (3, 14):
        return Check("versions", "failed", text, "use Python 3.11, 3.12 or 3.13")
    absent = [name for name in PACKAGES if _version(name) == "missing"]
    if absent:
        return Check("versions", "failed", text, f"install the package anew: {', '.join(absent)} is missing")
    return Check("versions", "ok", text)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def check_jars(*, verify: bool = False) -> Check:
    """Whether the jars are those of the lock. One that isn't is downloaded anew before a JVM starts with it."""
    jars = locked("kafka", "cassandra", "spark", "ecj")
    wrong = altered(jars, afresh=verify)
    absent = missing(jars)
    size = f"the next start downloads {sum(jar.size for jar in absent) / 1e6:,.0f} MB"
    if wrong:
        others = f" and {len(wrong) - 1} others" if len(wrong) > 1 else ""
        cure = f"{size}; find out who changed them, if it was not the disk"
        return Check("jars", "warning", f"{wrong[0]}{others} are not the files that we locked", cure)
    if absent:
        return Check("jars", "ok", f"{len(absent)} of {len(jars)} are not here; {size}")
    how = "every file was read" if verify else "--verify reads every file again"
    return Check("jars", "ok", f"all {len(jars)} have the SHA-256 of the lock ({how})")


def check_data_dir(settings: Settings) -> Check:
    try:
        check_path(settings.data_dir)
        preflight.check_layout(settings.data_dir)
        preflight.check_writable(settings.data_dir)
    except (StartError, UnusablePath) as error:
        return Check("data dir", "failed", *_split(error))
    made = "" if settings.paths.version.exists() else ", not made yet"
    return Check("data dir", "ok", f"{settings.data_dir}{made}")


def check_disk(settings: Settings) -> Check:
    try:
        preflight.check_disk(settings)
    except StartError as error:
        return Check("disk", "failed", *_split(error))
    return Check("disk", "ok", f"{preflight.free_bytes(settings.data_dir) / 1024**3:,.1f} GiB free")


def check_memory(settings: Settings, available: int, total: int, *, running: bool) -> Check:
    """Memory that programs can get, and that the machine has, in bytes; a pipeline that runs has its share already."""
    text = f"{available / 1024**3:,.1f} GiB available"
    heaps = {"SPARK_DRIVER_MEMORY_MB": settings.spark_driver_memory_mb}
    if settings.embedded_cassandra:
        heaps["CASSANDRA_HEAP_MB"] = settings.cassandra_heap_mb
    wanted = sum(heaps.values()) * 1024**2
    if wanted > total:
        found = f"the heaps may grow to {wanted / 1024**3:,.1f} GiB, this machine has {total / 1024**3:,.1f} GiB"
        return Check("memory", "failed", found, f"lower MARKET_PIPELINE_{max(heaps, key=lambda name: heaps[name])}")
    if available < NEEDED_MEMORY and not running:
        cure = f"the pipeline takes about {NEEDED_MEMORY / 1024**3:.0f} GiB: end other programs, or lower the heaps"
        return Check("memory", "warning", text, f"{cure} (MARKET_PIPELINE_CASSANDRA_HEAP_MB)")
    return Check("memory", "ok", text)


def check_ports(settings: Settings, *, running: bool) -> Check:
    wanted = ports.needed(settings)
    reach = f"{min(wanted.values())} to {max(wanted.values())}"
    busy = ports.taken(wanted)
    if running:
        return Check("ports", "ok", f"{len(busy)} of {len(wanted)} in use by the running pipeline ({reach})")
    if busy:
        return Check(
            "ports", "failed", "; ".join(each.sentence() for each in busy), "end it, or choose another --port-base"
        )
    return Check("ports", "ok", f"{len(wanted)} are free ({reach})")


def check_other_users(settings: Settings, others: Sequence[str]) -> Check:
    """What other people with accounts here can reach: they can read and change whatever it holds."""
    found = without_login(settings)
    if not found or not others:
        why = "nothing of this pipeline lacks a login" if not found else "nobody else has an account or a process here"
        return Check("other users", "ok", why)
    names = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    text = f"{names} can read and write, without a login: {', '.join(found)}"
    return Check("other users", "warning", text, "use a machine or a container where nobody else logs in")


def check_spark(settings: Settings) -> Check:
    """Where the stream runs, and whether that can be reached."""
    try:
        preflight.check_spark(settings)
    except StartError as error:
        return Check("spark", "failed", *_split(error))
    where = "within the stream's own process" if settings.local_spark else "accepts connections"
    return Check("spark", "ok", f"{settings.master}, {where}")


def check_feed(settings: Settings) -> Check:
    """Whether the feed has what it needs. The key itself is never shown."""
    try:
        preflight.check_feed(settings)
    except StartError as error:
        return Check("feed", "failed", *_split(error))
    key = "a key is set" if settings.finnhub_api_key is not None else "no FINNHUB_API_KEY"
    return Check("feed", "ok", f"{settings.active_feed}; {key}")


def check_vendor(settings: Settings, ask: Callable[[str], Reply | str]) -> Iterator[Check]:
    """Whether the vendor can be reached, and what its clock says. Only a fault where its feed is what is wanted."""
    reply = ask(settings.finnhub_rest_url)
    wanted = settings.active_feed == "finnhub"
    if isinstance(reply, str):
        text = f"{settings.finnhub_rest_url} does not answer ({reply})"
        cure = "check the network or the proxy (HTTPS_PROXY)" if wanted else ""
        yield Check("reachability", "failed" if wanted else "ok", text if wanted else f"{text}; not needed", cure)
        yield Check("time offset", "not checked", "nobody to compare this clock with")
        return
    text = f"{settings.finnhub_rest_url} answers in {reply.seconds * 1000:,.0f} ms"
    if reply.status >= 500:  # any other is an answer of what we came for, a refusal without a key included
        cure = "the vendor, or a proxy before it, is out of order: try again later"
        yield Check("reachability", "warning", f"{text} with status {reply.status}", cure)
    else:
        yield Check("reachability", "ok", text)
    if reply.offset_s is None:
        yield Check("time offset", "not checked", "the vendor's answer bears no date")
    elif abs(reply.offset_s) > OFFSET_LIMIT_S:
        text = f"this clock is {abs(reply.offset_s):,.0f} s {'behind' if reply.offset_s > 0 else 'ahead'}"
        yield Check(
            "time offset",
            "failed",
            text,
            "set the clock by NTP: it is taken for latency, and trades from its future are refused",
        )
    else:
        yield Check("time offset", "ok", f"below {OFFSET_LIMIT_S:.0f} s")


def check_websocket(settings: Settings, open_to: Callable[[str], str | None]) -> Check:
    """Whether a connection to the host of the vendor's feed opens. Only a fault where its feed is what is wanted."""
    where = _without_query(settings.finnhub_ws_url)
    why = open_to(settings.finnhub_ws_url)
    if why is None:
        return Check("websocket", "ok", f"{where} accepts connections")
    if settings.active_feed != "finnhub":
        return Check("websocket", "ok", f"not needed: {where} does not answer ({why})")
    return Check("websocket", "failed", f"{where} does not answer ({why})", "check the network, or FINNHUB_WS_URL")


def _without_query(url: str) -> str:
    return url.partition("?")[0]


def check_key(settings: Settings, ask: Callable[[str, str], Reply | str]) -> Iterator[Check]:
    """Try the key, if there is one, by one small request; it goes in a header and is never shown."""
    if settings.finnhub_api_key is None:
        return
    wanted = settings.active_feed == "finnhub"
    key = settings.finnhub_api_key.get_secret_value()
    reply = ask(f"{settings.finnhub_rest_url}/quote?symbol=AAPL", key)
    if isinstance(reply, str):
        yield Check("key", "not checked", f"no answer ({reply})", "check the network")
    elif reply.status in (401, 403):
        cure = "put the key from finnhub.io/dashboard into .env as FINNHUB_API_KEY, or use --feed simulator"
        yield Check("key", "failed" if wanted else "warning", f"the key is refused ({reply.status})", cure)
    elif reply.status == 429:
        yield Check("key", "not checked", "too many requests (429)", "wait a minute, and try again")
    elif reply.status != 200:
        yield Check("key", "not checked", f"status {reply.status}", "try again later, or check FINNHUB_REST_URL")
    else:
        yield Check("key", "ok", "the vendor takes it")


def check_servers(settings: Settings) -> Iterator[Check]:
    """Whether a Kafka and a Cassandra that are not ours to start can be reached: one of their addresses is enough."""
    if not settings.embedded_kafka:
        yield _check_server("kafka", settings.bootstrap_servers.split(","), "KAFKA_BOOTSTRAP_SERVERS")
    if not settings.embedded_cassandra:
        nodes = [f"{host}:{settings.cql_port}" for host in settings.contact_points]
        yield _check_server("cassandra", nodes, "CASSANDRA_CONTACT_POINTS and CASSANDRA_PORT")


def _check_server(name: str, addresses: Sequence[str], variable: str) -> Check:
    why = ""
    for address in addresses:
        host, _, port = address.strip().rpartition(":")
        failure = listens(host, int(port)) if port.isdigit() else "no port in it"
        if failure is None:
            return Check(name, "ok", f"{address.strip()} accepts connections")
        why = failure
    return Check(name, "failed", f"{', '.join(addresses)} does not answer ({why})", f"start it, or check {variable}")


def _split(error: Exception) -> tuple[str, str]:
    """What is wrong, and the cure behind the last colon."""
    what, colon, cure = str(error).rpartition(": ")
    return (what, cure) if colon else (cure, "")
