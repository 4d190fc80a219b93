"""docs/run-folder.md names every file, column, key and word that a run writes, and no other."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest

from engine.jobs.backtest import backtest
from engine.jobs.comparing.comparison import comparison
from engine.jobs.markets import AskedBars, BarFiles
from engine.jobs.request_record import BarsRecord, RequestRecord
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import MLMode
from engine.jobs.settings import load_settings
from engine.protections import Protection
from engine.records import Rejection
from engine.run_folder import save_run
from engine.sizing import Sized
from feeds.exit_reasons import ExitReason
from feeds.files import write_bars
from ml.models.catalog import MEMBER_NAMES
from ml.prediction import Confidence, Prediction, Signal, Thresholds, Unavailable
from strategies.config import CryptoScalpingConfig
from strategies.evidence import evidence_table
from strategies.journal import Outcome, journal_row
from strategies.scoring import Opinion, decide
from tests.engine.jobs.reference_makers import ALONE, make_references
from tests.makers import make_bars
from tests.test_layout import ROOT

PAGE = ROOT / "docs" / "run-folder.md"
VOTES = dict.fromkeys(MEMBER_NAMES, 0.6)
OPINIONS: tuple[Opinion, ...] = (
    Prediction(0.6, Signal.BUY, Confidence.VERY_HIGH, VOTES, {}, Thresholds(0.7, 0.6, 0.5, 0.4)),
    Unavailable("no bundle"),
    None,
)


@cache
def tables() -> Mapping[tuple[str, str], set[str]]:
    """Return the names in the first cells of each table, by heading and title of the column."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    heading = title = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        first = line.split("|")[1].strip() if line.startswith("|") else ""
        if line.startswith("#"):
            heading = line.strip("#` ")
        elif title and first:
            found[heading, title] |= set(re.findall(r"`([^`]+)`", first))
            continue
        title = first
    return found


def ml_rows() -> list[dict[str, Any]]:
    """Return a row of the journal for each kind of opinion."""
    config = CryptoScalpingConfig()
    evidence = evidence_table(make_bars(500), config).at(450)
    return [
        journal_row(decide(evidence, opinion, config), Outcome.SCORE_BELOW) for opinion in OPINIONS
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with trades and refused orders, and the same as if an ensemble had been asked."""
    place = tmp_path_factory.mktemp("runs")
    files = []
    for name in ("A", "B"):
        files.append(place / f"{name}-USDT_5m.parquet")
        write_bars(replace(make_bars(4000, seed=3), symbol=f"{name}/USDT"), files[-1])
    sizing = {"fraction": 0.6, "reserve_percent": 0.0}
    settings = load_settings(
        overrides={
            "strategy": {"min_entry_score": 5.0, "sizing": sizing},
            "protections": {"cooldown_bars": 100, "max_losses_in_a_row": 20},
        }
    )
    report = backtest(
        RunRequest(
            settings=settings, bars=AskedBars(BarFiles(tuple(files))), ml=MLMode.OFF, out=place
        )
    )
    (off,) = report.results
    asked = pd.DataFrame(ml_rows())
    on = replace(off, label="on", decisions=pd.concat([off.decisions, asked], ignore_index=True))
    return save_run([off, on], comparison(off, on, make_references(), ALONE), report.data, place)


def frame(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


def test_every_file_is_on_the_page(folder: Path) -> None:
    written = {path.name for path in folder.rglob("*") if path.is_file()}
    assert tables()["The run folder", "file"] == written | {"off/", "on/"}


@pytest.mark.parametrize(
    "name",
    ["trades.csv", "fills.csv", "rejections.csv", "equity.parquet", "decisions.parquet"],
)
def test_every_column_is_on_the_page(folder: Path, name: str) -> None:
    written = frame(folder / "on" / name)
    assert len(written)
    assert tables()[name, "column"] == set(written.columns)


@pytest.mark.parametrize("name", ["trades.csv", "fills.csv", "rejections.csv"])
def test_moments_in_text_end_in_z(folder: Path, name: str) -> None:
    text = frame(folder / "on" / name).filter(regex="_at$")
    assert text.apply(lambda column: column.str.fullmatch(r"[\d-]{10}T[\d:]{8}Z")).all(axis=None)


@pytest.mark.parametrize(
    ("name", "column"), [("equity.parquet", "time"), ("decisions.parquet", "decided_at")]
)
def test_moments_in_parquet_are_utc_to_the_millisecond(
    folder: Path, name: str, column: str
) -> None:
    assert str(frame(folder / "on" / name)[column].dtype) == "datetime64[ms, UTC]"


@pytest.mark.parametrize("label", ["off", "on"])
def test_every_word_that_a_run_wrote_is_on_the_page(folder: Path, label: str) -> None:
    decisions = frame(folder / label / "decisions.parquet")
    words = {
        ("Outcomes", "outcome"): decisions["outcome"],
        ("The ensemble's opinion", "ml"): decisions["ml"],
        ("Exit reasons", "exit reason"): decisions["exit_reason"],
        ("Reasons of rejection", "rejection"): decisions["rejection"],
        ("Protections", "protection"): decisions["veto"],
    }
    reasons = tables()["Reasons of rejection", "rejection"]
    assert set(decisions["shortfall"].dropna()) <= reasons
    assert set(frame(folder / label / "rejections.csv")["reason"]) <= reasons
    for table, found in words.items():
        assert found.dropna().nunique()
        assert set(found.dropna()) <= tables()[table]
    reasons = tables()["Exit reasons", "exit reason"] | {"entry"}
    assert set(frame(folder / label / "fills.csv")["reason"]) <= reasons


def test_the_words_on_the_page_are_those_of_the_code() -> None:
    refused = set(re.findall(r"`(\w+)`", Rejection.__doc__ or ""))
    assert tables()["Outcomes", "outcome"] == set(Outcome)
    assert tables()["The ensemble's opinion", "ml"] == {row["ml"] for row in ml_rows()}
    assert tables()["Exit reasons", "exit reason"] == {r.name.lower() for r in ExitReason}
    sized = set(re.findall(r"`(\w+)`", Sized.__doc__ or ""))
    assert tables()["Reasons of rejection", "rejection"] == refused >= sized
    assert tables()["Protections", "protection"] == set(Protection)


@pytest.mark.parametrize(("column", "words"), [("signal", Signal), ("confidence", Confidence)])
def test_the_words_of_a_prediction_are_those_of_the_code(
    column: str, words: type[Signal] | type[Confidence]
) -> None:
    (line,) = re.findall(rf"^\| `{column}` \|.*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"`([A-Z_]+)`", line)) == set(words)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_key_of_the_metrics_is_on_the_page(folder: Path) -> None:
    found = read(folder / "metrics.json")
    run, compared, data = found["runs"][0], found["comparison"], found["data"]
    groups, market = compared["groups"], next(iter(data["symbols"].values()))
    assert tables()["metrics.json", "key"] == set(found)
    assert tables()["A run", "key"] == set(run)
    assert run["vetoes"].keys() <= tables()["Protections", "protection"]
    assert run["vetoes"]
    assert tables()["Cost sweep", "step"] == set(run["cost_sweep"][0])
    assert tables()["Intervals", "of a run's intervals"] == set(run["intervals"])
    assert tables()["Metrics", "key"] == set(run["metrics"]) == set(compared["difference"])
    assert tables()["Comparison", "key"] == set(compared)
    assert tables()["Comparison", "group"] == set(groups)
    assert tables()["Comparison", "of a group"] == set(groups["kept"])
    check_what_a_comparison_rests_on(compared)
    assert tables()["Data", "key"] == set(data)
    assert tables()["Data", "of a symbol"] == set(market)
    assert set(compared["losing_entries"]["on"]) == {"count", "rate"}


def check_what_a_comparison_rests_on(compared: Mapping[str, Any]) -> None:
    beside = (compared[name] for name in ("random_gate", "volatility_gate", "buy_and_hold"))
    intervals, words = compared["intervals"], PAGE.read_text(encoding="utf-8")
    assert tables()["Comparison", "of a reference"] == {key for each in beside for key in each}
    assert tables()["Comparison", "of the Sharpe ratio"] == set(compared["sharpe"])
    assert tables()["Comparison", "of the intervals"] == set(intervals)
    for kind in ("runs", "pairs"):
        for name, figures in intervals[kind].items():
            assert f"`{name}`" in words
            assert all(f"`{key}`" in words for key in figures)


def test_every_key_of_the_manifest_is_on_the_page(folder: Path) -> None:
    found = read(folder / "manifest.json")
    assert tables()["manifest.json", "key"] == set(found)
    assert set(found["runs"]) == set(read(folder / "config.json")) == {"off", "on"}
    assert set(found["runs"]["on"]) == {"digests", "versions", "seed", "result_hash"}
    assert tables()["The request", "key of the request"] == set(RequestRecord.model_fields)
    assert tables()["The request", "bars of kind"] == {
        kind.model_fields["kind"].default for kind in get_args(get_args(BarsRecord)[0])
    }
    others = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(found["files"]) == others - {"manifest.json"}
