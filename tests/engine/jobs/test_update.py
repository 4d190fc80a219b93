"""An update: the window grows, the bundle's own rules stay, old and new are judged fairly."""

import json
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.jobs.as_trained import as_trained
from engine.jobs.training_rows import training_rows
from engine.jobs.update import update_bundle
from engine.jobs.update_report import UpdateReport
from engine.jobs.updating.policy import Promote
from engine.jobs.updating.rows import MIN_COMPARED, compare, newest_from
from engine.jobs.updating.window import grow
from feeds.bars import PRICES, Bars
from feeds.clock import FixedClock
from feeds.moments import iso
from ml.bundle import Bundle, load_bundle
from ml.models.catalog import MEMBER_NAMES
from ml.splits import chronological_parts
from ml.training.evaluator import evaluate
from ml.training.trainer import Trained, train
from tests.engine.jobs.update_makers import (
    LEARNED,
    MEMBERS,
    UNTIL,
    Given,
    make_bundle,
    market,
    settings_at,
    since,
)
from tests.makers import with_hole
from tests.ml.training.makers import training_set
from tests.world import World

BTC, ETH = market("BTC/USDT"), market("ETH/USDT")
TUNING = {"trials": 7, "members": {"logistic": {"trials": 7}}}
NOON = FixedClock(datetime(2022, 3, 2, 12, tzinfo=UTC))


@dataclass(frozen=True, slots=True, eq=False)
class Updated:
    """A bundle before and after an update, and the report."""

    old: Bundle
    new: Bundle
    report: UpdateReport


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tuned bundle of two symbols until UNTIL, that tests must leave as it is."""
    path = tmp_path_factory.mktemp("first") / "bundle"
    make_bundle(path, [bars.known_at(UNTIL) for bars in (BTC, ETH)], tuning=TUNING)
    return path


def updated(first: Path, folder: Path, *new: Bars) -> Updated:
    path = Path(shutil.copytree(first, folder / "bundle"))
    old = load_bundle(path)
    report = update_bundle(Given(new), settings_at(path), clock=NOON, promote=Promote.UNLESS_WORSE)
    return Updated(old, load_bundle(path), report)


@pytest.fixture(scope="module")
def grown(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Updated:
    """The bundle after an update by files that overlap its bars by five days."""
    new = [since(bars, "2022-02-10") for bars in (BTC, ETH)]
    return updated(first, tmp_path_factory.mktemp("grown"), *new)


@pytest.fixture(scope="module")
def patched(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Updated:
    """The bundle after an update with a hole, without one symbol and with another one."""
    late, other = since(BTC, "2022-02-17"), market("SOL/USDT", days=20)
    return updated(first, tmp_path_factory.mktemp("patched"), other, late)


def kept(bundle: Bundle) -> dict[str, Bars]:
    read = bundle.kept.read(fill_limit=bundle.manifest.fill_limit)
    return {bars.symbol: bars for bars in read}


# The window


def test_the_window_is_the_old_bars_and_the_new_ones(grown: Updated) -> None:
    found = kept(grown.new)
    assert {name: bars.digest() for name, bars in found.items()} == {
        "BTC/USDT": BTC.digest(),
        "ETH/USDT": ETH.digest(),
    }
    assert grown.new.manifest.data_digests["BTC/USDT"] == BTC.digest()
    assert grown.new.manifest.seen_until_ms == BTC.closed_at[-1]


def test_the_report_says_how_the_window_grew(grown: Updated) -> None:
    report = grown.report
    assert (report.before.bars, report.now.bars) == (2 * 45 * 288, 2 * 60 * 288)
    assert (report.before.first, report.before.until) == (BTC.time[0], UNTIL)
    assert (report.now.first, report.now.until) == (BTC.time[0], BTC.closed_at[-1])
    assert report.before.rows is not None
    assert report.now.rows is not None
    rows = training_rows([BTC, ETH], settings_at(Path("none"), **LEARNED))
    assert report.now.rows == len(rows)
    assert report.before.rows == (rows.known_at <= UNTIL).sum()
    assert [each.added for each in report.growth] == [15 * 288] * 2
    assert not any(each.notes() for each in report.growth)


def test_old_bars_never_change_and_none_is_lost(patched: Updated) -> None:
    before, now = kept(patched.old), kept(patched.new)
    for symbol, bars in before.items():
        for name in ("time", *PRICES, "volume", "filled", "segment"):
            old = getattr(bars, name)
            np.testing.assert_array_equal(getattr(now[symbol], name)[: len(bars)], old)


def test_a_new_symbol_brings_nothing_from_before_the_window(
    patched: Updated, caplog: pytest.LogCaptureFixture
) -> None:
    """Older bars would move rows that were learned from into a later part."""
    window = since(market("BTC/USDT", days=30), "2022-01-11")
    btc, sol = grow(patched.old.manifest, [window], [market("SOL/USDT", days=40)])
    assert sol.bars.time[0] == btc.bars.time[0] == np.datetime64("2022-01-11")
    assert sol.growth.added == len(sol.bars) == 30 * 288
    assert "SOL/USDT: its bars before 2022-01-11 00:00Z are left out" in caplog.text


def test_a_hole_an_absent_symbol_and_a_new_one_are_said(patched: Updated) -> None:
    btc, eth, sol = patched.report.growth
    assert btc.missing is not None
    assert (btc.missing.missing, btc.added) == (2 * 288, 13 * 288)
    assert (eth.before, eth.added) == (45 * 288, 0)
    assert (sol.symbol, sol.before, sol.added) == ("SOL/USDT", 0, 20 * 288)
    text = patched.report.text()
    assert "BTC/USDT: a hole of 576 bars between 2022-02-14 23:55Z and 2022-02-17 00:00Z" in text
    assert "ETH/USDT: no new bars; kept as it was" in text
    assert "SOL/USDT: new to the bundle" in text
    assert patched.new.manifest.symbols == ("BTC/USDT", "ETH/USDT", "SOL/USDT")
    assert len(list(kept(patched.new)["BTC/USDT"].segments())) == 2


def test_what_an_update_says_it_says_in_the_log_too(
    first: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(shutil.copytree(first, tmp_path / "bundle"))
    holed = with_hole(BTC, 20 * 288, 3)  # the new file has three bars that the old one lacks
    make_bundle(path, [holed.known_at(UNTIL)], created_at=np.datetime64("2022-02-16"))
    update_bundle(Given([BTC]), settings_at(path), promote=Promote.UNLESS_WORSE)
    assert "BTC/USDT: 3 bars that the old ones lack ahead of their end are passed over" in (
        caplog.text
    )


def test_until_ends_the_new_bars(first: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(first, tmp_path / "bundle"))
    until = np.datetime64("2022-02-16", "ms")
    report = update_bundle(
        Given([BTC, ETH]), settings_at(path), until=until, promote=Promote.UNLESS_WORSE
    )
    assert report.now.until == until == load_bundle(path).manifest.seen_until_ms


def test_what_a_bundle_has_seen_stays_seen(first: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    looked = np.datetime64("2022-06-01", "ms")  # at later data, for a tuning
    make_bundle(path, [BTC.known_at(UNTIL)], seen_until=looked)
    report = update_bundle(Given([BTC]), settings_at(path), promote=Promote.UNLESS_WORSE)
    assert load_bundle(path).manifest.seen_until_ms == looked
    assert (report.comparison.since, report.comparison.rows) == (looked, 0)


# What stays the bundle's own


def test_label_members_and_tuning_are_those_of_the_bundle(grown: Updated) -> None:
    old, new = grown.old.manifest, grown.new.manifest
    same = ("label", "population", "exits", "costs", "mandatory", "fill_limit", "timeframe")
    for name in (*same, "tuning", "synthetic", "feature_names"):
        assert getattr(new, name) == getattr(old, name), name
    assert new.label == {"kind": "horizon", "lookahead": 8, "profit_threshold": 0.004}
    assert new.tuning == TUNING
    assert "keep the parameters that 7 trials found before the update" in grown.report.text()


def test_models_keep_their_parameters_and_take_seed_and_threads_of_the_settings(
    first: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(first, tmp_path / "bundle"))
    settings = settings_at(path).model_copy(update={"seed": 11})
    update_bundle(Given([BTC, ETH]), settings, promote=Promote.UNLESS_WORSE)
    members = {member.name: member for member in load_bundle(path).ensemble.members}
    assert {name: member.weight for name, member in members.items()} == MEMBERS
    forest = members["random_forest"].model.get_params()  # type: ignore[attr-defined]  # scikit-learn's
    assert (forest["n_estimators"], forest["max_depth"]) == (25, 6)
    assert (forest["seed"], forest["jobs"]) == (11, 1)
    assert load_bundle(path).manifest.seed == 11


def test_an_update_is_a_training_on_the_whole_window(grown: Updated) -> None:
    settings = as_trained(settings_at(Path("none")), grown.old.manifest)
    rows = training_rows([BTC, ETH], settings)
    models = {m.name: (m.weight, m.model) for m in grown.old.ensemble.members}
    trained = train(rows, settings.training, models, seed=0)
    np.testing.assert_array_equal(
        trained.ensemble.predict(rows.samples).probability,
        grown.new.ensemble.predict(rows.samples).probability,
    )


@pytest.mark.parametrize("configured", [0, 5])
def test_gaps_are_filled_as_for_the_first_training(
    configured: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, source = tmp_path / "bundle", Given([BTC])
    make_bundle(path, [BTC.known_at(UNTIL)], fill_limit=2)
    settings = settings_at(path)
    data = settings.data.model_copy(update={"fill_limit": configured})
    update_bundle(source, settings.model_copy(update={"data": data}), promote=Promote.UNLESS_WORSE)
    assert source.asked[0].fill_limit == 2
    assert load_bundle(path).manifest.fill_limit == 2
    assert f"up to 2 bars are filled, as the bundle was trained, not {configured}" in caplog.text


# The versions


def test_the_new_version_is_in_force_and_the_previous_one_is_kept(grown: Updated) -> None:
    report = grown.report
    assert report.version == grown.new.kept.version
    assert report.previous == grown.old.kept.version
    assert report.previous.is_dir()
    assert report.manifest == grown.new.manifest
    assert f"in force: {report.version}" in report.text()
    assert f"kept:     {report.previous}" in report.text()
    assert not list(report.version.parent.parent.glob("*.partial"))


def test_an_update_can_be_updated(first: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(first, tmp_path / "bundle"))
    for day in ("2022-02-20", "2022-03-01"):
        update_bundle(
            Given([BTC.known_at(np.datetime64(day, "ms"))]),
            settings_at(path),
            promote=Promote.UNLESS_WORSE,
        )
    found = kept(load_bundle(path))["BTC/USDT"]
    assert found.digest() == BTC.known_at(np.datetime64("2022-03-01", "ms")).digest()
    assert len([folder for folder in path.iterdir() if folder.is_dir()]) == 3


def parameters_at(path: Path) -> dict[str, dict[str, Any]]:
    """Return what each member learned with; the number of threads is that of the machine."""
    members = load_bundle(path).ensemble.members
    every = {member.name: member.model.get_params() for member in members}  # type: ignore[attr-defined]  # scikit-learn's
    return {
        name: {key: value for key, value in own.items() if key != "jobs"}
        for name, own in every.items()
    }


def test_the_five_models_can_be_updated(world: World, tmp_path: Path) -> None:
    path = Path(shutil.copytree(world.bundle, tmp_path / "bundle"))
    before = parameters_at(path)
    update_bundle(Given(world.bars), settings_at(path), promote=Promote.UNLESS_WORSE)
    after = parameters_at(path)
    assert after == before
    assert after.keys() == {*MEMBER_NAMES}


# Old against new


def test_both_versions_are_scored_as_evaluate_does_on_rows_that_are_new_to_both(
    grown: Updated,
) -> None:
    rows = training_rows([BTC, ETH], as_trained(settings_at(Path("none")), grown.old.manifest))
    training = grown.new.manifest.metrics["training"]
    tested = np.datetime64(training["parts"]["test"]["first"], "ms")  # type: ignore[call-overload,index]  # JSON
    found = grown.report.comparison
    assert found.since == max(UNTIL, tested)
    newest = rows.take(rows.decided_at >= found.since)
    assert (found.rows, found.ones) == (len(newest), newest.y.sum())
    assert found.rows >= MIN_COMPARED
    assert found.old == evaluate(grown.old.ensemble, newest).to_json()
    assert found.new == evaluate(grown.new.ensemble, newest).to_json()
    assert grown.report.traded is not None
    assert grown.new.manifest.metrics["newest"] == {
        "extends": grown.old.kept.version.name,
        **found.to_json(),
        "traded": json.loads(json.dumps(grown.report.traded.to_json())),
        "promote": "unless-worse",
        "why": grown.report.decision.why,
    }


@given(
    seed=st.integers(0, 2**16),
    test=st.floats(0.05, 0.5),
    reach=st.integers(1, 2000),
    seen=st.floats(-0.1, 1.1),
)
def test_the_newest_rows_are_out_of_sample_for_both_and_no_others_are(
    seed: int, test: float, reach: int, seen: float
) -> None:
    rng = np.random.default_rng(seed)
    made = training_set()
    start, end = made.decided_at[0], made.decided_at[-1]
    known = made.decided_at + rng.integers(0, reach, len(made)) * np.timedelta64(60_000, "ms")
    rows = replace(made, known_at=known)
    rest = (1 - test) / 3
    parts = chronological_parts(rows.decided_at, known, (rest, rest, rest, test))
    assume(len(parts.test))
    seen_until = start + (seen * ((end - start) / np.timedelta64(1, "ms"))).__int__()
    moment = newest_from(seen_until, parts, rows)
    newest = np.flatnonzero(rows.decided_at >= moment)
    assert set(newest) <= set(parts.test)
    assert (rows.decided_at[newest] >= seen_until).all()
    learned = np.concatenate([parts.train, parts.stop, parts.calibrate])
    assert not len(newest) or known[learned].max() <= rows.decided_at[newest].min()
    left = np.setdiff1d(parts.test, newest)
    assert (rows.decided_at[left] < seen_until).all()


def test_too_few_new_rows_are_said_to_tell_nothing(first: Path, tmp_path: Path) -> None:
    day = [bars.known_at(np.datetime64("2022-02-17", "ms")) for bars in (BTC, ETH)]
    report = updated(first, tmp_path, *day).report
    assert 0 < report.comparison.rows < MIN_COMPARED
    assert (report.comparison.since, report.comparison.old) == (UNTIL, None)
    assert report.comparison.chance is None
    assert "cannot be told: it takes 100 rows at least" in report.text()
    json.dumps(report.to_json(), allow_nan=False)


def test_rows_of_one_label_are_said_to_tell_nothing(grown: Updated) -> None:
    rows = training_rows([BTC, ETH], as_trained(settings_at(Path("none")), grown.old.manifest))
    parts = chronological_parts(rows.decided_at, rows.known_at, (0.65, 0.1, 0.1, 0.15))
    trained = Trained(grown.new.ensemble, parts, None)  # type: ignore[arg-type]  # not looked at
    for label in (0, 1):
        found = compare(grown.old, trained, replace(rows, y=np.full(len(rows), label)))
        assert found.untold == "it takes rows of both labels"
        assert (found.old, found.new) == (None, None)
    silent = replace(grown.old.ensemble, members=(), left_out={"logistic": "gone"})
    found = compare(replace(grown.old, ensemble=silent), trained, rows)
    assert found.untold is not None
    assert "the old version has no answer" in found.untold


def test_the_report_is_one_json_object_and_a_table_of_both(grown: Updated) -> None:
    found = json.loads(json.dumps(grown.report.to_json(), allow_nan=False))
    assert found["window"]["before"]["until"] == iso(UNTIL)
    assert found["window"]["now"]["bars"] > found["window"]["before"]["bars"]
    assert found["growth"][0] == {
        "symbol": "BTC/USDT",
        "before": 45 * 288,
        "added": 15 * 288,
        "passed_over": 0,
        "missing": 0,
    }
    assert 0 < found["comparison"]["roc_auc_chance"] < 0.2
    assert found["previous"] == grown.old.kept.version.name
    text = grown.report.text()
    assert text.startswith("*** SYNTHETIC")
    assert all(line in text for line in ("| before |", "| now    |", "| old     |", "| new     |"))
    assert max(map(len, text.splitlines())) <= 120
