"""Where the Unix sockets of a pipeline lie, and who can reach them."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from market_pipeline.local.programs import dagster_command, programs, workspace_yaml
from market_pipeline.local.supervisor_client import SupervisorAway, SupervisorClient
from market_pipeline.local.supervisord import socket_path, write_configuration
from market_pipeline.local.unix_sockets import PATH_LIMIT, UnsafeFolder, accepts, code_server, folder, secure
from market_pipeline.settings import Settings


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Whatever mode a folder is made with is the one that it was given."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_sockets_are_in_the_data_dir_while_its_path_is_short() -> None:
    settings = Settings.load(data_dir="/tmp/short")
    assert socket_path(settings) == settings.paths.run / "supervisor.sock"
    assert code_server(settings) == settings.paths.run / "dagster.sock"


def test_the_sockets_of_a_deep_data_dir_are_elsewhere_and_ours_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_umask: None
) -> None:
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setattr(tempfile, "tempdir", short)  # where no folder of ours is yet
        check_sockets_of_deep_data_dirs(tmp_path)


def check_sockets_of_deep_data_dirs(tmp_path: Path) -> None:
    deep, other = (Settings.load(data_dir=tmp_path / ("d" * 80) / name) for name in ("one", "two"))
    for path in (socket_path, code_server):
        assert len(os.fsencode(path(deep))) <= PATH_LIMIT
        assert path(deep) != path(other)
    write_configuration(deep, programs(deep), {})
    for where in (socket_path(deep).parent, code_server(deep).parent):
        assert where.stat().st_mode & 0o077 == where.parent.stat().st_mode & 0o077 == 0


def test_a_path_that_a_uri_would_read_otherwise_is_not_put_into_one(tmp_path: Path) -> None:
    odd = Settings.load(data_dir="/tmp/100% of data")
    assert folder(odd, 20) == odd.paths.run
    assert folder(odd, 20, within_a_uri=True) != odd.paths.run


def test_the_code_server_listens_on_a_socket_and_the_others_know_it(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path / "data")
    command = dagster_command("dagster-code-server", settings)
    assert command[command.index("--socket") + 1] == str(code_server(settings))
    assert "--port" not in command
    (server,) = yaml.safe_load(workspace_yaml(settings))["load_from"]
    assert server["grpc_server"]["socket"] == str(code_server(settings))


def test_a_folder_that_somebody_else_laid_ready_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"market-pipeline-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    deep = Settings.load(data_dir=tmp_path / ("d" * 80))
    with pytest.raises(UnsafeFolder, match="is a link: remove it, or use a shorter --data-dir"):
        secure(code_server(deep).parent)


@pytest.mark.parametrize("within_the_shared_one", [False, True])
def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, within_the_shared_one: bool
) -> None:
    """It would be theirs to put a socket of their own in the place of ours."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stranger = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: stranger)
    deep = Settings.load(data_dir=tmp_path / ("d" * 80))
    wanted = code_server(deep).parent if within_the_shared_one else tmp_path / "run"
    wanted.mkdir(parents=True)
    refused = wanted.parent if within_the_shared_one else wanted
    with pytest.raises(UnsafeFolder, match=f"^{refused} belongs to another user: remove it, or use a shorter"):
        secure(wanted)


def test_a_folder_of_ours_that_others_can_enter_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    wanted = code_server(Settings.load(data_dir=tmp_path / ("d" * 80))).parent
    wanted.mkdir(parents=True)
    for each in (wanted, wanted.parent):
        each.chmod(0o777)
    secure(wanted)
    assert [each.stat().st_mode & 0o777 for each in (wanted, wanted.parent)] == [0o700, 0o700]


@pytest.mark.parametrize("target", [None, "nowhere"], ids=["file", "dangling link"])
def test_what_is_no_folder_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str | None
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    laid_ready = tmp_path / f"market-pipeline-{os.getuid()}"
    laid_ready.touch() if target is None else laid_ready.symlink_to(tmp_path / target)
    deep = Settings.load(data_dir=tmp_path / ("d" * 80))
    with pytest.raises(UnsafeFolder, match=r"is a link|is no folder"):
        secure(code_server(deep).parent)


def test_whether_a_socket_accepts(tmp_path: Path) -> None:
    at = secure(folder(Settings.load(data_dir=tmp_path), 20)) / "a.sock"
    assert not accepts(at)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(at))
        assert not accepts(at)
        server.listen()
        assert accepts(at)


def test_nothing_is_asked_of_a_socket_in_a_folder_of_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.load(data_dir=tmp_path)
    at = socket_path(settings)
    secure(at.parent)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(at))
        server.listen()
        assert accepts(at)
        monkeypatch.setattr("market_pipeline.local.unix_sockets.is_trusted", lambda owner, user: owner != os.getuid())
        assert not accepts(at)
        with pytest.raises(SupervisorAway, match=r"PermissionError: .* belongs to "):
            SupervisorClient(settings).pid()
