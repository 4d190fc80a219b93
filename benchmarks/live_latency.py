"""How long a decision takes live: from a closed bar to the engine's asking for the next one.

Bars go the road of a rehearsal and of paper trading: broker, evidence on a trailing window, and
where an opinion can matter features and five models. Latencies are wall, and beside them the CPU of
all threads, which tells a slow decision from a busy machine.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.harness import latency
from engine.cerebro import Engine
from engine.data import StreamBar, StreamFeed, stream_of
from engine.jobs.settings import Settings
from engine.jobs.sizing_rule import size_rule
from engine.tables import rendered, table
from feeds.bars import Bars
from ml.analyzer import Analyzer
from ml.prediction import Prediction, Unavailable
from strategies.crypto_scalping import CryptoScalpingStrategy
from strategies.views import OpinionTable, WindowViews

LOADING = 200  # moments: enough for libraries and compiled code to be loaded
SYMBOLS = 50


@dataclass(slots=True)
class Watch:
    """Times the moments of a run, and stands before an ensemble to count who asks it.

    Attributes
    ----------
    seconds, cpu : of wall and of CPU, for each moment that is over
    asked : how often the ensemble was asked then
    """

    analyzer: Analyzer
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    _moment: Any = None
    _since: tuple[float, float] = 0.0, 0.0
    _count: int = 0

    def predict(self, bars: Bars, rows: np.ndarray) -> OpinionTable:
        return self.analyzer.predict(bars, rows)

    def predict_last(self, window: Bars) -> Prediction | Unavailable:
        self._count += 1
        return self.analyzer.predict_last(window)

    def over(self, stream: Iterator[StreamBar]) -> Iterator[StreamBar]:
        """Hand on a stream; a moment lasts from its first bar to the first one after it."""
        while True:
            asked_at = _now()
            bar = next(stream, None)
            moment = None if bar is None else bar.bar.time[0]
            if moment != self._moment:
                self._turn(moment, asked_at)
            if bar is None:
                return
            yield bar

    def _turn(self, moment: Any, asked_at: tuple[float, float]) -> None:
        if self._moment is not None:
            self.seconds.append(asked_at[0] - self._since[0])
            self.cpu.append(asked_at[1] - self._since[1])
            self.asked.append(self._count)
        self._moment, self._count, self._since = moment, 0, _now()


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def watched(markets: Sequence[Bars], settings: Settings, analyzer: Analyzer) -> Watch:
    """Return how long each moment took; the first bars of each market are warm-up."""
    watch, strategy = Watch(analyzer), settings.strategy
    engine = Engine(cash=settings.broker.cash, costs=settings.costs)
    broker, rule, first = engine.broker, size_rule(settings), strategy.warmup_bars
    for bars in markets:
        stream = watch.over(stream_of(bars, first))
        engine.add_stream(StreamFeed(stream, bars[:first], keep=first + 1))
    engine.execute(
        CryptoScalpingStrategy,
        config=strategy,
        views=WindowViews(strategy, watch),
        size_of=lambda data, stop, limit: rule(
            broker.terms_of(data, limit, by_limit=limit is not None),
            stop,
            broker.getvalue(),
            broker.free_cash(),
        ),
        veto=engine.veto,
    )
    return watch


def report(
    bars: Bars, settings: Settings, analyzer: Analyzer, moments: int, symbols: int = SYMBOLS
) -> str:
    """Measure and return the table.

    Parameters
    ----------
    moments : of the run on one symbol
    symbols : of the other run, which has that part of the moments, at least `LOADING`; they all
        have the same bars, so that they decide at once
    """
    first = settings.strategy.warmup_bars
    watched([bars[: first + LOADING]], settings, analyzer)
    alone = watched([bars[: first + moments]], settings, analyzer)
    short = bars[: first + max(moments // symbols, LOADING)]
    crowd = [short.unchecked({"symbol": f"C{place}/USDT"}) for place in range(symbols)]
    together = watched(crowd, settings, analyzer)
    shown = table("closed bar to decision, ms", "moments", "p50", "p99", "worst", "CPU p50")
    _add(shown, "one symbol, every bar", alone, least=0)
    _add(shown, "one symbol, five models asked", alone, least=1)
    _add(shown, f"{symbols} symbols, every moment", together, least=0)
    _add(shown, f"{symbols} symbols, most asked at once", together, least=max(together.asked))
    return rendered(shown) + f"at once: {max(together.asked)} asked\n"


def _add(shown: Any, name: str, watch: Watch, *, least: int) -> None:
    """Add the moments at which the ensemble was asked at least so often."""
    found = [place for place, asked in enumerate(watch.asked) if asked >= least]
    if not found:
        shown.add_row(name, "0", "-", "-", "-", "-")
        return
    wall = latency([watch.seconds[place] for place in found])
    cpu = latency([watch.cpu[place] for place in found])
    times = (wall.p50, wall.p99, wall.worst, cpu.p50)
    shown.add_row(name, f"{wall.count:,}", *(f"{each * 1e3:.2f}" for each in times))
