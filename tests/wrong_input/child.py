"""A process of its own for what might crash, hang or eat all memory: then an example has failed.

    python -m tests.wrong_input.child

reads a line of JSON for each task, [task, words...], and answers with one: [outcome, text].
"""

import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds for a task that takes milliseconds
STARTING = 300.0  # seconds for the first one, which loads libraries
MEMORY = 8 << 30  # bytes


class Child:
    """The process; it is started when it is needed, and again after a crash or a hang."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._answers: Queue[str] = Queue()

    def ask(self, task: str, *words: object) -> str:
        """Return how a task ended: `sound`, or `refused: ` and why.

        Raises
        ------
        AssertionError
            if it ended in any other way
        """
        patience = STARTING if self._process is None else PATIENCE
        process = self._process or self._start()
        assert process.stdin is not None
        process.stdin.write(json.dumps([task, *map(str, words)]) + "\n")
        process.stdin.flush()
        try:
            answer = self._answers.get(timeout=patience)
        except Empty:
            self.end()
            raise AssertionError(f"{task}: no answer in {patience:.0f} s") from None
        if not answer:
            code = process.wait()
            self.end()
            how = signal.Signals(-code).name if code < 0 else f"exit {code}"
            raise AssertionError(f"{task}: the process ended with {how}")
        outcome, text = json.loads(answer)
        assert outcome != "defect", text
        return f"{outcome}: {text}" if text else str(outcome)

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.wrong_input.child"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._process, self._answers = process, Queue()
        Thread(target=_forward, args=(process, self._answers), daemon=True).start()
        return process


def _forward(process: subprocess.Popen[str], answers: "Queue[str]") -> None:
    """Hand on the lines of the process, and an empty one at its end."""
    assert process.stdout is not None
    with contextlib.suppress(ValueError):  # closed by `end`
        for line in process.stdout:
            answers.put(line)
    answers.put("")


# What the process does. Libraries are loaded by the tasks that need them.


def _bars(path: str) -> None:
    from feeds.files import read_bars

    for repair in ((), ("sort", "dedupe", "drop-broken", "drop-off-grid")):
        read_bars(Path(path), repair=repair)


def _stored(root: str) -> None:
    import numpy as np

    from feeds.spans import span_of
    from feeds.store import Listing, Store
    from feeds.timeframe import Timeframe

    frame = Timeframe.parse("5m")
    span = span_of(
        np.datetime64("2024-01-01", "ms"), np.datetime64("2024-01-01T02:30", "ms"), frame
    )
    Store(Path(root)).read(Listing("binance", "BTC/USDT", frame), span)


def _settings(path: str) -> None:
    from engine.config import to_toml
    from engine.jobs.settings import load_settings

    settings = load_settings(Path(path))
    Path(path).write_text(to_toml(settings), encoding="utf-8")
    # Secrets are not written: what is shown of them is what comes back.
    again = load_settings(Path(path))
    assert again.model_dump(mode="json") == settings.model_dump(mode="json")


def _bundle(path: str) -> None:
    from ml.bundle import load_bundle

    bundle = load_bundle(Path(path))
    bundle.kept.read(fill_limit=bundle.manifest.fill_limit)


def _command(script: str, *words: str) -> None:
    """Call a command; what it refuses must be one line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = import_module(script).main(list(words))
    if code:
        line = err.getvalue().splitlines()[-1]
        assert (code in (1, 2), out.getvalue(), line.startswith(f"{script}: ")) == (True, "", True)
        assert len(line) < 1000, line
        assert line.isprintable(), line
        raise _CommandRefusedError(line)


class _CommandRefusedError(Exception):
    """A command said no in one line."""


TASKS: Mapping[str, Callable[..., None]] = {
    "bars": _bars,
    "stored": _stored,
    "settings": _settings,
    "bundle": _bundle,
    "command": _command,
}


def _named_errors() -> tuple[type[BaseException], ...]:
    from engine.jobs.flags import NAMED_ERRORS

    return (*NAMED_ERRORS, _CommandRefusedError)


def _done(task: str, words: list[str]) -> tuple[str, str]:
    try:
        TASKS[task](*words)
    except _named_errors() as error:
        return ("refused", str(error)) if len(str(error)) < 1000 else ("defect", str(error))
    except BaseException:  # noqa: BLE001  whatever it is, it is a defect
        return "defect", traceback.format_exc()
    return "sound", ""


def serve() -> None:
    """Do the tasks that come, one after the other."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")  # what libraries print goes elsewhere
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    _named_errors()  # loads libraries, and some of those warn
    for kind in (UserWarning, RuntimeWarning, FutureWarning):  # shown by default: a line too many
        warnings.simplefilter("error", kind)
    for line in sys.stdin:
        task: list[Any] = json.loads(line)
        print(json.dumps(_done(task[0], task[1:])), file=answers, flush=True)


if __name__ == "__main__":
    serve()
