"""Tests of the ensemble as an indicator in a plain backtrader strategy."""

from typing import Any

import backtrader as bt
import numpy as np
import pytest

from engine.cerebro import Engine
from engine.data import StreamFeed, stream_of
from engine.jobs.serving import serving_analyzer
from feeds.bars import Bars
from feeds.costs import Costs
from ml.analyzer import Analyzer
from ml.models.catalog import MEMBER_NAMES
from ml.prediction import Prediction
from strategies.config import CryptoScalpingConfig
from strategies.evidence import candidates, evidence_table
from strategies.indicators.ml_ensemble import MLEnsemble
from tests.world import World


def asked(bars: Bars) -> Any:
    config = CryptoScalpingConfig()
    return candidates(evidence_table(bars, config), config)


class Listener(bt.Strategy):
    """Writes down what the indicator says."""

    params: Any = (("analyzer", None),)

    def __init__(self) -> None:
        self.ml = MLEnsemble(self.data, analyzer=self.p.analyzer, where=asked)
        self.said: list[list[float]] = []

    def next(self) -> None:
        self.said.append([line[0] for line in self.ml.lines])


@pytest.fixture(scope="module")
def analyzer(world: World) -> Analyzer:
    return serving_analyzer(world.settings(), world.bars[0].timeframe)


def said(engine: Engine, analyzer: Analyzer) -> Any:
    return np.array(engine.execute(Listener, analyzer=analyzer).strategy.said)


def test_all_at_once_and_bar_by_bar_say_the_same(world: World, analyzer: Analyzer) -> None:
    bars = world.bars[0][:1800]
    at_once, one_by_one = Engine(cash=1e4, costs=Costs()), Engine(cash=1e4, costs=Costs())
    at_once.add_bars(bars, first=500)
    one_by_one.add_stream(StreamFeed(stream_of(bars, 500), bars[:500]))
    batch = said(at_once, analyzer)
    np.testing.assert_allclose(said(one_by_one, analyzer), batch, atol=1e-5)
    np.testing.assert_array_equal(~np.isnan(batch[:, 0]), asked(bars)[500:])


def test_the_lines_are_what_the_analyzer_answers(world: World, analyzer: Analyzer) -> None:
    bars = world.bars[0][:1500]
    engine = Engine(cash=1e4, costs=Costs())
    engine.add_bars(bars)
    rows = np.flatnonzero(asked(bars))
    table = analyzer.predict(bars, rows)
    lines = said(engine, analyzer)[rows]
    for row in range(len(rows)):
        opinion = table.at(row)
        assert isinstance(opinion, Prediction)
        assert lines[row, 0] == opinion.probability
        assert lines[row, 3:].tolist() == [opinion.votes[name] for name in MEMBER_NAMES]
