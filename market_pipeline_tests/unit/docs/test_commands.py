"""Every command of the documentation is one that the program behind it accepts, as it is written there."""

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import click
import dagster as dg
import pytest
import yaml
from dagster._cli import create_dagster_cli

from market_pipeline.cli import COMMANDS, main
from market_pipeline.definitions import defs
from market_pipeline.setting_names import aliases
from market_pipeline.settings import Settings, unknown_variables, variable
from market_pipeline_tests.documented import ASSIGNMENT, HOW, ROOT, Command, commands, inline_commands, words

ALL = commands()
TYPED = [*ALL, *inline_commands()]
SHELL = ("cp", "curl", "echo", "export", "printf", "sed", "source", "ssh")
OTHER_VARIABLES = {"DAGSTER_HOME", "DAGSTER_DISABLE_TELEMETRY", "ARGS", "PYTHON", "POSTGRES_PASSWORD"}


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    return defs().get_repository_def()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with the files that the documentation writes before it names them."""
    for command in ALL:
        if command.text.startswith("echo ") and (found := re.fullmatch(r"echo '(.+)' > (\S+)", command.text)):
            (tmp_path / found[2]).write_text(found[1])
    monkeypatch.chdir(tmp_path)


def test_every_command_has_an_entry_that_tells_how_it_is_run() -> None:
    assert {command.text for command in ALL} == HOW.keys()


def test_the_pages_have_commands() -> None:
    found = Counter(command.page for command in ALL)
    assert found.keys() >= {"README.md", "RUNBOOK.md", "CONTRIBUTING.md", "docs/operations.md", "docs/containers.md"}
    assert len(inline_commands()) > 5


@pytest.mark.parametrize("command", TYPED, ids=str)
def test_a_command_is_accepted_as_it_is_written(command: Command, repository: dg.RepositoryDefinition) -> None:
    variables_are_known(command.text)
    typed = words(command.text)
    if not typed:
        return
    program, *arguments = typed
    if program == "market-pipeline":
        parses(main, arguments)
    elif program == "dagster":
        if command in ALL or any(word.startswith("-") for word in arguments):  # else the text names the command
            dagster_takes(arguments, repository)
    elif program == "make":
        make_takes(arguments)
    elif program == "docker-compose":
        compose_takes(arguments)
    elif program == ".venv/bin/pytest":
        assert (ROOT / arguments[0]).is_dir()
    elif program == "docker":
        assert arguments[0] == "cp"
    else:
        assert program in SHELL, f"{program}: nothing here knows how to check it"


def variables_are_known(text: str) -> None:
    named = set(re.findall(r"\b([A-Z][A-Z_]+)=", text))
    ours = {each for name, field in Settings.model_fields.items() for each in (variable(name), *aliases(field))}
    assert not unknown_variables(named)
    assert {name for name in named if not name.startswith("MARKET_PIPELINE_")} <= ours | OTHER_VARIABLES


def parses(command: click.Command, arguments: list[str]) -> dict[str, object]:
    """The options that the innermost command was given; nothing is run."""
    if isinstance(command, click.Group) and not arguments:
        return {}  # a group that the text names as a whole
    with command.make_context(command.name or "market-pipeline", list(arguments)) as context:
        if isinstance(command, click.Group):
            _, child, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert child is not None
            return parses(child, rest)
        return dict(context.params)


def dagster_takes(arguments: list[str], repository: dg.RepositoryDefinition) -> None:
    given = parses(create_dagster_cli(), arguments)
    if (selected := given.get("select")) is not None:
        assert dg.AssetSelection.from_coercible(str(selected).split(",")).resolve(repository.asset_graph)
    if (name := given.get("job_name")) is not None:
        job = repository.get_job(str(name))
        config = given.get("config")
        for path in config if isinstance(config, tuple | list) else ():
            dg.validate_run_config(job, yaml.safe_load(Path(path).read_text()))
        of_a_day = "dagster/partition" in json.loads(re.sub(r"\$\([^)]*\)", "2025-11-10", str(given["tags"] or "{}")))
        assert of_a_day == (job.partitions_def is not None)


def make_takes(arguments: list[str]) -> None:
    targets = re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    target, *rest = arguments
    if ASSIGNMENT.match(target):
        return  # `make PYTHON=…` makes what stands first
    assert target in targets
    for given in rest:
        name, _, value = given.partition("=")
        assert name in OTHER_VARIABLES
        if (target, name) == ("run", "ARGS"):
            parses(main, ["up", *value.split()])


def compose_takes(arguments: list[str]) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    action = next(word for word in arguments if not word.startswith("-"))
    assert action in {"build", "down", "exec", "logs", "ps", "restart", "up"}
    for scaled in (after for before, after in pairwise(arguments) if before == "--scale"):
        assert scaled.partition("=")[0] in services
    if action in {"exec", "restart", "logs"}:
        after = arguments[arguments.index(action) + 1 :]
        assert next(word for word in after if not word.startswith("-")) in services


def test_the_table_of_commands_in_the_readme_is_the_list_in_the_help() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.split("| command | does |")[1].split("\n\n")[0]
    cells = [row.split(" | ")[0] for row in table.splitlines() if row.startswith("| `")]
    named = {spelled.split()[0] for cell in cells for spelled in re.findall(r"`([^`]+)`", cell)}
    assert named == COMMANDS.keys()


def test_the_table_of_jobs_in_the_docs_has_only_jobs_that_there_are(repository: dg.RepositoryDefinition) -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    table = text.split("| job | does |")[1].split("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"^\| (.+?) \|", row)}
    jobs = {job for cell in named for job in re.findall(r"`(\w+)`", cell)}
    assert len(jobs) > 5
    assert jobs <= set(repository.job_names)
