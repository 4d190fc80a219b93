"""Jobs on a real Dask cluster of processes: the same results, whoever dies meanwhile."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.errors import RunError
from engine.jobs.spreading.cluster import Cluster, facts_here, refuse_other
from engine.jobs.spreading.here import Processes
from engine.jobs.spreading.task import Task
from tests.engine.jobs.spreading import clusters, works
from tests.engine.jobs.spreading.clusters import LocalCluster, kill
from tests.wrong_input.interrupting import ROOT


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster of two workers that no test harms."""
    with clusters.cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[LocalCluster]:
    """A cluster of two workers of a test's own."""
    with clusters.cluster(tmp_path / "cluster") as made:
        yield made


def until_there(folder: Path, pattern: str) -> Path:
    """Return the first file of the pattern when there is one."""
    end = time.monotonic() + 60
    while not (found := sorted(folder.glob(pattern))):
        assert time.monotonic() < end, pattern
        time.sleep(0.02)
    return found[0]


def test_a_cluster_comes_to_what_one_process_does(running: LocalCluster) -> None:
    task = Task(works.summed, np.random.default_rng(3).normal(size=200_000))
    jobs = list(range(8))
    assert dict(Cluster(running.address).run(task, jobs)) == dict(Processes(1).run(task, jobs))


def test_all_workers_take_part_and_the_command_s_process_does_not(running: LocalCluster) -> None:
    who = set(dict(Cluster(running.address).run(Task(works.pid, ()), list(range(20)))).values())
    assert who == {worker.pid for worker in running.workers}
    assert os.getpid() not in who


def test_no_jobs_need_no_cluster() -> None:
    assert list(Cluster("tcp://127.0.0.1:1").run(Task(works.pid, ()), [])) == []


def test_data_goes_to_each_worker_once_and_leaves_it_again(
    running: LocalCluster, tmp_path: Path
) -> None:
    data = works.Arriving(tmp_path, np.arange(50_000.0))
    jobs = list(range(12))
    done = dict(Cluster(running.address).run(Task(works.arrived, data), jobs))
    assert done == {job: 50_000 + job for job in jobs}
    assert sorted(int(file.suffix[1:]) for file in tmp_path.glob("arrived*.*")) == sorted(
        worker.pid for worker in running.workers
    )
    held = dict(Cluster(running.address).run(Task(works.held, ()), [1, 2, 3, 4]))
    assert max(held.values()) == 1  # its own, of nothing


def test_a_job_that_fails_ends_the_run_in_its_own_words(
    running: LocalCluster, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"^job 1 cannot be done$"):
        list(Cluster(running.address).run(Task(works.failing, tmp_path), [0, 1, 2]))


def test_results_are_there_while_others_are_waited_for(
    running: LocalCluster, tmp_path: Path
) -> None:
    (tmp_path / "0.hold").touch()
    results = Cluster(running.address).run(Task(works.noted, tmp_path), [0, 1, 2])
    assert {next(results), next(results)} == {(1, 1), (2, 2)}
    (tmp_path / "0.hold").unlink()
    assert list(results) == [(0, 0)]


def test_a_worker_that_is_killed_loses_its_job_and_no_other(
    mortal: LocalCluster, tmp_path: Path
) -> None:
    (tmp_path / "0.hold").touch()
    jobs = list(range(6))
    results = Cluster(mortal.address).run(Task(works.noted, tmp_path), jobs)
    ended = [next(results) for _ in range(5)]
    victim = int(until_there(tmp_path, "0-*.begun").stem.split("-")[1])
    kill(next(worker for worker in mortal.workers if worker.pid == victim))
    (tmp_path / "0.hold").unlink()
    assert sorted([*ended, *results]) == [(job, job) for job in jobs]
    begun = [int(file.stem.split("-")[0]) for file in tmp_path.glob("*.begun")]
    assert sorted(begun) == [0, 0, 1, 2, 3, 4, 5]


def test_when_all_workers_are_gone_a_new_one_goes_on_with_the_data(
    mortal: LocalCluster, tmp_path: Path
) -> None:
    for job in (1, 2):
        (tmp_path / f"{job}.hold").touch()
    results = Cluster(mortal.address).run(Task(works.noted, tmp_path), [0, 1, 2])
    assert next(results) == (0, 0)
    for job in (1, 2):
        until_there(tmp_path, f"{job}-*.begun")
    for worker in mortal.workers:
        kill(worker)
    for job in (1, 2):
        (tmp_path / f"{job}.hold").unlink()
    mortal.add_worker()
    assert sorted(results) == [(1, 1), (2, 2)]


@pytest.mark.slow
def test_a_job_that_kills_every_worker_is_named(mortal: LocalCluster, tmp_path: Path) -> None:
    for _ in range(3):
        mortal.add_worker()
    with pytest.raises(RunError, match=r"^1: a worker must live until its job ends, and several"):
        list(Cluster(mortal.address).run(Task(works.deadly, tmp_path), [1]))


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_named(mortal: LocalCluster, tmp_path: Path) -> None:
    (tmp_path / "1.hold").touch()
    results = Cluster(mortal.address).run(Task(works.noted, tmp_path), [0, 1])
    assert next(results) == (0, 0)
    kill(mortal.scheduler)
    with pytest.raises(RunError, match=r"1: the scheduler at tcp://127.0.0.1:\d+ is gone; what"):
        list(results)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://there", "127.0.0.1:1"])
def test_an_address_where_nobody_answers_is_told(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.jobs.spreading.cluster._PATIENCE", 0.5)
    with pytest.raises(RunError, match=r"--address must be .*start one with: dask scheduler$") as e:
        list(Cluster(address).run(Task(works.pid, ()), [1]))
    assert "\n" not in str(e.value)
    assert address in str(e.value)


@pytest.mark.slow
def test_a_cluster_without_workers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with clusters.cluster(tmp_path, workers=0) as empty:
        monkeypatch.setattr("engine.jobs.spreading.cluster._PATIENCE", 3.0)
        with pytest.raises(RunError, match=r"must have a worker, found none in 3 s; .*--nthreads"):
            list(Cluster(empty.address).run(Task(works.pid, ()), [1]))


def test_a_worker_with_other_code_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    for package in ("engine", "feeds", "ml", "strategies"):
        shutil.copytree(
            ROOT / package, other / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    with (other / "feeds" / "bars.py").open("a") as changed:
        changed.write("# another state\n")
    with clusters.cluster(tmp_path / "cluster", workers=1) as mixed:
        mixed.add_worker(root=other)
        with pytest.raises(RunError, match=r"must have this program's code \w+ as here, and tcp"):
            list(Cluster(mixed.address).run(Task(works.pid, ()), [1]))


@pytest.mark.slow
def test_a_worker_without_the_program_is_refused(tmp_path: Path) -> None:
    with clusters.cluster(tmp_path / "cluster", workers=0) as strange:
        strange.add_worker(root=tmp_path)
        with pytest.raises(RunError, match=r"must be able to import this program, and cannot: No"):
            list(Cluster(strange.address).run(Task(works.pid, ()), [1]))


def test_another_version_of_a_library_is_named() -> None:
    here = facts_here()
    refuse_other(here, dict(here), "tcp://there")
    for there in ({**here, "numpy": "1.0"}, {k: v for k, v in here.items() if k != "numpy"}):
        with pytest.raises(RunError, match=rf"numpy {here['numpy']} as here, and tcp://there has"):
            refuse_other(here, there, "tcp://there")
    with pytest.raises(RunError, match="must have torch none as here"):
        refuse_other({k: v for k, v in here.items() if k != "torch"}, here, "tcp://there")


@pytest.mark.slow
def test_a_worker_of_many_threads_does_one_job_at_a_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with clusters.cluster(tmp_path / "cluster", workers=0) as wide:
        wide.add_worker("--nthreads", "3")
        done = Cluster(wide.address).run(Task(works.alone, tmp_path), list(range(6)))
        assert dict(done) == dict.fromkeys(range(6), True)
    assert "has 3 threads, and a worker does one job at a time" in caplog.text
