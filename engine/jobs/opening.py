"""The page of a run, shown in a browser when the command is over."""

import os
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


@runtime_checkable
class Paged(Protocol):
    """A report with a page; None if there is no run."""

    @property
    def page(self) -> Path | None: ...


def add_open_flag(group: Any) -> None:
    """Add the flag that opens the page of a run."""
    group.add_argument(
        "--open",
        action="store_true",
        default=None,
        help="show the page of the run, report.html, in the browser",
    )


def show_page(report: object, *, as_json: bool) -> None:
    """Open the page of the report, or say in a last line what kept it from being shown.

    The line follows the report; where that is one JSON object it stands on the standard error.
    """
    why_not = opened(report)
    if why_not:
        print(why_not, file=sys.stderr if as_json else sys.stdout)


def opened(report: object, environment: Mapping[str, str] | None = None) -> str | None:
    """Open the page of the report; return in a line what kept it from being shown.

    Parameters
    ----------
    environment : of the process, which tells whether there is a screen
    """
    page = report.page if isinstance(report, Paged) else None
    if page is None:
        return "--open has nothing to show: no run was kept"
    if not page.is_file():
        return (
            f"{page}: there is no such page, for the run was kept by a version of Tandem that made "
            "none; give the command of the run again"
        )
    if not _has_screen(os.environ if environment is None else environment):
        return f"no screen to show it on: open {page.absolute()} in a browser"
    try:
        shown = webbrowser.open(page.absolute().as_uri())
    except (webbrowser.Error, OSError):
        shown = False
    return None if shown else f"no browser was found: open {page.absolute()} in one"


def _has_screen(environment: Mapping[str, str]) -> bool:
    """Return whether a window could be shown; what browses in a terminal would take it over."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(environment.get(name) for name in _SCREENS)
