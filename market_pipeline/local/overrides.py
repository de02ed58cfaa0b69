"""Other settings for one service that runs under the supervisor, until the next ``up``."""

from collections.abc import Mapping

import psutil

from market_pipeline.local.preflight import StartError
from market_pipeline.service_overrides import ADJUSTABLE, write_overrides
from market_pipeline.settings import Settings, SettingsError, variable


def override(settings: Settings, service: str, values: Mapping[str, object]) -> None:
    """Have the next process of a service load these settings, besides those that it was given since the last ``up``.

    What is written is what the settings made of the values, so that nothing gets by the validation.

    Args:
        settings: of the pipeline.
        service: by its name in ``market-pipeline status``.
        values: by the names of ``Settings``' fields.

    Raises:
        StartError: a value is wrong, or the service does not take it; one line that says what it may be.
        OSError: they can't be written.
    """
    write_overrides(settings.paths.overrides(service), accepted(settings, service, values))


def accepted(settings: Settings, service: str, values: Mapping[str, object]) -> dict[str, object]:
    """All that a service is given when these values are added; JSON's types, by the names of ``Settings``' fields.

    Raises:
        StartError: as ``override``.
    """
    adjustable = ADJUSTABLE.get(service, frozenset())
    if foreign := sorted(values.keys() - adjustable):
        takes = ", ".join(sorted(adjustable)) or "nothing"
        raise StartError(f"{service} can't be given {foreign[0]!a} while the pipeline runs: it takes {takes}")
    try:
        loaded = Settings.load_for(service, data_dir=settings.data_dir, **values)
        names = {*Settings.overrides(settings.paths, service), *values}
    except SettingsError as error:
        raise StartError(str(error)) from None
    installed = psutil.virtual_memory().total >> 20
    for name in values.keys() & {"spark_driver_memory_mb", "cassandra_heap_mb"}:
        if getattr(loaded, name) > installed:
            raise StartError(f"{variable(name)} must be at most {installed}, the MiB of memory that this machine has")
    return loaded.model_dump(mode="json", include=names)
