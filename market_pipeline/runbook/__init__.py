"""The runbook: each line of the one that a person followed, and what runs in its place."""
