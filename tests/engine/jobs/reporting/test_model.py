"""What the page is told of the ensemble: rows that are judged, drift, sessions, old bundles."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.jobs.live.drift_watch import DriftWatch
from engine.jobs.reporting.model import model_facts
from engine.jobs.reporting.opinions import Opinions, asked_in
from engine.jobs.training_rows import asked_facts
from ml.drift import STRETCH, Reference, stretch_ends
from ml.features.catalog import FEATURE_NAMES
from ml.prediction import Thresholds
from ml.references import HeldOut, References, Truth, Usual
from ml.training.references import LEAST_ROWS
from tests.engine.jobs.reporting.asked_makers import asked_run, opinions
from tests.world import UNTIL, World


def test_every_asked_bar_is_counted_once(world: World) -> None:
    run = asked_run(world)
    rows = model_facts(run)["rows"]
    asked = sum(int((each.bars >= 400).sum()) for each in run.asked.values())
    assert rows["asked"] == rows["answered"] == asked
    assert rows["judged"] == asked - rows["unsettled"]
    assert rows["seen"] == 0
    assert rows["first"] >= f"{UNTIL.astype('datetime64[D]')}T"


def test_answers_whose_outcome_lies_beyond_the_data_are_left_out_and_counted(world: World) -> None:
    """The data end at a bar on which the ensemble was asked."""
    whole = opinions(asked_run(world))
    cut_at = whole.decided_at[len(whole) // 2]
    short = asked_run(world, end=cut_at)
    rows = model_facts(short)["rows"]
    assert rows["unsettled"] >= 1
    assert rows["judged"] + rows["unsettled"] == rows["asked"] < len(whole)
    early = opinions(short)
    np.testing.assert_array_equal(
        early.came[early.settled], whole.came[: len(early)][early.settled]
    )


def test_bars_that_the_bundle_has_seen_are_counted(world: World) -> None:
    later = np.datetime64("2022-02-20", "ms")
    rows = model_facts(asked_run(world, seen_until=later.astype("datetime64[s]").item()))["rows"]
    assert 0 < rows["seen"] < rows["judged"]


def test_a_bundle_of_before_references_were_measured_has_everything_but_drift(
    world: World,
) -> None:
    facts = model_facts(asked_run(world, references=None, metrics={}))
    assert f"trained on fewer than {LEAST_ROWS:,} decisive bars" in facts["drift"]["unknown"]
    assert facts["predictors"][0]["roc_auc"]["value"] is not None
    assert {member["roc_auc"] for member in facts["trained"]} == {None}
    json.dumps(facts, allow_nan=False)


def test_what_a_manifest_says_in_words_is_no_number(world: World) -> None:
    said = {"training": {"members": {"svm": {"rows_used": "many", "seconds": True}}}}
    (svm,) = (
        member
        for member in model_facts(asked_run(world, metrics=said))["trained"]
        if member["name"] == "svm"
    )
    assert (svm["rows"], svm["seconds"]) == (None, None)


def test_a_bundle_whose_label_this_version_does_not_know_is_told_about(world: World) -> None:
    facts = model_facts(asked_run(world, label={"kind": "oracle"}))
    assert set(facts) == {"unavailable"}
    assert "oracle" in facts["unavailable"]


def test_thresholds_of_the_bundle_come_before_those_configured(world: World) -> None:
    fitted = Thresholds(strong=0.8, entry=0.7, weak=0.55, avoid=0.2)
    assert model_facts(asked_run(world, thresholds=fitted))["thresholds"]["strong"] == 0.8
    assert model_facts(asked_run(world))["thresholds"]["strong"] == 0.7


def test_drift_is_what_a_watched_session_would_have_said(world: World) -> None:
    """Against references of wilder bars a fifth of the features has drifted, and more."""
    whole = opinions(asked_run(world))
    references = _references(whole, dict(asked_facts(world.settings().strategy)))
    facts = model_facts(asked_run(world, references=references))["drift"]
    end = int(stretch_ends(len(whole))[-1]) + 1
    watch = DriftWatch(references, base_rate=0.3)
    assert whole.features is not None
    for row, said in zip(whole.features[:end], whole.probability[:end], strict=True):
        watch.see(row.astype(np.float64), said)
    verdict = watch.verdict()
    assert verdict is not None
    assert verdict.startswith(f"{facts['drifted'][-1]} of {len(FEATURE_NAMES)} features")
    assert facts["drifted"][-1] > facts["most_features"]
    assert f"have a stability index of {facts['probability']['index'][-1]:.2f}" in verdict
    assert facts["probability"]["index"][-1] > facts["probability"]["limit"]
    assert len(facts["ends"]) == len(facts["drifted"]) == len(stretch_ends(len(whole)))


def _references(rows: Opinions, asked: dict[str, Any]) -> References:
    """Return references of other features and surer answers than those of the rows."""
    features = np.asarray(rows.features, np.float64).T
    columns = zip(FEATURE_NAMES, features, strict=True)
    usual = {name: Usual(Reference.of(each * 3.0 + 1.0), 0.1) for name, each in columns}
    truth = Truth(mean=0.0, limit=1e9)
    held_out = HeldOut(
        rows=1000,
        probability=Usual(Reference.of(np.sqrt(rows.probability)), 0.1),
        mean_probability=0.3,
        positive_rate=0.3,
        brier=0.2,
        gap=truth,
        excess=truth,
    )
    return References(rows=len(rows), asked=asked, features=usual, held_out=held_out)


def test_too_few_answers_tell_no_drift(world: World) -> None:
    whole = opinions(asked_run(world))
    references = _references(whole, dict(asked_facts(world.settings().strategy)))
    cut_at = whole.decided_at[STRETCH // 2]
    facts = model_facts(asked_run(world, end=cut_at, references=references))
    assert f"stretches of {STRETCH} answers" in facts["drift"]["unknown"]


def test_rows_asked_about_otherwise_tell_no_drift(world: World) -> None:
    whole = opinions(asked_run(world))
    other = {**asked_facts(world.settings().strategy), "min_entry_score": 1.0}
    facts = model_facts(asked_run(world, references=_references(whole, other)))
    assert "min_entry_score" in facts["drift"]["unknown"]


def test_a_journal_says_what_the_answers_said(world: World) -> None:
    """A session knows its answers from the journal alone; features are reckoned again."""
    run = asked_run(world)
    journal = _journal(run)
    told = replace(run, asked=asked_in(journal, run.markets))
    one, other = opinions(run), opinions(told)
    np.testing.assert_array_equal(one.decided_at, other.decided_at)
    np.testing.assert_array_equal(one.probability, other.probability)
    np.testing.assert_array_equal(one.came, other.came)
    assert one.features is not None
    assert other.features is not None
    np.testing.assert_array_equal(one.features, other.features)
    first, second = model_facts(run), model_facts(told)
    assert first["predictors"] == second["predictors"]


def _journal(run: Any) -> pd.DataFrame:
    rows = []
    for market in run.markets:
        asked, bars = run.asked[market.bars.symbol], market.bars
        for row, bar in enumerate(asked.bars.tolist()):
            votes = {f"vote_{name}": vote[row] for name, vote in asked.opinions.votes.items()}
            decided = pd.Timestamp(bars.closed_at[bar])
            said = {"ml": "answered", "probability": asked.opinions.probability[row], **votes}
            rows.append({"symbol": bars.symbol, "decided_at": decided, **said})
        first = pd.Timestamp(bars.closed_at[0])
        rows.append({"symbol": bars.symbol, "decided_at": first, "ml": "not_asked"})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    "journal", [pd.DataFrame(), pd.DataFrame([{"symbol": "BTC/USDT", "ml": "not_asked"}])]
)
def test_a_session_that_asked_nobody_can_be_told(world: World, journal: pd.DataFrame) -> None:
    run = asked_run(world)
    facts = model_facts(replace(run, asked=asked_in(journal, run.markets)))
    assert facts["rows"]["asked"] == 0
    assert facts["predictors"] == []
    assert "has 0" in facts["drift"]["unknown"] or "usual" in facts["drift"]["unknown"]
    json.dumps(facts, allow_nan=False)
