"""``make bench``: latency, catch-up and cost on this machine, beside what one would write instead."""
