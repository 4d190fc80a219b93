"""The record of trials: a search goes on where it ended, and a file is ours or refused."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.progress import Advance, shown_by
from ml.errors import TuningError
from ml.training.data_pipeline import TrainingSet
from ml.training.trainer import training_parts
from ml.training.tuning import Tuning
from tests.ml.training.makers import (
    foretold,
    training_set,
    with_other_features,
    with_other_labels,
)
from tests.ml.training.tuning_makers import CONFIG, Blurred, Trials, only, recorded, search
from tests.test_layout import ROOT


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    Blurred.fits.clear()
    Blurred.lessons.clear()
    yield
    Blurred.stop_at = None


@pytest.fixture(scope="module")
def rows() -> TrainingSet:
    return foretold(training_set(), ones=0.3)


@pytest.fixture(scope="module")
def whole(rows: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuning, Trials]:
    """A search that nothing interrupted, and its trials."""
    storage = tmp_path_factory.mktemp("whole") / "trials.sqlite"
    return search(rows, storage), recorded(storage)


# Going on after an end


@pytest.mark.parametrize("fits", [0, 1, 4, 14])
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(
    rows: TrainingSet, whole: tuple[Tuning, Trials], fits: int, tmp_path: Path
) -> None:
    storage = tmp_path / "trials.sqlite"
    Blurred.stop_at = fits
    for _ in range(2):  # the second one is interrupted in its first fit
        with pytest.raises(KeyboardInterrupt):
            search(rows, storage)
    Blurred.stop_at = None
    assert (search(rows, storage), recorded(storage)) == whole


def test_a_search_that_ended_before_it_asked_tries_the_defaults_once(
    rows: TrainingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    storage, member = tmp_path / "trials.sqlite", only(Blurred())
    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "ask", interrupted)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                search(rows, storage, member, trials=2)
    search(rows, storage, member, trials=2)
    assert Blurred.fits.count((5.0, 1)) == CONFIG.tuning_folds
    ((first, second),) = recorded(storage).values()
    assert first[1] == {"blur": 5.0, "shift": 1} != second[1]


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.ml.training.makers import foretold, training_set
from tests.ml.training.tuning_makers import Blurred, search

def fit(self, X, y, *, validation=None, learn=Blurred.fit):
    if len(self.fits) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(self, X, y, validation=validation)

Blurred.fit = fit
search(foretold(training_set(), ones=0.3), Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_killed_search_goes_on_as_if_it_had_not_been(
    rows: TrainingSet, whole: tuple[Tuning, Trials], tmp_path: Path
) -> None:
    storage = tmp_path / "trials.sqlite"
    ended = subprocess.run(  # noqa: S603  a program of ours
        [sys.executable, "-c", _KILLED, str(storage)], cwd=ROOT, check=False, capture_output=True
    )
    assert ended.returncode == -9, ended.stderr
    assert search(rows, storage) == whole[0]


def test_more_trials_go_on_from_fewer_and_fewer_are_the_first_of_them(
    rows: TrainingSet, whole: tuple[Tuning, Trials], tmp_path: Path
) -> None:
    storage = tmp_path / "trials.sqlite"
    few = search(rows, storage, trials=3)
    assert search(rows, storage) == whole[0]
    assert Blurred.fits.count((5.0, 1)) == 2 * CONFIG.tuning_folds  # the defaults, once a member
    Blurred.fits.clear()
    assert search(rows, storage, trials=3) == few
    assert Blurred.fits == []


@pytest.mark.parametrize("what", ["labels", "features", "seed", "folds", "rows", "parameters"])
def test_trials_on_anything_else_begin_anew(rows: TrainingSet, what: str, tmp_path: Path) -> None:
    storage = tmp_path / "trials.sqlite"
    search(rows, storage, only(Blurred()), trials=1)
    where = training_parts(rows, CONFIG).train[::9]
    changes: dict[str, Any] = {"seed": {"seed": 1}, "folds": {"tuning_folds": 3}}
    changes |= {"rows": {"tuning_rows": 599}}
    data = {"labels": with_other_labels, "features": with_other_features}
    changed = data[what](rows, where) if what in data else rows
    member = Blurred(blur=4.0) if what == "parameters" else Blurred()
    search(changed, storage, only(member), trials=1, **changes.get(what, {}))
    assert [len(trials) for trials in recorded(storage).values()] == [1, 1]


class Counted:
    """A display that counts."""

    def __init__(self) -> None:
        self.done = self.total = 0.0

    def task(self, what: str, total: float | None, unit: str) -> AbstractContextManager[Advance]:
        assert (what, unit) == ("tuning", "trials")
        self.done, self.total = 0.0, total or 0.0
        return nullcontext(self._advance)

    def _advance(self, count: float = 1, /) -> None:
        self.done += count


def test_progress_counts_the_trials_that_were_there(rows: TrainingSet, tmp_path: Path) -> None:
    storage, display = tmp_path / "trials.sqlite", Counted()
    with shown_by(display):
        for trials in (2, 3, 1):
            search(rows, storage, only(Blurred()), trials=trials)
            assert display.done == display.total == trials


# The file


def one_line(error: pytest.ExceptionInfo[TuningError], storage: Path) -> str:
    said = str(error.value)
    assert "\n" not in said
    assert said.startswith(str(storage))
    return said


def garbage(storage: Path) -> None:
    storage.write_bytes(b"no database" * 99)


def foreign(storage: Path) -> None:
    with closing(sqlite3.connect(storage)) as file:
        file.execute("CREATE TABLE mine (a INTEGER)")


def folder(storage: Path) -> None:
    storage.mkdir()


@pytest.mark.parametrize("spoil", [garbage, foreign, folder])
def test_a_file_that_is_not_ours_is_refused_in_one_line_and_left_as_it_is(
    rows: TrainingSet, spoil: Any, tmp_path: Path
) -> None:
    storage = tmp_path / "trials.sqlite"
    spoil(storage)
    before = storage.read_bytes() if storage.is_file() else None
    with pytest.raises(TuningError) as caught:
        search(rows, storage)
    assert "delete the file or name another path" in one_line(caught, storage)
    assert before == (storage.read_bytes() if storage.is_file() else None)


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(
    rows: TrainingSet, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    storage = tmp_path / "file" / "trials.sqlite"
    with pytest.raises(TuningError) as caught:
        search(rows, storage)
    one_line(caught, storage)


@pytest.fixture(scope="module")
def kept(rows: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with all trials of a search."""
    storage = tmp_path_factory.mktemp("kept") / "trials.sqlite"
    search(rows, storage, only(Blurred()), trials=3)
    return storage.read_bytes()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_in_one_line_or_was_not_damaged_where_it_matters(
    rows: TrainingSet, kept: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    storage = tmp_path / "trials.sqlite"
    at = data.draw(st.integers(0, len(kept) - 1))
    byte, cut = data.draw(st.integers(1, 255)), data.draw(st.booleans())
    spoilt = kept[:at] if cut else kept[:at] + bytes([kept[at] ^ byte]) + kept[at + 1 :]
    storage.write_bytes(spoilt)
    with suppress(TuningError):
        search(rows, storage, only(Blurred()), trials=3)


def test_a_path_with_signs_of_an_address_is_a_path(rows: TrainingSet, tmp_path: Path) -> None:
    storage = tmp_path / "a b?c#d%20" / "trials.sqlite"
    search(rows, storage, only(Blurred()), trials=1)
    assert [path.name for path in storage.parent.iterdir()] == ["trials.sqlite"]
