"""Dagster's page, behind a guard: only its owner, and a browser that its owner signed in, reach it."""
