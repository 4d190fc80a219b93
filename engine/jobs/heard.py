"""An ensemble that a plain strategy asks, and what it was asked and said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from feeds.bars import Bars, IntArray
from ml.prediction import Prediction, Unavailable
from strategies.views import OpinionSource, OpinionTable

Opinions: TypeAlias = Sequence[Prediction | Unavailable]


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """Opinions as a table."""

    opinions: Opinions

    def at(self, row: int) -> Prediction | Unavailable:
        return self.opinions[row]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What was asked in one batch, and the answers.

    Attributes
    ----------
    rows : positions of the bars that were asked about
    """

    bars: Bars
    rows: IntArray
    opinions: Opinions


class HeardEnsemble:
    """Passes questions on to an ensemble and keeps the answers."""

    def __init__(self, ensemble: OpinionSource) -> None:
        self._ensemble = ensemble
        self.questions: list[Question] = []

    @property
    def asked(self) -> int:
        """Bars on which it was asked."""
        return sum(len(each.rows) for each in self.questions)

    @property
    def unavailable(self) -> int:
        """Bars on which it had no answer."""
        said = (opinion for each in self.questions for opinion in each.opinions)
        return sum(isinstance(opinion, Unavailable) for opinion in said)

    def predict(self, bars: Bars, rows: np.ndarray) -> OpinionTable:
        """Return the opinions on the bars at `rows`."""
        table = self._ensemble.predict(bars, rows)
        said = Said([table.at(row) for row in range(len(rows))])
        self.questions.append(Question(bars, np.asarray(rows, np.int64), said.opinions))
        return said

    def predict_last(self, window: Bars) -> Prediction | Unavailable:
        """Return the opinion on the last bar of a trailing window."""
        opinion = self._ensemble.predict_last(window)
        self.questions.append(Question(window, np.array([len(window) - 1]), [opinion]))
        return opinion


@dataclass(slots=True, eq=False)
class RepeatedEnsemble:
    """Answers the same questions once more, each with its opinions in another order.

    A strategy asks the same questions in every run, whatever it is told: its indicators ask about
    all bars before the first is traded.

    Parameters
    ----------
    order : of a question's opinions, for each of them which one is said instead
    """

    questions: Sequence[Question]
    order: Callable[[Question], IntArray]
    _next: int = 0

    def predict(self, bars: Bars, rows: np.ndarray) -> OpinionTable:
        """Return the opinions on the bars at `rows`, handed out anew."""
        question = self.questions[self._next]
        self._next += 1
        if question.bars is not bars or not np.array_equal(question.rows, rows):
            raise AskedOtherwiseError
        return Said([question.opinions[place] for place in self.order(question).tolist()])

    def predict_last(self, _window: Bars) -> Prediction | Unavailable:
        raise AskedOtherwiseError


class AskedOtherwiseError(Exception):
    """A run asks what another one did not ask: opinions cannot be handed out anew."""
