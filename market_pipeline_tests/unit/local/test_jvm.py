"""How arguments and settings are handed to a JVM."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.local.jvm import UnusablePath, argument_file, check_path, properties, write_if_changed


@pytest.mark.parametrize("path", ["/tmp/with space", "/tmp/dätä 数据", "/tmp/a%20b=c#d"])
def test_these_paths_will_do(path: str) -> None:
    check_path(Path(path))


@pytest.mark.parametrize("path", ["/tmp/a,b", "/tmp/a:b", "/tmp/a;b", '/tmp/a"b', "/tmp/a\\b", "/tmp/a\nb"])
def test_these_are_refused_in_one_line(path: str) -> None:
    with pytest.raises(UnusablePath, match="choose another with --data-dir") as caught:
        check_path(Path(path))
    assert "\n" not in str(caught.value)


def unquoted(text: str) -> list[str]:
    """Reads an argument file as Java does: a backslash stands for the next character."""
    found = []
    for line in text.splitlines():
        inner, out = iter(line[1:-1]), ""
        for character in inner:
            out += next(inner) if character == "\\" else character
        found.append(out)
    return found


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"))))
def test_an_argument_file_holds_any_argument(arguments: list[str]) -> None:
    assert unquoted(argument_file(arguments)) == arguments


def test_properties_are_latin_with_escapes() -> None:
    assert properties([("log.dirs", "/tmp/dä tä/数\\x")]) == "log.dirs=/tmp/d\\u00e4 t\\u00e4/\\u6570\\\\x\n"
    assert properties([("a", "😀")]) == "a=\\ud83d\\ude00\n"


def test_a_right_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "config" / "a.yaml"
    write_if_changed(file, "one")
    before = file.stat().st_mtime_ns
    write_if_changed(file, "one")
    assert file.stat().st_mtime_ns == before
    write_if_changed(file, "two")
    assert file.read_text() == "two"
    assert [each.name for each in file.parent.iterdir()] == ["a.yaml"]


def test_java_reads_the_argument_file_as_meant(tmp_path: Path) -> None:
    from market_pipeline.local.java import find
    from market_pipeline.settings import Settings

    file = tmp_path / "with space.args"
    file.write_text(argument_file(["-Dsome.dir=/tmp/a b#c", "-XshowSettings:properties", "-version"]))
    java = find(Settings.load(data_dir=tmp_path)).home / "bin" / "java"
    said = subprocess.run([java, f"@{file}"], capture_output=True, text=True, check=True).stderr
    assert "some.dir = /tmp/a b#c" in said
