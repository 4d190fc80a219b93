"""An evaluation with importance: which rows, what is in the JSON, what a person reads."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UsageError
from engine.jobs.default_market import default_run
from engine.jobs.evaluate import EvaluateReport, EvaluateRequest, evaluate_bundle
from engine.jobs.importance_report import SHOWN, contributions_text, importance_text
from engine.jobs.markets import AskedBars, BarFiles
from engine.jobs.settings import Settings, load_settings
from engine.tables import WIDTH
from ml.bundle import load_bundle, save_bundle
from ml.errors import BundleMissingError
from ml.features.catalog import FEATURES
from ml.training.contribution import Contribution, Contributions
from ml.training.importance import Importance, Shuffled, Worsening
from tests.world import World

FAMILIES = {feature.family for feature in FEATURES}


@pytest.fixture(scope="module")
def settings(world: World, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a bundle like the world's, of its two quickest members."""
    path = tmp_path_factory.mktemp("models") / "quick"
    bundle = load_bundle(world.bundle)
    quick = [m for m in bundle.ensemble.members if m.name in ("logistic", "xgboost")]
    save_bundle(replace(bundle.ensemble, members=tuple(quick)), bundle.manifest, path)
    return load_settings(overrides={"seed": 7, "strategy": {"ml_model_path": path}})


@pytest.fixture(scope="module")
def report(settings: Settings, world: World) -> EvaluateReport:
    """An evaluation with importance on bars of which the bundle has seen the greater part."""
    return evaluate_bundle(
        EvaluateRequest(settings=settings, bars=AskedBars(BarFiles(world.files)), importance=True)
    )


@pytest.fixture(scope="module")
def said(report: EvaluateReport) -> Any:
    return json.loads(json.dumps(report.to_json(), allow_nan=False))


def test_only_rows_that_the_bundle_has_not_seen_are_shuffled(said: Any) -> None:
    assert said["left_out_in_sample"] > said["scores"]["rows"] > 50
    importance = said["feature_importance"]
    assert importance["rows"] == importance["of_rows"] == said["scores"]["rows"]
    assert said["member_contribution"]["rows"] == said["scores"]["rows"]


def test_unshuffled_the_ensemble_scores_as_in_the_evaluation(said: Any) -> None:
    importance, ensemble = said["feature_importance"], said["scores"]["ensemble"]
    assert importance["roc_auc"] == pytest.approx(ensemble["roc_auc"])
    assert importance["log_loss"] == pytest.approx(ensemble["log_loss"])


def test_all_features_families_and_members_are_in_the_json(said: Any, settings: Settings) -> None:
    importance = said["feature_importance"]
    family_of = {each["name"]: each["family"] for each in importance["features"]}
    assert family_of == {feature.name: feature.family for feature in FEATURES}
    assert {each["name"] for each in importance["families"]} == FAMILIES
    assert sum(each["features"] for each in importance["families"]) == len(FEATURES)
    assert (importance["metric"], importance["seed"]) == ("roc_auc", settings.seed)
    members = said["member_contribution"]["members"]
    assert {each["name"] for each in members} == said["scores"]["members"].keys()


def test_the_families_the_first_features_and_the_members_are_printed(
    report: EvaluateReport, said: Any
) -> None:
    text = report.text()
    ranked = [each["name"] for each in said["feature_importance"]["features"]]
    table = text[text.index("Feature, shuffled") : text.index("mean ±")]
    shown = [line.split("|")[1].strip() for line in table.splitlines()[2:] if "|" in line]
    assert shown == ranked[:SHOWN]
    assert f"the first {SHOWN} of {len(FEATURES)} features\n" in text
    assert all(f"| {family} " in text for family in FAMILIES)
    assert "member contribution: the vote without it" in text
    assert "not what moves prices" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_what_was_not_asked_for_is_null(settings: Settings, world: World) -> None:
    said = evaluate_bundle(
        EvaluateRequest(settings=settings, bars=AskedBars(BarFiles(world.files)))
    )
    assert said.to_json()["feature_importance"] is said.to_json()["member_contribution"] is None
    assert "importance" not in said.text()


def test_without_bars_a_backtest_is_refused_before_the_bundle_is_looked_for(tmp_path: Path) -> None:
    missing = load_settings(overrides={"strategy": {"ml_model_path": tmp_path / "none"}})
    with pytest.raises(UsageError, match=r"--backtest needs bars .* --data"):
        evaluate_bundle(EvaluateRequest(settings=missing, backtest=True))
    with pytest.raises(BundleMissingError):
        evaluate_bundle(EvaluateRequest(settings=missing))


def test_without_bars_an_importance_of_any_bundle_is_refused(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"--feature-importance needs bars .* --data FILE"):
        evaluate_bundle(EvaluateRequest(settings=settings, importance=True))


@pytest.mark.slow
def test_the_bundle_of_a_default_run_brings_its_own_bars(tmp_path: Path) -> None:
    asked = load_settings(overrides={"seed": 7})
    made = default_run(asked, tmp_path, train=True)
    found = evaluate_bundle(EvaluateRequest(settings=made.settings, importance=True))
    assert found.fresh
    assert found.synthetic
    assert found.leaned_on is not None
    other = made.settings.model_copy(update={"seed": 8})
    with pytest.raises(UsageError, match="with the --seed of the run"):
        evaluate_bundle(EvaluateRequest(settings=other, importance=True))


def shuffled(name: str, mean: float, deviation: float) -> Shuffled:
    worsening = Worsening(mean=mean, deviation=deviation)
    return Shuffled(
        name=name, family="volatility", features=1, roc_auc=worsening, log_loss=worsening
    )


def importance_of(*features: Shuffled) -> Importance:
    return Importance(
        rows=4000,
        of_rows=6819,
        repeats=5,
        seed=3,
        roc_auc=0.78456,
        log_loss=0.4949,
        features=features,
        families=(),
    )


def line_of(name: str, text: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if f"| {name} " in line]
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_rows_draws_and_scores_stand_above_the_tables() -> None:
    head = importance_text(importance_of(shuffled("gap", 0.1, 0.01))).splitlines()[:2]
    assert head[0] == "feature importance: 4,000 of 6,819 rows, evenly in time; 5 draws, seed 3"
    assert head[1] == "as they are: ROC AUC 0.7846, log loss 0.4949"


def test_a_mean_of_at_most_two_deviations_is_called_noise() -> None:
    text = importance_text(
        importance_of(
            shuffled("clear", 0.0201, 0.01),
            shuffled("edge", 0.02, 0.01),
            shuffled("unused", 0.0, 0.0),
            shuffled("below", -0.03, 0.01),
        )
    )
    spread = ["volatility", "+0.0201 ± 0.0100", "+0.0201 ± 0.0100"]
    assert line_of("clear", text) == ["clear", *spread, ""]
    for name in ("edge", "unused", "below"):
        assert line_of(name, text)[-1] == "noise"
    assert "the first" not in text


def test_the_longest_name_fits() -> None:
    names = [feature.name for feature in FEATURES]
    longest = [shuffled(name, -0.1, 0.1) for name in sorted(names, key=len)[-SHOWN:]]
    text = importance_text(importance_of(*longest))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_members_are_listed_with_sign_and_what_it_means() -> None:
    helps = Contribution(name="xgboost", weight=0.625, roc_auc=0.01, log_loss=0.02, brier=0.03)
    alone = Contribution(name="svm", weight=0.375, roc_auc=None, log_loss=-0.5, brier=None)
    text = contributions_text(Contributions(rows=1234, members=(helps, alone)))
    assert text.startswith("member contribution: the vote without it, 1,234 rows\n")
    assert line_of("xgboost", text) == ["xgboost", "0.62", "+0.0100", "+0.0200", "+0.0300"]
    assert line_of("svm", text)[2:] == ["-", "-0.5000", "-"]
    assert "above 0 the ensemble is worse without the member: the member helps" in text
