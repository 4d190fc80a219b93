"""Settings of hybrid strategies: rules, points, thresholds, exits, sizing."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from feeds.entries import EntryLimit
from feeds.exits import ExitFractions, Fraction
from feeds.section import Section
from ml.bundle import DEFAULT_PATH

WARMUP_BARS = 400
BUILT_IN = "CryptoScalpingStrategy"

_DIGEST = r"^[0-9a-f]{64}$"


class OpinionPoints(Section):
    """What the ensemble's opinion adds to any strategy's score."""

    ml_strong: float = 2.0
    ml_entry: float = 1.0
    ml_weak: float = 0.5
    ml_neutral: float = 0.0
    ml_avoid: float = -1.0

    @property
    def largest_bonus(self) -> float:
        """The most that an opinion can add."""
        return max(self.ml_strong, self.ml_entry, self.ml_weak, self.ml_neutral, self.ml_avoid)

    @property
    def all_rules(self) -> float:
        """What all rules together give where every one of them holds."""
        return float(sum(worth for name, worth in self if name not in OpinionPoints.model_fields))

    def of(self, rule: str) -> float:
        """Return what a rule is worth."""
        return float(getattr(self, rule))


class Points(OpinionPoints):
    """What each piece of evidence is worth, and what the ensemble's opinion adds."""

    rsi: float = Field(2.0, ge=0)
    bollinger: float = Field(2.0, ge=0)
    volume: float = Field(1.0, ge=0)
    pattern: float = Field(1.0, ge=0)
    macd: float = Field(1.0, ge=0)
    stochastic: float = Field(1.0, ge=0)
    support: float = Field(1.0, ge=0)


class OwnPoints(OpinionPoints):
    """The same for a strategy of one's own: a key for each of its rules."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[float, Field(ge=0)]]


class EntryRules(Section):
    """How a position is entered.

    A market order fills at the next open. A limit order waits `offset_percent` below the close at
    the decision, for `valid_bars` bars, and fills only where the price trades through it.
    """

    order: Literal["market", "limit"] = "market"
    offset_percent: float = Field(0.0, ge=0, lt=100)
    valid_bars: int = Field(1, ge=1, le=10_000)

    @property
    def limit(self) -> EntryLimit | None:
        """How the limit order is placed; None for a market order."""
        if self.order == "market":
            return None
        return EntryLimit(offset=self.offset_percent * 0.01, valid_bars=self.valid_bars)

    @property
    def facts(self) -> dict[str, Any]:
        """What decides where an entry fills: the rest says nothing of a market order."""
        return {"order": "market"} if self.order == "market" else self.model_dump(mode="json")


class ExitRules(Section):
    """Where a position is left.

    `unit` says what take-profit, stop-loss and trailing stop count in: percent of the entry
    price, or multiples of the ATR(14) at the decision. `max_bars` is the time limit.
    """

    unit: Literal["percent", "atr"] = "percent"
    take_profit: float = Field(0.5, gt=0)
    stop_loss: float = Field(0.5, gt=0)
    trailing_stop: float | None = Field(None, gt=0)
    max_bars: int = Field(5, ge=1)

    def fractions(self, atr_fraction: Fraction) -> ExitFractions:
        """Return the distances as fractions of the entry price.

        Parameters
        ----------
        atr_fraction : ATR(14) over the close at the decision, of one bar or a column of bars
        """
        unit = 0.01 if self.unit == "percent" else atr_fraction
        return ExitFractions(
            stop=self.stop_loss * unit,
            target=self.take_profit * unit,
            trail=(self.trailing_stop or 0.0) * unit,
        )

    @model_validator(mode="after")
    def _stop_above_zero(self) -> Self:
        if self.unit == "percent" and max(self.stop_loss, self.trailing_stop or 0.0) >= 100:
            raise ValueError("a stop must be less than 100 percent below the entry")
        return self


class Sizing(Section):
    """How many units are bought: a fraction of the equity, or a fraction of it at risk.

    `reserve_percent` of the equity is never asked for, so that an open a little above the close
    at which an order was sized does not get it refused.
    """

    method: Literal["fraction", "risk"] = "fraction"
    fraction: float = Field(0.25, gt=0, le=1)
    risk: float = Field(0.005, gt=0, le=0.2)
    reserve_percent: float = Field(0.5, ge=0, lt=100)


class StrategyConfig(Section):
    """What there is to say of every strategy.

    `file` names a strategy of one's own, PATH.py:ClassName, and `digest` is the SHA-256 of the
    file; None for the built-in strategy.
    """

    file: str | None = None
    digest: str | None = None
    use_ml_ensemble: bool = True
    ml_model_path: Path = DEFAULT_PATH
    warmup_bars: int = Field(WARMUP_BARS, ge=WARMUP_BARS)

    @property
    def enters_by_limit(self) -> bool:
        """Whether entries are known to wait as limit orders."""
        return False


class HybridConfig(StrategyConfig):
    """What every hybrid strategy decides by, beside its rules."""

    ml_strong_threshold: float = Field(0.70, ge=0, le=1)
    ml_entry_threshold: float = Field(0.60, ge=0, le=1)
    ml_weak_threshold: float = Field(0.50, ge=0, le=1)
    ml_avoid_threshold: float = Field(0.45, ge=0, le=1)
    min_entry_score: float = Field(6.0, ge=0)
    points: OpinionPoints = OpinionPoints()
    entry: EntryRules = EntryRules()
    exits: ExitRules = ExitRules()
    sizing: Sizing = Sizing()

    @model_validator(mode="after")
    def _thresholds_fall(self) -> Self:
        found = (
            self.ml_strong_threshold,
            self.ml_entry_threshold,
            self.ml_weak_threshold,
            self.ml_avoid_threshold,
        )
        if list(found) != sorted(found, reverse=True):
            raise ValueError(f"thresholds must fall from strong to avoid, found {found}")
        return self

    @property
    def enters_by_limit(self) -> bool:
        return self.entry.order == "limit"

    @property
    def identity(self) -> dict[str, str]:
        """Which strategy it is: its name and, of one's own, the digest of its file."""
        raise NotImplementedError

    @property
    def mandatory_filter(self) -> dict[str, Any]:
        """The filter that no score replaces; a bundle is trained for exactly this one."""
        raise NotImplementedError


class CryptoScalpingConfig(HybridConfig):
    """Everything the built-in strategy decides by."""

    file: None = None
    digest: None = None
    rsi_oversold: float = Field(30.0, gt=0, lt=100)
    bollinger_deviations: float = Field(2.0, gt=0)
    volume_ratio: float = Field(1.5, gt=0)
    stochastic_oversold: float = Field(20.0, gt=0, lt=100)
    support_period: int = Field(50, ge=2, le=WARMUP_BARS)
    support_distance_percent: float = Field(0.3, gt=0)
    points: Points = Points()

    @property
    def identity(self) -> dict[str, str]:
        return {"name": BUILT_IN}

    @property
    def mandatory_filter(self) -> dict[str, Any]:
        return {"rsi_period": 14.0, "rsi_below": self.rsi_oversold}


def absolute(file: str) -> str:
    """Return PATH.py:ClassName with the whole path: a run is repeated from anywhere."""
    path, _, name = file.rpartition(":")
    return f"{Path(path).resolve()}:{name}"


class OwnConfig(HybridConfig):
    """What a strategy of one's own decides by; its rules are in its file."""

    file: Annotated[str, AfterValidator(absolute)]
    digest: str = Field(pattern=_DIGEST)
    points: OwnPoints = OwnPoints()

    @property
    def identity(self) -> dict[str, str]:
        return {"name": self.file.rpartition(":")[2], "digest": self.digest}

    @property
    def mandatory_filter(self) -> dict[str, Any]:
        """The mandatory rules are code: `identity` tells them from any other."""
        return {}


class PlainConfig(StrategyConfig):
    """A plain strategy of backtrader: it decides by itself, `params` are those of its class."""

    file: Annotated[str, AfterValidator(absolute)]
    digest: str = Field(pattern=_DIGEST)
    params: dict[str, bool | int | float | str] = Field(default_factory=dict)
