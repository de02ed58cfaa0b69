"""Realised volatility."""

import math
from collections.abc import Sequence
from itertools import pairwise


def realised_volatility(closes: Sequence[float]) -> float | None:
    """The root of the summed squared log returns of consecutive closes; None for fewer than two.

    Not annualised: it is the volatility of the span that the closes cover. Source: T. G. Andersen and T. Bollerslev,
    "Answering the Skeptics: Yes, Standard Volatility Models Do Provide Accurate Forecasts", International Economic
    Review 39 (1998). ``fsum`` makes it independent of the order of its terms.

    Raises:
        ValueError: a close is not positive.
    """
    if any(close <= 0 for close in closes):
        raise ValueError("a close is not positive")
    if len(closes) < 2:
        return None
    returns = (math.log(after / before) for before, after in pairwise(closes))
    return math.sqrt(math.fsum(each * each for each in returns))
