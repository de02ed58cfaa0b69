"""Who must know what to call Spark's driver."""

from pathlib import Path

import pytest

from market_pipeline.settings import Settings
from market_pipeline.stream.session import SecretError, configuration, private_sockets

CLUSTER = {"spark_master": "spark://master:7077"}


def test_within_one_process_spark_makes_the_secret(tmp_path: Path) -> None:
    found = configuration(Settings.load(data_dir=tmp_path))
    assert found["spark.authenticate"] == "true"
    assert "spark.authenticate.secret" not in found


def test_a_cluster_is_given_its_secret_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    found = configuration(Settings.load(data_dir=tmp_path, spark_auth_secret_file=file, **CLUSTER))
    assert (found["spark.authenticate"], found["spark.authenticate.secret"]) == ("true", "s3cret")
    assert "spark.authenticate" not in configuration(Settings.load(data_dir=tmp_path, **CLUSTER))


def test_a_service_that_runs_in_another_folder_finds_the_secret_that_up_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret").write_text("s3cret\n")
    variables = Settings.load(
        data_dir=tmp_path / "data", spark_auth_secret_file=Path("secret"), **CLUSTER
    ).environment()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    assert configuration(Settings.load())["spark.authenticate.secret"] == "s3cret"


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file or directory"), (b" \n", "it is empty"), (b"\xff", "no text")]
)
def test_a_secret_that_cannot_be_read_is_told_in_one_line(tmp_path: Path, content: bytes | None, why: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SecretError, match=rf"from {file} \({why}\): write the cluster's"):
        configuration(Settings.load(data_dir=tmp_path, spark_auth_secret_file=file, **CLUSTER))


def test_what_a_killed_jvm_left_is_removed_and_only_we_can_enter(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    where = Path(private_sockets(settings, "s")["spark.python.unix.domain.socket.dir"])
    (where / ".left.sock").touch()
    assert Path(private_sockets(settings, "s")["spark.python.unix.domain.socket.dir"]) == where
    assert private_sockets(settings, "s")["spark.python.unix.domain.socket.enabled"] == "true"
    assert list(where.iterdir()) == []
    assert where.stat().st_mode & 0o077 == 0
    assert private_sockets(Settings.load(data_dir=tmp_path, **CLUSTER), "s") == {}  # executors have no such folder
