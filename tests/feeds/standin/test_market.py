"""Recorded bars are shown as the exchange would show them at a moment."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import PRICES, Bars
from feeds.errors import BadBarsError, BadSymbolError, BadTimeframeError, UnknownMarketError
from feeds.standin.market import Recording
from feeds.standin.wire import RefusalError, decimals_of, plain, step_of
from tests.makers import START, candles, make_bars, scaled, with_hole

FIVE_MINUTES = 300_000
FIRST = int(START.astype(np.int64))
BARS = make_bars(40)
LATER = FIRST + 10**9
COLUMNS = (*PRICES, "volume")


def asked(bars: Bars = BARS, now: int = LATER, most_rows: int = 1000, **query: object) -> Any:
    words = {"symbol": "BTCUSDT", "interval": str(bars.timeframe), **query}
    texts = {name: str(value) for name, value in words.items()}
    return Recording([bars]).klines(texts, now, most_rows=most_rows)


def positions(rows: list[Any]) -> list[int]:
    return [(row[0] - FIRST) // FIVE_MINUTES for row in rows]


def numbers(row: list[Any]) -> list[float]:
    return [float(text) for text in row[1:6]]


def source(bars: Bars, i: int) -> list[float]:
    return [float(getattr(bars, name)[i]) for name in COLUMNS]


@given(number=st.floats(min_value=0, allow_infinity=False))
def test_a_number_reads_back_as_it_was_and_has_no_exponent(number: float) -> None:
    assert float(plain(number)) == number
    assert "e" not in plain(number)


@pytest.mark.parametrize(
    ("numbers", "decimals"),
    [([], 0), ([1.0, 20.0], 0), ([0.1, 2.0], 1), ([42_000.01], 2), ([1e-8], 8), ([1 / 3], 8)],
)
def test_a_market_has_the_decimals_that_its_numbers_need(
    numbers: list[float], decimals: int
) -> None:
    assert decimals_of(np.array(numbers)) == decimals


def test_steps_have_no_exponent() -> None:
    assert [step_of(places) for places in (0, 1, 8)] == ["1", "0.1", "0.00000001"]


@given(data=st.data())
@settings(max_examples=200)
def test_a_page_holds_exactly_the_bars_that_were_asked_for(data: st.DataObject) -> None:
    missing = data.draw(st.integers(0, 10))
    bars = with_hole(BARS, data.draw(st.integers(1, 30 - missing)), missing) if missing else BARS
    moments = st.integers(FIRST - FIVE_MINUTES, FIRST + 45 * FIVE_MINUTES)
    start, end = data.draw(st.none() | moments), data.draw(st.none() | moments)
    now, most = data.draw(moments), data.draw(st.integers(1, 50))
    limit = data.draw(st.integers(1, 60))
    query = {"startTime": start, "endTime": end, "limit": limit}
    rows = asked(bars, now, most, **{k: v for k, v in query.items() if v is not None})

    times = bars.time.astype(np.int64).tolist()
    among = [t for t in times if (start or 0) <= t <= min(now, LATER if end is None else end)]
    page = min(limit, most)
    assert [row[0] for row in rows] == (among[-page:] if start is None else among[:page])


@given(now=st.integers(FIRST, FIRST + 40 * FIVE_MINUTES - 1))
def test_what_is_closed_is_final_and_what_is_forming_is_not(now: int) -> None:
    *closed, forming = asked(now=now)
    for i, row in enumerate(closed):
        assert numbers(row) == source(BARS, i)
    last = len(closed)
    assert now < forming[6] + 1 == FIRST + (last + 1) * FIVE_MINUTES
    open_, high, low, close, volume = numbers(forming)
    assert open_ == BARS.open[last]
    assert (
        BARS.low[last] <= low <= min(open_, close) <= max(open_, close) <= high <= BARS.high[last]
    )
    assert volume < BARS.volume[last]


@given(i=st.integers(0, 39), first=st.floats(0, 1), second=st.floats(0, 1))
def test_a_forming_bar_only_grows(i: int, first: float, second: float) -> None:
    opened = FIRST + i * FIVE_MINUTES
    parts = sorted([first, second, 1.0])
    rows = [numbers(asked(now=opened + int(part * FIVE_MINUTES))[i]) for part in parts]
    for before, after in pairwise(rows):
        assert before[1] <= after[1]
        assert before[2] >= after[2]
        assert before[4] <= after[4]
    assert rows[-1] == source(BARS, i)


def test_a_forming_bar_walks_from_open_to_low_to_high_to_close() -> None:
    bars = candles([(10.0, 16.0, 4.0, 10.0)])
    walk = [numbers(asked(bars, FIRST + m * 60_000)[0]) for m in (0, 1, 2, 3, 4, 5)]
    # price, highest, lowest, volume
    assert [[round(row[i], 9) for i in (3, 1, 2, 4)] for row in walk] == [
        [10.0, 10.0, 10.0, 0.0],
        [6.4, 10.0, 6.4, 0.2],
        [6.4, 10.0, 4.0, 0.4],
        [13.6, 13.6, 4.0, 0.6],
        [13.6, 16.0, 4.0, 0.8],
        [10.0, 16.0, 4.0, 1.0],
    ]


def test_filled_bars_are_not_served_for_the_exchange_never_had_them() -> None:
    flat = (10.0, 10.0, 10.0, 10.0)
    bars = candles([(9.0, 11.0, 8.0, 10.0), flat, flat, (10.0, 12.0, 9.0, 11.0)], filled=[1, 2])
    assert positions(asked(bars)) == [0, 3]


def test_without_a_limit_a_page_is_as_long_as_on_the_exchange() -> None:
    assert len(asked(make_bars(600), startTime=FIRST)) == 500


def test_an_overlapping_page_starts_before_the_start_and_ends_before_the_end() -> None:
    query = {"symbol": "BTCUSDT", "interval": "5m", "limit": "5"}
    start = {"startTime": str(FIRST + 10 * FIVE_MINUTES)}
    recording = Recording([BARS])
    rows = recording.klines({**query, **start}, LATER, most_rows=1000, overlap=3)
    assert positions(rows) == [7, 8, 9, 10, 11]
    newest = recording.klines(query, LATER, most_rows=1000, overlap=3)
    assert positions(newest) == [35, 36, 37, 38, 39]


QUERIES = st.dictionaries(
    st.sampled_from(["symbol", "interval", "limit", "startTime", "endTime"]),
    st.sampled_from(["BTCUSDT", "5m", "", "7", "0", "-1", "9" * 20, "²", "1.5"]) | st.text(),
)


@given(query=QUERIES)
@settings(max_examples=300)
def test_any_query_gets_rows_or_a_refusal(query: dict[str, str]) -> None:
    try:
        rows = Recording([BARS]).klines(query, LATER, most_rows=1000)
    except RefusalError as refusal:
        assert refusal.code in {-1100, -1102, -1120, -1121}  # noqa: PT017  either is fine
    else:
        assert len(rows) <= 40


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"interval": "5m"}, -1102),
        ({"symbol": "BTCUSDT"}, -1102),
        ({"symbol": "", "interval": "5m"}, -1102),
        ({"symbol": "FOOUSDT", "interval": "5m"}, -1121),
        ({"symbol": "BTC/USDT", "interval": "5m"}, -1121),
        ({"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ({"symbol": "BTCUSDT", "interval": "1h"}, -1120),
        ({"symbol": "BTCUSDT", "interval": "5m", "limit": "-1"}, -1100),
        ({"symbol": "BTCUSDT", "interval": "5m", "startTime": "today"}, -1100),
    ],
)
def test_refusals_have_the_codes_of_the_exchange(query: dict[str, str], code: int) -> None:
    with pytest.raises(RefusalError) as refused:
        Recording([BARS]).klines(query, LATER, most_rows=1000)
    assert refused.value.code == code


def listed(*markets: Bars) -> dict[str, dict[str, Any]]:
    info = Recording(markets).exchange_info(LATER)
    return {symbol["symbol"]: symbol for symbol in info["symbols"]}


def test_each_symbol_is_listed_once_with_steps_that_its_bars_are_multiples_of() -> None:
    coarse = candles([(10.5, 11.0, 10.0, 10.5)])
    fine = candles([(10.25, 11.0, 10.0, 10.5)], timeframe="1h")
    symbols = listed(coarse, fine, scaled(candles([(2.0, 2.0, 2.0, 2.0)], symbol="ETH/BTC"), 0.01))
    assert list(symbols) == ["BTCUSDT", "ETHBTC"]
    filters = {
        name: {key: value for part in symbol["filters"] for key, value in part.items()}
        for name, symbol in symbols.items()
    }
    assert filters["BTCUSDT"]["tickSize"] == filters["ETHBTC"]["tickSize"] == "0.01"
    assert filters["BTCUSDT"]["stepSize"] == "1"
    assert [f["minNotional"] for f in filters.values()] == ["5", "0.0001"]


def test_a_market_is_recorded_once() -> None:
    with pytest.raises(BadBarsError, match="BTC/USDT 5m twice"):
        Recording([BARS, make_bars(3)])


def test_a_timeframe_must_be_one_of_the_exchange() -> None:
    with pytest.raises(BadTimeframeError, match=r"1m, 3m, .*found 45m of BTC/USDT"):
        Recording([make_bars(3, timeframe="45m")])


def test_a_symbol_must_be_base_and_quote() -> None:
    with pytest.raises(BadSymbolError, match="'BITCOIN'"):
        Recording([make_bars(3, symbol="BITCOIN")])


def test_the_status_of_a_symbol_that_is_not_there_cannot_be_set() -> None:
    with pytest.raises(UnknownMarketError, match="one of BTC/USDT, found ETH/USDT"):
        Recording([BARS]).set_status("ETH/USDT", "BREAK")
