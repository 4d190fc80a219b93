"""Windows searched on a real Dask cluster: the search of one process, trial by trial."""

import logging
import sqlite3
import time
from contextlib import closing, suppress
from multiprocessing import get_context
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


def killed(folder: Path, trials: int) -> None:
    """Search in a process of its own, and kill it when the first records hold some trials."""
    process = get_context("spawn").Process(
        target=searched, args=(folder, None), kwargs={"trials": trials}
    )
    process.start()
    try:
        while process.is_alive() and _ended(folder) < trials + 3:
            time.sleep(0.02)
    finally:
        process.kill()
        process.join()


def _ended(folder: Path) -> int:
    """Return how many trials the records hold, all windows together."""
    count = 0
    for file in folder.glob("runs/search/*/trials.sqlite3"):
        with closing(sqlite3.connect(file)) as record, suppress(sqlite3.OperationalError):
            (found,) = record.execute(
                "SELECT count(*) FROM trials WHERE state IN ('COMPLETE', 'PRUNED')"
            ).fetchone()
            count += found
    return count


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
def test_a_search_that_was_killed_here_goes_on_on_a_cluster(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alone = searched(folder_in(tmp_path, "alone"), None, trials=60)
    begun = folder_in(tmp_path, "begun")
    killed(begun, 60)
    logs = list(begun.glob("runs/search/*/trials.sqlite3-wal"))
    assert any(log.stat().st_size for log in logs)  # it has not got into the file
    with (
        cluster(tmp_path / "cluster") as running,
        caplog.at_level(logging.INFO, "tandem.search"),
    ):
        gone_on = searched(begun, Cluster(running.address), trials=60)
    assert caplog.text.count("60 sets were tried before") == 3  # none that came back was lost
    assert told(gone_on) == told(alone)


@pytest.mark.slow
def test_sets_that_ask_an_ensemble_are_the_same_on_a_cluster(tmp_path: Path) -> None:
    settings = settings_for(jobs=1)
    alone = searched(folder_in(tmp_path, "alone"), None, settings=settings, ml=MLMode.ON)
    with cluster(tmp_path / "cluster") as running:
        backend = Cluster(running.address)
        far = searched(folder_in(tmp_path, "far"), backend, settings=settings, ml=MLMode.ON)
    assert told(far) == told(alone)


@pytest.mark.parametrize(
    ("storage", "as_told"),
    [
        ("journal:/tmp/log", "journal:/tmp/log"),
        ("mysql://me:secret@host/trials", "mysql://…@host/trials"),
    ],
)
def test_a_record_that_workers_cannot_reach_is_refused(
    tmp_path: Path, storage: str, as_told: str
) -> None:
    path = tmp_path / "space.toml"
    path.write_text(SPACE)
    request = RunRequest(
        settings=load_settings(), bars=AskedBars(Given(BARS)), out=tmp_path / "runs"
    )
    asked = AskedSearch(space=path, trials=5, storage=storage)
    told = f"--storage must be one that every worker reaches .*, found {as_told}: or"
    with pytest.raises(UsageError, match=told):
        search_windows(request, asked, SPEC, Cluster("tcp://127.0.0.1:1"))
