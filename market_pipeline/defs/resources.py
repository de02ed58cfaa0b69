"""What assets, sensors and jobs are given: the pipeline's settings, and Spark when it is asked for."""

from pathlib import Path
from typing import Any

import dagster as dg
from dagster_pyspark import LazyPySparkResource
from pydantic import PrivateAttr

from market_pipeline.settings import Settings


class PipelineResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The pipeline that this code location works on.

    Left empty, it is the one that MARKET_PIPELINE_DATA_DIR and MARKET_PIPELINE_PORT_BASE name, or the default one: so
    Dagster finds it from a plain shell too.
    """

    data_dir: str | None = None
    port_base: int | None = None

    def settings(self) -> Settings:
        """The settings as they are now.

        Raises:
            SettingsError: a variable or the .env file has a wrong value.
        """
        return Settings.load(data_dir=Path(self.data_dir) if self.data_dir else None, port_base=self.port_base)


class BatchSpark(LazyPySparkResource):
    """Spark for batches, by dagster-pyspark; its JVM starts when ``session_for`` is first called in a run."""

    spark_config: dict[str, Any] = {}  # noqa: RUF012 - a pydantic field

    _batch: Any = PrivateAttr(default=None)

    def session_for(self, settings: Settings) -> Any:
        """The run's Spark session, made for these settings.

        Raises:
            JarError, NoJava: a jar or a Java 17 is missing.
            NoPorts, GatewayError: Spark's JVM does not start.
        """
        from dagster_spark.utils import flatten_dict

        from market_pipeline.stream.batch_session import open_batch_session

        if self._batch is None:
            changes = {name: str(value) for name, value in flatten_dict(self.spark_config)}  # type: ignore[no-untyped-call]
            self._batch = open_batch_session(settings, changes)
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


@dg.definitions
def resources() -> dg.Definitions:
    return dg.Definitions(
        resources={"pipeline": PipelineResource(), "spark": BatchSpark()},
        # steps of one run share Spark's JVM, and a process a step would cost seconds each
        executor=dg.in_process_executor,
    )
