"""Moments put together of many symbols, some of them halted."""

from feeds.live.assembly import Assembly
from feeds.live.closing import GRACE, Closing, Rules, Tail
from feeds.live.hearing import STALE, Page
from feeds.live.moment import Moment, Origin
from feeds.live.rows import Row
from feeds.live.tapes import Tapes
from feeds.timeframe import Timeframe

STEP = 60_000
BTC, ETH = "BTC/USDT", "ETH/USDT"
START = 28_333_334 * STEP


def make(*symbols: str) -> tuple[Assembly, dict[str, Closing], list[Moment]]:
    """Return an assembly whose next bars open at `START`, and the list that it delivers to."""
    tail = Tail(START - STEP, 100.0, segment=4)
    closings = {symbol: Closing(Rules(STEP, 2), START, tail) for symbol in symbols}
    moments = list[Moment]()
    assembly = Assembly(
        Timeframe.parse("1m"),
        closings,
        opened_at=START,
        until=None,
        tapes=Tapes(),
        deliver=moments.append,
    )
    return assembly, closings, moments


def row(step: int, volume: float = 1.0) -> Row:
    return Row.flat(START + step * STEP, 100.0, volume)


def test_a_halted_symbol_is_taken_up_at_a_candle_that_opens_after_the_halt() -> None:
    assembly, closings, _ = make(BTC, ETH)
    closings[BTC].see(row(1), START + STEP + 1_000)
    assembly.halt(BTC)
    assert not assembly.trades_again(BTC)
    closings[BTC].see(row(1, volume=2.0), START + STEP + 2_000)  # was under way
    assert not assembly.trades_again(BTC)
    closings[BTC].see(row(3), START + 3 * STEP + 1_000)
    assert assembly.trades_again(BTC)
    assembly.resume(BTC)
    assert not assembly.halted
    assert closings[BTC].next == START  # the next moment has room for it


def test_no_more_bars_are_filled_of_a_halt_that_nobody_knows_of_than_of_any_hole() -> None:
    """Who is halted is asked now and then only; the backtest fills as many."""
    assembly, closings, moments = make(BTC, ETH)
    for step in range(5):
        now = START + (step + 1) * STEP + GRACE
        others = {each.time: each for each in (row(step - 1), row(step), row(step + 1))}
        for watch in (0, 1_000, STALE):
            at = step * STEP + watch
            closings[ETH].answer(Page(others, START + 9 * STEP, now, at))
            before = row(-1)
            closings[BTC].answer(Page({before.time: before}, START + 9 * STEP, now + watch, at))
        for symbol in (BTC, ETH):
            assembly.clear(symbol)
        assembly.hand_over(now + STALE)
    origins = [moment.bars[BTC].origin if BTC in moment.bars else None for moment in moments]
    assert origins == [Origin.FILLED, Origin.FILLED, None, None, None]
    assert all(moment.bars[ETH].origin is Origin.REST for moment in moments)
