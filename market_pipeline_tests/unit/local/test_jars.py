"""The lock of the jars, and what is done with it."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from market_pipeline.local import jars
from market_pipeline.local.jars import Jar, JarError, altered, classpath, fetch, locked, missing, parse_lock

DIGEST = "ab" * 32


def test_a_line_of_the_lock() -> None:
    (jar,) = parse_lock(f"# a comment\n\njolokia org.jolokia:agent:2.2.9:javaagent {DIGEST} 42  # why\n")
    assert jar == Jar("jolokia", "org.jolokia:agent:2.2.9:javaagent", DIGEST, 42)
    assert jar.relative_path == Path("org/jolokia/agent/2.2.9/agent-2.2.9-javaagent.jar")
    assert parse_lock(jar.line()) == [jar]


@pytest.mark.parametrize("line", ["kafka", f"kafka a:b {DIGEST} 1", "kafka a:b:c 12 1", f"kafka a:b:c {DIGEST} x"])
def test_a_broken_line_is_named(line: str) -> None:
    with pytest.raises(ValueError, match=r"jars\.lock line 2 "):
        parse_lock(f"# first\n{line}\n")


def test_the_committed_lock_has_every_set_and_its_roots() -> None:
    for name, roots in jars.ROOTS.items():
        assert set(roots) <= {jar.coordinate for jar in locked(name)}


def test_the_lock_has_one_version_of_each_artifact_in_a_set() -> None:
    for name in jars.ROOTS:
        found = [(jar.parts[0], jar.parts[1], jar.parts[3]) for jar in locked(name)]
        assert len(found) == len(set(found))


def test_kafkas_own_jars_are_all_of_one_version() -> None:
    versions = {jar.parts[2] for jar in locked("kafka") if jar.parts[0] == "org.apache.kafka"}
    assert versions == {"4.3.1"}


def test_spark_gets_nothing_that_pyspark_ships() -> None:
    artifacts = {jar.parts[1] for jar in locked("spark")}
    assert len(artifacts) == 15
    assert not artifacts & {"scala-library", "slf4j-api", "lz4-java", "snappy-java", "hadoop-client-api"}


def test_the_tools_stand_behind_the_server() -> None:
    assert [jar.set_name for jar in locked("kafka-tools")][-2:] == ["kafka", "kafka-tools"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("M2_REPO", str(tmp_path / "repository"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "repository"


class FakeMaven:
    """Plays jgo: hands out files whose content is told by their artifact's name."""

    def __init__(self, cache: Path, tally: Any, contents: dict[str, bytes | Exception]) -> None:
        self._cache, self._tally, self._contents = cache, tally, contents
        self._artifact = self._name = ""

    def project(self, group: str, artifact: str) -> "FakeMaven":
        found = FakeMaven(self._cache, self._tally, self._contents)
        found._artifact = artifact
        return found

    def at_version(self, version: str) -> "FakeMaven":
        return self

    def artifact(self, classifier: str) -> "FakeMaven":
        return self

    @property
    def cached_path(self) -> Path:
        return self._cache / self._artifact

    def resolve(self) -> Path:
        content = self._contents[self._artifact]
        if isinstance(content, Exception):
            raise content
        with self._tally.of_file(self._artifact, len(content)) as arrived:
            self.cached_path.write_bytes(content)
            arrived(len(content))
        return self.cached_path


def a_jar(name: str, content: bytes) -> Jar:
    return Jar("kafka", f"g:{name}:1", hashlib.sha256(content).hexdigest(), len(content))


@pytest.fixture
def maven(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes | Exception]:
    contents: dict[str, bytes | Exception] = {}
    monkeypatch.setattr(jars, "_maven", lambda cache, tally: FakeMaven(cache, tally, contents))
    return contents


def test_what_is_missing_is_downloaded_once_and_told(repository: Path, maven: dict[str, bytes | Exception]) -> None:
    wanted = [a_jar("one", b"first"), a_jar("two", b"second one")]
    maven |= {"one": b"first", "two": b"second one"}
    told: list[tuple[int, int]] = []
    fetch(wanted, lambda done, total: told.append((done, total)))
    assert missing(wanted) == []
    assert (repository / "g/two/1/two-1.jar").read_bytes() == b"second one"
    assert told[-1] == (15, 15)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    maven.clear()
    fetch(wanted)  # nothing to ask for: an empty Maven would raise


def test_a_file_of_two_sets_is_downloaded_once(repository: Path, maven: dict[str, bytes | Exception]) -> None:
    maven["one"] = b"first"
    shared = a_jar("one", b"first")
    told: list[tuple[int, int]] = []
    fetch([shared, replace(shared, set_name="cassandra")], lambda done, total: told.append((done, total)))
    assert told == [(5, 5)]


def test_a_changed_file_is_refused_and_not_kept(repository: Path, maven: dict[str, bytes | Exception]) -> None:
    jar = a_jar("one", b"right")
    maven["one"] = b"wrong"
    with pytest.raises(JarError, match="the lock says"):
        fetch([jar])
    assert missing([jar]) == [jar]
    assert not list(repository.rglob("*.jar"))


def test_without_a_network_the_cure_is_told(repository: Path, maven: dict[str, bytes | Exception]) -> None:
    maven["one"] = ConnectionError("no route\nto host")
    with pytest.raises(JarError, match=r"cannot download g:one:1 \(ConnectionError: no route to host\): check the net"):
        fetch([a_jar("one", b"x")])


def test_a_half_written_file_is_missing(repository: Path, maven: dict[str, bytes | Exception]) -> None:
    jar = a_jar("one", b"whole")
    target = repository / jar.relative_path
    target.parent.mkdir(parents=True)
    target.write_bytes(b"wh")
    assert missing([jar]) == [jar]
    maven["one"] = b"whole"
    fetch([jar])
    assert target.read_bytes() == b"whole"


def test_a_repository_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("M2_REPO", str(tmp_path / "file"))
    with pytest.raises(JarError, match="cannot write to the Maven repository"):
        classpath("cassandra")


def test_zeros_of_the_right_size_are_found_before_a_use(
    repository: Path, maven: dict[str, bytes | Exception], caplog: pytest.LogCaptureFixture
) -> None:
    wanted = [a_jar("one", b"first"), a_jar("two", b"second one")]
    maven |= {"one": b"first", "two": b"second one"}
    fetch(wanted)
    target = repository / wanted[0].relative_path
    assert missing(wanted) == []  # so that both are known
    times = target.stat()
    target.write_bytes(bytes(5))
    os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))  # whoever did it has set the time back
    assert missing(wanted) == wanted[:1]
    assert altered(wanted) == [target]
    fetch(wanted)
    assert target.read_bytes() == b"first"
    assert f"{target} is not the file that jars.lock names" in caplog.text


def test_without_a_network_zeros_are_refused(repository: Path, maven: dict[str, bytes | Exception]) -> None:
    jar = a_jar("one", b"first")
    (repository / jar.relative_path).parent.mkdir(parents=True)
    (repository / jar.relative_path).write_bytes(bytes(5))
    maven["one"] = ConnectionError("no route to host")
    with pytest.raises(JarError, match="cannot download g:one:1"):
        fetch([jar])
