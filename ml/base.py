"""What every model learns from and is asked about."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from feeds.bars import FloatArray, IntArray

FloatMatrix: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Rows of a feature matrix, each with the rows before it at hand.

    Attributes
    ----------
    matrix : float32 (bars, features), all bars in order, warm-up included
    rows : positions in `matrix` that are learned from or asked about
    """

    matrix: FloatMatrix
    rows: IntArray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: NDArray[Any]) -> "Samples":
        """Return the chosen rows (positions or mask) over the same matrix."""
        return replace(self, rows=self.rows[chosen])

    def latest(self) -> FloatMatrix:
        """Return (rows, features): each row's own bar."""
        return self.matrix[self.rows]

    def sequences(self, steps: int) -> FloatMatrix:
        """Return (rows, steps, features): each row's bar and those before it, oldest first."""
        if len(self.rows) and self.rows.min() < steps - 1:
            raise ValueError(f"a row needs {steps - 1} rows before it, found {self.rows.min()}")
        window = self.rows[:, None] + np.arange(1 - steps, 1)
        return np.asarray(self.matrix[window])

    def shaped_for(self, model: "Model") -> FloatMatrix:
        """Return the rows as `model` wants them: sequences if it declares `steps`, else latest."""
        steps = getattr(model, "steps", None)
        return self.latest() if steps is None else self.sequences(int(steps))


class Rows(NamedTuple):
    """What a model learns from, or stops by.

    Attributes
    ----------
    X : float32 (rows, features), or (rows, steps, features)
    y : int64 (rows,), 0 or 1
    weight : (rows,), at least 0: how much each row counts; None if all count alike
    """

    X: FloatMatrix
    y: IntArray
    weight: FloatArray | None = None

    def take(self, chosen: NDArray[Any]) -> "Rows":
        """Return the chosen rows (positions or mask)."""
        weight = None if self.weight is None else self.weight[chosen]
        return Rows(self.X[chosen], self.y[chosen], weight)


class Model(Protocol):
    """scikit-learn's contract for a binary classifier.

    A sequence model also declares `steps`; a model that can weigh rows takes `sample_weight`.
    """

    def fit(self, X: FloatMatrix, y: IntArray) -> Self: ...

    def predict_proba(self, X: FloatMatrix) -> FloatArray: ...
