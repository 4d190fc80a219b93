"""Whether a live market is still the one that a bundle was made for.

Three things are compared with what the bundle's manifest calls usual, each over the last STRETCH
rows that the ensemble was asked about, and none before there are as many:

- *features*: at most a fifth of them may have drifted. One has drifted when its population
  stability index is more than LARGE above the largest that a stretch of the training showed.
- *probabilities*: the same index of theirs may not be LARGE above PROBABLE times the largest. Where
  a training saw calm and wild months that lets nearly all pass; then the other two must tell.
- *calibration*: gap and excess (`ml.references.misses`) of predictions whose label is known may not
  lie further from those of the held-out rows than the manifest's limit, which a stretch on which
  the ensemble is as true as it was there passes once in 5000.

Chance is thereby accounted for as it is at this number of rows, with all that ties neighbouring
rows together: where a calm week looked unlike the whole of the training, a calm week is no drift.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from feeds.bars import FloatArray
from ml.calibration import shift_prior
from ml.drift import LARGE, STRETCH
from ml.references import References, misses, variances

MOST_FEATURES = 0.20  # share of the features that may have drifted
PROBABLE = 2.0  # one index alone, looked at again and again, passes the largest of a few months

_NAMED = 3  # features named in a verdict


@dataclass(frozen=True, slots=True)
class Settled:
    """A prediction whose label is known.

    Attributes
    ----------
    probability : at a prior of 0.5
    came : the label
    weight : how much the row counts, as in the training
    """

    probability: float
    came: bool
    weight: float = 1.0


class DriftWatch:
    """Watches one bundle.

    Parameters
    ----------
    references : of the bundle
    base_rate : of its ensemble
    """

    def __init__(self, references: References, base_rate: float) -> None:
        self._references = references
        self._base_rate = base_rate
        self._features: deque[FloatArray] = deque(maxlen=STRETCH)
        self._said: deque[float] = deque(maxlen=STRETCH)
        self._settled: deque[Settled] = deque(maxlen=STRETCH)
        self._news = False
        self._verdict: str | None = None

    def see(self, features: FloatArray, probability: float) -> None:
        """Take note of a row that was asked about.

        Parameters
        ----------
        features : (features,) in the order of the bundle
        probability : at a prior of 0.5; NaN if no member answered
        """
        self._features.append(features)
        if np.isfinite(probability):
            self._said.append(probability)
        self._news = True

    def settle(self, settled: Settled) -> None:
        """Take note of what came of a row."""
        self._settled.append(settled)
        self._news = True

    def verdict(self) -> str | None:
        """Return in words what has drifted past the limits; None if nothing has."""
        if self._news:
            self._news = False
            found = (self._drifted_features(), self._drifted_probability(), self._lost_truth())
            self._verdict = "; ".join(each for each in found if each) or None
        return self._verdict

    def _drifted_features(self) -> str | None:
        if len(self._features) < STRETCH:
            return None
        usual = self._references.features
        columns = np.array(self._features, np.float64).T
        above = {
            name: each.reference.stability_index(column) - each.largest
            for (name, each), column in zip(usual.items(), columns, strict=True)
        }
        drifted = sorted((name for name in above if above[name] > LARGE), key=above.__getitem__)
        if len(drifted) <= MOST_FEATURES * len(usual):
            return None
        named = ", ".join(drifted[::-1][:_NAMED])
        return (
            f"{len(drifted)} of {len(usual)} features lie further from the training than any "
            f"{STRETCH} rows of it did, {named} most"
        )

    def _drifted_probability(self) -> str | None:
        held_out = self._references.held_out
        if held_out is None or len(self._said) < STRETCH:
            return None
        usual, values = held_out.probability, np.array(self._said)
        index = usual.reference.stability_index(values)
        if index <= PROBABLE * usual.largest + LARGE:
            return None
        return f"probabilities have a stability index of {index:.2f}, {usual.largest:.2f} is usual"

    def _lost_truth(self) -> str | None:
        held_out = self._references.held_out
        if held_out is None or len(self._settled) < STRETCH:
            return None
        natural = shift_prior(
            np.array([each.probability for each in self._settled]), 1.0 - self._base_rate
        )
        came = np.array([each.came for each in self._settled], np.float64)
        weight = np.array([each.weight for each in self._settled])
        mean = np.average(misses(came, natural), axis=0, weights=weight)
        deviation = np.sqrt(weight**2 @ variances(natural)) / weight.sum()
        truths = (held_out.gap, held_out.excess)
        away = np.abs(mean - [truth.mean for truth in truths]) / deviation
        if np.all(away <= [truth.limit for truth in truths]):
            return None
        return (
            f"of {STRETCH} predictions {np.average(came, weights=weight):.1%} came true where "
            f"{np.average(natural, weights=weight):.1%} were said to, Brier score "
            f"{np.average((came - natural) ** 2, weights=weight):.3f} and {held_out.brier:.3f} "
            f"on the test"
        )
