"""The partitions of these tests begin on the day that the root conftest sets while tests are collected."""

import market_pipeline.defs.partitions  # noqa: F401 - made when it is first imported
from market_pipeline_tests.environment import own_environment

__all__ = ["own_environment"]
