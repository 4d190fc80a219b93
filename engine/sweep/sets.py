"""One parameter set, as plain numbers: what the loop decides by, whatever settings it came from."""

from dataclasses import dataclass
from typing import Literal

from engine.protections import ProtectionsConfig
from feeds.entries import EntryLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepExits:
    """Where a position is left.

    Attributes
    ----------
    unit : what the distances are fractions of: of the price of the entry, or multiples of the ATR
        over the close at the decision
    stop, target : below and above the price of the entry
    trail : below the highest high, at which the stop follows; 0 for none
    max_bars : bars held before a market order ends the position
    """

    unit: Literal["percent", "atr"]
    stop: float
    target: float
    trail: float = 0.0
    max_bars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSizing:
    """How many units are bought: a fraction of the equity, or a fraction of it at risk.

    `reserve_percent` of the equity is never asked for.
    """

    method: Literal["fraction", "risk"]
    fraction: float
    risk: float
    reserve_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSet:
    """What one run is decided by.

    Attributes
    ----------
    points : of each rule, in the order of `SweepMarket.holds`
    opinion_points : of an opinion that reaches the strong, entry, weak or avoid threshold, in this
        order, and of one that reaches none
    floors : these thresholds, falling; a market that brings its own is not asked for them
    min_entry_score : points from which on it enters
    entry : how limit orders wait; None for market orders
    protections : what vetoes an entry
    """

    points: tuple[float, ...]
    opinion_points: tuple[float, float, float, float, float]
    floors: tuple[float, float, float, float]
    min_entry_score: float
    entry: EntryLimit | None
    exits: SweepExits
    sizing: SweepSizing
    protections: ProtectionsConfig
