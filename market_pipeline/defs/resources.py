"""What assets, sensors and jobs are given: the pipeline's settings, and Spark when it is asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
from dagster_pyspark import LazyPySparkResource
from pydantic import PrivateAttr

from market_pipeline.settings import Settings


class PipelineResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The pipeline that this code location works on: the one that MARKET_PIPELINE_DATA_DIR and
    MARKET_PIPELINE_PORT_BASE name, or the default one, so that Dagster finds it from a plain shell too.

    It has no fields, for whoever may launch a run could set them by the run's configuration.
    """

    given: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def at(cls, data_dir: Path, port_base: int | None = None) -> "PipelineResource":
        """The resource of another pipeline."""

        class Elsewhere(cls):  # type: ignore[valid-type,misc]  # Dagster copies a resource by its class
            given: ClassVar[Mapping[str, Any]] = {"data_dir": data_dir, "port_base": port_base}

        return Elsewhere()

    def settings(self) -> Settings:
        """The settings as they are now.

        Raises:
            SettingsError: a variable or the .env file has a wrong value.
        """
        return Settings.load(**self.given)


class BatchSpark(LazyPySparkResource):
    """Spark for batches, by dagster-pyspark; its JVM starts when ``session_for`` is first called in a run.

    Its configuration is that of the settings alone: an option of Spark may name a program or an agent to run.
    """

    spark_config: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]  # no field, as it is in the class above
    _batch: Any = PrivateAttr(default=None)

    def session_for(self, settings: Settings) -> Any:
        """The run's Spark session, made for these settings.

        Raises:
            JarError, NoJava: a jar or a Java 17 is missing.
            NoPorts, GatewayError: Spark's JVM does not start.
        """
        from market_pipeline.stream.batch_session import open_batch_session

        if self._batch is None:
            self._batch = open_batch_session(settings, {})
            self._spark_session = self._batch.spark
        return self.spark_session

    def for_rows(self, settings: Settings, rows: int) -> Any:
        """The session, or None when there is nothing to read: an empty day needs no JVM."""
        return self.session_for(settings) if rows else None

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """dagster-pyspark leaves the session open; a run's memory is worth more than a warm start of the next."""
        if self._batch is not None:
            self._batch.stop()
            self._batch = self._spark_session = None


class NoValues(dg.ConfigurableIOManager):
    """Steps pass nothing to each other: what they make is in Kafka, Cassandra and files of their own.

    Dagster's own would pickle values below a folder that a run's configuration names, and read them from there.
    """

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None: ...

    def load_input(self, context: dg.InputContext) -> Any:
        raise NotImplementedError("a step takes no value of another one")


@dg.definitions
def resources() -> dg.Definitions:
    return dg.Definitions(
        resources={"pipeline": PipelineResource(), "spark": BatchSpark(), "io_manager": NoValues()},  # type: ignore[call-arg]
        # steps of one run share Spark's JVM, and a process a step would cost seconds each
        executor=dg.in_process_executor,
    )
