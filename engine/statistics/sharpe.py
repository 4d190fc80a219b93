"""How much of a Sharpe ratio is skill: its probability, and what looking around has added to it.

Everything here is per observation: daily returns, and Sharpe ratios of daily returns, not per
year. A Sharpe ratio per year is divided by the root of the observations in a year first.

Sources
-------
- Bailey & López de Prado (2012), "The Sharpe Ratio Efficient Frontier", Journal of Risk 15(2):
  the probabilistic Sharpe ratio.
- Bailey & López de Prado (2014), "The Deflated Sharpe Ratio: Correcting for Selection Bias,
  Backtest Overfitting, and Non-Normality", Journal of Portfolio Management 40(5).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from feeds.bars import FloatArray

_NORMAL = NormalDist()
_EULER_GAMMA = 0.5772156649015329
# Skew and kurtosis of fewer returns than these are not defined.
_FEWEST = 4
# Below this, a deviation is the rounding of floats.
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """What the formulas need to know of returns.

    Attributes
    ----------
    observations : number of returns
    sharpe : mean over standard deviation, per observation
    skew : 0 for a normal distribution
    kurtosis : 3 for a normal distribution (not the excess)
    """

    observations: int
    sharpe: float
    skew: float
    kurtosis: float

    @classmethod
    def of(cls, returns: FloatArray) -> "Moments | None":
        """Return the moments of daily returns; None below four of them or if all are equal."""
        n = len(returns)
        deviation = float(np.std(returns)) if n >= _FEWEST else 0.0
        if deviation <= _NOTHING:
            return None
        z = (returns - np.mean(returns)) / deviation
        skew, kurtosis = float(np.mean(z**3)), float(np.mean(z**4))
        # Corrected for the bias that few returns bring.
        excess = ((n + 1) * (kurtosis - 3.0) + 6.0) * (n - 1) / ((n - 2) * (n - 3))
        return cls(
            observations=n,
            sharpe=float(np.mean(returns)) / deviation,
            skew=skew * math.sqrt(n * (n - 1)) / (n - 2),
            kurtosis=excess + 3.0,
        )

    def probability_above(self, benchmark: float) -> float | None:
        """Return the probability that the true Sharpe ratio exceeds `benchmark`.

        Bailey & López de Prado (2012), the probabilistic Sharpe ratio:

            Phi( (SR - benchmark) sqrt(n - 1) / sqrt(1 - skew SR + (kurtosis - 1) / 4 SR²) )

        None where the term under the root is not above 0: the normal approximation has failed.
        """
        spread = 1.0 - self.skew * self.sharpe + (self.kurtosis - 1.0) / 4.0 * self.sharpe**2
        if spread <= 0.0:
            return None
        distance = (self.sharpe - benchmark) * math.sqrt(self.observations - 1)
        return _NORMAL.cdf(distance / math.sqrt(spread))


def probabilistic_sharpe(returns: FloatArray, benchmark: float = 0.0) -> float | None:
    """Return the probability that the true Sharpe ratio of daily returns exceeds `benchmark`.

    Parameters
    ----------
    returns : daily, as fractions
    benchmark : a Sharpe ratio per day

    None below four returns or if all are equal.
    """
    moments = Moments.of(returns)
    return None if moments is None else moments.probability_above(benchmark)


def expected_max_sharpe(count: int, variance: float) -> float:
    """Return the largest Sharpe ratio to be expected of `count` trials without any skill.

    Bailey & López de Prado (2014), with g the Euler-Mascheroni constant:

        sqrt(variance) ( (1 - g) Phi⁻¹(1 - 1/count) + g Phi⁻¹(1 - 1/(e count)) )

    Parameters
    ----------
    count : of trials; of one nothing can be chosen, so that 0 is expected
    variance : of the trials' Sharpe ratios; the answer has their unit, per day or per year

    >>> expected_max_sharpe(100, 0.5 / 250)
    0.1132
    """
    if count <= 1:
        return 0.0
    far, farther = (_NORMAL.inv_cdf(1.0 - 1.0 / n) for n in (count, count * math.e))
    return math.sqrt(variance) * ((1.0 - _EULER_GAMMA) * far + _EULER_GAMMA * farther)


def deflated_sharpe(
    returns: FloatArray,
    trial_sharpes: Sequence[float],
    *,
    count: int | None = None,
    least_variance: float = 0.0,
) -> float | None:
    """Return the probability that a Sharpe ratio is skill, when it was the best of many trials.

    Bailey & López de Prado (2014): the probabilistic Sharpe ratio, with what the best of so many
    trials without skill would show as its benchmark.

    Parameters
    ----------
    returns : daily, of the run that was chosen
    trial_sharpes : Sharpe ratios per day of the trials, the chosen one among them
    count : how many trials there were, if more than have a ratio
    least_variance : taken where few trials, or trials much alike, tell a smaller one
    """
    trials = len(trial_sharpes) if count is None else count
    variance = max(trial_variance(trial_sharpes), least_variance)
    benchmark = expected_max_sharpe(trials, variance)
    return probabilistic_sharpe(returns, benchmark)


def chance_variance(days: int) -> float:
    """Return the variance of the Sharpe ratio per day of returns without skill, 1 / (days - 1).

    Lo, "The statistics of Sharpe ratios", 2002.
    """
    return 1.0 / (days - 1) if days > 1 else 0.0


def trial_variance(trial_sharpes: Sequence[float]) -> float:
    """Return the variance (n - 1) of the trials' Sharpe ratios; 0 of fewer than two."""
    return float(np.var(trial_sharpes, ddof=1)) if len(trial_sharpes) > 1 else 0.0
