"""Supervision: locks, heartbeats, and what they and the servers say."""
