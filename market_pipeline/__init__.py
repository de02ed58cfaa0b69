"""Real-time market data: a trade's way from Finnhub's websocket through Kafka and Spark into Cassandra.

The folders follow the trade: ``feed`` → ``broker`` → ``stream`` → ``store``; ``bronze`` keeps every record. ``batch``
makes whole days of them: rebuilds, gold, checks. ``quality`` proves that none was lost, ``supervision`` keeps the
long-running programs honest, ``local`` starts the servers on one machine, and ``defs`` is the thin Dagster layer on
top. Who may import whom is a contract in ``pyproject.toml``.
"""
