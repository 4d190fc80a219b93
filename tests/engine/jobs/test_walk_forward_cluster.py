"""A walk-forward on a real Dask cluster: what one process comes to, workers killed meanwhile."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from engine.errors import RunError
from engine.jobs.spreading.cluster import Cluster
from engine.jobs.spreading.task import Data, Job, Result, Task
from engine.jobs.walking.bundles import WindowBundle, train_windows
from feeds.bars import Bars
from tests.engine.jobs.spreading.clusters import LocalCluster, cluster, kill
from tests.engine.jobs.test_walk_forward_processes import facts
from tests.engine.jobs.walk_forward_makers import SPEC, market, settings_for, walked, windows_of

pytestmark = pytest.mark.slow

BARS = market()


class Killing:
    """The cluster, one worker of which is killed when the first job has ended."""

    far = True

    def __init__(self, running: LocalCluster) -> None:
        self._running, self.ended = running, 0

    def run(
        self, task: Task[Data, Job, Result], jobs: Sequence[Job], /
    ) -> Iterator[tuple[Job, Result]]:
        for each in Cluster(self._running.address).run(task, jobs):
            self.ended += 1
            if self.ended == 1:
                kill(self._running.workers[0])
                Thread(target=self._running.add_worker).start()
            yield each


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[WindowBundle]:
    """The windows, trained one after the other in this process."""
    folder = tmp_path_factory.mktemp("alone")
    return train_windows([BARS], settings_for(jobs=1), windows_of(BARS), folder)


def names(window: WindowBundle) -> list[str]:
    """Return the files that are kept of a window, but the log of who had one."""
    kept = window.bundle.kept.version.iterdir()
    return sorted(file.name for file in kept if file.suffix != ".log")


def on_cluster(folder: Path, backend: Any, bars: Bars = BARS) -> list[WindowBundle]:
    return train_windows([bars], settings_for(jobs=1), windows_of(bars), folder, backend)


def test_a_killed_worker_changes_nothing_and_nothing_is_trained_twice(
    alone: list[WindowBundle], tmp_path: Path
) -> None:
    with cluster(tmp_path / "cluster") as running:
        backend = Killing(running)
        together = on_cluster(tmp_path / "kept", backend)
        assert backend.ended == 3
        assert [facts(each) for each in together] == [facts(each) for each in alone]
        assert list(map(names, together)) == list(map(names, alone))
    again = on_cluster(tmp_path / "kept", Cluster(running.address))  # nobody is there any more
    assert [each.record for each in again] == [each.record for each in together]


def test_a_run_on_a_cluster_is_the_run_of_one_process(tmp_path: Path) -> None:
    settings = settings_for(jobs=1)
    serial = walked([BARS], tmp_path / "serial", settings)
    with cluster(tmp_path / "cluster") as running:
        spread = walked([BARS], tmp_path / "spread", settings, SPEC, Cluster(running.address))
    assert [r.trades for r in spread.run.results] == [r.trades for r in serial.run.results]
    assert [r.metrics for r in spread.run.results] == [r.metrics for r in serial.run.results]
    assert [r.equity.equity.tolist() for r in spread.run.results] == [
        r.equity.equity.tolist() for r in serial.run.results
    ]


def test_what_had_ended_is_kept_when_the_scheduler_goes_away(
    alone: list[WindowBundle], tmp_path: Path
) -> None:
    class Leaving(Killing):
        def run(
            self, task: Task[Data, Job, Result], jobs: Sequence[Job], /
        ) -> Iterator[tuple[Job, Result]]:
            for each in Cluster(self._running.address).run(task, jobs):
                yield each
                kill(self._running.scheduler)

    folder = tmp_path / "kept"
    with (
        cluster(tmp_path / "cluster") as running,
        pytest.raises(RunError, match=r"window \d .* is gone; what had ended is kept"),
    ):
        on_cluster(folder, Leaving(running))
    kept = list(folder.rglob("window.json"))
    assert len(kept) == 1
    stamp = kept[0].stat().st_mtime_ns
    rest = train_windows([BARS], settings_for(jobs=1), windows_of(BARS), folder)
    assert [facts(each) for each in rest] == [facts(each) for each in alone]
    assert kept[0].stat().st_mtime_ns == stamp


def test_a_window_that_fails_on_a_worker_is_named(tmp_path: Path) -> None:
    settings = settings_for(jobs=1, profit_threshold=0.15)
    with cluster(tmp_path / "cluster", workers=1) as running:
        backend, windows = Cluster(running.address), windows_of(BARS)
        with pytest.raises(RunError, match=r"^window \d \(train .*train part"):
            train_windows([BARS], settings, windows, tmp_path / "kept", backend)
