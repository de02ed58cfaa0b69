"""How a Cassandra that fails is told, by whatever command or run it fails."""

from market_pipeline.store.cluster import StoreUnreachableError


def one_line(error: Exception) -> str:
    """Any of ``store.cluster.STORE_ERRORS`` in one line, with the cure."""
    if isinstance(error, StoreUnreachableError):
        return str(error)
    said = " ".join(str(error.args[0] if error.args else error).split())
    kind = type(error).__name__
    return f"Cassandra failed ({kind}: {said}): see `market-pipeline status` and `market-pipeline logs cassandra`"
