"""Technical evidence: which rules hold at a bar, and the values they looked at."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from feeds import indicators
from feeds.bars import Bars, BoolArray, FloatArray, IntArray
from feeds.windows import mean, ratio
from strategies.config import CryptoScalpingConfig

RULES = ("rsi", "bollinger", "volume", "pattern", "macd", "stochastic", "support")

# Indicators computed on a trailing window differ from those on the whole history in the last
# digits; a value this close (relative) to its threshold is a tie, and every tie is decided alike.
EPSILON = 1e-7

Columns: TypeAlias = Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rules saw at one bar.

    Attributes
    ----------
    holds : for each rule, whether it speaks for an entry
    values : the indicators' values, by name
    pattern : the strongest bullish candlestick pattern, or None
    """

    symbol: str
    decided_at: np.datetime64
    holds: Mapping[str, bool]
    values: Mapping[str, float]
    pattern: str | None


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceTable:
    """`Evidence` of all bars, as columns."""

    bars: Bars
    holds: Mapping[str, BoolArray]
    values: Columns
    pattern: IntArray

    @property
    def mandatory(self) -> BoolArray:
        """True where the mandatory filter holds."""
        return self.holds["rsi"]

    def at(self, row: int) -> Evidence:
        """Return the evidence of one bar."""
        code = int(self.pattern[row])
        return Evidence(
            symbol=self.bars.symbol,
            decided_at=self.bars.time[row] + self.bars.timeframe.delta,
            holds=MappingProxyType({rule: bool(self.holds[rule][row]) for rule in RULES}),
            values=MappingProxyType({k: float(v[row]) for k, v in self.values.items()}),
            pattern=indicators.BULLISH_CANDLES[code] if code >= 0 else None,
        )


def evidence_table(bars: Bars, config: CryptoScalpingConfig) -> EvidenceTable:
    """Return the evidence of every bar, computed segment by segment."""
    parts = [_values(bars[rows], config) for rows in bars.segments()]
    values = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]} if parts else {}
    patterns = [_strongest_pattern(bars[rows]) for rows in bars.segments()]
    pattern = np.concatenate(patterns) if patterns else np.empty(0, np.int64)
    return EvidenceTable(bars, _holds(values, pattern, config), values, pattern)


def oversold(close: FloatArray, config: CryptoScalpingConfig) -> BoolArray:
    """Return True where the mandatory filter holds: RSI(14) below `rsi_oversold`."""
    return _below(indicators.rsi(close, 14), config.rsi_oversold)


def why_idle(close: FloatArray, config: CryptoScalpingConfig) -> str:
    """Return in a few words where the mandatory filter stands at the last of these closes."""
    rsi = float(indicators.rsi(close, 14)[-1]) if len(close) > 14 else math.nan
    if math.isnan(rsi):
        return "RSI not known yet"
    return f"RSI {rsi:.1f}, needs below {config.rsi_oversold:g}"


def candidates(table: EvidenceTable, config: CryptoScalpingConfig) -> BoolArray:
    """Return True where the mandatory filter holds on a real bar past the warm-up."""
    warm = table.bars.bars_before() >= config.warmup_bars
    return table.mandatory & warm & ~table.bars.filled


def _values(bars: Bars, config: CryptoScalpingConfig) -> dict[str, FloatArray]:
    """Return the indicators of one segment."""
    bands = indicators.bollinger(bars.close, 20, config.bollinger_deviations)
    macd = indicators.macd(bars.close)
    stochastic = indicators.stochastic(bars.high, bars.low, bars.close)
    usual_volume = mean(bars.volume, 20)
    return {
        "close": bars.close,
        "rsi": indicators.rsi(bars.close, 14),
        "bollinger_lower": bands.lower,
        "volume_ratio": ratio(bars.volume, usual_volume),
        "macd_histogram": macd.histogram,
        "macd_rise": np.diff(macd.histogram, prepend=np.nan),
        "stochastic_k": stochastic.k,
        "stochastic_d": stochastic.d,
        "support": indicators.support(bars.high, bars.low, config.support_period),
        "atr_fraction": indicators.atr(bars.high, bars.low, bars.close, 14) / bars.close,
    }


def _strongest_pattern(bars: Bars) -> IntArray:
    """Return the position in `BULLISH_CANDLES` of the first that shows, or -1."""
    found = np.full(len(bars), -1, np.int64)
    for code, name in reversed(list(enumerate(indicators.BULLISH_CANDLES))):
        found[indicators.candle(name, bars.open, bars.high, bars.low, bars.close) > 0] = code
    return found


def _holds(
    values: Columns, pattern: IntArray, config: CryptoScalpingConfig
) -> dict[str, BoolArray]:
    """Return each rule's verdict; a comparison with NaN is False and scores nothing."""
    if not values:
        return {rule: np.empty(0, np.bool_) for rule in RULES}
    close, support = values["close"], values["support"]
    near = config.support_distance_percent / 100 * support
    return {
        "rsi": _below(values["rsi"], config.rsi_oversold),
        "bollinger": close <= values["bollinger_lower"] * (1 + EPSILON),
        "volume": values["volume_ratio"] >= config.volume_ratio * (1 - EPSILON),
        "pattern": pattern >= 0,
        "macd": values["macd_rise"] > EPSILON * close,
        "stochastic": _below(values["stochastic_k"], config.stochastic_oversold),
        "support": np.abs(close - support) <= near * (1 + EPSILON),
    }


def _below(value: FloatArray, threshold: float) -> BoolArray:
    return value < threshold * (1 - EPSILON)
