"""The rules of the crypto-scalping strategy, with the thresholds of its configuration."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from feeds import indicators
from feeds.bars import Bars, BoolArray, FloatArray, IntArray
from feeds.windows import mean, ratio
from strategies.config import CryptoScalpingConfig
from strategies.rules import EPSILON, Columns, Fact, Seen

# Bars that the windowed values look back at, aside from support: 20 of the bands and the volume, 17
# of the stochastic, 12 of the candles.
_LOOKBACK = 20

RULES = ("rsi", "bollinger", "volume", "pattern", "macd", "stochastic", "support")


@dataclass(frozen=True, slots=True)
class ScalpingRules:
    """The built-in rule book: see `strategies.rules.RuleBook`."""

    config: CryptoScalpingConfig

    @property
    def names(self) -> Sequence[str]:
        return RULES

    @property
    def mandatory(self) -> Sequence[str]:
        return RULES[:1]

    def look(self, bars: Bars) -> Seen:
        return self._seen(bars, _recursive(bars))

    def look_on(self, bars: Bars, chunk: int) -> Iterator[Seen]:
        recursive = _recursive(bars)
        lookback = max(_LOOKBACK, self.config.support_period + 1)
        for start in range(0, len(bars), chunk):
            stop, begin = min(start + chunk, len(bars)), max(start - lookback, 0)
            known = {name: values[begin:stop] for name, values in recursive.items()}
            yield _after(self._seen(bars[begin:stop], known), start - begin)

    def _seen(self, bars: Bars, recursive: Columns) -> Seen:
        values, pattern = _values(bars, recursive, self.config), _strongest_pattern(bars)
        return Seen(values, _holds(values, pattern, self.config), pattern)

    def pass_last(self, window: Bars) -> bool:
        return bool(oversold(window.close, self.config)[-1])

    def idle(self, window: Bars) -> str:
        close = window.close
        rsi = float(indicators.rsi(close, 14)[-1]) if len(close) > 14 else math.nan
        if math.isnan(rsi):
            return "RSI not known yet"
        return f"RSI {rsi:.1f}, needs below {self.config.rsi_oversold:g}"

    def facts(
        self, values: Mapping[str, float], _holds: Mapping[str, bool], pattern: str | None
    ) -> Sequence[Fact]:
        return (
            Fact("rsi", "RSI", f"{values['rsi']:.2f}"),
            Fact("bollinger", "BB lower", f"{values['bollinger_lower']:.8g}"),
            Fact("volume", "Volume ratio", f"{values['volume_ratio']:.2f}x"),
            Fact("pattern", "Pattern", pattern or "none"),
            Fact("macd", "MACD histogram", f"{values['macd_histogram']:.6g}"),
            Fact(
                "stochastic",
                "Stoch K/D",
                f"{values['stochastic_k']:.1f}/{values['stochastic_d']:.1f}",
            ),
            Fact("support", "Support", f"{values['support']:.8g}"),
        )


def oversold(close: FloatArray, config: CryptoScalpingConfig) -> BoolArray:
    """Return True where the mandatory filter holds: RSI(14) below `rsi_oversold`."""
    return _below(indicators.rsi(close, 14), config.rsi_oversold)


def _recursive(bars: Bars) -> Columns:
    """Return the indicators of one segment that never forget, so that they need all of it."""
    histogram = indicators.macd(bars.close).histogram
    return {
        "rsi": indicators.rsi(bars.close, 14),
        "macd_histogram": histogram,
        "macd_rise": np.diff(histogram, prepend=np.nan),
        "atr_fraction": indicators.atr(bars.high, bars.low, bars.close, 14) / bars.close,
    }


def _values(bars: Bars, recursive: Columns, config: CryptoScalpingConfig) -> dict[str, FloatArray]:
    """Return the indicators of a stretch of one segment; those that never forget are given."""
    bands = indicators.bollinger(bars.close, 20, config.bollinger_deviations)
    stochastic = indicators.stochastic(bars.high, bars.low, bars.close)
    usual_volume = mean(bars.volume, 20)
    return {
        "close": bars.close,
        "rsi": recursive["rsi"],
        "bollinger_lower": bands.lower,
        "volume_ratio": ratio(bars.volume, usual_volume),
        "macd_histogram": recursive["macd_histogram"],
        "macd_rise": recursive["macd_rise"],
        "stochastic_k": stochastic.k,
        "stochastic_d": stochastic.d,
        "support": indicators.support(bars.high, bars.low, config.support_period),
        "atr_fraction": recursive["atr_fraction"],
    }


def _after(seen: Seen, bars: int) -> Seen:
    """Return what was seen without the first bars."""
    return Seen(
        {name: values[bars:] for name, values in seen.values.items()},
        {rule: holds[bars:] for rule, holds in seen.holds.items()},
        seen.pattern[bars:],
    )


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
