"""Evidence by the stretch, values of candidates alone: the whole table's, to the last bit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import evidence
from strategies.config import CryptoScalpingConfig, HybridConfig
from strategies.evidence import EvidenceTable, candidate_evidence, candidates, evidence_table
from strategies.rule_books import rules_of
from tests.engine.markets import random_market
from tests.makers import make_bars, with_hole
from tests.strategies.own import MINE, settings_of

CONFIG = CryptoScalpingConfig()
OWN = settings_of(*MINE.split(":")).strategy


def assert_same(kept: EvidenceTable, whole: EvidenceTable, config: HybridConfig) -> None:
    rows = np.flatnonzero(candidates(whole, config))
    assert kept.needed == whole.needed
    assert list(kept.holds) == list(whole.holds)
    for rule, holds in whole.holds.items():
        assert kept.holds[rule].tobytes() == holds.tobytes()
    np.testing.assert_array_equal(candidates(kept, config), candidates(whole, config))
    for name, column in whole.values.items():
        assert kept.values_at(name, rows).tobytes() == column[rows].tobytes()
        assert whole.values_at(name, rows).tobytes() == column[rows].tobytes()
        assert kept.values_of_all(name)[rows].tobytes() == column[rows].tobytes()
    assert [kept.at(row) for row in rows.tolist()] == [whole.at(row) for row in rows.tolist()]


@given(
    seed=st.integers(0, 10_000),
    bars=st.integers(1, 1500),
    hole=st.integers(1, 1400),
    chunk=st.integers(1, 700),
    changed=st.fixed_dictionaries(
        {},
        optional={
            "support_period": st.integers(2, 400),
            "rsi_oversold": st.floats(5.0, 95.0),
            "bollinger_deviations": st.floats(0.5, 3.0),
        },
    ),
)
@settings(max_examples=60, deadline=None)
def test_stretches_of_any_length_see_what_the_whole_sees(
    seed: int, bars: int, hole: int, chunk: int, changed: Mapping[str, Any]
) -> None:
    config = CONFIG.model_copy(update=dict(changed))
    market = make_bars(bars, seed=seed)
    if hole < bars:
        market = with_hole(market, at=hole, missing=20)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "CHUNK", chunk)
        kept = candidate_evidence(market, config)

    assert_same(kept, evidence_table(market, config), config)


@given(seed=st.integers(0, 10_000), chunk=st.integers(1, 90), wild=st.booleans())
@settings(max_examples=40, deadline=None)
def test_every_value_of_a_stretch_is_that_of_the_whole(seed: int, chunk: int, wild: bool) -> None:
    market, rules = (
        random_market(seed, 300) if wild else make_bars(300, seed=seed),
        rules_of(CONFIG),
    )
    for rows in market.segments():
        whole, parts = rules.look(market[rows]), list(rules.look_on(market[rows], chunk))

        assert max(len(part.pattern) for part in parts) <= chunk
        for name, column in whole.values.items():
            joined = np.concatenate([part.values[name] for part in parts])
            assert joined.tobytes() == column.tobytes(), name
        for rule, holds in whole.holds.items():
            joined = np.concatenate([part.holds[rule] for part in parts])
            assert joined.tobytes() == holds.tobytes(), rule
        joined = np.concatenate([part.pattern for part in parts])
        assert joined.tobytes() == whole.pattern.tobytes()


def test_rules_of_ones_own_see_each_segment_whole() -> None:
    market = with_hole(make_bars(2000, seed=2), at=900, missing=30)

    assert_same(candidate_evidence(market, OWN), evidence_table(market, OWN), OWN)


def test_a_bar_whose_values_are_not_kept_is_refused() -> None:
    market = make_bars(1500, seed=1)
    kept = candidate_evidence(market, CONFIG)
    other = int(np.flatnonzero(~candidates(kept, CONFIG))[700])

    with pytest.raises(KeyError, match="no candidate"):
        kept.at(other)
    with pytest.raises(KeyError, match="no candidate"):
        kept.values_at("rsi", np.array([other]))
    assert np.isnan(kept.values_of_all("rsi")[other])
