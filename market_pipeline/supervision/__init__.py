"""Supervision: locks, heartbeats and the state of the long-running programs."""
