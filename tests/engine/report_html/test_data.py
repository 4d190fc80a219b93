"""Data quality on the page: what metrics.json says, and every gap that there is."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from selenium.webdriver import Chrome

from engine.report_html.data import data
from engine.report_html.report import Report, Traded
from engine.run_folder import to_json
from feeds.bars import Bars
from feeds.gaps import to_bars
from feeds.timeframe import Timeframe
from tests.browsing import texts
from tests.engine.report_html.reading import read
from tests.engine.run_makers import make_result
from tests.makers import make_bars

FIVE = Timeframe.parse("5m")


def with_gaps(missing: list[tuple[int, int]]) -> Bars:
    """Return 500 bars of which rows are taken out: so many from a place on."""
    whole = make_bars(500)
    frame = pd.DataFrame(
        {"timestamp": whole.time}
        | {name: getattr(whole, name) for name in ("open", "high", "low", "close", "volume")}
    )
    gone = np.concatenate([np.arange(at, at + count) for at, count in missing])
    return to_bars(frame.drop(index=gone.tolist()).reset_index(drop=True), "BTC/USDT", FIVE)


def section_of(bars: Bars, **changed: Any) -> str:
    facts = {
        "start": "2024-01-01T00:00:00Z",
        "end": "2024-01-02T00:00:00Z",
        "bars": len(bars),
        "warmup_bars": 0,
        "filled": int(bars.filled.sum()),
        "segments": len(list(bars.segments())),
        "digest": bars.digest(),
    }
    result = make_result(**changed)
    seen = {"synthetic": False, "timeframe": "5m", "symbols": {"BTC/USDT": facts}}
    report = Report(
        name="run",
        created_at="",
        document=to_json([result], None, seen, None),
        results=[result],
        markets={"BTC/USDT": Traded(bars, 0)},
        request={"bars": {"kind": "other"}},
    )
    return data(report).html


def test_the_table_says_what_the_metrics_say(browser: Chrome, compared: Path) -> None:
    symbols: Mapping[str, Any] = json.loads((compared / "metrics.json").read_text())["data"][
        "symbols"
    ]
    read(browser, compared / "report.html")
    assert len(symbols) == 2
    for symbol, facts in symbols.items():
        row = texts(browser, f'[data-table=data] [data-symbol="{symbol}"] td')
        assert row[2:5] == [f"{facts[name]:,}" for name in ("bars", "warmup_bars", "filled")]
        assert row[6] == str(facts["segments"])
    assert set(texts(browser, "#data .facts code")) == {
        facts["digest"] for facts in symbols.values()
    }


def test_every_gap_is_told_the_longest_first() -> None:
    html = section_of(with_gaps([(50, 3), (100, 40), (300, 1)]))
    places = [html.index(text) for text in ("hole of 40 bars", "3 filled, from", "1 filled, from")]
    assert places == sorted(places)
    assert "2024-01-01 04:10Z" in html or "04:10" in html


def test_of_many_gaps_the_longest_are_told_and_the_others_counted() -> None:
    html = section_of(with_gaps([(10 * place, 1 + place % 2) for place in range(1, 40)]))
    assert html.count("filled, from") == 12
    assert "and 27 more" in html


def test_bars_without_gaps_say_so() -> None:
    assert "No bar is missing." in section_of(make_bars(100))


def test_what_the_bars_are_not_is_said_in_red() -> None:
    html = section_of(make_bars(100), synthetic=True, in_sample=True)
    assert html.count('class="warning"') == 2
    assert "The market is simulated" in html
    assert "The ensemble has seen bars of this run" in html


def test_bars_without_volume_are_counted() -> None:
    bars = make_bars(100)
    quiet = replace(bars, volume=np.where(np.arange(100) < 25, 0.0, bars.volume))
    assert "25.00\N{NO-BREAK SPACE}%" in section_of(quiet)
