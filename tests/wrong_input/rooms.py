"""A user's room, with the work of earlier days in it, and what must hold when input is refused."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest
from sklearn.linear_model import LogisticRegression

import evaluate_ml_ensemble
import generate_training_data
import run_backtest
import run_paper
import train_ml_ensemble
from engine.jobs.settings import Settings
from feeds.bars import Bars
from feeds.files import write_bars
from ml.bundle import save_bundle
from tests.makers import make_bars
from tests.ml.trained import manifest_for, trained_on

Words: TypeAlias = Sequence[object]

BARS = 1500
SEEN = 700  # of them by the bundle
CLEAN = "2024-01-04"  # the first date after those
LAST_BARS = "2024-01-06T04:00"  # a dozen: a rehearsal takes its time over each


HISTORY = ("updates.jsonl", ".updating")


@dataclass(frozen=True, slots=True)
class Room:
    """A folder with bars, a bundle that has seen the first of them, a run, and a file."""

    path: Path

    @property
    def bars(self) -> Path:
        """A sound file of bars."""
        return self.path / "BTC-USDT_5m.csv"

    @property
    def bundle(self) -> Path:
        return self.path / "ensemble"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def store(self) -> Path:
        return self.path / "data"

    @property
    def output(self) -> Path:
        """A file that somebody made."""
        return self.path / "made.csv"

    def contents(self) -> dict[str, str]:
        """Return the digest of every file below, and the name of every folder.

        That an update was refused is noted in the bundle's history, which is left out.
        """
        return {
            str(path.relative_to(self.path)): _digest(path)
            for path in sorted(self.path.rglob("*"))
            if path.name not in HISTORY
        }


@dataclass(frozen=True, slots=True)
class Command:
    """A script, and how it is given files of bars."""

    main: Callable[[Sequence[str]], int]
    words: Callable[[Room, Words], list[object]]

    @property
    def name(self) -> str:
        return self.main.__module__

    def on(self, room: Room, *files: object) -> list[object]:
        """Return the words that ask it to work on the files."""
        return self.words(room, files)


BACKTEST = Command(
    run_backtest.main,
    lambda room, files: ["--data", *files, "--ml", "off", "--out", room.runs],
)
WHOLE_PAPER = Command(
    run_paper.main,
    lambda room, files: [
        "--rehearse",
        *files,
        "--ml",
        "off",
        "--out",
        room.runs,
        "--speed",
        1500,
        "--quiet",
    ],
)
PAPER = Command(
    run_paper.main,
    lambda room, files: [*WHOLE_PAPER.on(room, *files), "--start-date", LAST_BARS],
)
TRAIN = Command(
    train_ml_ensemble.main,
    lambda room, files: ["--data", *files, "--preset", "small", "--output", room.bundle],
)
UPDATE = Command(
    train_ml_ensemble.main,
    lambda room, files: ["--update", "--data", *files, "--output", room.bundle],
)
EVALUATE = Command(
    evaluate_ml_ensemble.main,
    lambda room, files: ["--data", *files, "--model", room.bundle, "--out", room.runs],
)
GENERATE = Command(
    generate_training_data.main,
    lambda room, _: ["--synthetic", "--days", "1", "--output", room.output],
)

READERS = {
    "run_backtest": BACKTEST,
    "run_paper": PAPER,
    "train_ml_ensemble": TRAIN,
    "train_ml_ensemble --update": UPDATE,
    "evaluate_ml_ensemble": EVALUATE,
}
EVERY = {**READERS, "generate_training_data": GENERATE}


def furnish(path: Path) -> Room:
    """Make a room."""
    room = Room(path)
    bars = make_bars(BARS)
    write_bars(bars, room.bars)
    _keep_bundle(bars[:SEEN], room.bundle)
    (room.runs / "20240101T000000Z-0123abcd").mkdir(parents=True)
    (room.runs / "20240101T000000Z-0123abcd" / "metrics.json").write_text("{}\n")
    room.output.write_text("somebody's work\n")
    return room


def copy_of(room: Room, path: Path) -> Room:
    """Return another room with the same things in it."""
    shutil.copytree(room.path, path, dirs_exist_ok=True)
    return Room(path)


def _keep_bundle(bars: Bars, path: Path) -> None:
    """Keep a bundle of one quick member that serves the default settings."""
    defaults = Settings()
    manifest = manifest_for(
        bars,
        label={"kind": "horizon", "lookahead": 5, "profit_threshold": 0.005},
        exits=defaults.strategy.exits.model_dump(mode="json"),
        mandatory=defaults.strategy.mandatory_filter,
        metrics={},
    )
    ensemble = trained_on(bars, {"plain": LogisticRegression(max_iter=500)})
    save_bundle(ensemble, manifest, path, bars=[bars])


def _digest(path: Path) -> str:
    if path.is_dir():
        return "folder"
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class Desk:
    """Where commands are called: a room, and what they say."""

    room: Room
    said: pytest.CaptureFixture[str]

    def refuses(
        self, command: Command, words: Words, about: Sequence[str], *, code: int = 1, log: str = ""
    ) -> str:
        """Call the command and return the line in which it refuses; check that nothing is lost.

        Parameters
        ----------
        about : words that must stand in the line
        log : a word of the one line of the log that may come before it; none may by default
        """
        before = self.room.contents()
        assert self._code(command, words) == code
        out, err = self.said.readouterr()
        assert out == ""
        *earlier, line = err.splitlines()
        assert [word for word in about if word not in line] == [], line
        assert line.startswith(f"{command.name}: ")
        assert line.isprintable()
        assert len(line) < 1000
        assert ([log in said for said in earlier] == [True]) if log else (earlier == []), err
        assert self.room.contents() == before
        return line

    def refuses_usage(self, command: Command, words: Words, about: str) -> None:
        """Call the command with wrong flags: argparse says the usage and what is wrong."""
        before = self.room.contents()
        with pytest.raises(SystemExit) as stopped:
            command.main([*map(str, words)])
        out, err = self.said.readouterr()
        usage, line = err.splitlines()
        assert (stopped.value.code, out) == (2, "")
        assert usage.startswith("usage: ")
        assert about in line
        assert self.room.contents() == before

    def works(self, command: Command, words: Words, warns: str | None = None) -> None:
        """Call the command on sound input: what is refused elsewhere is refused for a reason.

        Parameters
        ----------
        warns : in the one warning that it gives; None for no warning
        """
        assert self._code(command, words) == 0
        warnings = self.said.readouterr().err.splitlines()
        if warns is None:
            assert warnings == []
        else:
            (warning,) = warnings
            assert warns in warning

    def _code(self, command: Command, words: Words) -> int:
        return command.main([*map(str, words)])
