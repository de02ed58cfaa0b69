"""What Dagster loads: ``-m market_pipeline.definitions``. Everything is under ``defs/``."""

import warnings
from pathlib import Path

import dagster as dg

from market_pipeline.private_process import keep_private
from market_pipeline.supervision.log_lines import escape_records

# which parts of Dagster are new, and which are old, is for whoever writes the definitions, not for whoever runs them
for category in (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning):
    warnings.filterwarnings("ignore", category=category)


@dg.definitions
def defs() -> dg.Definitions:
    escape_records()
    keep_private()  # runs are processes of whoever loads this, also without a supervisor of ours
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
