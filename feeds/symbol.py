"""Symbols: `BASE/QUOTE`, as ccxt writes them."""

import re

from feeds.errors import BadSymbolError
from feeds.messages import shown

_SHAPE = re.compile(r"([A-Z0-9]{1,20})[/\-_]([A-Z0-9]{2,10})")


def normalise_symbol(text: str) -> str:
    """Return the symbol as `BASE/QUOTE`; `BTC-USD` and `btc_usd` are accepted.

    >>> normalise_symbol("btc-usd")
    'BTC/USD'
    """
    match = _SHAPE.fullmatch(text.strip().upper())
    if match is None:
        raise BadSymbolError(f"a symbol must look like BTC/USDT, found {shown(text)}")
    return f"{match[1]}/{match[2]}"
