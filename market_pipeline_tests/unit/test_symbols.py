"""Which symbols may be subscribed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.local.overrides import override
from market_pipeline.local.preflight import StartError
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.symbols import check_subscribed


@pytest.mark.parametrize(
    "symbol",
    [
        *("AAPL", "BRK.B", "BRK-B", "BF/B", "M&M.NS", "^GSPC", "7203.T", "EURUSD=X", "aapl", "日経"),
        *("BINANCE:BTCUSDT", "OANDA:EUR_USD", "FXCM:EUR/USD", "COINBASE:BTC-USD", "IC MARKETS:1", "BITFINEX:tBTCUSD"),
    ],
)
def test_real_symbols_pass(symbol: str) -> None:
    assert check_subscribed(symbol) == symbol


@pytest.mark.parametrize(
    "symbol",
    [
        *("", " ", " AAPL", "AAPL ", "IC  MARKETS:1", "A" * 65, "A,B", "A;B", "A%B", "%(ENV_HOME)s", "A\\B"),
        *('A"B', "A'B", "A`B", "A\nB", "A\r\nB", "A\tB", "A\0B", "A\x1b[31mB", "A\u202eB", "A\u2028B", "A\u00a0B"),
        *("AAPL\n", "$(id)", "{A}", "<A>", "A|B", "🚀", "\ud800"),
    ],
)
def test_the_rest_is_refused_in_one_printable_line(symbol: str) -> None:
    with pytest.raises(ValueError, match="symbol") as caught:
        check_subscribed(symbol)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_what_is_no_symbol_is_refused_wherever_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an option, as a variable, and in a run's configuration, which becomes an override."""
    refused = r"MARKET_PIPELINE_SYMBOLS: '%\(ENV_HOME\)s' is no symbol"
    settings = Settings.load(data_dir=tmp_path)
    with pytest.raises(StartError, match=refused):
        override(settings, "producer", {"symbols": ["AAPL", "%(ENV_HOME)s"]})
    with pytest.raises(SettingsError, match=refused):
        Settings.load(data_dir=tmp_path, symbols="AAPL,%(ENV_HOME)s")
    monkeypatch.setenv("MARKET_PIPELINE_SYMBOLS", "AAPL,%(ENV_HOME)s")
    with pytest.raises(SettingsError, match=refused):
        Settings.load(data_dir=tmp_path)


@given(st.text(max_size=70))
def test_whatever_passes_is_one_word_or_words_that_no_syntax_means_anything_by(symbol: str) -> None:
    try:
        check_subscribed(symbol)
    except ValueError:
        return
    assert symbol.isprintable()
    assert symbol == " ".join(symbol.split())
    assert not set(symbol) & set("\"'`,;%\\|<>(){}[]!?~")
