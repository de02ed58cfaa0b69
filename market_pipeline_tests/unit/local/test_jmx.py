"""The login of Cassandra's JMX."""

from pathlib import Path

import pytest

from market_pipeline.local import cassandra, jmx, nodetool
from market_pipeline.settings import Settings


def test_each_start_has_a_password_of_its_own_that_only_we_can_read(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    assert jmx.client_options(settings) == []
    found = set()
    for _ in range(2):
        cassandra.prepare(settings)
        user, password = jmx.password_file(settings).read_text().split()
        assert user == jmx.USER
        assert len(password) >= 32
        found.add(password)
        assert jmx.password_file(settings).stat().st_mode & 0o777 == 0o600
        assert jmx.password_file(settings).parent.stat().st_mode & 0o077 == 0
    assert len(found) == 2


def test_the_server_asks_for_it_and_nodetool_gives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cassandra, nodetool):
        monkeypatch.setattr(module, "classpath", lambda name: [Path(f"/repository/{name}.jar")])
    settings = Settings.load(data_dir=tmp_path, port_base=20_000)
    cassandra.prepare(settings)
    command = cassandra.start_command(settings)
    flags = Path(command[1][1:]).read_text()
    path = jmx.password_file(settings)
    assert "-Dcom.sun.management.jmxremote.authenticate=true" in flags
    assert f"-Dcom.sun.management.jmxremote.password.file={path}" in flags
    assert "-Dcom.sun.management.jmxremote.rmi.port=20072" in flags
    asked = nodetool.nodetool_command(settings, ["status"])
    assert asked[asked.index("-pwf") + 1] == str(path)
    (_, password) = path.read_text().split()
    assert not any(password in argument for argument in asked)
