"""The runbook's performance tuning: its table as profiles, and what the running servers really have."""
