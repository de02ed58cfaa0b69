"""What `doctor` looks at: each check is one line, and a failing one says the cure."""

import email.utils
import http.client
import importlib.metadata
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import psutil

from market_pipeline.local import ports, preflight
from market_pipeline.local.jars import locked, missing
from market_pipeline.local.java import NoJava, find
from market_pipeline.local.jvm import UnusablePath, check_path
from market_pipeline.local.preflight import StartError
from market_pipeline.local.supervisord import NAME as SUPERVISOR
from market_pipeline.settings import Settings
from market_pipeline.supervision.lock import holder

Verdict = Literal["ok", "warning", "failed"]

NEEDED_MEMORY = 4 * 1024**3
OFFSET_LIMIT_S = 2.0
"""HTTP tells whole seconds. A trade's time is the vendor's, its receive time ours: an offset looks like latency."""

REACH_WITHIN_S = 5.0
PACKAGES = ("dagster", "pyspark", "confluent-kafka", "cassandra-driver", "supervisor")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. ``cure`` is '' when nothing is wrong."""

    name: str
    verdict: Verdict
    found: str
    cure: str = ""


@dataclass(frozen=True)
class Reply:
    """What the vendor's server answered: how long that took, and its clock less ours, in seconds."""

    seconds: float
    offset_s: float | None


def examine(settings: Settings) -> Iterator[Check]:
    """All checks, in the order in which they are shown."""
    running = holder(settings.paths.lock(SUPERVISOR)) is not None
    yield check_java(settings)
    yield check_versions(sys.version_info[:3])
    yield check_jars()
    yield check_data_dir(settings)
    yield check_disk(settings)
    yield check_memory(psutil.virtual_memory().available, running=running)
    yield check_ports(settings, running=running)
    yield check_feed(settings)
    yield from check_vendor(settings, ask_vendor)


def check_java(settings: Settings) -> Check:
    try:
        found = find(settings)
    except NoJava as error:
        why, _, cure = str(error).partition(". ")
        return Check("java", "failed", why, cure)
    return Check("java", "ok", f"Java {found.major} from {found.source}, {found.home}")


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


def check_jars() -> Check:
    jars = locked("kafka", "cassandra", "spark", "jolokia")
    absent = missing(jars)
    if absent:
        size = sum(jar.size for jar in absent) / 1e6
        return Check(
            "jars", "ok", f"{len(absent)} of {len(jars)} are not here; the first start downloads {size:,.0f} MB"
        )
    return Check("jars", "ok", f"all {len(jars)} are in the Maven repository")


def check_data_dir(settings: Settings) -> Check:
    try:
        check_path(settings.data_dir)
        preflight.check_layout(settings.data_dir)
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


def check_memory(available: int, *, running: bool) -> Check:
    """Memory that programs can get; a pipeline that runs has its share already."""
    text = f"{available / 1024**3:,.1f} GiB available"
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
        yield Check("time offset", "ok", "cannot tell: nobody to compare with")
        return
    yield Check("reachability", "ok", f"{settings.finnhub_rest_url} answers in {reply.seconds * 1000:,.0f} ms")
    if reply.offset_s is None:
        yield Check("time offset", "ok", "cannot tell: the answer bears no date")
    elif abs(reply.offset_s) > OFFSET_LIMIT_S:
        text = f"this clock is {abs(reply.offset_s):,.0f} s {'behind' if reply.offset_s > 0 else 'ahead'}"
        yield Check("time offset", "failed", text, "set the clock by NTP: it would be taken for latency")
    else:
        yield Check("time offset", "ok", f"below {OFFSET_LIMIT_S:.0f} s")


def ask_vendor(url: str) -> Reply | str:
    """Ask the vendor's server for anything, without a key: even a refusal bears a date."""
    began, clock = time.monotonic(), time.time()
    try:
        with urllib.request.urlopen(url, timeout=REACH_WITHIN_S) as answer:
            headers: Mapping[str, str] = dict(answer.headers)
    except urllib.error.HTTPError as error:
        headers = dict(error.headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(getattr(error, "reason", error))[:80]
    seconds = time.monotonic() - began
    return Reply(seconds, clock_offset({name.lower(): value for name, value in headers.items()}, clock + seconds / 2))


def clock_offset(headers: Mapping[str, str], our_time: float) -> float | None:
    """The server's clock less ours, from the ``Date`` of an answer; None without one."""
    try:
        told = email.utils.parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None
    return told + 0.5 - our_time  # it is cut to the second, so half a second is the best guess


def _split(error: Exception) -> tuple[str, str]:
    """What is wrong, and the cure behind the last colon."""
    what, colon, cure = str(error).rpartition(": ")
    return (what, cure) if colon else (cure, "")
