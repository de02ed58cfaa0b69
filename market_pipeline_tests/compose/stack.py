"""The stack of ``docker-compose.yml`` under a project name of its own, on a running engine or on one started for it."""

import json
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from market_pipeline_tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
ENGINE = Path(__file__).with_name("engine.sh")
ENGINE_STARTS_WITHIN_S = 600
BUILDS_WITHIN_S = 1_200
HEALTHY_WITHIN_S = 600
COMMAND_WITHIN_S = 180


def engine_answers(variables: dict[str, str] | None = None) -> bool:
    """Whether a container engine runs and Compose is there."""
    if shutil.which("docker") is None or shutil.which("docker-compose") is None:
        return False
    asked = subprocess.run(
        ["docker", "version"], env={**os.environ, **(variables or {})}, capture_output=True, timeout=60, check=False
    )
    return asked.returncode == 0


def start_engine(directory: Path) -> dict[str, str]:
    """The variables under which an engine that was started below the directory is reached."""
    subprocess.run([ENGINE, "start", directory], check=True, timeout=ENGINE_STARTS_WITHIN_S)
    return {
        "DOCKER_HOST": f"unix://{directory}/docker.sock",
        "PATH": f"/usr/bin:/usr/sbin:{os.environ['PATH']}",
        "COMPOSE_DOCKER_CLI_BUILD": "1",
        "DOCKER_BUILDKIT": "1",
    }


def stop_engine(directory: Path) -> None:
    subprocess.run([ENGINE, "stop", directory], check=True, timeout=120)


class CommandFailed(AssertionError):
    """A command of Compose's ended with another status than 0; the message has all that it printed."""


@dataclass
class Stack:
    """One project of Compose.

    Attributes:
        directory: where its ``.env`` and its override file are.
        variables: how its engine is reached.
        ports: published ports by their variables in ``.env``, chosen free.
    """

    directory: Path
    variables: dict[str, str]
    ports: dict[str, int]
    project: str = field(default_factory=lambda: f"market-pipeline-test-{secrets.token_hex(4)}")

    def __post_init__(self) -> None:
        example = (ROOT / ".env.example").read_text(encoding="utf-8")
        values = {"POSTGRES_PASSWORD": secrets.token_hex(24), **{name: str(port) for name, port in self.ports.items()}}
        lines = [self._filled(line, values) for line in example.splitlines()]
        (self.directory / ".env").write_text("\n".join(lines) + "\n", encoding="utf-8")
        services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
        # the networks of an engine without iptables have no way out
        override = {name: {"build": {"network": "host"}} for name, service in services.items() if "build" in service}
        (self.directory / "override.yml").write_text(yaml.safe_dump({"services": override}), encoding="utf-8")

    @staticmethod
    def _filled(line: str, values: dict[str, str]) -> str:
        name = line.partition("=")[0]
        return f"{name}={values[name]}" if name in values else line

    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}

    def command(self, *arguments: str) -> list[str]:
        """``docker-compose`` with the project's files before the arguments."""
        return [
            *("docker-compose", "--project-name", self.project, "--project-directory", str(ROOT)),
            *("--env-file", str(self.directory / ".env"), "--file", str(ROOT / "docker-compose.yml")),
            *("--file", str(self.directory / "override.yml")),
            *arguments,
        ]

    def run(
        self, *arguments: str, given: str | None = None, timeout_s: float = COMMAND_WITHIN_S, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment(),
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            raise CommandFailed(f"{' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def execute(self, service: str, *command: str, given: str | None = None, check: bool = True) -> str:
        """What a command prints in a service's container."""
        return self.run("exec", "-T", service, *command, given=given, check=check).stdout

    def build(self) -> None:
        self.run("build", timeout_s=BUILDS_WITHIN_S)

    def up(self) -> None:
        self.run("up", "-d", timeout_s=HEALTHY_WITHIN_S)

    def down(self) -> None:
        self.run("down", "--volumes", "--timeout", "30", timeout_s=HEALTHY_WITHIN_S, check=False)

    def containers(self) -> dict[str, list[dict[str, Any]]]:
        """The engine's word for each container, by service."""
        ids = self.run("ps", "-q").stdout.split()
        asked = subprocess.run(
            ["docker", "inspect", *ids],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        found: dict[str, list[dict[str, Any]]] = {}
        for each in json.loads(asked.stdout):
            found.setdefault(each["Config"]["Labels"]["com.docker.compose.service"], []).append(each)
        return found

    def started_at(self, service: str) -> str:
        """When the service's container was started last, in the engine's notation, which sorts by time."""
        (container,) = self.containers()[service]
        return str(container["State"]["StartedAt"])

    def unhealthy(self) -> dict[str, str]:
        """Services that are not healthy, and not done with status 0, with the engine's word."""
        states = {name: each["State"] for name, all_of in self.containers().items() for each in all_of}
        return {
            name: state.get("Health", state)["Status"]
            for name, state in states.items()
            if state.get("Health", {}).get("Status") != "healthy" and (state["Running"] or state["ExitCode"] != 0)
        }

    def wait_healthy(self) -> None:
        wait_for(lambda: not self.unhealthy(), "every service to be healthy", within_s=HEALTHY_WITHIN_S)

    def kill_main_process(self, service: str, pattern: str) -> None:
        """SIGKILL to the processes of the container whose command lines match, as the kernel's OOM killer would do it.

        (``docker kill`` is taken for a wish to stop, after which the engine starts nothing again.)
        """
        self.execute(service, "pkill", "-KILL", "-f", pattern, check=False)

    def rows(self, cql: str) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = json.loads(
            self.execute("code-location", "market-pipeline", "query", "--json", cql)
        )
        return answer
