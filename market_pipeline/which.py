"""Which pipeline is meant, as the options that name it: for whatever tells a person what to type."""

import shlex

from market_pipeline.layout import kept_port_base
from market_pipeline.settings import Settings


def where_flags(settings: Settings) -> str:
    """The options that name this pipeline, each behind a space; '' for the one at the defaults."""
    default = Settings.model_construct()
    flags = []
    if settings.data_dir != default.data_dir:
        flags.append(f"--data-dir {shlex.quote(str(settings.data_dir))}")
    if settings.port_base != (kept_port_base(settings.paths) or default.port_base):
        flags.append(f"--port-base {settings.port_base}")
    return "".join(f" {flag}" for flag in flags)
