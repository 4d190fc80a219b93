"""Symbols have one spelling inside the house."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import BadSymbolError
from feeds.symbol import normalise_symbol


@pytest.mark.parametrize("text", ["BTC/USD", "BTC-USD", "btc_usd", " Btc/Usd "])
def test_every_accepted_spelling_becomes_one(text: str) -> None:
    assert normalise_symbol(text) == "BTC/USD"


@pytest.mark.parametrize(
    "text", ["", "BTC", "BTCUSDT", "BTC/", "/USD", "A/B/C", "BTC/USDT:USDT", "BTC USD"]
)
def test_what_is_no_symbol_is_refused(text: str) -> None:
    with pytest.raises(BadSymbolError, match="must look like BTC/USDT, found"):
        normalise_symbol(text)


@given(st.from_regex(r"[A-Z0-9]{1,20}/[A-Z0-9]{2,10}", fullmatch=True))
def test_a_symbol_that_is_spelled_right_stays(symbol: str) -> None:
    assert normalise_symbol(symbol) == symbol
