"""The vote of several models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from feeds.bars import FloatArray
from ml.base import Model, Samples
from ml.calibration import PlattCalibrator, check_base_rate, shift_prior
from ml.prediction import PredictionTable, confidence_codes

_CHUNK = 512  # rows shaped at a time: 5 MB of sequences of 24 bars and 90 features stay in cache

# What a member may die of while it answers, without the others: data that it refuses
# (ValueError, and XGBoost's and NumPy's errors, which are such), arithmetic, torch and CUDA
# (RuntimeError, out-of-memory included), memory, and a model that was saved under another
# version of its library and lacks what this one expects (AttributeError). Anything else, a
# wrong index or type, is a mistake of ours and must be seen.
_MEMBER_FAILURES = (ValueError, ArithmeticError, RuntimeError, MemoryError, AttributeError)


@dataclass(frozen=True, slots=True)
class Member:
    """One model of the ensemble.

    Attributes
    ----------
    weight : of its vote, above 0; only the proportion to the others' counts
    model : fitted
    calibrator : from its raw probability to one under natural frequencies
    """

    name: str
    weight: float
    model: Model
    calibrator: PlattCalibrator

    def __post_init__(self) -> None:
        if not 0.0 < self.weight < np.inf:
            raise ValueError(f"{self.name}: a weight must be above 0, found {self.weight}")

    def vote(self, samples: Samples, base_rate: float) -> FloatArray:
        """Return (n,) probabilities at a prior of 0.5; NaN where the answer is not finite."""
        starts = range(_CHUNK, len(samples), _CHUNK)
        chunks = np.split(np.arange(len(samples)), starts)
        raw = np.concatenate([self._raw(samples.take(chunk)) for chunk in chunks])
        # A calibrator would make a probability of infinity; NaN stays NaN.
        sound = np.where(np.isfinite(raw), raw, np.nan)
        return shift_prior(self.calibrator(sound), base_rate)

    def _raw(self, samples: Samples) -> FloatArray:
        return np.asarray(self.model.predict_proba(samples.shaped_for(self.model))[:, 1])


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """Each answering member's (n,) probabilities, and why the others did not answer."""

    by_name: Mapping[str, FloatArray]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """Members that vote by weight.

    A member that fails while it answers is left out of that call; a row for which its answer
    is not finite is left without its vote. The weights of those that answer are renormalised.

    Attributes
    ----------
    members : by falling or rising importance, as the caller likes
    base_rate : share of ones under natural frequencies; the votes are shifted from it to 0.5
    left_out : members that could not even be loaded, and why
    """

    members: Sequence[Member]
    base_rate: float
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_base_rate(self.base_rate)
        names = [*(member.name for member in self.members), *self.left_out]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"members must be one or more and differ in name, found {names}")

    @property
    def steps(self) -> int:
        """Bars that the members look at, at most: 1, or the length of the longest sequence."""
        return max((int(getattr(m.model, "steps", None) or 1) for m in self.members), default=1)

    def votes(self, samples: Samples) -> Votes:
        """Ask every member."""
        by_name: dict[str, FloatArray] = {}
        left_out = dict(self.left_out)
        for member in self.members if len(samples) else ():
            try:
                by_name[member.name] = member.vote(samples, self.base_rate)
            except _MEMBER_FAILURES as error:
                left_out[member.name] = f"{type(error).__name__}: {error}"
        return Votes(by_name, left_out)

    def predict(self, samples: Samples) -> PredictionTable:
        """Return the weighted vote on every row."""
        votes = self.votes(samples)
        matrix = np.array(list(votes.by_name.values()), np.float64)
        matrix = matrix.reshape(len(votes.by_name), len(samples))
        weights = np.array([m.weight for m in self.members if m.name in votes.by_name], np.float64)
        probability = weighted_mean(matrix, weights)
        silent = ~np.isfinite(probability)
        reason = _nobody(votes)
        return PredictionTable(
            probability=probability,
            confidence=np.where(silent, -1, confidence_codes(matrix, weights)),
            votes=votes.by_name,
            left_out=votes.left_out,
            reasons=dict.fromkeys(np.flatnonzero(silent).tolist(), reason),
        )


def weighted_mean(votes: FloatArray, weights: FloatArray) -> FloatArray:
    """Return (n,): the mean over the members that answered, NaN where none did.

    Parameters
    ----------
    votes : (members, n), NaN where a member did not answer
    weights : (members,), above 0
    """
    share = np.where(np.isfinite(votes), weights[:, None], 0.0)
    total = share.sum(axis=0)
    mean = np.full(votes.shape[1], np.nan)
    np.divide((share * np.nan_to_num(votes)).sum(axis=0), total, out=mean, where=total > 0.0)
    return np.asarray(np.clip(mean, 0.0, 1.0))


def _nobody(votes: Votes) -> str:
    reasons = [f"{name}: {reason}" for name, reason in votes.left_out.items()]
    return "no member answered" + "".join(f"; {reason}" for reason in reasons)
