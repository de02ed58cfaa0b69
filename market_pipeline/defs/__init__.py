"""Dagster definitions: assets, checks, sensors, jobs, schedules, resources. Thin: the logic lives beside it."""
