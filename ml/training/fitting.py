"""How one model learns: in a training, and in every fold of a tuning.

Tabular models learn with SMOTE (`ml.training.balance`), sequence models from the rows as they are,
weighing the classes themselves. The stop rows, at natural frequencies, end the learning of models
that learn in rounds. The held-out rows are only asked about.
"""

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import has_fit_parameter

from feeds.bars import FloatArray, IntArray
from ml.base import FloatMatrix, Model, Rows
from ml.errors import TrainingError
from ml.manifest import library_versions
from ml.models.binary_model import drawn_rows
from ml.training.data_pipeline import TrainingSet

log = logging.getLogger("tandem.ml")

MIN_ROWS = 20  # of a part
MIN_OF_CLASS = 5  # rows of either class, of a part that is learned from


def check_rows(what: str, y: IntArray, whole: IntArray, *, of_class: int = MIN_OF_CLASS) -> None:
    """Refuse labels `y` of a part of `whole` that are too few or too one-sided.

    Raises
    ------
    TrainingError
    """
    ones = int(y.sum())
    if len(y) < MIN_ROWS or min(ones, len(y) - ones) < of_class:
        raise TrainingError(
            f"the {what} must hold at least {MIN_ROWS} rows and {of_class} of each class, "
            f"found {len(y)} rows with {ones} ones (of {len(whole)} rows in all, "
            f"{int(whole.sum())} ones): give more bars, or a label that is less one-sided"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What models learn from.

    Attributes
    ----------
    train, stop, held_out : rows as they are
    grown : the rows of `train` with SMOTE, for tabular models
    """

    train: TrainingSet
    stop: TrainingSet
    held_out: TrainingSet
    grown: Rows

    @classmethod
    def from_rows(
        cls, train: TrainingSet, stop: TrainingSet, held_out: TrainingSet, *, seed: int
    ) -> Self:
        """Return the rows with those that SMOTE invents; `seed` is theirs."""
        # Here and not above: what only knows that a training can be had starts without imblearn.
        from ml.training.balance import oversample

        started = perf_counter()
        grown = oversample(Rows(train.samples.latest(), train.y, train.weight), seed=seed)
        seconds = perf_counter() - started
        log.info("oversampled %d rows to %d in %.1f s", len(train), len(grown.y), seconds)
        return cls(train, stop, held_out, grown)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What one model is given: the rows shaped as it wants them.

    Attributes
    ----------
    learned : to fit on
    synthetic_rows : how many of them SMOTE invented
    stop : to stop the fitting early; None for a model that has no use for it
    held_out : to be asked about
    """

    learned: Rows
    synthetic_rows: int
    stop: Rows | None
    held_out: Rows

    @classmethod
    def for_model(cls, model: Model, material: Material) -> Self:
        """Return what `model` is given of the material."""
        sequential = getattr(model, "steps", None) is not None
        learned = _sequences(model, material.train) if sequential else material.grown
        return cls(
            learned=learned,
            synthetic_rows=0 if sequential else len(learned.y) - len(material.train),
            stop=_shaped(model, material.stop) if has_fit_parameter(model, "validation") else None,
            held_out=_shaped(model, material.held_out),
        )

    def teach(self, model: Model) -> FloatArray:
        """Fit the model; return its raw answers to the held-out rows."""
        given: dict[str, Any] = {} if self.stop is None else {"validation": self.stop}
        if self.learned.weight is not None:
            _refuse_deaf(model)
            given["sample_weight"] = self.learned.weight
        model.fit(self.learned.X, self.learned.y, **given)
        return np.asarray(model.predict_proba(self.held_out.X)[:, 1])

    def digest(self, model: Model) -> str:
        """Return the SHA-256 of all that decides what `model` learns from this and answers.

        It is the same only for the same parameters, rows, labels, code and libraries.
        """
        sha = hashlib.sha256()
        sha.update(json.dumps(_described(model), sort_keys=True).encode())
        for array in _arrays(self.learned, self.stop, self.held_out):
            sha.update(f"{array.dtype.str}{array.shape}".encode())
            sha.update(np.ascontiguousarray(array).data)
        return sha.hexdigest()


def _sequences(model: Model, rows: TrainingSet) -> Rows:
    # Sequences are many times their rows: the model's own cap is applied before they are made.
    limit = getattr(model, "max_rows", len(rows))
    drawn = drawn_rows(len(rows), limit=limit, seed=getattr(model, "seed", 0))
    return _shaped(model, rows.take(drawn))


def _shaped(model: Model, rows: TrainingSet) -> Rows:
    return Rows(rows.samples.shaped_for(model), rows.y, rows.weight)


def _refuse_deaf(model: Model) -> None:
    if not has_fit_parameter(model, "sample_weight"):
        raise TrainingError(
            f"rows that count by what they came to need a model whose fit takes sample_weight; "
            f"{type(model).__name__} does not: leave it out, or choose another label"
        )


def _arrays(*given: Rows | None) -> Iterable[FloatMatrix | IntArray | FloatArray]:
    return (array for rows in given if rows is not None for array in rows if array is not None)


def _described(model: Any) -> dict[str, Any]:
    params = {name: repr(value) for name, value in model.get_params(deep=False).items()}
    return {
        "class": type(model).__qualname__,
        "params": params,
        "code": _code(),
        "libraries": library_versions(),
        "source": getattr(model, "source", ""),  # of a class that is not ours
    }


@cache
def _code() -> str:
    """Return the SHA-256 of this package: other code may learn something else."""
    package = Path(__file__).resolve().parents[1]
    files = sorted(package.rglob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberReport:
    """One member of a training.

    Attributes
    ----------
    rows : that it was given
    synthetic_rows : those of them that SMOTE invented
    rows_used : those within its cap
    seconds : for learning and calibration
    taken_up : whether a training that did not end had finished it
    """

    rows: int
    synthetic_rows: int
    rows_used: int
    seconds: float
    taken_up: bool = False
