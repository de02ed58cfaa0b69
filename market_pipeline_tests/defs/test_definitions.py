"""What Dagster finds: assets, checks, jobs, schedules and sensors by name, as others rely on them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from market_pipeline import model
from market_pipeline.definitions import defs
from market_pipeline.defs.partitions import FIRST_PARTITION  # as the module is imported, so is its first day chosen

ASSETS = {
    "trades_raw": ("bronze", set()),
    "trades_silver": ("silver", {"trades_raw"}),
    "latest_prices": ("silver", {"trades_raw"}),
    "ohlcv_1m": ("gold", {"trades_raw", "feed_gaps"}),
    "ohlcv_1d": ("gold", {"trades_raw", "ohlcv_1m", "feed_gaps"}),
    "symbol_daily_stats": ("gold", {"trades_raw", "feed_gaps"}),
}
EXTERNAL = {"feed_gaps": ("feed", set())}
"""Written by a program and never materialised by Dagster."""
INCIDENTS = {"incident_reports": ("operations", set())}
"""Kept by sensors."""
REPORTS = {
    "daily_report": ("operations", {"trades_silver", "ohlcv_1m", "feed_gaps"}),
    "weekly_report": ("operations", {"trades_silver", "ohlcv_1m"}),
    "monthly_report": ("operations", {"trades_silver", "ohlcv_1m"}),
}
COLUMNS = {
    "trades_raw": model.TRADE_RECORD,
    "trades_silver": model.TRADES_SILVER,
    "latest_prices": model.LATEST_PRICES,
    "ohlcv_1m": model.OHLCV_1M,
    "ohlcv_1d": model.OHLCV_1D,
    "symbol_daily_stats": model.SYMBOL_DAILY_STATS,
}
CHECKS = {
    "trades_raw:no_offsets_lost",
    "trades_silver:no_doubled_trade_id",
    "trades_silver:bronze_is_silver_plus_rejected",
    "latest_prices:fresh_in_trading_hours",
    "ohlcv_1m:bars_are_sane",
    "ohlcv_1m:bar_volume_is_silver_volume",
    "ohlcv_1m:stream_bars_are_batch_bars",
    "ohlcv_1d:daily_bars_are_sane",
}
SCHEDULES = {
    "archive_every_10_minutes": ("*/10 * * * *", "archive"),
    "daily_checks_after_midnight": ("20 0 * * *", "daily_checks"),
    "daily_gold_after_midnight": ("40 0 * * *", "daily_gold"),
    "daily_routine_after_midnight": ("10 1 * * *", "daily_routine"),
    "weekly_routine_schedule": ("0 5 * * 0", "weekly_routine"),
    "monthly_routine_schedule": ("0 6 1 * *", "monthly_routine"),
    "compact_bronze_schedule": ("25 * * * *", "compact_bronze"),
    "drill_at_night": ("30 3 * * *", "drill"),
}
SWITCHED_OFF = {"drill_at_night"}
"""It starts a second pipeline: for who has room for that."""


@pytest.fixture(scope="module")
def loaded() -> dg.Definitions:
    return defs()


@pytest.fixture(scope="module")
def specs(loaded: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in loaded.resolve_all_asset_specs()}


def test_the_assets_their_groups_and_their_lineage(specs: dict[str, dg.AssetSpec]) -> None:
    found = {
        name: (spec.group_name, {dep.asset_key.to_user_string() for dep in spec.deps}) for name, spec in specs.items()
    }
    assert found == ASSETS | EXTERNAL | REPORTS | INCIDENTS


@pytest.mark.parametrize("name", ASSETS)
def test_an_asset_describes_itself(specs: dict[str, dg.AssetSpec], name: str) -> None:
    spec = specs[name]
    assert spec.description
    assert "Materialising" in spec.description
    assert list(spec.owners) == ["team:market-data"]
    assert {"cassandra", "parquet"} & spec.kinds
    assert spec.freshness_policy is not None
    schema = spec.metadata["dagster/column_schema"]
    told = {column.name: (column.type, column.description) for column in schema.columns}
    assert told == {column.name: (column.kind.cql, column.meaning) for column in COLUMNS[name]}


def test_what_a_program_keeps_by_itself_is_described_and_not_materialised(
    specs: dict[str, dg.AssetSpec], loaded: dg.Definitions
) -> None:
    for name in EXTERNAL:
        spec = specs[name]
        assert spec.description
        assert {column.name for column in spec.metadata["dagster/column_schema"].columns} == {
            column.name for column in model.FEED_GAPS
        }
    everything = dg.AssetSelection.from_string("*").resolve(loaded.resolve_asset_graph())
    assert {key.to_user_string() for key in everything} == (ASSETS | REPORTS).keys()


@pytest.mark.parametrize("name", ASSETS)
def test_every_day_is_a_partition_in_utc_and_a_range_of_days_is_one_run(
    specs: dict[str, dg.AssetSpec], loaded: dg.Definitions, name: str
) -> None:
    partitions = specs[name].partitions_def
    assert isinstance(partitions, dg.DailyPartitionsDefinition)
    assert str(partitions.timezone) == "UTC"
    keys = partitions.get_partition_keys()
    assert keys[0] == FIRST_PARTITION.isoformat() == "2021-01-01"
    assert {"2021-01-08", "2025-11-10"} <= set(keys)
    policy = loaded.resolve_asset_graph().get(dg.AssetKey(name)).backfill_policy
    assert policy == dg.BackfillPolicy.single_run()


def test_the_checks(loaded: dg.Definitions) -> None:
    keys = loaded.resolve_asset_graph().asset_check_keys
    assert {f"{key.asset_key.to_user_string()}:{key.name}" for key in keys} == CHECKS


def test_the_schedules_run_in_utc_and_are_on(loaded: dg.Definitions) -> None:
    found = {schedule.name: schedule for schedule in loaded.get_repository_def().schedule_defs}
    assert {name: (s.cron_schedule, s.job_name) for name, s in found.items()} == SCHEDULES
    assert {s.execution_timezone for s in found.values()} == {"UTC"}
    off = {name for name, s in found.items() if s.default_status is not dg.DefaultScheduleStatus.RUNNING}
    assert off == SWITCHED_OFF


def test_the_sensors_look_seldom_enough_and_are_on(loaded: dg.Definitions) -> None:
    sensors = {sensor.name: sensor for sensor in loaded.get_repository_def().sensor_defs}
    assert {"producer_progress", "stream_progress", "alerts"} <= sensors.keys()
    for name in ("producer_progress", "stream_progress", "alerts"):
        assert (sensors[name].minimum_interval_seconds or 0) >= 30
        assert sensors[name].default_status is dg.DefaultSensorStatus.RUNNING


def test_every_job_has_an_end(loaded: dg.Definitions) -> None:
    repository = loaded.get_repository_def()
    for name in ("archive", "daily_checks", "daily_gold", "compact_bronze"):
        assert int(repository.get_job(name).tags["dagster/max_runtime"]) <= 7200
    for name in ("archive", "daily_gold"):
        assert isinstance(repository.get_job(name).partitions_def, dg.DailyPartitionsDefinition)


def test_no_run_configuration_reaches_a_resource(loaded: dg.Definitions) -> None:
    """Whoever may launch a run would choose the data dir, the options of Spark's JVM, or what is unpickled."""
    for job in loaded.get_repository_def().get_all_jobs():
        resources = job.run_config_schema.run_config_schema_type.fields["resources"].config_type.fields
        settable = {
            name: list(field.config_type.fields["config"].config_type.fields) for name, field in resources.items()
        }
        assert not any(settable.values()), job.name


@pytest.mark.parametrize(
    "config",
    [
        {"pipeline": {"config": {"data_dir": "/elsewhere"}}},
        {"pipeline": {"config": {"given": {"data_dir": "/elsewhere"}}}},
        {"spark": {"config": {"spark_config": {"spark.driver.extraJavaOptions": "-javaagent:/x"}}}},
        {"io_manager": {"config": {"base_dir": "/elsewhere"}}},
    ],
)
def test_a_run_that_would_change_a_resource_is_refused(loaded: dg.Definitions, config: dict[str, object]) -> None:
    job = loaded.get_repository_def().get_job("restart_producer")
    with pytest.raises(dg.DagsterInvalidConfigError, match="unexpected config entry"):
        job.execute_in_process(run_config={"resources": config})


def test_loading_imports_no_client_and_starts_nothing() -> None:
    code = (
        "import sys; from market_pipeline.definitions import defs; defs().resolve_all_asset_specs();"
        "heavy = {'pandas', 'confluent_kafka', 'cassandra', 'pyarrow', 'exchange_calendars'} & set(sys.modules);"
        "assert not heavy, heavy; import pyspark; assert pyspark.SparkContext._gateway is None"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_it_loads_where_the_package_is_installed_without_its_repository(tmp_path: Path) -> None:
    package = Path(model.__file__).parents[1]
    shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "import market_pipeline.definitions as found; "
        f"assert found.__file__.startswith({str(tmp_path)!r}), found.__file__; "
        "print(len(found.defs().resolve_all_asset_specs()))"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=False, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(len(defs().resolve_all_asset_specs()))), done.stderr
