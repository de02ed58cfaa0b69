import pytest

from market_pipeline.stream.failure import LENGTH, BatchError, one_line, short_errors

NESTED = """org.apache.spark.SparkException: [STREAM_FAILED] Query [id = 5] terminated with exception
=== Streaming Query ===
	at org.apache.spark.Some.method(Some.scala:1)
Caused by: com.datastax.oss.driver.api.core.AllNodesFailedException: Could not reach any contact point
	at com.datastax.Other.method(Other.java:2)
	... 12 more
"""


def test_the_innermost_cause_without_packages() -> None:
    assert one_line(NESTED) == "AllNodesFailedException: Could not reach any contact point"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "no message"),
        ("\n  \n", "no message"),
        ("plain words", "plain words"),
        ("java.lang.Error: x", "Error: x"),
        ("x" * 2 * LENGTH, "x" * LENGTH),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


def test_what_leaves_a_batch_is_short() -> None:
    with pytest.raises(BatchError, match="AllNodesFailed") as caught, short_errors():
        raise RuntimeError(NESTED * 500)
    assert len(str(caught.value)) <= LENGTH


def test_what_python_raised_within_a_batch_is_told_and_not_that_it_did() -> None:
    told = (
        "An exception was raised by the Python Proxy. Return Message: Traceback (most recent call last):\n"
        '  File "/x/py4j/clientserver.py", line 641, in _call_proxy\n'
        "    return_value = getattr(self.pool[obj_id], method)(*params)\n"
        '  File "/x/stream/failure.py", line 44, in short_errors\n'
        "    raise BatchError(one_line(str(error))) from None\n"
        "market_pipeline.stream.failure.BatchError: AllNodesFailedException: Could not reach any contact point\n"
    )
    assert one_line(told) == "BatchError: AllNodesFailedException: Could not reach any contact point"
