"""What every quick test gets."""

from market_pipeline_tests.environment import own_environment

__all__ = ["own_environment"]
