"""Plain strategies of backtrader from the command line: run, compared through the indicator."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import run_backtest
import run_paper
import train_ml_ensemble
from strategies.own_file import digest_of
from tests.documents.pages import blocks
from tests.scripts.showing import answer, made, read, refusal
from tests.strategies.own import EXAMPLES
from tests.test_layout import ROOT
from tests.world import World

STOCK = f"{EXAMPLES / 'stock_strategy.py'}:StockStrategy"
FEW_GATES = "[statistics]\ngate_seeds = 3\n"
DATES = ("--start-date", "2022-02-16", "--end-date", "2022-02-24")
WITHOUT = """\
import backtrader as bt

class Own(bt.Strategy):
    params = (("period", 20), ("units", 0.1))

    def __init__(self):
        self.mean = bt.indicators.SMA(period=self.p.period)

    def next(self):
        if self.position and self.data.close[0] < self.mean[0]:
            self.close()
        elif not self.position and self.data.close[0] > self.mean[0]:
            self.buy(size=self.p.units)
"""


@dataclass(frozen=True, slots=True)
class Plain:
    """A folder for runs, and the words that ask for one."""

    path: Path
    world: World

    def words(self, *more: object, config: str = FEW_GATES) -> list[str]:
        file = self.path / "few.toml"
        file.write_text(config)
        words = ["--data", self.world.files[0], *DATES, "--config", file, *more]
        return [*map(str, words), "--out", str(self.path / "runs")]

    def written(self, text: str) -> str:
        file = self.path / "own.py"
        file.write_text(text)
        return f"{file}:Own"


@pytest.fixture
def plain(world: World, tmp_path: Path) -> Plain:
    return Plain(tmp_path, world)


def refused(capsys: pytest.CaptureFixture[str], main: Any, words: list[str], code: int = 2) -> str:
    capsys.readouterr()
    assert main([*words, "--quiet"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    return said.err


def test_the_example_is_compared_through_the_indicator(
    plain: Plain, capsys: pytest.CaptureFixture[str]
) -> None:
    words = plain.words("--strategy", STOCK, "--model", plain.world.bundle, "--ml", "compare")
    folder = made(run_backtest, *words)
    found = read(folder / "metrics.json")
    off, on = found["runs"]
    assert (off["ml_asked"], off["ml"], on["ml"]) == (0, "off", "on")
    assert on["ml_asked"] > 20
    assert on["ml_unavailable"] == 0
    assert off["trades"] > on["trades"] > 0
    assert off["clock"]["kind"] == "stream"
    compared = found["comparison"]
    assert compared["random_gate"]["seeds"] == 3
    assert compared["verdict"]
    groups = {name: group["trades"] for name, group in compared["groups"].items()}
    assert groups["removed"] > 0
    assert groups["added"] + groups["moved_in"] + groups["kept"] == on["trades"]
    assert groups["removed"] + groups["moved_out"] + groups["kept"] == off["trades"]
    request = read(folder / "manifest.json")["request"]
    assert request["command"] == "plain"
    assert request["strategy"]["digest"] == digest_of(EXAMPLES / "stock_strategy.py")
    assert (folder / "report.html").is_file()
    assert answer(capsys, folder, "--rerun")["identical"]
    line = refusal(capsys, folder, "--why", "BTC/USDT", "2022-02-17")
    assert "keeps no journal" in line


def test_the_gates_of_a_strategy_that_heeds_no_opinion_trade_what_it_trades(plain: Plain) -> None:
    text = WITHOUT.replace('("units"', '("analyzer", None), ("units"').replace(
        "self.mean =",
        "from strategies.indicators.ml_ensemble import MLEnsemble\n"
        "        self.ml = MLEnsemble(self.data, analyzer=self.p.analyzer,\n"
        "                             where=lambda bars: bars.close > bars.open)\n"
        "        self.mean =",
    )
    assert text.count("MLEnsemble") == 2
    words = plain.words("--strategy", plain.written(text), "--ml", "compare")
    folder = made(run_backtest, *words, "--model", plain.world.bundle, "--out", words[-1])
    found = read(folder / "metrics.json")
    assert found["runs"][1]["ml_asked"] > 500
    assert found["comparison"]["random_gate"]["trades"]["mean"] == found["runs"][1]["trades"] > 5
    assert found["comparison"]["groups"]["kept"]["trades"] == found["runs"][1]["trades"]
    assert found["comparison"]["random_gate"]["share_of_seeds_below_on"] == 0.0


def test_a_comparison_that_is_interrupted_keeps_what_was_finished(
    plain: Plain, capsys: pytest.CaptureFixture[str]
) -> None:
    text = WITHOUT.replace(
        '("units"', '("analyzer", None), ("units"'
    ).replace("    def next(self):\n", """\
    def next(self):
        if self.p.analyzer is not None:
            raise KeyboardInterrupt
""")  # fmt: skip
    words = plain.words("--strategy", plain.written(text), "--ml", "compare")
    words += ["--model", str(plain.world.bundle)]
    assert run_backtest.main(words) == 130
    assert "interrupted in ML-on; ML-off was finished and is kept in" in capsys.readouterr().err
    (folder,) = (plain.path / "runs").iterdir()
    assert list(read(folder / "manifest.json")["runs"]) == ["off"]


def test_a_strategy_without_the_indicator_runs_without_ml(plain: Plain) -> None:
    words = plain.words("--strategy", plain.written(WITHOUT))
    folder = made(run_backtest, *words)
    found = read(folder / "metrics.json")
    assert [run["ml"] for run in found["runs"]] == ["off"]
    assert found["runs"][0]["trades"] > 5
    assert read(folder / "manifest.json")["request"]["ml"] == "off"


def test_its_parameters_are_settings(plain: Plain) -> None:
    own = plain.written(WITHOUT)
    slow = FEW_GATES + "[strategy.params]\nperiod = 100\n"
    quick = read(made(run_backtest, *plain.words("--strategy", own)) / "metrics.json")
    slower = made(run_backtest, *plain.words("--strategy", own, config=slow))
    assert read(slower / "config.json")["off"]["strategy"]["params"] == {"period": 100}
    assert read(slower / "metrics.json")["runs"][0]["trades"] < quick["runs"][0]["trades"]


@pytest.mark.parametrize("mode", ["on", "compare"])
def test_a_comparison_without_the_indicator_is_refused(
    plain: Plain, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = plain.words("--strategy", plain.written(WITHOUT), "--ml", mode)
    line = refused(capsys, run_backtest.main, words)
    assert f"Own asks no ensemble, so --ml {mode} has nothing to run: give it a parameter" in line


def test_a_comparison_in_which_nobody_was_asked_is_refused(
    plain: Plain, capsys: pytest.CaptureFixture[str]
) -> None:
    text = WITHOUT.replace('("units"', '("analyzer", None), ("units"')
    words = plain.words("--strategy", plain.written(text), "--ml", "compare")
    words += ["--model", str(plain.world.bundle)]
    assert run_backtest.main(words) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "Own asked the ensemble about no bar, so there is nothing to compare" in line


def test_without_a_bundle_auto_goes_on_loudly(
    plain: Plain, capsys: pytest.CaptureFixture[str]
) -> None:
    words = plain.words("--strategy", STOCK, "--model", plain.path / "none")
    assert run_backtest.main([*words, "--json"]) == 0
    said = capsys.readouterr()
    assert "TRADING WITHOUT ML" in said.err
    (run,) = json.loads(said.out)["runs"]
    assert run["ml"] == "off"
    assert run["ml_asked"] == run["ml_unavailable"] > 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[strategy.params]\nperod = 5\n", r"strategy.params.perod is not known to"),
        ("[protections]\ncooldown_bars = 5\n", "protections: a plain strategy sends its orders"),
        ("[strategy]\nmin_entry_score = 5.0\n", "strategy.min_entry_score is not a known key"),
    ],
)
def test_settings_that_do_not_apply_are_refused(
    plain: Plain, config: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = plain.words("--strategy", plain.written(WITHOUT), config=config)
    assert message in refused(capsys, run_backtest.main, words, code=1)


@pytest.mark.parametrize("flags", [["--audit"], ["--walk-forward", "train=30d,test=5d"]])
def test_what_needs_rules_is_refused(
    plain: Plain, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = plain.words("--strategy", STOCK, *flags)
    line = refused(capsys, run_backtest.main, words)
    assert f"{flags[0]} needs a hybrid strategy, and this one is plain" in line


@pytest.mark.parametrize("main", [run_paper.main, train_ml_ensemble.main])
def test_other_commands_refuse_it(main: Any, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, main, ["--strategy", STOCK])
    assert "is a plain strategy: nothing but run_backtest.py runs it" in line


FAILURES = {
    "self.nothing()": r"line 11: AttributeError: .*nothing",
    "nothing": r"line 11: NameError: name 'nothing' is not defined",
    "assert False": r"line 11: AssertionError\n",
    "raise SystemExit(3)": r"line 11: SystemExit: 3",
    "open('/nowhere/at/all')": r"line 11: FileNotFoundError: ",
    "1 / 0": r"line 11: ZeroDivisionError: division by zero",
}


@pytest.mark.parametrize("statement", FAILURES)
def test_a_strategy_that_fails_is_one_line(
    plain: Plain, statement: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = plain.written(WITHOUT.replace("self.close()", statement))
    line = refused(capsys, run_backtest.main, plain.words("--strategy", own), code=1)
    assert re.search(rf"own\.py:Own: the strategy failed, {FAILURES[statement]}", line), line


def test_so_is_one_that_fails_before_the_first_bar(
    plain: Plain, capsys: pytest.CaptureFixture[str]
) -> None:
    own = plain.written(WITHOUT.replace("bt.indicators.SMA", "bt.indicators.SMMMA"))
    line = refused(capsys, run_backtest.main, plain.words("--strategy", own), code=1)
    assert "own.py:Own: the strategy failed, line 7: AttributeError" in line


CHEATS = {
    "the next close": "self.data.close[1] > self.data.close[0]",
    "three bars on, where it looks good": "self.mean[0] > self.mean[-1] and "
    "self.data.close[3] > self.data.close[0]",
    "an indicator's next value": "self.mean[1] > self.mean[0]",
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_bar_to_come_cannot_be_read(
    plain: Plain, cheat: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = plain.written(WITHOUT.replace("self.data.close[0] > self.mean[0]", CHEATS[cheat]))
    line = refused(capsys, run_backtest.main, plain.words("--strategy", own), code=1)
    assert "own.py:Own: the strategy failed, line 12: IndexError" in line
    assert "[1] is still to come" in line


def test_the_recording_cannot_be_read(plain: Plain, capsys: pytest.CaptureFixture[str]) -> None:
    reads = "self.data.recorded.close[self.data.index + 1] > self.data.close[0]"
    own = plain.written(WITHOUT.replace("self.data.close[0] > self.mean[0]", reads))
    line = refused(capsys, run_backtest.main, plain.words("--strategy", own), code=1)
    assert "line 12: AttributeError" in line
    assert "the bars to come are not shown; data.window(n) has the last n bars" in line


def test_a_cheat_that_hides_its_error_knows_nothing_more(plain: Plain) -> None:
    honest = made(run_backtest, *plain.words("--strategy", plain.written(WITHOUT)))
    hidden = (
        WITHOUT.replace("self.buy(", "self.ahead() and self.buy(")
        + """
    def ahead(self):
        try:
            return self.data.close[1] > self.data.close[0]
        except IndexError:
            return True
"""
    )
    cheat = made(run_backtest, *plain.words("--strategy", plain.written(hidden)))
    first, second = (read(folder / "metrics.json")["runs"][0] for folder in (honest, cheat))
    assert second["trades"] == first["trades"] > 5
    assert second["metrics"] == first["metrics"]


def test_an_indicator_that_asks_where_it_cannot_know_is_refused(
    plain: Plain, capsys: pytest.CaptureFixture[str]
) -> None:
    text = WITHOUT.replace('("units"', '("analyzer", None), ("units"').replace(
        "self.mean =",
        "from strategies.indicators.ml_ensemble import MLEnsemble\n"
        "        import numpy as np\n"
        "        self.ml = MLEnsemble(self.data, analyzer=self.p.analyzer,\n"
        "            where=lambda bars: np.append(bars.close[1:], 0.0) > bars.close)\n"
        "        self.mean =",
    )
    words = plain.words("--strategy", plain.written(text), "--ml", "on")
    assert run_backtest.main([*words, "--model", str(plain.world.bundle)]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "where= of MLEnsemble looks ahead: of the bar of BTC/USDT that closed at 2022-" in line


def test_the_strategies_on_the_page_run(plain: Plain) -> None:
    hybrid, stock = (
        block.text for block in blocks(ROOT / "docs" / "own-strategies.md")
        if block.language == "python"
    )  # fmt: skip
    (plain.path / "page.py").write_text(hybrid + stock)
    for name in ("MyStrategy", "Mine"):
        words = plain.words("--strategy", f"{plain.path / 'page.py'}:{name}", "--ml", "off")
        folder = made(run_backtest, *words)
        assert read(folder / "metrics.json")["runs"][0]["trades"] >= (name == "MyStrategy")
