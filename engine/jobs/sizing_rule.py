"""How the configuration sizes an entry, the same in the Engine and in a replay."""

from engine.jobs.settings import Settings
from engine.replay import Size
from engine.sizing import Sized, Terms, Wallet, units_for_fraction, units_for_risk


def size_rule(settings: Settings) -> Size:
    """Return the sizing rule of the configuration."""
    sizing = settings.strategy.sizing

    def size(terms: Terms, stop_fraction: float, equity: float, cash: float) -> Sized:
        reserve = equity * sizing.reserve_percent / 100.0
        wallet = Wallet(equity=equity, cash=cash, reserve=reserve)
        if sizing.method == "risk":
            return units_for_risk(
                wallet, terms, risk_fraction=sizing.risk, stop_fraction=stop_fraction
            )
        return units_for_fraction(wallet, terms, fraction=sizing.fraction)

    return size
