"""Jobs in processes of this machine: the same results, and a death costs what had not ended."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from engine.errors import RunError
from engine.jobs.spreading.here import Processes
from engine.jobs.spreading.task import Task
from tests.engine.jobs.spreading import works


def test_one_process_is_the_command_s_own() -> None:
    task = Task(works.pid, ())
    assert dict(Processes(1).run(task, [1, 2])) == {1: os.getpid(), 2: os.getpid()}
    assert dict(Processes(8).run(task, [1])) == {1: os.getpid()}
    assert list(Processes(8).run(task, [])) == []


def test_the_number_of_processes_changes_no_result() -> None:
    task = Task(works.summed, np.random.default_rng(3).normal(size=1000))
    jobs = list(range(6))
    alone = dict(Processes(1).run(task, jobs))
    assert dict(Processes(2).run(task, jobs)) == alone
    assert alone.keys() == set(jobs)


def test_a_job_that_fails_ends_the_run_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="job 1 cannot be done"):
        list(Processes(2).run(Task(works.failing, tmp_path), [0, 1, 2]))


def test_a_worker_that_dies_costs_no_more_than_what_had_not_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done = dict(Processes(2).run(Task(works.deadly_once, tmp_path), [0, 1, 2, 3]))
    assert done == {0: 0, 1: 1, 2: 4, 3: 9}
    assert len(list(tmp_path.glob("1-*.begun"))) == 2
    assert "a worker died" in caplog.text


@pytest.mark.slow
def test_a_job_that_kills_every_worker_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"1.*a worker must live until its job ends, and 3 died"):
        list(Processes(2).run(Task(works.deadly, tmp_path), [0, 1, 2]))
    assert dict(Processes(2).run(Task(works.counted, {"a": 1}), [1, 2])) == {1: 2, 2: 3}


def test_the_digest_is_of_what_the_data_says() -> None:
    data = {"a": np.arange(9.0)}
    again = pickle.loads(pickle.dumps(data))  # noqa: S301  our own bytes
    other = {"a": np.arange(8.0)}
    assert Task(works.named, data).digest == Task(works.named, again).digest
    assert Task(works.named, data).digest != Task(works.named, other).digest
