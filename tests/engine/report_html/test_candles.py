"""The page's bars are the market's bars, and its candles are made of whole ones."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selenium.webdriver import Chrome

from engine.report_html.candles import (
    AFTER,
    BEFORE,
    LENGTHS,
    VOLUME_BITS,
    candles,
    kept_bars,
    pack_bars,
)
from engine.report_html.report import Traded
from feeds.bars import PRICES, Bars
from tests.engine.report_html.page_scripts import called
from tests.makers import make_bars, scaled, with_hole

MINUTE = 60_000
ROUNDED = 2.0**-VOLUME_BITS
PLENTY = 10_000_000
in_the_browser = settings(max_examples=25)

LOOK = """
unpackedMarket(given.market).then((market) => {
  const [from, to] = given.view ?? extent(market);
  const { length, single, bars, ...columns } = candlesIn(market, from, to, given.most);
  for (const name of Object.keys(columns)) columns[name] = Float64Array.from(columns[name]);
  return { ...columns, length, single, bars };
})
"""


def on_grid(bars: Bars, decimals: int) -> Bars:
    """Return the bars with prices of so many decimals."""
    return bars.unchecked({name: np.round(getattr(bars, name), decimals) for name in PRICES})


def looked(
    browser: Chrome, market: dict[str, Any], most: int, view: tuple[int, int] | None = None
) -> dict[str, Any]:
    """Return the candles that the page shows of a market."""
    given_ = {"market": market, "most": most, "view": view}
    found: dict[str, Any] = called(browser, "bars", LOOK, json.loads(json.dumps(given_)))
    return found


def packed(bars: Bars, spans: list[tuple[int, int]], most_text: int = PLENTY) -> dict[str, Any]:
    """Return a market as the page gets it."""
    kept = kept_bars({bars.symbol: Traded(bars, 0)}, {bars.symbol: spans}, most_text)
    return {
        "symbol": bars.symbol,
        "step": bars.timeframe.ms,
        **kept[bars.symbol].packed,
    }


def resampled(bars: Bars, length: int) -> pd.DataFrame:
    """Return candles as pandas makes them."""
    frame = bars.frame().set_index("timestamp")
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    return frame.resample(pd.Timedelta(length, "ms"), origin="epoch").agg(how).dropna()


def assert_alike(found: dict[str, Any], expected: pd.DataFrame) -> None:
    for name in PRICES:
        np.testing.assert_array_equal(found[name], expected[name], name)
    np.testing.assert_allclose(found["volume"], expected["volume"], rtol=ROUNDED)
    opened = (
        pd.DatetimeIndex(expected.index)
        .tz_localize(None)
        .to_numpy("datetime64[ms]")
        .astype(np.int64)
    )
    np.testing.assert_array_equal(found["time"], opened)


MARKETS = st.builds(
    lambda seed, n, decimals, at, missing: on_grid(
        with_hole(make_bars(n, seed, timeframe="1m"), min(at, n - 2), missing), decimals
    ),
    seed=st.integers(0, 1000),
    n=st.integers(60, 400),
    decimals=st.integers(2, 8),
    at=st.integers(1, 300),
    missing=st.integers(1, 30),
)


@in_the_browser
@given(MARKETS)
def test_single_bars_come_back_to_the_last_bit(browser: Chrome, bars: Bars) -> None:
    found = looked(browser, packed(bars, []), most=10 * len(bars))
    assert found["single"]
    assert found["bars"] == len(bars)
    assert_alike(found, bars.frame().set_index("timestamp"))


@in_the_browser
@given(MARKETS, st.integers(1, 80))
def test_larger_candles_hold_their_bars_and_no_others(
    browser: Chrome, bars: Bars, most: int
) -> None:
    found = looked(browser, packed(bars, []), most)
    assert len(found["time"]) <= most + 1  # the first one may begin before the first bar
    assert found["length"] in LENGTHS
    assert_alike(found, resampled(bars, found["length"]))


@given(MARKETS, st.sampled_from(LENGTHS[:12]))
def test_candles_on_this_side_are_the_same(bars: Bars, length: int) -> None:
    made, expected = candles(bars, length), resampled(bars, length)
    for name in (*PRICES, "volume"):
        np.testing.assert_allclose(getattr(made, name), expected[name], rtol=1e-12)
    assert (
        made.time.tolist()
        == pd.DatetimeIndex(expected.index).tz_localize(None).to_pydatetime().tolist()
    )


@in_the_browser
@given(MARKETS, st.data())
def test_a_part_shows_the_bars_of_that_part(
    browser: Chrome, bars: Bars, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(bars) - 20))
    last = data.draw(st.integers(first + 10, len(bars) - 1))
    times = bars.time.astype(np.int64)
    view = int(times[first]), int(times[last]) + MINUTE
    found = looked(browser, packed(bars, []), 10_000, view)
    assert_alike(found, bars[first : last + 1].frame().set_index("timestamp"))


@pytest.mark.parametrize("factor", [1e-8, 1e-3, 1.0, 1e6])
def test_prices_without_few_decimals_keep_seven_digits(browser: Chrome, factor: float) -> None:
    bars = scaled(make_bars(200, timeframe="1m"), factor)
    browser.get("about:blank")
    found = looked(browser, packed(bars, []), 1_000)
    for name in PRICES:
        np.testing.assert_allclose(found[name], getattr(bars, name), rtol=1e-6)


def test_of_too_many_bars_those_around_trades_are_kept(browser: Chrome) -> None:
    bars = on_grid(make_bars(200_000, timeframe="1m"), 2)
    spans = [(150_000, 150_010), (1_000, 1_005), (60_000, 60_001)]
    market = packed(bars, spans, most_text=60_000)
    text = sum(len(json.dumps(market[name])) for name in ("bars", "candles", "from", "to"))
    assert text < 75_000
    browser.get("about:blank")
    times = bars.time.astype(np.int64)
    for first, last in spans:
        rows = slice(first - BEFORE, last + AFTER + 1)
        view = int(times[rows][0]), int(times[rows][-1]) + MINUTE
        found = looked(browser, market, 400, view)
        assert found["single"]
        assert_alike(found, bars[rows].frame().set_index("timestamp"))
    whole = looked(browser, market, 400)
    assert not whole["single"]
    assert_alike(whole, resampled(bars, whole["length"]))
    between = looked(browser, market, 400, (int(times[20_000]), int(times[20_000]) + 600 * MINUTE))
    assert not between["single"]
    assert between["length"] == market["candle"]


def test_where_not_all_trades_find_room_the_dearest_do() -> None:
    bars = on_grid(make_bars(50_000, timeframe="1m"), 2)
    spans = [(at, at + 5) for at in range(45_000, 5_000, -500)]
    (kept,) = kept_bars({"BTC/USDT": Traded(bars, 0)}, {"BTC/USDT": spans}, 40_000).values()
    assert 0 < kept.trades < kept.all_trades == len(spans)
    assert kept.candle in LENGTHS


def test_a_timeframe_off_the_usual_lengths_has_candles_too(browser: Chrome) -> None:
    start = str(np.datetime64(4_060_000 * 7 * MINUTE, "ms"))  # on its grid
    bars = on_grid(make_bars(500, timeframe="7m", start=start), 2)
    browser.get("about:blank")
    found = looked(browser, packed(bars, []), 60)
    assert found["length"] % (7 * MINUTE) == 0
    assert_alike(found, resampled(bars, found["length"]))


def test_no_bars_are_no_text() -> None:
    empty = make_bars(3)[:0]
    assert pack_bars(empty)["begin"] == 0
