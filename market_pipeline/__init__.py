"""Real-time market data: a trade's way from Finnhub's websocket through Kafka and Spark into Cassandra.

The folders follow the trade: ``feed`` → ``broker`` → ``stream`` → ``store``; ``quality`` proves that none was lost,
``supervision`` keeps the long-running programs honest, ``local`` starts the servers on one machine, and ``defs`` is the
thin Dagster layer on top.
"""
