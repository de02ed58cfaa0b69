"""Which ``.env`` is read."""

import grp
import os
import pwd
import stat
from pathlib import Path

import pytest

from market_pipeline.env_file import UntrustedEnvFile, read_env_file, why_untrusted
from market_pipeline.settings import Settings, SettingsError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / ".env"
    file.write_text("MARKET_PIPELINE_RATE=7\nA='b c'\n")
    file.chmod(0o644)
    return file


def of(uid: int, gid: int, mode: int) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, uid, gid, 1, 0, 0, 0))


def test_a_file_of_ours_is_read(file: Path) -> None:
    assert read_env_file(file) == {"MARKET_PIPELINE_RATE": "7", "A": "b c"}
    assert Settings.load().rate == 7
    assert read_env_file(file.parent / "nothing") == {}
    assert read_env_file(file.parent) == {}


def test_a_value_is_taken_as_it_stands(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINNHUB_API_KEY", "secret")
    file.write_text("A=p${FINNHUB_API_KEY}\nB=$HOME\n")
    assert read_env_file(file) == {"A": "p${FINNHUB_API_KEY}", "B": "$HOME"}


@pytest.mark.parametrize("mode", [0o646, 0o666, 0o602])
def test_a_file_that_others_may_write_is_refused_in_one_line(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(caught.value) == f"{file} is not read, for others may write it: chmod go-w it, if what it says is yours"


def test_a_link_does_not_hide_whose_file_it_is(file: Path, tmp_path: Path) -> None:
    file.rename(tmp_path / "elsewhere")
    file.symlink_to("elsewhere")
    (tmp_path / "elsewhere").chmod(0o666)
    with pytest.raises(UntrustedEnvFile, match="others may write it"):
        read_env_file(file)


def test_whose_files_are_trusted() -> None:
    me, stranger = 54_321, 54_322
    assert why_untrusted(of(me, me, 0o600), me) == ""
    assert why_untrusted(of(0, 0, 0o644), me) == ""
    assert why_untrusted(of(stranger, me, 0o600), me).startswith("it belongs to user 54322: ")
    assert why_untrusted(of(stranger, me, 0o600), 0).startswith("it belongs to user 54322: ")
    assert "others may write it" in why_untrusted(of(me, 1, 0o664), me)
    assert why_untrusted(of(os.getuid(), os.getgid(), 0o602), os.getuid())


@pytest.mark.parametrize(
    ("of_the_user", "name", "members", "trusted"),
    [
        (7, "ann", [], True),
        (7, "ann", ["ann"], True),
        (7, "ann", ["ann", "eve"], False),
        (7, "staff", [], False),
        (8, "ann", [], False),
    ],
    ids=["alone", "named", "with another", "of many", "not the user's first"],
)
def test_a_group_may_write_while_it_is_the_users_own(
    of_the_user: int, name: str, members: list[str], trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = pwd.struct_passwd(("ann", "x", 54_321, of_the_user, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: ann)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group((name, "x", gid, members)))
    assert (why_untrusted(of(54_321, 7, 0o664), 54_321) == "") is trusted


@pytest.mark.parametrize(
    "name", ["MARKET_PIPELINE_JAVA_HOME", "market_pipeline_java_home", "Market_Pipeline_Java_Home"]
)
def test_no_file_chooses_a_program_to_run(file: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(f"{name}=/elsewhere\n")
    with pytest.raises(SettingsError, match=f"can't set {name}, which names a program to run: export it instead"):
        Settings.load()
    file.unlink()
    monkeypatch.setenv("MARKET_PIPELINE_JAVA_HOME", "/elsewhere")
    assert Settings.load().java_home == Path("/elsewhere")


@pytest.mark.parametrize(
    "name",
    [
        *("KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SSL_CA_LOCATION"),
        *("CASSANDRA_USERNAME", "CASSANDRA_PASSWORD", "CASSANDRA_SSL", "CASSANDRA_SSL_CA", "cassandra_password"),
        *("MARKET_PIPELINE_KAFKA_SECURITY_PROTOCOL", "MARKET_PIPELINE_CASSANDRA_USERNAME"),
    ],
)
def test_a_login_that_is_not_supported_is_refused_by_name(
    file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = f"^{name} is not supported: logins and TLS to Kafka or Cassandra"
    file.write_text(f"{name}=x\n")
    with pytest.raises(SettingsError, match=refused):
        Settings.load()
    file.write_text(f"{name}=\n")
    Settings.load()
    monkeypatch.setenv(name, "x")
    with pytest.raises(SettingsError, match=refused):
        Settings.load()


def test_plain_kafka_may_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT")
    Settings.load()


def test_a_pipe_under_its_name_is_refused_and_not_waited_for(file: Path) -> None:
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    with pytest.raises(UntrustedEnvFile, match="it is no ordinary file"):
        read_env_file(file)
