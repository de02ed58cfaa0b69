"""Breaks a pipeline of its own, for real, and measures who notices, how soon it is well again, and what was lost."""
