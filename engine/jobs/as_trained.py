"""The settings under which a bundle is judged or trained again: those it was trained with."""

from pydantic import ValidationError

from engine.jobs.bundle_remedies import remedied
from engine.jobs.settings import Settings
from feeds.messages import shown
from ml.errors import BundleMismatchError
from ml.manifest import Manifest, check_strategy
from strategies.config import CryptoScalpingConfig


def as_trained(settings: Settings, manifest: Manifest) -> Settings:
    """Return the settings with the bundle's label, population, entry, exits, costs, filter, gaps.

    Raises
    ------
    BundleMismatchError
        if its candidate bars are another strategy's, or this version has no such settings
    """
    with remedied(settings):
        check_strategy(manifest, settings.strategy.identity)
    label = {key: value for key, value in manifest.label.items() if key != "kind"}
    known = settings.model_dump()
    kind = manifest.label.get("kind")
    needed = ("lookahead", "profit_threshold") if kind == "horizon" else ()
    known["training"] |= {"label": kind, "population": manifest.population}
    known["training"] |= dict.fromkeys(needed) | label
    known["training"]["fit_thresholds"] |= manifest.thresholds is not None
    known["strategy"] |= {"entry": manifest.entry, "exits": manifest.exits}
    if isinstance(settings.strategy, CryptoScalpingConfig):
        known["strategy"] |= {"rsi_oversold": manifest.mandatory.get("rsi_below")}
    # Bundles from before slippage grew with the range were trained without it.
    known["broker"] |= {"range_slippage": 0.0, "maker_fee": None} | manifest.costs
    known["data"] |= {"fill_limit": manifest.fill_limit}
    try:
        return Settings.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise BundleMismatchError(
            f"the bundle was trained with {key} = {shown(first['input'])}, which this version does "
            f"not know ({first['msg']}): train again"
        ) from error
