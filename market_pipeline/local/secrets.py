"""Which program reads which secret: from a ``.env`` in the folder that it runs in.

The variables of a process can be read by whoever may look at the process, and those of its children and its supervisor
too, so no secret is ever among them.
"""

from collections.abc import Mapping
from pathlib import Path

from market_pipeline.local.programs import DAGSTER
from market_pipeline.settings import Settings

KEY_VARIABLES = ("FINNHUB_API_KEY", "MARKET_PIPELINE_FINNHUB_API_KEY")
TOKEN_VARIABLES = ("SLACK_BOT_TOKEN", "MARKET_PIPELINE_SLACK_TOKEN")
APP_TOKEN_VARIABLES = ("SLACK_APP_TOKEN", "MARKET_PIPELINE_SLACK_APP_TOKEN")
WATCHDOG_VARIABLE = "MARKET_PIPELINE_WATCHDOG_URL"
"""Who has the address can feign that somebody looks."""
_READERS = ("producer", "dagster")


INHERITED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"),
        *("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONWARNINGS", "PYTHONDONTWRITEBYTECODE"),
        *("PYTHONFAULTHANDLER", "VIRTUAL_ENV"),
        *("M2_REPO", "JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "SPARK_HOME", "SPARK_CONF_DIR", "SPARK_LOCAL_DIRS"),
        *("HADOOP_CONF_DIR", "SPARK_LOCAL_IP", "DAGSTER_DISABLE_TELEMETRY"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    }
)
"""Variables of the system, of Python, of Java and of the way out that programs get from us, besides ``LC_…``. Settings
come from ``Settings.environment``, which knows what is secret; whatever else is exported here stays here."""


def inherited(own: Mapping[str, str]) -> dict[str, str]:
    """The variables that programs get from us."""
    return {name: value for name, value in own.items() if name in INHERITED or name.startswith("LC_")}


def folder_of(settings: Settings, reader: str) -> Path:
    """Where the ``.env`` of ours with a reader's secret is, which only this user may read and which is there while the
    pipeline runs."""
    return settings.paths.run / reader


def directories(settings: Settings, own: Mapping[str, str]) -> dict[str, Path]:
    """The folder of each program that reads a secret; the others run in the data dir.

    Args:
        settings: of the pipeline.
        own: our variables: a key among them is copied; one in a ``.env`` is read where that is.
    """
    forget(settings)
    found: dict[str, Path] = {}
    if settings.active_feed == "finnhub" and (key := _exported_key(own)) is not None:
        found["producer"] = _kept(settings, "producer", {KEY_VARIABLES[0]: key})
    tokens = {
        TOKEN_VARIABLES[0]: settings.slack_token,
        APP_TOKEN_VARIABLES[0]: settings.slack_app_token,
        WATCHDOG_VARIABLE: settings.watchdog_url,
    }
    kept = {name: token.get_secret_value() for name, token in tokens.items() if token is not None}
    if kept:
        found |= dict.fromkeys((*DAGSTER, "slack"), _kept(settings, "dagster", kept))
    return found


def producer_env_file(settings: Settings, own: Mapping[str, str]) -> Path | None:
    """The ``.env`` that the producer reads its key from: the one here, unless the key is exported or not needed."""
    if settings.active_feed != "finnhub" or _exported_key(own) is not None:
        return None
    return Path.cwd() / ".env"


def _exported_key(own: Mapping[str, str]) -> str | None:
    """The key among our variables, in any spelling that the settings take."""
    keys = {alias.upper() for alias in (*KEY_VARIABLES, "MARKET_PIPELINE_FINNHUB_API_KEY")}
    return next((value for name, value in own.items() if name.upper() in keys and value), None)


def forget(settings: Settings) -> None:
    """Remove the copies."""
    for reader in _READERS:
        (folder_of(settings, reader) / ".env").unlink(missing_ok=True)


def _kept(settings: Settings, reader: str, secrets: Mapping[str, str]) -> Path:
    folder = folder_of(settings, reader)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    quoted = {name: secret.replace("\\", "\\\\").replace("'", "\\'") for name, secret in secrets.items()}
    file = folder / ".env"
    file.touch(mode=0o600, exist_ok=False)
    file.write_text("".join(f"{name}='{secret}'\n" for name, secret in quoted.items()), encoding="utf-8")
    return folder
