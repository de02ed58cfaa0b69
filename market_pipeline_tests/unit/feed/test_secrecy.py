"""The key is nowhere."""

import io
import logging
import traceback

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from market_pipeline.feed.disconnect import Disconnected, Reason
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.feed.transport import connect
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline_tests.unit.feed.conftest import FakeFinnhub, end_of

CANARY = "tweety/key+7&f%"


@pytest.mark.parametrize(
    "text",
    [
        f"wss://ws.finnhub.io?token={CANARY}",
        "GET /?token=tweety%2Fkey%2B7%26f%25 HTTP/1.1",
        f"key {CANARY} refused",
        "token=someone-elses&x=1",
    ],
)
def test_the_key_is_taken_out_however_it_is_written(text: str) -> None:
    hidden = Secrecy(CANARY).redact(text)
    assert "***" in hidden
    assert not any(part in hidden for part in (CANARY, "tweety", "someone"))


def test_every_log_record_is_cleaned_tracebacks_included() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(Secrecy(CANARY))
    logger = logging.Logger("any library")
    logger.addHandler(handler)
    logger.error("connecting to %s with %d", f"ws://x?token={CANARY}", 5)
    try:
        raise ValueError(f"bad {CANARY}")
    except ValueError:
        logger.exception("failed", stack_info=True)
    text = stream.getvalue()
    assert "connecting to ws://x?token=*** with 5" in text
    assert "ValueError: bad ***" in text
    assert "tweety" not in text


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 301])
def test_no_exception_shows_or_chains_the_key(
    finnhub: FakeFinnhub, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(status, f"no: {request.path}\n")  # the server throws the key back
        response.headers["Location"] = f"ws://{LOOPBACK}:1{request.path}"
        return response

    finnhub.answer = refuse
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Disconnected) as caught:
        connect(finnhub.url, CANARY, Secrecy(CANARY))
    assert "token=tweety%2Fkey" in finnhub.paths[0]
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    logged = "".join(record.getMessage() for record in caplog.records if record.name != "websockets.server")
    told = "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(error.args) + logged
    assert "tweety" not in told


def test_an_unreachable_or_nonsense_address_does_not_show_the_key(refusing_port: int) -> None:
    for url in (f"ws://{LOOPBACK}:{refusing_port}", "ws://", "http://x", "nonsense"):
        with pytest.raises(Disconnected) as caught:
            connect(url, CANARY, Secrecy(CANARY), open_timeout_s=2)
        assert "tweety" not in str(caught.value)


def test_the_key_is_not_handed_to_child_processes_nor_shown_by_the_settings() -> None:
    settings = Settings.load(finnhub_api_key=CANARY, feed="finnhub")
    assert CANARY not in str(settings.environment()) + repr(settings) + settings.ws_url


def test_a_closing_server_that_echoes_the_key(finnhub: FakeFinnhub) -> None:
    finnhub.script = lambda server, connection: connection.close(1008, f"bad token={CANARY}")
    connection = connect(finnhub.url, CANARY, Secrecy(CANARY))
    error = end_of(connection)
    assert error.reason is Reason.CLOSED
    assert "1008" in str(error)
    assert "tweety" not in str(error)
