"""The writer's jar: compiled once, kept, and a clear line where it can't be."""

from pathlib import Path

import pytest

from market_pipeline.model import schema
from market_pipeline.stream.stall import DEADLINE_S
from market_pipeline.writer import compiled
from market_pipeline.writer.compiled import CompileError, writer_jar
from market_pipeline_tests.writer.conftest import Program


def test_it_is_compiled_once_and_kept(java: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jar = writer_jar(java)
    made_at, content = jar.stat().st_mtime_ns, jar.read_bytes()
    assert writer_jar(java) == jar
    assert jar.stat().st_mtime_ns == made_at
    jar.unlink()
    assert writer_jar(java).read_bytes() == content
    left = {each.name for each in jar.parent.iterdir()} - {"digests.json"}
    assert left == {jar.name}


def test_other_sources_make_another_jar(java: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jar = writer_jar(java)
    texts = compiled.sources()
    changed = texts | {"marketpipeline/Trade.java": texts["marketpipeline/Trade.java"] + b"\n// changed\n"}
    monkeypatch.setattr(compiled, "sources", lambda: changed)
    assert writer_jar(java) != jar


def test_an_error_of_the_compiler_is_one_line_with_its_place(java: Path, tmp_path: Path) -> None:
    text = b"package marketpipeline;\n\nfinal class Wrong {\n  int size() {\n    return missing;\n  }\n}\n"
    with pytest.raises(CompileError) as error:
        compiled.compiled(java, {"marketpipeline/Wrong.java": text}, [], tmp_path)
    assert str(error.value) == (
        "the writer can't be compiled: marketpipeline/Wrong.java (at line 5): missing cannot be resolved to a variable"
    )


def test_a_folder_that_can_not_be_written_is_named(java: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(
        CompileError, match=r"the writer's jar can't be kept in .*/file/market-pipeline: Not a directory"
    ):
        writer_jar(java)


@pytest.fixture(scope="module")
def constants(program: Program) -> dict[str, list[str]]:
    """Columns by table, and in seconds after how long a statement is given up."""
    said, _ = program("Columns").communicate(timeout=60)
    return {name: values for name, *values in map(str.split, said.splitlines())}


def test_the_columns_that_it_binds_are_those_of_the_model(constants: dict[str, list[str]]) -> None:
    bound = {table: columns for table, columns in constants.items() if table != "given_up_after"}
    assert bound == {
        "trades_silver": [column.name for column in schema.TRADES_SILVER],
        "latest_prices": [column.name for column in schema.LATEST_PRICES],
        "ohlcv_1m": [column.name for column in schema.OHLCV_1M if column != schema.COMPLETE],
    }


def test_a_statement_is_given_up_before_the_stream_counts_as_stalled(constants: dict[str, list[str]]) -> None:
    """Or the stream would end without Cassandra's own reason."""
    (given_up_after_s,) = constants["given_up_after"]
    assert int(given_up_after_s) < DEADLINE_S
