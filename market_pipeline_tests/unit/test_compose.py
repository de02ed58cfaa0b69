"""The compose file, its Dockerfile and .env.example: read as text, so that no container engine is needed."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from market_pipeline.deploy.kafka_tools import TOOLS
from market_pipeline.layout import Paths, Ports
from market_pipeline.settings import Settings, variable

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "market_pipeline" / "deploy"
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DG = tomllib.loads((ROOT / "market_pipeline" / "dg.toml").read_text(encoding="utf-8"))

SECRETS = (
    *("FINNHUB_API_KEY", "POSTGRES_PASSWORD", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"),
    "MARKET_PIPELINE_WATCHDOG_URL",  # who has it can feign that somebody looks
)
ENVIRONMENT = {"POSTGRES_PASSWORD": "for-this-test"}
REFERENCE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\}")
SERVICES = {
    "kafka",
    "cassandra",
    "init",
    "feed-server",
    "producer",
    "slack",
    "spark-master",
    "spark-worker",
    "stream",
    "postgres",
    "code-location",
    "dagster-webserver",
    "dagster-daemon",
}
RUNBOOK = [
    ("kafka", "kafka-topics"),
    ("kafka", "kafka-console-consumer"),
    ("kafka", "kafka-consumer-groups"),
    ("kafka", "kafka-metadata-quorum"),
    ("cassandra", "nodetool"),
    ("cassandra", "cqlsh"),
    ("spark-master", "spark-submit"),
]


def interpolated(text: str, environment: dict[str, str]) -> str:
    """The text with its variables put in, as Compose does it."""

    def value(match: re.Match[str]) -> str:
        name, kind, word = match["name"], match["kind"], match["word"]
        assert kind == "-" or environment.get(name), f"{name}: {word}"
        return environment.get(name) or word

    return REFERENCE.sub(value, text)


def document(**environment: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(interpolated(COMPOSE, ENVIRONMENT | environment))
    return loaded


def services(**environment: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = document(**environment)["services"]
    return found


def stages() -> dict[str, str]:
    """The instructions of each stage of the Dockerfile."""
    parts = re.split(r"^FROM \S+ AS (\S+)$", DOCKERFILE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_file_follows_the_compose_specification() -> None:
    # the checker knows no merge keys: give it what YAML makes of them
    assert PyCompose.from_yaml(yaml.safe_dump(document())) is not None


def test_a_misspelt_key_would_be_noticed() -> None:
    wrong = document()
    wrong["services"]["kafka"]["restrat"] = "always"
    with pytest.raises(ValueError, match="restrat"):
        PyCompose.from_yaml(yaml.safe_dump(wrong))


def _installed(command: list[str]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    asked = subprocess.run([*command, "version"], capture_output=True, timeout=60, check=False)
    return asked.returncode == 0


COMPOSES = [command for command in (["docker-compose"], ["docker", "compose"]) if _installed(command)]


def test_a_machine_that_is_meant_for_it_has_a_compose() -> None:
    assert COMPOSES or not os.environ.get("TESTS_NEED_COMPOSE"), "install docker-compose here"


def checked(command: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """What a Compose says of the file, in a folder whose ``.env`` it would read."""
    return subprocess.run(
        [*command, "-f", ROOT / "docker-compose.yml", "--project-directory", folder, "config"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMPOSES, ids=" ".join)
def test_every_compose_on_this_machine_takes_the_file(command: list[str]) -> None:
    done = checked([*command], ROOT, ENVIRONMENT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMPOSES, ids=" ".join)
def test_a_compose_puts_in_the_variables_as_the_tests_here_do(command: list[str], tmp_path: Path) -> None:
    """With a value, without one, and with an empty one, which counts as none."""
    given = ENVIRONMENT | {"WEBSERVER_PORT": "3456", "MARKET_PIPELINE_SYMBOLS": "AAPL", "FINNHUB_API_KEY": ""}
    done = checked(command, tmp_path, given)
    assert done.returncode == 0, done.stderr
    theirs, ours = yaml.safe_load(done.stdout)["services"], services(**given)
    always = {name for name, each in ours.items() if not each.get("profiles")}
    assert always <= set(theirs) <= set(ours)
    for name, service in theirs.items():
        assert service["environment"] == {key: text_of(value) for key, value in ours[name]["environment"].items()}


def text_of(value: object) -> str:
    return "" if value is None else str(value)


@pytest.mark.parametrize("command", COMPOSES, ids=" ".join)
def test_compose_refuses_to_start_without_a_password(command: list[str], tmp_path: Path) -> None:
    done = checked(command, tmp_path, {})
    assert done.returncode != 0
    assert "put POSTGRES_PASSWORD into .env" in done.stderr


def test_old_and_new_compose_are_asked_for_nothing_that_one_of_them_lacks() -> None:
    assert set(document()) <= {"services", "volumes"} | {key for key in document() if key.startswith("x-")}
    assert "start_interval" not in re.sub(r"#.*", "", COMPOSE)


def test_all_services_are_there() -> None:
    assert set(services()) == SERVICES


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_tells_its_health_and_is_started_again_or_runs_once(name: str) -> None:
    service = services()[name]
    if name == "init":
        assert service["restart"] == "no"
        assert "healthcheck" not in service
        return
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_service_leaves_a_core_dump(name: str) -> None:
    assert services()[name]["ulimits"] == {"core": 0}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_reaps_its_dead_children_lives_in_utc_and_has_bounded_logs(name: str) -> None:
    service = services()[name]
    assert service["init"] is True
    assert service["environment"]["TZ"] == "UTC"
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}


def test_the_order_of_starting_waits_for_health() -> None:
    found = services()
    for name, service in found.items():
        for needed, how in service.get("depends_on", {}).items():
            expected = {"init": "service_completed_successfully", "feed-server": "service_started"}
            assert how == {"condition": expected.get(needed, "service_healthy")}, f"{name} → {needed}"
    assert set(found["producer"]["depends_on"]) == {"init", "feed-server"}
    assert set(found["stream"]["depends_on"]) == {"init", "spark-master", "spark-worker"}
    assert set(found["init"]["depends_on"]) == {"kafka", "cassandra"}


def test_the_code_location_reads_the_disk_of_cassandras_volume() -> None:
    found = services()
    (volume,) = found["cassandra"]["volumes"]
    name, mounted_at = volume.split(":")
    (mount,) = [each for each in found["code-location"]["volumes"] if each.startswith(f"{name}:")]
    _, target, mode = mount.split(":")
    home = found["code-location"]["environment"]["MARKET_PIPELINE_CASSANDRA_DATA_DIR"]
    assert Path(home).relative_to(target) == Paths(Path(mounted_at)).cassandra.relative_to(mounted_at)
    assert mode == "ro"


def test_the_producer_is_told_of_a_replay_what_the_feed_server_is() -> None:
    found = services(MARKET_PIPELINE_REPLAY_FILE="/var/lib/market-pipeline/t.jsonl", MARKET_PIPELINE_REPLAY_SPEED="max")
    server, producer = (found[name]["environment"] for name in ("feed-server", "producer"))
    replay = {name: value for name, value in server.items() if "REPLAY" in name}
    assert set(replay.values()) == {"/var/lib/market-pipeline/t.jsonl", "max"}
    assert replay.items() <= producer.items()


def test_topics_are_made_with_what_the_broker_is_told() -> None:
    found = services(MARKET_PIPELINE_KAFKA_RETENTION_HOURS="5")
    broker, init = (found[name]["environment"] for name in ("kafka", "init"))
    topics = {name: value for name, value in broker.items() if name.startswith("MARKET_PIPELINE_KAFKA_")}
    assert topics == {"MARKET_PIPELINE_KAFKA_RETENTION_HOURS": 5}
    assert topics.items() <= init.items()


def test_whoever_looks_for_symbols_is_told_them() -> None:
    found = services(MARKET_PIPELINE_SYMBOLS="AAPL")
    told = {name for name, each in found.items() if each["environment"].get("MARKET_PIPELINE_SYMBOLS") == "AAPL"}
    assert told == {"feed-server", "producer", "code-location"}


def test_programs_with_final_ends_are_not_started_again_for_ever() -> None:
    wrapped = {name for name, each in services().items() if each.get("command", [""])[0] == "stay-after-final-end"}
    assert wrapped == {"feed-server", "producer", "slack"}
    assert re.search(r"^COPY .*bin/stay-after-final-end /usr/local/bin/$", stages()["pipeline"], re.MULTILINE)


def test_no_secret_has_a_value_in_a_file() -> None:
    for match in REFERENCE.finditer(COMPOSE):
        if re.search("KEY|PASSWORD|SECRET|TOKEN", match["name"]):
            assert match["name"] in SECRETS
            assert match["kind"] == "?" or match["word"] == ""
    for name, value in examples().items():
        assert name not in SECRETS or value == ""


def test_wherever_the_password_is_needed_there_is_no_default() -> None:
    asked = [(match["kind"], match["word"]) for match in REFERENCE.finditer(COMPOSE) if "PASSWORD" in match["name"]]
    assert asked
    assert set(asked) == {("?", "put POSTGRES_PASSWORD into .env, see .env.example")}


def test_only_the_producer_gets_the_key() -> None:
    holders = {
        name for name, service in services(FINNHUB_API_KEY="xyzzy").items() if "xyzzy" in yaml.safe_dump(service)
    }
    assert holders == {"producer"}


@pytest.mark.parametrize("variable", ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "MARKET_PIPELINE_WATCHDOG_URL"])
def test_who_judges_and_who_hears_the_buttons_alone_get_what_they_need(variable: str) -> None:
    found = services(**{variable: "xyzzy"})
    assert {name for name, service in found.items() if "xyzzy" in yaml.safe_dump(service)} == {"code-location", "slack"}
    assert found["slack"]["profiles"] == ["slack"]


def test_every_image_is_pinned() -> None:
    version = PROJECT["project"]["version"]
    for name, service in services().items():
        repository, _, tag = service["image"].partition(":")
        assert re.fullmatch(r"\d[\w.\-]*", tag), f"{name}: {service['image']}"
        assert not repository.startswith("market-pipeline") or tag == version
    (base,) = re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert services()["kafka"]["build"]["args"]["BASE"] == base


def test_an_image_of_ours_is_built_from_its_stage() -> None:
    for name, service in services().items():
        if not service["image"].startswith("market-pipeline"):
            assert "build" not in service
            continue
        target = service["build"]["target"]
        assert target in stages(), name
        assert service["image"].split(":")[0] == (
            "market-pipeline" if target == "pipeline" else f"market-pipeline-{target}"
        )


def test_the_variables_given_to_the_containers_are_settings() -> None:
    ours = re.compile("MARKET_PIPELINE_|FINNHUB_|KAFKA_|CASSANDRA_|SPARK_MASTER")
    known = {variable(name) for name in Settings.model_fields} | {"FINNHUB_API_KEY"}
    given = {name for service in services().values() for name in service["environment"] if ours.match(name)}
    given |= {name for name in re.findall(r"\b([A-Z_]+)=", DOCKERFILE) if ours.match(name)}
    assert given <= known, given - known


def test_the_example_names_exactly_what_can_be_set() -> None:
    asked = {match["name"]: match["word"] for match in REFERENCE.finditer(COMPOSE) if match["kind"] == "-"}
    assert set(examples()) == set(asked) | {"POSTGRES_PASSWORD"}
    # feed-server alone takes an unset feed for the simulator's
    for name in set(asked) - {"MARKET_PIPELINE_FEED"}:
        assert examples()[name] == asked[name], name


def test_a_copied_example_changes_nothing_for_the_embedded_default() -> None:
    plain = Settings(_env_file=None)
    copied = Settings(_env_file=ROOT / ".env.example")
    assert copied.model_dump() == plain.model_dump()


def examples() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_ports_and_heartbeats_are_where_the_settings_have_them() -> None:
    (base,) = re.findall(r"MARKET_PIPELINE_PORT_BASE=(\d+)", DOCKERFILE)
    (data_dir,) = re.findall(r"MARKET_PIPELINE_DATA_DIR=(\S+)", DOCKERFILE)
    ports, paths, found = Ports(int(base)), Paths(Path(data_dir)), services()
    assert (ports.kafka, ports.cassandra) == (9092, 9042)  # as every client and the runbook expect them
    assert found["kafka"]["healthcheck"]["test"][-1] == f"kafka:{ports.kafka}"
    assert found["cassandra"]["healthcheck"]["test"][-1] == f"cassandra:{ports.cassandra}"
    page = found["dagster-webserver"]
    assert page["healthcheck"]["test"][-2:] == ["dagster", f"127.0.0.1:{ports.webserver}"]
    assert all(port.endswith(f":{ports.webserver}") for port in page["ports"])
    assert f"--port={ports.dagster_code}" in found["code-location"]["command"]
    (server,) = yaml.safe_load((DEPLOY / "workspace.yaml").read_text(encoding="utf-8"))["load_from"]
    assert server["grpc_server"] == {
        "host": "code-location",
        "port": ports.dagster_code,
        "location_name": DG["project"]["code_location_name"],
    }
    for name in ("feed-server", "producer", "stream"):
        assert found[name]["healthcheck"]["test"][-2:] == ["heartbeat", str(paths.heartbeat(name))]


def test_dagsters_page_is_guarded_and_its_url_has_the_published_port() -> None:
    page = services(WEBSERVER_PORT="3456")["dagster-webserver"]
    assert page["command"][:3] == ["python", "-m", "market_pipeline.webserver"]
    assert page["ports"] == ["127.0.0.1:3456:9030"]
    values = {name.removeprefix("MARKET_PIPELINE_").lower(): value for name, value in page["environment"].items()}
    given = {name: value for name, value in values.items() if name in Settings.model_fields and value is not None}
    settings = Settings.load(**given)
    assert settings.page_url == "http://127.0.0.1:3456"
    assert settings.dagster_host == "0.0.0.0"
    # with the container, so that each has a token of its own, through its restarts
    assert not settings.dagster_token_path.is_relative_to("/var/lib/market-pipeline")
    assert settings.dagster_token_path.parent == Path("/opt/market-pipeline/dagster")
    links = services(WEBSERVER_PORT="3456")["code-location"]["environment"]
    assert links["MARKET_PIPELINE_DAGSTER_PUBLISHED_PORT"] == 3456


def test_nothing_is_published_beyond_this_machine() -> None:
    for service in services().values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_workers_can_be_scaled() -> None:
    worker = services()["spark-worker"]
    assert not {"container_name", "hostname", "ports"} & set(worker)


@pytest.mark.parametrize(("service", "tool"), RUNBOOK)
def test_the_runbooks_tools_are_on_the_path_of_their_container(service: str, tool: str) -> None:
    stage = stages()[services()[service]["build"]["target"]]
    assert "USER 10001" in stage
    if service == "kafka":
        assert tool in TOOLS
        assert "bin/kafka-tool /usr/local/bin/" in stage
    else:
        assert re.search(rf"^COPY .*bin/{tool}\b.* /usr/local/bin/$", stage, re.MULTILINE)


def test_each_of_kafkas_tools_has_its_name_in_the_image() -> None:
    (listed,) = re.findall(r"^RUN for tool in ([\w\- ]+); do", stages()["kafka"], re.MULTILINE)
    assert {f"kafka-{name}" for name in listed.split()} == set(TOOLS)


@pytest.mark.parametrize("script", sorted((DEPLOY / "bin").iterdir()), ids=lambda path: path.name)
def test_a_script_can_be_started_and_is_a_shells(script: Path) -> None:
    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", script], check=True, timeout=10)


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("Dockerfile*")), ids=lambda path: path.name)
def test_hadolint_has_nothing_to_say(file: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    said = subprocess.run([hadolint, "--no-color", file], capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize("stage", ["kafka", "cassandra", "pipeline"])
def test_each_image_compiles_the_python_that_it_copies(stage: str) -> None:
    copied, compiled, user = (stages()[stage].find(part) for part in ("COPY . .", "compileall -q", "USER 10001"))
    assert 0 <= copied < compiled < user


def test_the_stage_that_downloads_jars_copies_what_it_imports(tmp_path: Path) -> None:
    for sources, target in re.findall(
        r"^COPY (market_pipeline/.+?) (/tmp/jars/\S+)$", joined_lines(stages()["jars"]), re.M
    ):
        for source in sources.split():
            into = tmp_path / Path(target).relative_to("/tmp/jars")
            into = into / Path(source).name if target.endswith("/") else into
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, into)
    (script,) = re.findall(r'python -c "(.+?)" "\$\{sets', joined_lines(stages()["jars"]))
    imports = script.partition(" fetch(")[0]
    done = subprocess.run(
        [sys.executable, "-c", f"{imports} print(len(locked('kafka-tools', 'cassandra', 'spark')))"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


def joined_lines(text: str) -> str:
    """The instructions with continued lines joined."""
    return re.sub(r"\\\n\s*", "", text)


def test_the_servers_images_have_every_package_that_their_programs_import() -> None:
    """Kafka's and Cassandra's images have the packages of servers.lock alone: all others are hidden here."""
    allowed = {name.lower().replace("-", "_") for name in pins(DEPLOY / "servers.lock")} | {"market_pipeline"}
    script = f"""
import importlib.metadata, sys
allowed = {sorted(allowed)!r}
owners = importlib.metadata.packages_distributions()
class Hide:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        names = [each.lower().replace("-", "_") for each in owners.get(top, [])]
        if names and not set(names) & set(allowed):
            raise ModuleNotFoundError(f"No module named {{name!r}} in the servers' images", name=name)
sys.meta_path.insert(0, Hide())
import market_pipeline.local.launch, market_pipeline.deploy.health, market_pipeline.deploy.kafka_tools
import market_pipeline.cli, market_pipeline.cli.query, market_pipeline.cli.nodetool
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_images_have_the_writer_and_the_class_archives_where_their_programs_look_for_them() -> None:
    assert "XDG_CACHE_HOME=" in stages()["runtime"]
    for name, command in (
        (
            "pipeline",
            "python -m market_pipeline.writer.compiled && python -m market_pipeline.local.class_archive spark",
        ),
        ("cassandra", "python -m market_pipeline.local.class_archive cassandra"),
        ("kafka", "python -m market_pipeline.local.class_archive kafka"),
    ):
        stage = stages()[name]
        assert "XDG_CACHE_HOME=" not in stage
        assert stage.index("USER 10001") < stage.index(f"RUN {command}")


def test_hadolint_is_asked_to_leave_out_one_rule_only() -> None:
    """Debian's mirrors hold the newest patch of a package only: a pinned one can't be installed a month later."""
    assert set(re.findall(r"hadolint ignore=(.+)", DOCKERFILE)) == {"DL3008"}


def test_the_build_sees_no_secret_and_no_history() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule for rule in rules if rule.startswith("!")} == {
        "!LICENSE",
        "!README.md",
        "!market_pipeline",
        "!pyproject.toml",
    }


def pins(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.\-]+)(?:\[[\w,]+\])?==(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("lock", ["pipeline.lock", "servers.lock"])
def test_an_image_has_the_versions_that_the_tests_ran_on(lock: str) -> None:
    tested, deployed = pins(ROOT / "requirements.lock"), pins(DEPLOY / lock)
    only_in_containers = {"dagster-postgres", "psycopg2-binary"}
    assert {
        name: version for name, version in deployed.items() if name not in only_in_containers
    }.items() <= tested.items()


def test_what_the_servers_images_install_are_dependencies_of_ours() -> None:
    names = {re.split(r"[<>=]", each)[0] for each in PROJECT["project"]["dependencies"]}
    assert set(PROJECT["dependency-groups"]["servers"]) <= names


def test_dagsters_instance_is_the_embedded_one_with_other_storage() -> None:
    files = ("market_pipeline/dagster.yaml", "market_pipeline/deploy/dagster-storage.yaml")
    assert f'cat {" ".join(files)} > "$DAGSTER_HOME/dagster.yaml"' in stages()["pipeline"]
    embedded, storage = (yaml.safe_load((ROOT / file).read_text(encoding="utf-8")) for file in files)
    assert not set(embedded) & set(storage)  # the second of two equal keys would silently win
    assert storage["storage"]["postgres"]["postgres_db"]["password"] == {"env": "DAGSTER_POSTGRES_PASSWORD"}


def test_what_listens_for_other_containers_is_allowed_to() -> None:
    """Each names an address beyond loopback, and would not start without."""
    hosts = {
        "kafka": "SERVER_HOST",
        "cassandra": "SERVER_HOST",
        "feed-server": "FEED_HOST",
        "stream": "SPARK_DRIVER_HOST",
    }
    for name, host in hosts.items():
        environment = services()[name]["environment"]
        assert environment[f"MARKET_PIPELINE_{host}"] == name
        assert environment["MARKET_PIPELINE_INSECURE_LISTEN"] == "yes"
