"""Other settings for one program that runs under the supervisor, until the next ``up``.

The supervisor reads its configuration anew, and the program's next process gets the variables.
"""

import configparser
import shlex
from collections.abc import Callable, Mapping

from market_pipeline.local.jvm import write_if_changed
from market_pipeline.local.preflight import StartError
from market_pipeline.local.supervisor_client import SupervisorClient
from market_pipeline.settings import Settings, SettingsError, variable

CONFIGURATION = "supervisord.conf"


def override(settings: Settings, program: str, values: Mapping[str, object]) -> Callable[[], None]:
    """What has the next process of a program load these settings, to be called while the program is stopped.

    Args:
        settings: of the pipeline.
        program: by its name in the supervisor's configuration.
        values: by the names of ``Settings``' fields; lists are written with commas.

    Raises:
        StartError: a value is wrong, or, when it is called, there is no such program.
        SupervisorAway: when it is called, the supervisor does not answer.
    """
    texts = {
        name: ",".join(map(str, value)) if isinstance(value, list | tuple) else value for name, value in values.items()
    }
    check(texts)

    def renew() -> None:
        where = settings.paths.config / CONFIGURATION
        variables = {variable(name): str(text) for name, text in texts.items()}
        write_if_changed(where, with_variables(where.read_text(encoding="utf-8"), program, variables))
        SupervisorClient(settings).renew(program)

    return renew


def check(values: Mapping[str, object]) -> None:
    """See that the settings take these values.

    Raises:
        StartError: one is wrong; one line with the cure.
    """
    try:
        Settings.load(**values)
    except SettingsError as error:
        raise StartError(str(error)) from None


def with_variables(configuration: str, program: str, variables: Mapping[str, str]) -> str:
    """The supervisor's configuration with these variables for one program, besides those that it has.

    Raises:
        StartError: there is no such program.
    """
    parser = configparser.RawConfigParser()
    parser.read_string(configuration)
    section = f"program:{program}"
    if section not in parser:
        raise StartError(f"there is no program {program!r} in the supervisor's configuration")
    lexer = shlex.shlex(parser[section].get("environment", ""), posix=True, punctuation_chars=",")
    lexer.whitespace_split = True
    had = dict(part.partition("=")[::2] for part in lexer if part != ",")
    both = had | {name: value.replace("%", "%%") for name, value in variables.items()}
    line = "environment=" + ",".join(f'{name}="{value}"' for name, value in both.items())
    begin = configuration.index(f"[{section}]")
    end = configuration.find("\n[", begin)
    block = configuration[begin : end if end >= 0 else len(configuration)]
    changed = "\n".join(line if each.startswith("environment=") else each for each in block.split("\n"))
    return configuration.replace(block, changed)
