"""Windows searched on a real Dask cluster: the search of one process, trial by trial."""

import logging
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.jobs.markets import AskedBars
from engine.jobs.run_request import RunRequest
from engine.jobs.searching.asked import AskedSearch
from engine.jobs.searching.walking import search_windows
from engine.jobs.searching.walking_report import WindowSearchReport
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings, load_settings
from engine.jobs.spreading.cluster import Cluster
from engine.jobs.spreading.task import Backend
from tests.engine.jobs.searching.test_walking import SPACE
from tests.engine.jobs.spreading.clusters import cluster
from tests.engine.jobs.walk_forward_makers import SPEC, Given, market, settings_for

BARS = [market()]


def searched(
    folder: Path,
    backend: Backend | None,
    *,
    trials: int = 12,
    settings: Settings | None = None,
    ml: MLMode = MLMode.OFF,
) -> WindowSearchReport:
    path = folder / "space.toml"
    path.write_text(SPACE.replace("strategy.exits", "#") if ml is MLMode.ON else SPACE)
    request = RunRequest(
        settings=settings or load_settings(),
        bars=AskedBars(Given(BARS)),
        out=folder / "runs",
        ml=ml,
    )
    return search_windows(request, AskedSearch(space=path, trials=trials), SPEC, backend)


def told(report: WindowSearchReport) -> object:
    """Return what a search came to, trial by trial and trade by trade."""
    tried = [
        (t.number, dict(t.values), t.score, t.outcome and (t.outcome.figures, *t.outcome.daily))
        for each in report.windows
        for t in each.found.trials
    ]
    (result,) = report.run.results
    return tried, result.trades, result.metrics


def folder_in(place: Path, name: str) -> Path:
    (place / name).mkdir()
    return place / name


@pytest.mark.slow
def test_a_cluster_searches_as_one_process_does_and_goes_on_from_what_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alone = searched(folder_in(tmp_path, "alone"), None)
    begun = folder_in(tmp_path, "begun")
    searched(begun, None, trials=5)
    with (
        cluster(tmp_path / "cluster") as running,
        caplog.at_level(logging.INFO, "tandem.search"),
    ):
        far = searched(folder_in(tmp_path, "far"), Cluster(running.address))
        here = caplog.text.count("12 sets were tried before")
        gone_on = searched(begun, Cluster(running.address))
    assert here == len(far.windows) == 3  # nothing was left to try in this process
    assert told(far) == told(alone) == told(gone_on)


@pytest.mark.slow
def test_sets_that_ask_an_ensemble_are_the_same_on_a_cluster(tmp_path: Path) -> None:
    settings = settings_for(jobs=1)
    alone = searched(folder_in(tmp_path, "alone"), None, settings=settings, ml=MLMode.ON)
    with cluster(tmp_path / "cluster") as running:
        backend = Cluster(running.address)
        far = searched(folder_in(tmp_path, "far"), backend, settings=settings, ml=MLMode.ON)
    assert told(far) == told(alone)


def test_a_record_that_workers_cannot_reach_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    path.write_text(SPACE)
    request = RunRequest(
        settings=load_settings(), bars=AskedBars(Given(BARS)), out=tmp_path / "runs"
    )
    asked = AskedSearch(space=path, trials=5, storage=f"journal:{tmp_path}/log")
    with pytest.raises(UsageError, match="--storage must be one that every worker reaches"):
        search_windows(request, asked, SPEC, Cluster("tcp://127.0.0.1:1"))
