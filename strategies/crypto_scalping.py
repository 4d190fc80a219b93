"""The built-in hybrid strategy: buys what is oversold, by technical evidence and the ensemble."""

from typing import Any

from strategies.config import CryptoScalpingConfig
from strategies.hybrid import HybridStrategy

__all__ = ["CryptoScalpingConfig", "CryptoScalpingStrategy"]


class CryptoScalpingStrategy(HybridStrategy):
    """Its rules, points and exits are those of `CryptoScalpingConfig`.

    They are no tuple of `Rule`, for they share indicators and take their thresholds from settings:
    `strategies.scalping_rules`.
    """

    params: Any = (("config", CryptoScalpingConfig()),)
