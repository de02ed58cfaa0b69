"""What the remedies are called, whoever asks for one. Only data."""

RESTART_PROGRAM = "restart_program"
"""Dagster's job that gives the incident's subject a new process."""
NEEDS_NO_ANSWER = ("restart_producer", "restart_stream", RESTART_PROGRAM)
"""The remedies of rules that can be asked for by a name alone; what may delete or send again needs a person."""
INCIDENT_TAG = "market_pipeline/incident"
"""Of a run: for which incident it is. Messages link to runs by it."""
