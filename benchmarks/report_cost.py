"""The page of a run: what it costs to make beside the run itself, its size, how soon it is drawn.

Each page is opened in a browser that was just started and has compiled nothing yet, which is how
somebody opens a report, in a window of 1280 by 900. Milliseconds count from its opening:

readable  the verdict and its figures are painted
priced    the chart of prices and trades of the whole year is drawn
viewed    it and every other section that reaches into the first two screens are, with all charts
drawn     every chart of the page is; the browser goes on from the first two screens by itself

CPU is that of the page's main thread: unlike wall time it grows little with what else the machine
does.
"""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from benchmarks.harness import seconds_of
from engine.jobs.backtest import runs
from engine.jobs.markets import Market
from engine.jobs.reporting.page import report_page
from engine.jobs.run_report import RunContext, RunReport
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings
from engine.report_html.page import library_text
from engine.run_folder import PAGE, PageOf
from engine.tables import formatted, rendered, table
from feeds.bars import Bars
from ml.analyzer import Analyzer

LOADING = 4000  # bars: enough for a run that loads every library and all compiled code
KINDS = ("readable", "priced", "viewed", "drawn")
MODES = {MLMode.OFF: "ML off", MLMode.COMPARE: "ML off, ML on and their comparison"}


@dataclass(frozen=True, slots=True)
class Made:
    """A run whose page was made.

    Attributes
    ----------
    seconds : of CPU, of the whole run with its page
    page_seconds : of CPU, of these for the page
    size : of the page, in bytes
    """

    seconds: float
    page_seconds: float
    size: int
    trades: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a page was drawn: ms since it was opened, and seconds of CPU."""

    readable: float
    priced: float
    viewed: float
    drawn: float
    cpu: float


def report(bars: Bars, settings: Settings, analyzer: Analyzer, rounds: int) -> str:
    """Measure and return the tables."""
    with TemporaryDirectory() as folder:
        made(bars[:LOADING], settings, analyzer, MLMode.COMPARE, Path(folder) / "first")
        found, drawings = {}, {}
        for mode, name in MODES.items():
            out = Path(folder) / mode
            found[name] = made(bars, settings, analyzer, mode, out)
            (page,) = out.glob(f"*/{PAGE}")
            drawings[name] = [each for _ in range(rounds) if (each := drawn(page))]
    return "\n".join([_making(bars, found), _drawing(found, drawings)])


def made(bars: Bars, settings: Settings, analyzer: Analyzer, mode: MLMode, out: Path) -> Made:
    """Make a run and its page in a folder."""
    request = RunRequest(settings=settings, ml=mode, out=out)
    market = Market(bars, settings.strategy.warmup_bars)
    asked = request.record("backtest", mode, analyzer)
    asks = analyzer if mode is MLMode.COMPARE else None
    context = RunContext(settings, [market], asks, out, asked)
    library_text.cache_clear()  # every command deflates it once
    with _pages_timed() as taken:
        kept: list[RunReport] = []
        seconds = seconds_of(lambda: kept.append(runs(context, mode)))
    (done,) = kept
    size = (done.run_dir / PAGE).stat().st_size
    return Made(seconds, sum(taken), size, sum(len(each.trades) for each in done.results))


@contextmanager
def _pages_timed() -> Iterator[list[float]]:
    """Yield a list to which each page that is made adds its CPU seconds."""
    taken: list[float] = []

    def timed(*args: Any) -> PageOf:
        write = report_page(*args)

        def written(*of: Any) -> str:
            started = time.process_time()
            text = write(*of)
            taken.append(time.process_time() - started)
            return text

        return written

    with patch("engine.jobs.run_report.report_page", timed):
        yield taken


def drawn(page: Path) -> Drawn | None:
    """Open a page in a new browser and wait for its charts; None where there is no browser."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        return None
    from tests.browsing import open_page, run, start_browser, until  # only for those who ask

    browser = start_browser(chromium, driver)
    try:
        browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        before = _cpu(browser)
        open_page(browser, page.as_uri())
        until(browser, lambda: run(browser, "return document.documentElement.dataset.drawn"))
        paints = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        return Drawn(
            readable=float(run(browser, f"return {paints}")),
            priced=float(run(browser, "return document.getElementById('price').dataset.drawn")),
            viewed=float(run(browser, "return document.documentElement.dataset.viewed")),
            drawn=float(run(browser, "return document.documentElement.dataset.drawn")),
            cpu=_cpu(browser) - before,
        )
    finally:
        browser.quit()


def _cpu(browser: Any) -> float:
    metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def _making(bars: Bars, found: Mapping[str, Made]) -> str:
    shown = table(f"{len(bars):,} bars", "trades", "run, CPU s", "its page, CPU s", "share", "MB")
    for name, each in found.items():
        shown.add_row(
            name,
            f"{each.trades:,}",
            f"{each.seconds:.2f}",
            f"{each.page_seconds:.2f}",
            f"{each.page_seconds / each.seconds:.1%}",
            f"{each.size / 1e6:.2f}",
        )
    return rendered(shown)


def _drawing(found: Mapping[str, Made], drawings: Mapping[str, Sequence[Drawn]]) -> str:
    shown = table(
        "in a new browser", "readable, ms", "priced, ms", "viewed, ms", "drawn, ms", "CPU s"
    )
    for name in found:
        each = drawings[name]
        shown.add_row(
            name,
            *(_shown([getattr(d, kind) for d in each], ".0f") for kind in KINDS),
            _shown([d.cpu for d in each], ".2f"),
        )
    return rendered(shown)


def _shown(values: Sequence[float], form: str) -> str:
    return formatted(median(values) if values else None, form)
