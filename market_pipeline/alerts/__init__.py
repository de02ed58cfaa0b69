"""Alerts: what the runbook watches for, judged by one pure engine, kept as incidents, told once."""
