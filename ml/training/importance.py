"""What the ensemble leans on: features and families are shuffled.

A feature is shuffled among the rows, every member is asked again, and what the ensemble's score
loses is the feature's importance; rows count by their weight, as in the evaluation. It says what
this ensemble leans on in these rows, and nothing of what moves prices. A feature whose like is at
hand can be shuffled without harm, therefore the features of a family are also shuffled together.

- *With its whole window.* A row takes over another row's value together with what led up to it:
  a sequence model sees a course that has been, the tabular members the same value at its end.
- *Among all rows*, whatever their symbol. The ensemble is not told the symbol, and that one
  symbol is wilder than another is part of what a feature without a unit tells; the score over all
  rows counts it. Shuffled within its symbol, a feature by which the ensemble tells symbols apart
  would look worthless.
- *Noise.* To a feature that is tied to neither the outcome nor other features its own order is a
  draw like the others, so its mean loss is about as large as one deviation of the draws, and a
  mean above two is rare: 7 of 100 such features by 5 draws, 4 by 10. It is less rare where rows
  near in time are alike, as the weekday is and often the outcome. The deviation is that of the
  draws on these rows; other rows give other figures.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score
from threadpoolctl import threadpool_limits

from feeds.bars import FloatArray, IntArray
from feeds.progress import progress
from ml.base import Samples
from ml.calibration import shift_prior
from ml.ensemble import Ensemble
from ml.errors import TrainingError
from ml.features.base import Feature
from ml.prediction import PredictionTable
from ml.training.data_pipeline import TrainingSet

MAX_ROWS = 4000  # rows that are shuffled: more of them help more than more draws do
REPEATS = 5  # draws
NOISE_DEVIATIONS = 2.0  # of the draws: a mean that is not above them is called noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Shuffling:
    """Seed and number of the draws, how many rows at most, threads that ask."""

    seed: int
    repeats: int = REPEATS
    max_rows: int = MAX_ROWS
    jobs: int = 1

    def __post_init__(self) -> None:
        if min(self.repeats, self.max_rows) < 2:
            raise ValueError(f"a deviation needs two draws of two rows, found {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Worsening:
    """By how much a score got worse: mean and deviation over the draws. Above 0 is worse."""

    mean: float
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shuffled:
    """What became of the ensemble's scores when a feature, or a whole family, was shuffled.

    Attributes
    ----------
    features : how many were shuffled, together
    roc_auc, log_loss : how much worse each got; the log loss is that at natural frequencies
    """

    name: str
    family: str
    features: int
    roc_auc: Worsening
    log_loss: Worsening

    @property
    def above_noise(self) -> bool:
        """Whether the mean loss of ROC AUC is above NOISE_DEVIATIONS deviations."""
        return self.roc_auc.mean > NOISE_DEVIATIONS * self.roc_auc.deviation

    def to_json(self) -> dict[str, Any]:
        """Return the figures in JSON's own types."""
        return {**asdict(self), "above_noise": self.above_noise}


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """What the ensemble leans on in some rows.

    Attributes
    ----------
    rows, of_rows : how many were shuffled, taken evenly in time, and out of how many
    repeats, seed : draws of each feature and family, and where they come from
    roc_auc, log_loss : the ensemble's on these rows as they are
    features, families : most important first, by ROC AUC; a family is shuffled as a whole, so
        that its figures are not the sum of its features'
    """

    rows: int
    of_rows: int
    repeats: int
    seed: int
    roc_auc: float
    log_loss: float
    features: tuple[Shuffled, ...]
    families: tuple[Shuffled, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the importance in JSON's own types."""
        return {
            "metric": "roc_auc",
            **asdict(self),
            "features": [each.to_json() for each in self.features],
            "families": [each.to_json() for each in self.families],
        }


def feature_importance(
    ensemble: Ensemble, rows: TrainingSet, features: Sequence[Feature], shuffling: Shuffling
) -> Importance:
    """Shuffle each feature and each family, and measure what the ensemble's scores lose.

    All are shuffled by the same draws; any number of threads gives the same figures.

    Parameters
    ----------
    rows : that the ensemble has not learned from, in the order of time
    features : of the columns, in their order

    Raises
    ------
    TrainingError
        if the rows hold one outcome only, or if a member answers now and then only
    """
    taken = _thinned(rows, shuffling.max_rows)
    _check_outcomes(taken)
    singles, families = _singles(features), _families(features)
    # One thread in an answer and several answers at once, which is also always the same bits.
    with threadpool_limits(1, user_api="blas"):
        asking = _Asking.of(ensemble, taken)
        losses = _losses(asking, [*singles, *families], shuffling)
    found = list(map(_shuffled, [*singles, *families], losses))
    return Importance(
        rows=len(taken),
        of_rows=len(rows),
        repeats=shuffling.repeats,
        seed=shuffling.seed,
        roc_auc=asking.unshuffled.roc_auc,
        log_loss=asking.unshuffled.log_loss,
        features=_ranked(found[: len(singles)]),
        families=_ranked(found[len(singles) :]),
    )


def private_windows(samples: Samples, steps: int) -> Samples:
    """Return the same rows over a matrix in which each has `steps` bars of its own, its last.

    Windows of neighbouring rows overlap; these can be changed one by one.
    """
    windows = samples.sequences(steps)
    matrix = windows.reshape(len(samples) * steps, windows.shape[2])
    return Samples(matrix, np.arange(1, len(samples) + 1) * steps - 1)


def with_moved(windows: Samples, columns: IntArray, order: IntArray) -> Samples:
    """Return private windows in which row i has the `columns` of row `order[i]`, all its bars."""
    moved = windows.matrix.reshape(len(windows), -1, windows.matrix.shape[1]).copy()
    moved[:, :, columns] = moved[:, :, columns][order]
    return Samples(moved.reshape(windows.matrix.shape), windows.rows)


# Shuffling


@dataclass(frozen=True, slots=True)
class _Group:
    """Columns that are shuffled together."""

    name: str
    family: str
    columns: IntArray


def _singles(features: Sequence[Feature]) -> list[_Group]:
    return [_Group(f.name, f.family, np.array([i])) for i, f in enumerate(features)]


def _families(features: Sequence[Feature]) -> list[_Group]:
    of_column = np.array([feature.family for feature in features])
    names = dict.fromkeys(of_column.tolist())
    return [_Group(name, name, np.flatnonzero(of_column == name)) for name in names]


@dataclass(frozen=True, slots=True)
class _Scores:
    roc_auc: float
    log_loss: float

    @classmethod
    def of(cls, rows: TrainingSet, probability: FloatArray, base_rate: float) -> "_Scores":
        natural = shift_prior(probability, 1.0 - base_rate)
        return cls(
            float(roc_auc_score(rows.y, probability, sample_weight=rows.weight)),
            float(log_loss(rows.y, natural, sample_weight=rows.weight)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Asking:
    """An ensemble, rows with private windows, who answered about them and how well."""

    ensemble: Ensemble
    rows: TrainingSet
    windows: Samples
    members: frozenset[str]
    unshuffled: _Scores

    @classmethod
    def of(cls, ensemble: Ensemble, rows: TrainingSet) -> "_Asking":
        windows = private_windows(rows.samples, ensemble.steps)
        table = ensemble.predict(windows)
        _check_answered(table, frozenset(table.votes))
        scores = _Scores.of(rows, table.probability, ensemble.base_rate)
        return cls(ensemble, rows, windows, frozenset(table.votes), scores)

    def loss(self, columns: IntArray, order: IntArray) -> tuple[float, float]:
        """Return how much worse ROC AUC and log loss get when the columns are in this order."""
        table = self.ensemble.predict(with_moved(self.windows, columns, order))
        _check_answered(table, self.members)
        now = _Scores.of(self.rows, table.probability, self.ensemble.base_rate)
        before = self.unshuffled
        return before.roc_auc - now.roc_auc, now.log_loss - before.log_loss


def _losses(asking: _Asking, groups: Sequence[_Group], shuffling: Shuffling) -> FloatArray:
    """Return (groups, repeats, 2): how much worse ROC AUC and log loss get."""
    rng = np.random.default_rng(shuffling.seed)
    orders = [rng.permutation(len(asking.rows)) for _ in range(shuffling.repeats)]
    calls = list(product([group.columns for group in groups], orders))
    losses = []
    with (
        progress("importance", total=len(calls), unit="askings") as advance,
        ThreadPoolExecutor(shuffling.jobs) as threads,  # all have ended when the block does
    ):
        for loss in threads.map(asking.loss, *zip(*calls, strict=True)):
            losses.append(loss)
            advance()
    return np.array(losses).reshape(len(groups), shuffling.repeats, 2)


def _shuffled(group: _Group, losses: FloatArray) -> Shuffled:
    means, deviations = losses.mean(axis=0).tolist(), losses.std(axis=0, ddof=1).tolist()
    roc_auc, log_loss_ = (
        Worsening(mean=mean, deviation=deviation)
        for mean, deviation in zip(means, deviations, strict=True)
    )
    return Shuffled(
        name=group.name,
        family=group.family,
        features=len(group.columns),
        roc_auc=roc_auc,
        log_loss=log_loss_,
    )


def _ranked(found: Iterable[Shuffled]) -> tuple[Shuffled, ...]:
    return tuple(sorted(found, key=lambda each: -each.roc_auc.mean))


def _thinned(rows: TrainingSet, most: int) -> TrainingSet:
    if len(rows) <= most:
        return rows
    return rows.take(np.linspace(0, len(rows) - 1, most).round().astype(np.int64))


def _check_outcomes(rows: TrainingSet) -> None:
    ones = int(rows.y.sum())
    if not 0 < ones < len(rows):
        raise TrainingError(
            f"an importance needs rows of both outcomes, found {len(rows)} with {ones} ones: "
            "give more bars"
        )


def _check_answered(table: PredictionTable, members: frozenset[str]) -> None:
    """Refuse an answer by other members than before: the loss would be theirs."""
    if not table.available.all() or frozenset(table.votes) != members:
        reasons = [f"{name}: {reason}" for name, reason in table.left_out.items()]
        raise TrainingError(
            f"an importance needs the same members' answers each time, found {sorted(table.votes)} "
            f"after {sorted(members)}; {'; '.join(reasons)}"
        )
