"""Every measurement runs, on little, and what it reports is what was done."""

import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from benchmarks import __main__ as command
from benchmarks import engine_cost, features_cost, memory_cost, scale, soak
from benchmarks.engine_cost import HELD, NO_CANDIDATE, NO_ENTRY, USUAL, Hybrid, at_market
from tests.makers import make_bars

if TYPE_CHECKING:
    from tests.world import World


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of the tables in the text, their titles too."""
    lines = [line for line in text.splitlines() if re.match(r"\| *[^-|]", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_trades_at_the_market_are_those_of_the_plan() -> None:
    markets = [make_bars(600, symbol=f"{coin}/USDT") for coin in ("BTC", "ETH")]
    execution = at_market(markets, 20)
    assert execution.clock.kind == "sparse"
    assert len(execution.trades) == 2 * 20
    held = {trade.bars_held for trade in execution.trades}
    assert held == {HELD}


def test_an_idle_run_passes_over_all_but_the_ends() -> None:
    execution = at_market([make_bars(5000)], 0)
    assert not execution.trades
    assert execution.clock.run <= 3


def test_the_variants_of_the_hybrid_strategy_tell_its_costs_apart() -> None:
    bars = [make_bars(3000, seed=3)]
    idle, watching = Hybrid.on(bars, NO_CANDIDATE).run(), Hybrid.on(bars, NO_ENTRY).run()
    trading = Hybrid.on(bars, USUAL).run()
    assert len(idle.decisions) == 0
    assert len(watching.decisions) > 0 == len(watching.execution.trades)
    assert len(trading.execution.trades) > 0


@pytest.mark.slow
def test_the_engine_is_measured_over_bars_and_symbols() -> None:
    text = engine_cost.report(longest=32_000, symbols=2, rounds=1)
    names = [row[0] for row in rows_of(text)]
    assert names[:3] == ["CPU", "in and out at the market", "hybrid, brackets, ML off"]
    assert "2,000 bars, 1 symbol" in names
    assert "32,000 bars, 1 symbol" in names
    assert "2,000 bars, 2 symbols" in names
    assert "…" not in text  # nothing is cut off


@pytest.mark.slow
def test_one_run_is_measured_over_symbols_and_years_in_a_process_as_users_start_it(
    tmp_path: Path,
) -> None:
    plot = tmp_path / "scale.svg"
    table = rows_of(scale.report(10, (1, 2), (1, 2), plot))
    names = [row[0] for row in table]
    assert names[1:4] == ["1 symbol, 1 year", "2 symbols, 1 year", "1 symbol, 2 years"]
    assert [row[1] for row in table[1:4]] == ["0.01", "0.03", "0.03"]  # 10 and 20 days
    assert {"symbol of a year", "year of a symbol"} <= set(names)
    assert all(int(row[6].replace(",", "")) > 50 for row in table[1:4])  # no run without libraries
    root = ET.parse(plot).getroot()  # noqa: S314  written by ourselves
    assert len(root.findall(".//{*}circle")) == 2 * (2 + 2 + 2)


def test_features_are_measured_at_once_and_by_window() -> None:
    text = features_cost.report(make_bars(2500), rounds=1)
    assert [row[0] for row in rows_of(text)][1:] == ["features", "evidence"]


@pytest.mark.slow
def test_memory_is_measured_in_a_process_of_its_own() -> None:
    rows = rows_of(memory_cost.report(4000))
    assert len(rows) == 1 + 3 + memory_cost.RUNS + 1
    assert all(abs(float(value)) < 200 for _, value in rows[1:])


@pytest.mark.slow
def test_ml_is_measured_whole_and_row_by_row(world: "World") -> None:
    from benchmarks import ml_cost  # with all of learning
    from engine.jobs.serving import serving_analyzer

    settings, bars = world.settings(), world.bars[0]
    analyzer = serving_analyzer(settings, bars.timeframe)
    rows = rows_of(ml_cost.report(bars[:3000], settings, analyzer, rounds=1))
    names = [row[0] for row in rows]
    assert names[1:3] == [ml_cost.OFF, ml_cost.ON]
    members = [member.name for member in analyzer.bundle.ensemble.members]
    assert names.count("features") == 2
    assert all(names.count(name) == 2 for name in members)


def test_live_decisions_are_measured_alone_and_at_once(world: "World") -> None:
    from benchmarks import live_latency
    from engine.jobs.serving import serving_analyzer

    settings, bars = world.settings(), world.bars[0]
    analyzer = serving_analyzer(settings, bars.timeframe)
    few = [bars[:700].unchecked({"symbol": f"C{place}/USDT"}) for place in range(3)]
    watch = live_latency.watched(few, settings, analyzer)
    assert len(watch.seconds) == 300
    assert {0, 3} <= set(watch.asked)  # all at once, as they have the same bars
    rows = rows_of(live_latency.report(bars, settings, analyzer, moments=400, symbols=2))
    assert [row[1] for row in rows[1:]][::2] == ["400", "200"]


def test_a_soak_counts_what_a_session_lived_through(tmp_path: Path) -> None:
    text = soak.report(hours=0.25, speed=45, symbols=2, folder=tmp_path, ml=False)
    names = [row[0] for row in rows_of(text)]
    assert names[0] == "resident memory and CPU"
    assert names[-2:] == ["arrival to last decision", "close to decisions committed"]
    found = re.search(r"(\d+) moments, \d+ late, (\d+) caught.* (\d+) bars, (\d+) lost", text)
    assert found is not None, text
    moments, caught, bars, lost = map(int, found.groups())
    assert 2 <= moments + caught <= 15  # some pass while the session loads
    assert (bars, lost) == (2 * moments, 0)


def test_wrong_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in ((["nothing"], "found nothing"), (["--days", "3"], "must be 10 or more")):
        with pytest.raises(SystemExit) as stopped:
            command.main(words)
        assert stopped.value.code == 2
        assert said in capsys.readouterr().err


def test_the_command_prints_what_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["features", "--days", "10", "--rounds", "1"]) == 0
    assert rows_of(capsys.readouterr().out)[0][0].startswith("14,400 bars")


@pytest.mark.slow
def test_pages_are_measured_where_they_are_made_and_drawn(world: "World") -> None:
    from benchmarks import report_cost  # with all of learning
    from engine.jobs.serving import serving_analyzer

    settings, bars = world.settings(), world.bars[0]
    analyzer = serving_analyzer(settings, bars.timeframe)
    rows = rows_of(report_cost.report(bars[:5000], settings, analyzer, rounds=1))
    names = [*report_cost.MODES.values()]
    assert [row[0] for row in rows] == ["5,000 bars", *names, "in a new browser", *names]
    for _, trades, run, page, _, size in rows[1:3]:
        assert int(trades.replace(",", "")) > 0
        assert 0 < float(page) < float(run)
        assert float(size) < 8
    for _, *ms, _cpu in rows[4:]:
        assert ms == ["-"] * 3 or sorted(map(int, ms)) == [int(each) for each in ms]


@pytest.mark.slow
def test_an_ensemble_is_trained_once_and_asked_again(tmp_path: Path) -> None:
    from benchmarks.ensemble import analyzer_in

    trained = analyzer_in(tmp_path, days=60, preset="small")
    again = analyzer_in(tmp_path, days=60, preset="small")
    assert again.digest == trained.digest


@pytest.mark.slow
def test_a_training_is_measured() -> None:
    from benchmarks import training_cost

    rows = rows_of(training_cost.report(days=60, symbols=1, preset="small"))
    assert rows[1][0].startswith("1 symbols, 60 days")
    assert rows[1][1] == f"{60 * 288:,}"
