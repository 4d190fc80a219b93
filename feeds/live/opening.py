"""How a live feed opens: markets, the time, and the bars before the first one that is live."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from feeds.bars import Bars
from feeds.errors import ExchangeError
from feeds.exchange import Patience
from feeds.gaps import to_bars
from feeds.live.client import Client, Source
from feeds.live.closing import GRACE, Closed, Closing, Rules, Tail
from feeds.live.moment import Opening, Origin
from feeds.live.rest import Rest
from feeds.live.revising import REMEMBERED
from feeds.live.rows import Row
from feeds.live.spec import LiveSpec
from feeds.live.timekeeping import SLIGHT, ExchangeClock

ATTEMPTS = Patience().attempts  # of each question; a feed that is open is patient for ever
ASKED_FOR_TIME = 3  # symbols whose newest candle is compared with the time that is told
LOOKS, LOOK_AGAIN = 3, 2_000.0  # at a candle of the future, and ms of market time between
AHEAD = 300_000  # ms: a told time that is so long after the newest candle is believed


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """What a feed goes on from.

    Attributes
    ----------
    closings : by symbol, the bars from then on
    at : in ms; bars that closed until then closed before the feed was open
    """

    opening: Opening
    closings: Mapping[str, Closing]
    at: int


async def open_feed(
    spec: LiveSpec, known: Mapping[str, Bars], client: Client, rest: Rest, clock: ExchangeClock
) -> Opened:
    """Return what a feed goes on from.

    Raises
    ------
    ExchangeError
        if the exchange does not offer it, or does not answer properly
    """
    await rest.load_markets(ATTEMPTS)
    for symbol in spec.symbols:
        client.refuse_unknown(symbol)
    await rest.set_clock(ATTEMPTS)
    at = await _last_close(spec, rest, clock)
    start = max((_closed_at(bars) for bars in known.values() if len(bars)), default=at)
    histories = await asyncio.gather(
        *(_history(spec, symbol, known, rest, start) for symbol in spec.symbols)
    )
    rules = Rules(spec.timeframe.ms, spec.fill_limit, always=spec.confirm == "always")
    closings = {bars.symbol: _going_on(rules, bars, start) for bars in histories}
    opening = Opening(
        exchange=client.name,
        how=how(client, spec),
        terms={symbol: client.terms(symbol) for symbol in spec.symbols},
        history={bars.symbol: bars for bars in histories},
    )
    return Opened(opening, closings, at)


def how(client: Client, spec: LiveSpec) -> str:
    """Return in words where bars come from, and who confirms them."""
    source = client.can.source
    if source is Source.POLLS:
        return f"{client.name}: {source.value}"
    asked = "each bar" if spec.confirm == "always" else "what the stream leaves in doubt"
    made = "bars made of " if source is Source.TRADES else ""
    return f"{client.name}: {made}{source.value}; REST is asked about {asked}"


async def _last_close(spec: LiveSpec, rest: Rest, clock: ExchangeClock) -> int:
    """Return when the last bar closed, in ms.

    A told time that no candle bears out is not believed, unless it is long after the last one: then
    nobody has traded.
    """
    step = spec.timeframe.ms
    newest = await _newest(spec, rest)
    for _ in range(LOOKS):  # if one of the future goes on forming, it is the clock that is wrong
        if newest <= clock.now() + SLIGHT:
            break
        await rest.pause(LOOK_AGAIN)
        newest = await _newest(spec, rest)
    told = clock.now() // step * step
    return newest if told - max(AHEAD, step) < newest < told else told


async def _newest(spec: LiveSpec, rest: Rest) -> int:
    asked = spec.symbols[:ASKED_FOR_TIME]
    return max([await rest.newest(symbol, ATTEMPTS) for symbol in asked])


async def _history(
    spec: LiveSpec, symbol: str, known: Mapping[str, Bars], rest: Rest, start: int
) -> Bars:
    """Return the bars before `start`: those that are known, or as many as a warm-up needs."""
    if symbol in known and len(known[symbol]):
        return known[symbol]
    step = spec.timeframe.ms
    closing = Closing(Rules(step, spec.fill_limit), start - spec.warmup_bars * step, None)
    await rest.settle(symbol, closing, lambda: start + GRACE, attempts=ATTEMPTS)
    return _bars(spec, symbol, list(closing.take_all()))


def _bars(spec: LiveSpec, symbol: str, closed: list[Closed]) -> Bars:
    """Return history by the rule of the backtest; what is missing at its end, by that of a feed."""
    rows = [each.row for each in closed if each.row is not None and each.origin is Origin.REST]
    if not rows:
        raise ExchangeError(
            f"{symbol}: the exchange shows no bar among the last {spec.warmup_bars} of "
            f"{spec.timeframe}; choose another symbol or a longer timeframe"
        )
    frame = pd.DataFrame(rows).rename(columns={"time": "timestamp"})
    frame["timestamp"] = frame["timestamp"].to_numpy("datetime64[ms]")
    bars = to_bars(frame, symbol, spec.timeframe, fill_limit=spec.fill_limit)
    flat = [each.row for each in closed if each.row is not None and each.time > rows[-1].time]
    return _with_flat(bars, len(flat)) if flat else bars


def _with_flat(bars: Bars, count: int) -> Bars:
    """Return the bars and so many filled ones after them."""
    rows = np.r_[np.arange(len(bars)), np.full(count, len(bars) - 1)]
    columns = {
        each.name: getattr(bars, each.name)[rows]
        for each in fields(Bars)
        if isinstance(getattr(bars, each.name), np.ndarray)
    }
    columns["time"][-count:] += np.arange(1, count + 1) * bars.timeframe.delta
    for name in ("open", "high", "low"):
        columns[name][-count:] = bars.close[-1]
    columns["volume"][-count:] = 0.0
    columns["filled"][-count:] = True
    return Bars(symbol=bars.symbol, timeframe=bars.timeframe, **columns)


def _going_on(rules: Rules, bars: Bars, start: int) -> Closing:
    """Return what comes after the bars, from `start` on.

    One that was halted ends before the others do: what it has traded since then belongs to moments
    that have been handed over without it.
    """
    closing = Closing(rules, _closed_at(bars), _tail(bars))
    closing.skip_to(start)
    for row in _rows(bars[-REMEMBERED:]):
        closing.handed.add(row)
    return closing


def _rows(bars: Bars) -> list[Row]:
    columns = bars.open, bars.high, bars.low, bars.close, bars.volume
    numbers = np.stack(columns, axis=1).tolist()
    times = bars.time.astype("datetime64[ms]").astype(np.int64).tolist()
    return [Row(time, *values) for time, values in zip(times, numbers, strict=True)]


def _tail(bars: Bars) -> Tail:
    traded = np.flatnonzero(~bars.filled)
    filled = len(bars) - 1 - int(traded[-1]) if len(traded) else len(bars)
    return Tail(milliseconds(bars.time[-1]), float(bars.close[-1]), int(bars.segment[-1]), filled)


def _closed_at(bars: Bars) -> int:
    return milliseconds(bars.closed_at[-1])


def milliseconds(moment: np.datetime64) -> int:
    """Return a moment as exchanges write it."""
    return int(moment.astype("datetime64[ms]").astype(np.int64))
