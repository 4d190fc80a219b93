"""Progress as a person sees it: nothing where it is over soon, else a bar or lines."""

import io
import logging
import time

import pytest
from rich.console import Console

from engine.jobs import display
from engine.jobs.display import show_progress
from engine.jobs.log import log_so_far, logged
from feeds.progress import progress


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what takes longer than 50 ms count as long."""
    monkeypatch.setattr(display, "SHOWN_AFTER", 0.05)
    monkeypatch.setattr(display, "SAID_EVERY", 0.0)


def shown(*, terminal: bool, steps: int = 4, pause: float = 0.05, quiet: bool = False) -> str:
    """Return what is written while a task of some steps runs."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    with show_progress(console, quiet=quiet), progress("counting", total=steps, unit="bars") as one:
        for _ in range(steps):
            time.sleep(pause)
            one()
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_over_soon_is_not_shown(terminal: bool) -> None:
    assert "counting" not in shown(terminal=terminal, pause=0.0)


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_shows_nothing(terminal: bool) -> None:
    assert shown(terminal=terminal, quiet=True) == ""


def test_a_terminal_shows_a_bar_and_takes_it_away() -> None:
    written = shown(terminal=True, pause=0.2)
    assert "counting" in written
    assert "bars/s" in written
    assert written.rstrip().endswith("\x1b[2K") or "\x1b[?25h" in written.rstrip()[-20:]


def test_elsewhere_lines_count_foresee_and_end_with_the_time_taken() -> None:
    lines = shown(terminal=False).splitlines()
    assert "\x1b" not in "".join(lines)
    assert any("left" in line and "of 4 bars" in line for line in lines)
    assert lines[-1].startswith("counting: 4 of 4 bars in ")


def test_a_task_inside_another_is_shown_below_it() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with (
        show_progress(console, quiet=False),
        progress("outer", total=2, unit="members"),
        progress("inner", total=2, unit="bars") as step,
    ):
        step()
        time.sleep(0.4)
    written = console.file
    assert isinstance(written, io.StringIO)
    assert "outer" in written.getvalue()
    assert "inner" in written.getvalue()


def test_an_error_inside_a_task_passes_and_ends_it() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with (  # noqa: PT012  the task is what is tested
        pytest.raises(ValueError, match="broken"),
        show_progress(console, quiet=False),
        progress("counting", total=None, unit="bars"),
    ):
        time.sleep(0.1)
        raise ValueError("broken")
    with show_progress(console, quiet=False), progress("again", total=1, unit="bars"):
        pass


def test_the_log_shows_warnings_and_keeps_everything_with_its_time() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=20)
    log = logging.getLogger("tandem.test")
    written = console.file
    assert isinstance(written, io.StringIO)
    with logged(console, verbose=False):
        log.info("a note [of no importance]")
        log.warning("a warning that is longer than the console is wide")
        note, warning = log_so_far().splitlines()
    assert written.getvalue() == "a warning that is longer than the console is wide\n"
    assert note.endswith("Z INFO tandem.test: a note [of no importance]")
    assert "WARNING" in warning
    assert log_so_far() == ""
    with logged(console, verbose=True):
        log.info("a second note")
    log.warning("nobody's")
    assert written.getvalue().endswith("a second note\n")
