"""The settings of a bundle, also of one from before some of them were there."""

from engine.jobs.as_trained import as_trained
from engine.jobs.settings import load_settings
from feeds.costs import Costs
from ml.manifest import Manifest
from strategies.config import EntryRules
from tests.makers import make_bars
from tests.ml.trained import manifest_for

BEFORE = {"fee": 0.002, "half_spread": 0.0003, "slippage": 0.0004}
KNOWN = {
    "label": {"kind": "barrier"},
    "population": "candidates",
    "mandatory": {"rsi_period": 14.0, "rsi_below": 30.0},
}


def without_entry(manifest: Manifest) -> Manifest:
    """Return the manifest as an older version wrote it."""
    return Manifest.model_validate(manifest.model_dump(exclude={"entry"}))


def test_a_bundle_from_before_entered_at_the_market_and_slipped_alike_on_every_bar() -> None:
    old = without_entry(manifest_for(make_bars(3), costs=BEFORE, **KNOWN))
    limit = {"order": "limit", "offset_percent": 0.1}
    run = load_settings(overrides={"strategy": {"entry": limit}, "broker": {"maker_fee": 0.0}})
    found = as_trained(run, old)
    assert found.costs == Costs(**BEFORE, maker_fee=None, range_slippage=0.0)
    assert found.strategy.entry == EntryRules()


def test_a_bundle_for_limit_entries_is_judged_by_them() -> None:
    limit = {"order": "limit", "offset_percent": 0.1, "valid_bars": 3}
    manifest = manifest_for(make_bars(3), costs=BEFORE, entry=limit, **KNOWN)
    found = as_trained(load_settings(), manifest).strategy.entry
    assert found == EntryRules(**limit)
    assert found.facts == limit
    assert EntryRules(valid_bars=3).facts == {"order": "market"}
