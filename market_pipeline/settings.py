"""Every knob of the pipeline, its default and its unit, told once.

Values come, in this order, from arguments, ``MARKET_PIPELINE_*`` variables (a few have the name their own world gives
them, such as ``FINNHUB_API_KEY`` and ``KAFKA_BOOTSTRAP_SERVERS``) and a ``.env`` file in the working directory. A data
dir knows on which ports its pipeline was started last, so that whoever names the one need not name the other.
"""

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.sources.utils import parse_env_vars

from market_pipeline.endpoints import check_encrypted, is_loopback
from market_pipeline.env_file import UntrustedEnvFile, read_env_file
from market_pipeline.layout import Paths, Ports, kept_port_base, version_fault
from market_pipeline.mendable import Mendable
from market_pipeline.ownership import data_dir_fault
from market_pipeline.security_variables import unsupported_security
from market_pipeline.service_overrides import read_overrides
from market_pipeline.setting_names import complaint, misspelt, variable_of
from market_pipeline.symbols import check_subscribed

Feed = Literal["finnhub", "simulator", "replay"]
StreamMode = Literal["real-time", "micro-batch"]
ServerLog = Literal["file", "console"]
ListenSetting = Literal["server_host", "spark_driver_host", "feed_host"]

DEFAULT_SYMBOLS = ("AAPL", "MSFT", "GOOGL", "AMZN", "NVDA", "BINANCE:BTCUSDT", "BINANCE:ETHUSDT", "OANDA:EUR_USD")
LOOPBACK = "127.0.0.1"
SECRETS = frozenset({"finnhub_api_key", "slack_token", "slack_app_token", "watchdog_url"})
SLACK_USERS = ("slack_ack_users", "slack_silence_users", "slack_run_users")
SLACK_CHANNEL = "^[CDG][A-Z0-9]{8,}$"
EVERY_ADDRESS = "0.0.0.0"
HOST = r"(?i:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
MEMORY_LIMIT_MB = 1 << 20
HOST_NAME = r"^[A-Za-z0-9._:-]{1,253}$"
TOPIC_NAME = r"^[A-Za-z0-9._-]{1,249}$"
TOPIC_CHARACTERS = "letters without accents, digits, . _ and -"
PRODUCER_ENV_FILE = "MARKET_PIPELINE_PRODUCER_ENV_FILE"
"""The variable by which ``up`` names the ``.env`` with the key to the producer, which runs in another folder."""


class SettingsError(Mendable):
    """A setting is missing or wrong; the message is one line and names the cure."""


def _default_data_dir() -> Path:
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "market-pipeline"


class _EnvFile(DotEnvSettingsSource):
    """A ``.env`` that nobody else may write."""

    def _read_env_file(self, file_path: Path) -> Mapping[str, str | None]:
        found = read_env_file(file_path)
        _refuse_unsupported(found)
        return parse_env_vars(found, self.case_sensitive, self.env_ignore_empty, self.env_parse_none_str)


def _refuse_unsupported(variables: Mapping[str, str | None]) -> None:
    if name := unsupported_security(variables):
        raise SettingsError(
            f"{name} is not supported: logins and TLS to Kafka or Cassandra are still to come. Unset it, and use "
            "servers that need neither"
        )


class Settings(BaseSettings):
    """The pipeline's settings. Frozen: made once at a program's edge and handed down."""

    model_config = SettingsConfigDict(
        env_prefix="MARKET_PIPELINE_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True,
        populate_by_name=True,
    )  # fmt: skip

    data_dir: Path = Field(default_factory=_default_data_dir, description="Everything the pipeline keeps")
    port_base: int = Field(29000, ge=1024, le=65400, description="First of the 100 ports the pipeline may use")
    java_home: Path | None = Field(None, description="A Java 17 to use instead of the one that is found")
    dagster: bool = Field(True, description="Run Dagster's webserver and daemon too: off where they run elsewhere")

    first_day: date | None = Field(
        None, ge=date(2000, 1, 1), description="Dagster's first partition, where there are no trades of earlier days"
    )

    feed: Feed | None = Field(None, description="Where trades come from; unset: finnhub with a key, else simulator")
    symbols: Annotated[tuple[str, ...], NoDecode] = Field(DEFAULT_SYMBOLS, description="Comma-separated symbols")
    rate: float = Field(50.0, gt=0, le=100_000, description="Simulator: trades a second over all symbols")
    simulator_seed: int = Field(17, description="Simulator: same seed, same trades")
    replay_file: Path | None = Field(None, description="Replay: Finnhub messages, one a line, or a journal segment")
    replay_speed: float | None = Field(
        1.0, ge=0, description="Replay: times real time; 0 or 'max': as fast as it is taken"
    )
    replay_once: bool = Field(False, description="Replay: stop after the last message instead of starting over")
    feed_host: str = Field(
        LOOPBACK, pattern=HOST_NAME, description="Name or address where the simulator or the replayer listens"
    )
    finnhub_api_key: SecretStr | None = Field(
        None, validation_alias=AliasChoices("FINNHUB_API_KEY", "MARKET_PIPELINE_FINNHUB_API_KEY")
    )
    finnhub_ws_url: str = Field(
        "wss://ws.finnhub.io", validation_alias=AliasChoices("finnhub_ws_url", "FINNHUB_WS_URL")
    )
    finnhub_rest_url: str = Field(
        "https://finnhub.io/api/v1", validation_alias=AliasChoices("finnhub_rest_url", "FINNHUB_REST_URL")
    )
    symbol_limit: int = Field(50, ge=1, description="Symbols the Finnhub plan allows: 50 free, 250 basic")
    mute_after_s: float = Field(
        300.0, gt=0, description="No trade of any symbol for so long while a market is open: resubscribe, reconnect"
    )

    second_source: Path | None = Field(
        None, description="Another listener's recordings, for filling gaps: a folder (a journal's too) or a file"
    )

    journal_segment_mb: int = Field(16, ge=1, le=1024, description="A journal segment is closed at this size (MiB)")
    journal_max_gb: float = Field(
        4.0, gt=0, allow_inf_nan=False, description="Disk the journal may use (GiB), unconfirmed frames excepted"
    )
    journal_keep_hours: float = Field(
        72.0, gt=0, allow_inf_nan=False, description="How long confirmed segments are kept"
    )

    kafka_bootstrap_servers: str | None = Field(
        None, validation_alias=AliasChoices("kafka_bootstrap_servers", "KAFKA_BOOTSTRAP_SERVERS")
    )
    kafka_partitions: int = Field(
        2, ge=1, le=1000, description="Partitions of a new trades_raw; each holds a task slot of the stream"
    )
    kafka_replication: int = Field(1, ge=1)
    kafka_retention_hours: int = Field(72, ge=1)
    topic: str = Field("trades_raw", pattern=TOPIC_NAME, description=f"Kafka's topic: {TOPIC_CHARACTERS}")
    dead_letter_topic: str = Field(
        "trades_dlq", pattern=TOPIC_NAME, description=f"Kafka's topic for dead letters: {TOPIC_CHARACTERS}"
    )
    consumer_group: str = Field(
        "spark-consumer",
        pattern=TOPIC_NAME,
        description=f"Where the stream's offsets are mirrored: {TOPIC_CHARACTERS}",
    )

    cassandra_contact_points: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias=AliasChoices("cassandra_contact_points", "CASSANDRA_CONTACT_POINTS")
    )
    cassandra_port: int | None = Field(None, validation_alias=AliasChoices("cassandra_port", "CASSANDRA_PORT"))
    cassandra_local_dc: str = Field("datacenter1", pattern=r"^[A-Za-z0-9_.-]{1,100}$")
    cassandra_replication: int = Field(1, ge=1)
    cassandra_data_dir: Path | None = Field(
        None,
        description="Where the data directory of a Cassandra elsewhere is mounted here, for the disk alert",
    )
    cassandra_heap_mb: int = Field(768, ge=256, le=MEMORY_LIMIT_MB)
    keyspace: str = Field(
        "market_data",
        pattern=r"^[a-z][a-z0-9_]{0,47}$",
        description="Cassandra's keyspace: a small letter, then small letters, digits and _, 48 in all",
    )

    server_host: str = Field(
        LOOPBACK,
        pattern=HOST_NAME,
        description="Name under which clients reach the Kafka or Cassandra of this machine (containers)",
    )
    server_log: ServerLog = Field("file", description="Where Kafka and Cassandra log: their own file or the console")

    spark_master: str | None = Field(
        None,
        validation_alias=AliasChoices("spark_master", "SPARK_MASTER"),
        description="Unset: Spark runs in the stream's own process, with slots for every partition",
    )
    spark_driver_host: str = Field(
        LOOPBACK, pattern=HOST_NAME, description="Name under which a cluster's executors reach the driver"
    )
    spark_auth_secret_file: Path | None = Field(
        None, description="The file with spark.authenticate.secret of the cluster in SPARK_MASTER"
    )
    spark_driver_memory_mb: int = Field(768, ge=512, le=MEMORY_LIMIT_MB)
    stream_mode: StreamMode = Field("real-time", description="micro-batch: the same query, ten times a second")
    commit_interval_s: int = Field(30, ge=5, description="Real-time mode: how often offsets are committed")
    accept_lost_offsets: bool = Field(
        False, description="Start the stream although Kafka no longer has its next records, and skip what is lost"
    )

    insecure_listen: bool = Field(
        False, description="Let servers without a login be reached from other machines, as in a network of containers"
    )

    canary: bool = Field(True, description="Send a marked trade each half minute, which shows the latency at any hour")

    dagster_url: str | None = Field(
        None, pattern="^https?://", description="Where people open Dagster's page, for the links in messages"
    )
    dagster_host: str = Field(LOOPBACK, min_length=1, description="Address on which Dagster's page listens")
    dagster_published_port: int | None = Field(
        None, ge=1, le=65535, description="Port under which this machine reaches Dagster's page (containers)"
    )
    dagster_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="NAME or NAME:PORT, comma-separated: further names under which Dagster's page may be opened"
    )
    dagster_token_file: Path | None = Field(
        None, description="A file with the token of Dagster's page; unset: a new token at each start"
    )
    dagster_trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses or networks, comma-separated, of the proxies that sign users in to Dagster's page"
    )
    dagster_identity_header: str | None = Field(
        None,
        pattern="^[A-Za-z0-9-]+$",
        description="Header in which MARKET_PIPELINE_DAGSTER_TRUSTED_PROXIES, which must be set, name the user",
    )
    dagster_read_only: bool = Field(False, description="Dagster's page shows everything and changes nothing")
    watchdog_url: SecretStr | None = Field(
        None, description="An outside address that hears of each look, and alarms in silence"
    )

    slack_token: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("slack_token", "SLACK_BOT_TOKEN"),
        description="Slack: a bot token (xoxb-…); without one, incidents are told in the log and by `incidents`",
    )
    slack_app_token: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("slack_app_token", "SLACK_APP_TOKEN"),
        description="Slack: an app-level token (xapp-…) with connections:write, with which messages have buttons",
    )
    slack_channel: str | None = Field(
        None, pattern=SLACK_CHANNEL, description="Slack: the id of the channel that hears of incidents"
    )
    slack_urgent_channel: str | None = Field(
        None, pattern=SLACK_CHANNEL, description="Slack: the id of one that hears of P1 and P2 instead"
    )
    slack_ack_users: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Slack: ids of the users who may take an incident on; unset: every member of the workspace"
    )
    slack_silence_users: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Slack: ids of the users who may silence; unset: every member of the workspace"
    )
    slack_run_users: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Slack: ids of the users who may run a remedy; unset: every member of the workspace"
    )
    slack_api_url: str = Field("https://slack.com/api/", description="Slack: where its web API is")

    @field_validator(
        "symbols", "cassandra_contact_points", "dagster_hosts", "dagster_trusted_proxies", *SLACK_USERS, mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            value = value.split(",")
        if isinstance(value, list | tuple):
            return tuple(dict.fromkeys(part.strip() for part in value if part.strip()))
        return value

    @field_validator("symbols")
    @classmethod
    def _subscribable(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_subscribed(symbol) for symbol in symbols)

    @field_validator("finnhub_ws_url")
    @classmethod
    def _encrypted_socket(cls, url: str) -> str:
        return check_encrypted(url, "wss")

    @field_validator("finnhub_rest_url", "slack_api_url")
    @classmethod
    def _encrypted(cls, url: str) -> str:
        return check_encrypted(url, "https")

    @field_validator(*SECRETS)
    @classmethod
    def _sendable(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        text = secret.get_secret_value() if secret is not None else ""
        if not (text.isascii() and text.isprintable()):
            raise ValueError(
                "it has characters that none has, such as a letter with an accent or a line's end: copy it anew"
            )
        if text and info.field_name == "watchdog_url":
            check_encrypted(text, "https")
        return secret

    @field_validator("replay_speed", mode="before")
    @classmethod
    def _speed(cls, value: object) -> object:
        return 0.0 if value == "max" else value

    @field_validator("dagster_hosts", mode="after")
    @classmethod
    def _hosts(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not re.fullmatch(HOST, name):
                raise ValueError(f"{name!r} is not NAME or NAME:PORT")
        return names

    @field_validator("dagster_trusted_proxies", mode="after")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for each in networks:
            ip_network(each)
        return networks

    @field_validator("dagster_identity_header", mode="after")
    @classmethod
    def _believed_from_somebody(cls, header: str | None, info: ValidationInfo) -> str | None:
        if header is not None and not info.data.get("dagster_trusted_proxies"):
            raise ValueError("it counts from trusted proxies alone: set MARKET_PIPELINE_DAGSTER_TRUSTED_PROXIES")
        return header

    @field_validator(
        *("data_dir", "second_source", "cassandra_data_dir", "dagster_token_file", "spark_auth_secret_file"),
        mode="after",
    )
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().resolve()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, variables, and a ``.env`` that can be trusted."""
        return init_settings, env_settings, _EnvFile(settings_cls, getattr(dotenv_settings, "env_file", None))

    @classmethod
    def load(cls, *, as_started: bool = True, **given: Any) -> "Settings":
        """Read the settings; ``given`` values that are not None win over the environment.

        Args:
            as_started: whether a pipeline that was started without Dagster has none; a new start decides anew.
            given: values, by the fields' names.

        Raises:
            SettingsError: a value is wrong; the message names the variable and what it may be. Or the data dir is of
                another user or version.
        """
        _refuse_unsupported(os.environ)
        try:
            values = {name: value for name, value in given.items() if value is not None}
            settings = cls(**values)
            settings.check_owner()
            if "port_base" not in settings.model_fields_set and (kept := kept_port_base(settings.paths)) is not None:
                values["port_base"] = kept
                settings = cls(**values)
            if as_started and "dagster" not in settings.model_fields_set and settings.paths.without_dagster.exists():
                settings = cls(**values, dagster=False)
            settings.check_version()
            return settings
        except ValidationError as error:
            raise SettingsError(complaint(cls, error)) from None
        except UntrustedEnvFile as error:
            raise SettingsError(str(error)) from None
        except UnicodeDecodeError:
            raise SettingsError("the .env file is not text in UTF-8: save it as that") from None

    def check_owner(self) -> None:
        """See that nobody else owns the data dir, before anything in it is believed.

        Raises:
            SettingsError: somebody does.
        """
        with suppress(OSError):  # who needs what is in it says so
            if (fault := data_dir_fault(self.data_dir)) is not None:
                raise SettingsError(fault)

    def check_version(self) -> None:
        """See that the data dir, if there is one, is of this version: whoever writes into another one damages it.

        Raises:
            SettingsError: it is not.
        """
        try:
            fault = version_fault(self.data_dir)
        except OSError:  # who needs what is in it says so
            return
        if fault is not None:
            raise SettingsError(fault)

    @classmethod
    def load_for(cls, service: str, **given: Any) -> "Settings":
        """Read the settings for a process of one service: what it was given since the last ``up`` wins over the
        environment.

        Args:
            service: by its name in ``market-pipeline status``.
            given: values that win over all.

        Raises:
            SettingsError: a value is wrong; or what the service was given is damaged.
        """
        if service == "producer" and PRODUCER_ENV_FILE in os.environ:
            given |= {"_env_file": os.environ[PRODUCER_ENV_FILE]}
        settings = cls.load(**given)
        overrides = cls.overrides(settings.paths, service)
        return cls.load(**overrides | given) if overrides else settings

    @staticmethod
    def overrides(paths: Paths, service: str) -> dict[str, Any]:
        """What a service was given since the last ``up``, by the settings' names.

        Raises:
            SettingsError: the file is damaged.
        """
        where = paths.overrides(service)
        try:
            return read_overrides(where, service)
        except (OSError, ValueError) as error:
            raise SettingsError(f"{where} can't be used ({' '.join(str(error).split())}): remove it") from None

    @cached_property
    def paths(self) -> Paths:
        return Paths(self.data_dir)

    @cached_property
    def ports(self) -> Ports:
        return Ports(self.port_base)

    @property
    def active_feed(self) -> Feed:
        """The feed in force: what was asked for, else Finnhub when there is a key, else the simulator."""
        return self.feed or ("finnhub" if self.finnhub_api_key else "simulator")

    @property
    def cassandra_consistency(self) -> str:
        """With which reads and writes of trades are acknowledged."""
        return "LOCAL_ONE" if self.cassandra_replication == 1 else "LOCAL_QUORUM"

    @property
    def embedded_kafka(self) -> bool:
        return self.kafka_bootstrap_servers is None

    @property
    def embedded_cassandra(self) -> bool:
        return not self.cassandra_contact_points

    @property
    def cassandra_home(self) -> Path | None:
        """The directory that holds Cassandra's ``data``, where it can be read here."""
        return self.paths.cassandra if self.embedded_cassandra else self.cassandra_data_dir

    @property
    def master(self) -> str:
        """Spark's master: the one that is set, else this machine."""
        return self.spark_master or local_master(self.kafka_partitions)

    @property
    def local_spark(self) -> bool:
        return self.master.startswith("local")

    @property
    def bootstrap_servers(self) -> str:
        return self.kafka_bootstrap_servers or f"{self.server_host}:{self.ports.kafka}"

    @property
    def contact_points(self) -> tuple[str, ...]:
        return self.cassandra_contact_points or (self.server_host,)

    @property
    def cql_port(self) -> int:
        return self.cassandra_port or (self.ports.cassandra if self.embedded_cassandra else 9042)

    @property
    def page_url(self) -> str:
        """Dagster's page, as people open it."""
        port = self.dagster_published_port or self.ports.webserver
        return (self.dagster_url or f"http://{LOOPBACK}:{port}").rstrip("/")

    @property
    def dagster_token_path(self) -> Path:
        """Where the token of Dagster's page is."""
        return self.dagster_token_file or self.paths.dagster_token

    @property
    def ws_url(self) -> str:
        """The websocket that the producer connects to, without the key."""
        return self.finnhub_ws_url if self.active_feed == "finnhub" else f"ws://{self.feed_host}:{self.ports.feed}"

    def listen_host(self, setting: ListenSetting) -> str:
        """The address that a server without a login listens on, which is the one that is named.

        Raises:
            SettingsError: other machines could reach it, and nobody said that they may.
        """
        host: str = getattr(self, setting)
        has_login = setting == "spark_driver_host" and self.spark_auth_secret_file is not None
        if not (is_loopback(host) or has_login or self.insecure_listen):
            raise SettingsError(
                f"{variable(setting)}={host} would let other machines reach a server that has no login: leave it at "
                f"{LOOPBACK}, or set {variable('insecure_listen')}=yes where only trusted machines are on that network"
            )
        return host

    def environment(self) -> Mapping[str, str]:
        """The variables that make a child process load these same settings. No secret is ever among them."""
        values = self.model_dump(mode="json", exclude_unset=True, exclude=set(SECRETS))
        flat = {name: ",".join(v) if isinstance(v, list) else str(v) for name, v in values.items() if v is not None}
        flat |= {"data_dir": str(self.data_dir), "port_base": str(self.port_base)}
        return {variable(name): value for name, value in flat.items()}


def unknown_variables(names: Iterable[str]) -> dict[str, str | None]:
    """The names of ours among these that no setting has, such as one that is misspelt, and what may have been meant."""
    return misspelt(names, Settings.model_fields, {PRODUCER_ENV_FILE})


def variable(name: str) -> str:
    """The variable of a setting."""
    return variable_of(name, Settings.model_fields[name])


def local_master(partitions: int) -> str:
    """A Spark within the stream's own process, with slots for a topic of so many partitions.

    A slot is not a processor: a real-time task that waits costs next to nothing. (The 4 is how often a task may fail,
    which is once where it isn't said.)
    """
    return f"local[{partitions + 1},4]"
