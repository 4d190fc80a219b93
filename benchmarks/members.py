"""What each member costs beside the library that fitted it: `python -m benchmarks.members`.

One row as when a bar closes, and many at once as in a backtest, each in the shape that the member
wants. CPU seconds, medians of interleaved rounds. `apart` is how far the answers lie from those of
the library; where the member leaves its answer to the library, the two roads differ in what goes
around it.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import xgboost

from benchmarks.ensemble import DEFAULT_FOLDER, analyzer_in, market
from benchmarks.harness import Work, medians
from engine.tables import rendered, table
from feeds.bars import Bars, FloatArray
from ml.analyzer import Analyzer
from ml.base import FloatMatrix, Samples
from ml.features.matrix import feature_matrix

SINGLE = 100  # rows asked one by one
DAYS = 60

Answer: TypeAlias = Callable[[Any, FloatMatrix], FloatArray]


def forest(model: Any, X: FloatMatrix) -> FloatArray:
    """Return what scikit-learn's forest says."""
    return np.asarray(model.forest_.predict_proba(X)[:, 1])


def boosted(model: Any, X: FloatMatrix) -> FloatArray:
    """Return what XGBoost says."""
    return np.asarray(model.booster_.predict(xgboost.DMatrix(X, nthread=1)))


def network(model: Any, X: FloatMatrix) -> FloatArray:
    """Return what PyTorch says of all rows at once."""
    with torch.inference_mode():
        return np.asarray(torch.sigmoid(model.network_(torch.tensor(X))))


def line(model: Any, X: FloatMatrix) -> FloatArray:
    """Return what scikit-learn's scaler and regression say."""
    return np.asarray(model.classifier_.predict_proba(_scaled(model, X))[:, 1])


def border(model: Any, X: FloatMatrix) -> FloatArray:
    """Return the logistic of what scikit-learn's SVC says."""
    distance = model.classifier_.decision_function(_scaled(model, X))
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * distance)))


def _scaled(model: Any, X: FloatMatrix) -> FloatArray:
    return np.asarray(model.scaler_.transform(X.astype(np.float64)))


LIBRARIES: Mapping[str, Answer] = {
    "random_forest": forest,
    "xgboost": boosted,
    "lstm": network,
    "logistic": line,
    "svm": border,
}


def ours(model: Any, X: FloatMatrix) -> FloatArray:
    """Return what the member says."""
    return np.asarray(model.predict_proba(X)[:, 1])


def one_by_one(answer: Answer, model: Any, X: FloatMatrix) -> FloatArray:
    """Return the answers to the first rows, asked one at a time."""
    return np.concatenate([answer(model, X[row : row + 1]) for row in range(SINGLE)])


def report(bars: Bars, analyzer: Analyzer, rows: int, rounds: int) -> str:
    """Measure and return the table.

    Parameters
    ----------
    rows : asked about at once, drawn from the bars
    """
    drawn = np.random.default_rng(0).choice(
        np.arange(analyzer.lookback, len(bars)), rows, replace=False
    )
    samples = Samples(feature_matrix(bars, analyzer.features), np.sort(drawn))
    shown = table(
        "member", "one row, µs", "library's", f"a row of {rows:,}, µs", "library's", "apart"
    )
    for member in analyzer.bundle.ensemble.members:
        X = samples.shaped_for(member.model)
        _add(shown, member.name, member.model, X, rounds)
    return rendered(shown)


def _add(shown: Any, name: str, model: Any, X: FloatMatrix, rounds: int) -> None:
    answers = {"ours": ours, "library": LIBRARIES[name]}
    found = [answer(model, X) for answer in answers.values()]
    works: dict[tuple[str, str], Work] = {
        (who, how): partial(road, model, X)
        for who, answer in answers.items()
        for how, road in (("single", partial(one_by_one, answer)), ("batch", answer))
    }
    for work in works.values():
        work()
    seconds = medians(works, rounds)
    shown.add_row(
        name,
        *(f"{seconds[who, 'single'] / SINGLE * 1e6:,.0f}" for who in answers),
        *(f"{seconds[who, 'batch'] / len(X) * 1e6:,.1f}" for who in answers),
        f"{np.abs(found[0] - found[1]).max():.0e}",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.members", description=__doc__)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("--bundle", type=Path, default=DEFAULT_FOLDER, help="the ensemble's folder")
    made.add_argument("--rows", type=int, default=10_000)
    made.add_argument("--rounds", type=int, default=3)
    args = made.parse_args(argv)
    print(report(market(DAYS), analyzer_in(args.bundle), args.rows, args.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
