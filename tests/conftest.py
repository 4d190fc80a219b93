"""What holds for every test: threads, hypothesis, and tests that need real bars."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from tests.world import World

# A test shares its machine with others, and most with those of other workers. These are read when
# the libraries start, hence here.
_THREADS = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, _THREADS)

# A shell that starts this in the background has it ignore Ctrl-C, and so would each command that a
# test starts in order to interrupt it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: the first example pays for compilation. In CI the examples are the same each time,
# so that a submission fails only for what it changed; everywhere else they are drawn anew.
settings.register_profile("explore", deadline=None)
settings.register_profile("repeat", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("repeat" if os.environ.get("CI") == "true" else "explore")

REAL_BARS = Path(__file__).resolve().parents[2] / "shared" / "data"
_DESELECTED = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def real_bars_dir() -> Path:
    """The folder of real exchange bars; only for tests marked `real_data`."""
    return REAL_BARS


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> "World":
    """Simulated bars with a trained bundle."""
    from tests.world import make_world  # only for those who ask: it loads all of learning

    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def browser() -> Iterator["Chrome"]:
    """Debian's Chromium without a window."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no browser: Debian has it as chromium and chromium-driver (.ci/run)")
    from tests.browsing import start_browser  # only for those who ask

    started = start_browser(chromium, driver)
    try:
        yield started
    finally:
        started.quit()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what needs real bars where there are none."""
    if REAL_BARS.is_dir():
        return
    without = [item for item in items if item.get_closest_marker("real_data")]
    items[:] = [item for item in items if not item.get_closest_marker("real_data")]
    config.hook.pytest_deselected(items=without)
    config.stash[_DESELECTED] = len(without)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what was not run."""
    count = terminalreporter.config.stash.get(_DESELECTED, 0)
    if count:
        terminalreporter.write_line(
            f"real_data: {count} tests need real bars in {REAL_BARS}, which is absent; not run"
        )
