"""Quality: pure functions that judge data: reconciliation, bars, doubles, gaps."""
