"""The grammar of symbols that may be subscribed.

Finnhub's own symbols are the measure: ``AAPL``, ``BRK.B``, ``M&M.NS``, ``^GSPC``, ``BINANCE:BTCUSDT``,
``OANDA:EUR_USD``, ``IC MARKETS:1``. Quotes, commas, control characters and whatever else could end a line, a quoted
text or an argument are no part of any.
"""

import re

MAX_CHARACTERS = 64
_PART = r"[\w.:^/=&+*@$#-]+"
_SYMBOL = re.compile(rf"{_PART}(?: {_PART})*")


def check_subscribed(symbol: str) -> str:
    """``symbol``, which may be subscribed.

    Raises:
        ValueError: it is no symbol; the message shows it, with everything but ASCII escaped, and says what one is.
    """
    if len(symbol) > MAX_CHARACTERS:
        raise ValueError(f"{symbol[:20]!a}… has {len(symbol)} characters, and a symbol at most {MAX_CHARACTERS}")
    if _SYMBOL.fullmatch(symbol) is None:
        raise ValueError(
            f"{symbol!a} is no symbol: letters, digits, . : _ - ^ / = & + * @ $ # and single spaces between them, "
            "such as AAPL, BRK.B or BINANCE:BTCUSDT"
        )
    return symbol
