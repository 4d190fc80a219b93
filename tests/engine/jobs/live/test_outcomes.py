"""Outcomes of live predictions: the labels of a training, no sooner than they are known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.jobs.live.drift_watch import Settled
from engine.jobs.live.outcomes import Outcomes, Said
from engine.jobs.settings import Settings, load_settings
from engine.jobs.training_rows import training_source
from feeds.bars import Bars
from feeds.synthetic import synthetic_bars
from tests.engine.jobs.live.ensemble_makers import FIVE_MINUTES
from tests.makers import with_hole

MARKETS = {
    symbol: with_hole(synthetic_bars(symbol, FIVE_MINUTES, days=6, seed=7), at=1100, missing=40)
    for symbol in ("BTC/USDT", "ETH/USDT")
}
LABELS: dict[str, dict[str, Any]] = {
    "horizon": {"label": "horizon", "lookahead": 6, "profit_threshold": 0.002},
    "barrier": {"label": "barrier"},
    "payoff": {"label": "payoff"},
}


def settings_of(label: str) -> Settings:
    return load_settings(overrides={"training": LABELS[label]})


def settled(label: str, decided: list[tuple[str, int]], until: int) -> dict[float, Settled]:
    """Live bar by bar; return what came of the predictions, by probability, each one's own."""
    now = np.datetime64("NaT", "ms")

    def bars_of(symbol: str, n: int) -> Bars:
        known = MARKETS[symbol].known_at(now)
        return known[max(0, len(known) - n) :]

    outcomes = Outcomes(settings_of(label), FIVE_MINUTES, bars_of)
    found: list[Settled] = []
    times = MARKETS["BTC/USDT"].closed_at
    for bar in range(450, until):
        now = times[bar]
        found += outcomes.settled(now)
        for number, (symbol, at) in enumerate(decided):
            if at == bar:
                outcomes.wait_for(Said(symbol, now, number / 1000.0))
    return {each.probability: each for each in found}


DECIDED = [
    (symbol, bar)
    for bar in [*range(460, 500, 3), *range(1085, 1100), *range(1150, 1153), *range(1540, 1560, 2)]
    for symbol in MARKETS
]


@pytest.mark.parametrize("label", LABELS)
def test_they_are_the_labels_of_a_training(label: str) -> None:
    found = settled(label, DECIDED, len(MARKETS["BTC/USDT"]))
    sources = {s: training_source(bars, settings_of(label)) for s, bars in MARKETS.items()}
    expected: dict[float, Any] = {}
    for number, (symbol, bar) in enumerate(DECIDED):
        source = sources[symbol]
        if source.labels.valid[bar]:
            weight = 1.0 if source.weight is None else float(source.weight[bar])
            came = bool(source.labels.value[bar])
            expected[number / 1000.0] = (came, pytest.approx(weight))
    assert {said: (each.came, each.weight) for said, each in found.items()} == expected
    assert 20 < len(found) < len(DECIDED)  # those before the hole never have one
    assert {each.came for each in found.values()} == {True, False}


@settings(max_examples=15)
@given(until=st.integers(460, 540))
def test_none_comes_before_it_is_known(until: int) -> None:
    found = settled("horizon", [("BTC/USDT", bar) for bar in range(455, 530)], until)
    labels = training_source(MARKETS["BTC/USDT"], settings_of("horizon")).labels
    last = MARKETS["BTC/USDT"].closed_at[until - 1]
    for said in found:
        assert labels.known_at[455 + round(said * 1000)] <= last
