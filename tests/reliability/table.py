"""All cases, several sessions side by side, and the table that comes of it."""

import gc
import importlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.jobs.settings import load_settings
from feeds.bars import Bars
from feeds.live.spec import Confirm
from tests.makers import make_bars
from tests.reliability.cases import SECOND, Case, Group
from tests.reliability.counting import Cost, cost_of
from tests.reliability.sessions import TAIL, Lived, Scene, Try, live_through
from tests.world import World

# Everything is looked at, and much is traded for a short time: what changes is seen.
EAGER = {"min_entry_score": 3.0, "sizing": {"fraction": 0.3}}
EVERY_BAR = {"rsi_oversold": 99.0, "exits": {"max_bars": 3}}
# When prices fall in `tests.world`, after all that its bundle has seen: who serves it must keep to
# the candidates it was trained on.
FALLING = ("2022-02-15T02:55", "2022-02-20T02:35", "2022-02-20T17:55")
SYMBOLS = ("BTC/USDT", SECOND)
CALM = Case(name="undisturbed", group=Group.TIME)

TRIES = (
    Try(seed=0, bar=4, part=0.5),
    Try(seed=1, bar=6, part=0.05),
    Try(seed=2, bar=3, part=0.95),
    Try(seed=0, bar=7, part=0.3),
    Try(seed=1, bar=5, part=0.8),
)


SLOWER = (1, 2, 4, 8)  # how the pace falls where the machine cannot follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How sessions are run: how long, how fast, and how many at a time.

    Attributes
    ----------
    live : bars
    bar_seconds : real seconds that each takes
    """

    live: int = 14
    bar_seconds: float = 1.0
    side_by_side: int = 10
    confirm: Confirm = "always"


@dataclass(frozen=True, slots=True)
class Row:
    """A case, and what each try of it cost."""

    case: Case
    costs: tuple[Cost, ...]

    def total(self, what: str) -> int:
        return sum(getattr(cost, what) for cost in self.costs)


class Bench:
    """Runs sessions side by side, and each recording once undisturbed.

    Parameters
    ----------
    world : whose bundle is asked in the cases with ML
    folder : where the states are kept

    Attributes
    ----------
    repeated : sessions that were lived through again, because the machine was too slow
    """

    def __init__(self, pace: Pace, world: World, folder: Path) -> None:
        self._pace = pace
        self._world = world
        self._folder = folder
        self._calm: dict[tuple[bool, int], Future[Lived]] = {}
        self.repeated = 0

    def rows(self, asked: Sequence[tuple[Case, Sequence[Try]]]) -> Iterator[Row]:
        """Yield what the cases cost, in the order in which they were asked for."""
        importlib.import_module("ccxt.pro")  # takes seconds, in which no session could follow
        gc.freeze()  # looking through all of it for garbage takes another
        with ThreadPoolExecutor(self._pace.side_by_side) as pool:
            for case, tried in ((case, tried) for case, tries in asked for tried in tries):
                key = (case.ml, tried.seed)
                if key not in self._calm:
                    calm = replace(CALM, ml=case.ml)
                    self._calm[key] = pool.submit(self._live_through, calm, tried)
            running = [
                (case, [pool.submit(self._cost, case, tried) for tried in tries])
                for case, tries in asked
            ]
            for case, costs in running:
                yield Row(case, tuple(cost.result() for cost in costs))

    def undisturbed(self) -> list[Lived]:
        """Return the undisturbed sessions there were."""
        return [calm.result() for calm in self._calm.values()]

    def _cost(self, case: Case, tried: Try) -> Cost:
        lived = self._live_through(case, tried)
        return cost_of(case, lived, self._calm[case.ml, tried.seed].result())

    def _live_through(self, case: Case, tried: Try) -> Lived:
        """Live through a try; more slowly where the machine could not follow."""
        scene = self._scene(case, tried.seed)
        for slower in SLOWER:
            state = Path(tempfile.mkdtemp(dir=self._folder)) / "paper.sqlite"
            slowed = replace(scene, bar_seconds=scene.bar_seconds * slower)
            lived = live_through(slowed, case, tried, state)
            if not lived.strained:
                return lived
            self.repeated += 1
        raise AssertionError(f"{case.name}: the machine is too busy to count what a fault costs")

    def _scene(self, case: Case, seed: int) -> Scene:
        more = {"ml_model_path": self._world.bundle} if case.ml else EVERY_BAR
        settings = load_settings(overrides={"strategy": EAGER | more})
        count = settings.strategy.warmup_bars + self._pace.live + TAIL
        return Scene(
            markets=self._unseen(count, seed) if case.ml else _random_walks(count, seed),
            settings=settings,
            live=self._pace.live,
            bar_seconds=self._pace.bar_seconds,
            ml=case.ml,
            confirm=self._pace.confirm,
            connection_s=case.connection_s,
        )

    def _unseen(self, count: int, seed: int) -> tuple[Bars, ...]:
        """Return bars of which the last ones came after all that the bundle has seen."""
        begin = np.datetime64(FALLING[seed], "ms")
        cuts = []
        for bars in self._world.bars:
            end = bars.index_from(begin) + self._pace.live + TAIL
            cuts.append(bars[end - count : end])
        return tuple(cuts)


def _random_walks(count: int, seed: int) -> tuple[Bars, ...]:
    return tuple(
        make_bars(count, 10 * seed + number, symbol=symbol, timeframe="1m")
        for number, symbol in enumerate(SYMBOLS)
    )


# ---------------------------------------------------------------- as a table

COLUMNS = (
    "case",
    "tried",
    "bars lost",
    "decisions changed",
    "entries missed",
    "what the user sees",
)


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a table in Markdown, one group after the other."""
    group = None
    for row in rows:
        if row.case.group is not group:
            group = row.case.group
            yield from ("", f"## {HEADINGS[group]}", "", _line(*COLUMNS), _line(*["---"] * 6))
        yield _line(
            row.case.name,
            len(row.costs),
            *(row.total(what) for what in ("bars_lost", "decisions_changed", "entries_missed")),
            _seen(row),
        )


HEADINGS = {
    Group.CONNECTION: "Connection",
    Group.REST: "REST",
    Group.STREAM: "Stream",
    Group.MARKET: "Market",
    Group.TIME: "Time",
}


def _line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _seen(row: Row) -> str:
    """Return what was told in most tries: under load a session tells a little more."""
    told = Counter(text for cost in row.costs for text in cost.seen)
    usual = [text for text, times in told.items() if 2 * times > len(row.costs)]
    return "; ".join(usual) or "nothing"
