"""Tests of reading a strategy from a file: what is wrong with it is said in one line."""

import hashlib
from pathlib import Path
from typing import Any

import backtrader as bt
import pytest

from engine.errors import ConfigError
from engine.jobs.settings import Settings, load_settings
from ml.bundle import DEFAULT_PATH
from strategies.catalog import is_hybrid, read_strategy, strategy_of
from strategies.config import OwnConfig
from strategies.errors import StrategyError
from strategies.hybrid import HybridStrategy
from strategies.rule_books import rules_of
from tests.strategies.own import MINE, settings_of, written

RULES = "rules = (Rule('dip', dips, mandatory=True),)"
SOUND = f"class Own(HybridStrategy):\n    {RULES}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "must hold a class Own, found no class"),
        ("class Other:\n    pass\n", "must hold a class Own, found Other"),
        ("Own = 5\n", "must hold a class Own"),
        ("class Own:\n    pass\n", "Own must be a strategy, a subclass of .*found object"),
        ("class Own(HybridStrategy):\n    pass\n", "must hold one rule that is mandatory"),
        ("class Own(HybridStrategy):\n    rules = [1]\n", r"must be a tuple of Rule, found \[1\]"),
        (
            "class Own(HybridStrategy):\n    rules = (Rule('dip', dips),)\n",
            "must hold one rule that is mandatory: only bars on which it holds",
        ),
        (
            "class Own(HybridStrategy):\n"
            "    rules = (Rule('dip', dips, mandatory=True), Rule('dip', dips))\n",
            "names of their own, found dip twice",
        ),
        (SOUND + "    exits = 5\n", r"Own.exits must be ExitRules\(…\), found 5"),
        (
            SOUND + "    def next(self):\n        self.buy()\n",
            "Own.next: a hybrid strategy says its rules .* subclass of backtrader.Strategy",
        ),
        ("class Own(HybridStrategy)\n", r"file must run, line 9: SyntaxError: expected ':'$"),
        ("import nothing_of_that_name\n", "line 9: ModuleNotFoundError: No module named"),
        ("1 / 0\n", "line 9: ZeroDivisionError"),
        ("raise SystemExit(0)\n", "line 9: SystemExit"),
        ("Rule('Dip', dips)\n", r"own\.py: line 9: a rule's name must be lower case"),
        ("Rule(5, dips)\n", r"own\.py: line 9: a rule's name must be lower case.*found 5"),
        ("Rule('dip', dips, points='2')\n", r"line 9: rule dip: points must be a number.*'2'"),
        (
            SOUND + "    exits = ExitRules(\n        take_profit=-2.0,\n    )\n",
            r"must run, line 11: ExitRules: take_profit: .*greater than 0, found -2\.0$",
        ),
        (
            SOUND + "    exits = ExitRules(take_proft=2.0)\n",
            "line 11: ExitRules: take_proft is not a known key; did you mean take_profit",
        ),
        (
            SOUND + "    exits = ExitRules(stop_loss=150.0)\n",
            "line 11: ExitRules: a stop must be less than 100 percent",
        ),
        (
            SOUND + "    min_entry_score = 'high'\n",
            r"Own\.min_entry_score: must be a number, f.*'h",
        ),
        (SOUND + "    min_entry_scor = 4.0\n", "min_entry_scor is .*did you mean min_entry_score?"),
        (SOUND + "    min_score = 4.0\n", "min_score is .*did you mean min_entry_score?"),
        (SOUND + "    Exits = ExitRules()\n", r"Own\.Exits is not known.*did you mean exits?"),
        (SOUND + "    warmup_bars = 500\n", r"Own\.warmup_bars would .*strategy\.warmup_bars by"),
        (SOUND + "    min_entry_score = -1\n", r"Own\.min_entry_score: .*or equal to 0, found -1"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(StrategyError, match=message) as caught:
        read_strategy(f"{path}:Own")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_constants_and_helpers_of_the_author_are_welcome(tmp_path: Path) -> None:
    extra = "    lookback = 14\n    rule = staticmethod(dips)\n    _exit = 1\n"
    path = written(tmp_path, SOUND + extra)
    assert read_strategy(f"{path}:Own").found.lookback == 14


def test_a_misspelling_in_a_class_between_is_found(tmp_path: Path) -> None:
    path = written(
        tmp_path, f"class Base(HybridStrategy):\n    exit = 1\nclass Own(Base):\n    {RULES}\n"
    )
    with pytest.raises(StrategyError, match=r"Own\.exit is not known.*did you mean exits"):
        read_strategy(f"{path}:Own")


@pytest.mark.parametrize("text", ["mine", "mine.py", "mine:Own", "mine.py:", "mine.py:a b"])
def test_a_strategy_is_named_by_file_and_class(text: str) -> None:
    with pytest.raises(StrategyError, match=r"PATH\.py:ClassName, found .*examples/my_strategy"):
        read_strategy(text)


@pytest.mark.parametrize("form", ["{}", "{}.py:Own", "examples/my_strategy.py:{}"])
def test_a_name_of_any_length_makes_no_endless_line(form: str) -> None:
    with pytest.raises(StrategyError) as found:
        read_strategy(form.format("x" * 5000))
    assert len(str(found.value)) < 1000


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StrategyError, match=r"none\.py: .*must be readable: No such file"):
        read_strategy(f"{tmp_path / 'none.py'}:Own")


def test_the_defaults_of_the_settings_are_those_of_the_class(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        class Own(HybridStrategy):
            rules = (Rule("dip", dips, points=2.5, mandatory=True), Rule("other", dips))
            min_entry_score = 3.0
            exits = ExitRules(unit="atr", take_profit=2.0, max_bars=9)
        """,
    )
    found = settings_of(path).strategy
    assert isinstance(found, OwnConfig)
    assert found.file == f"{path}:Own"
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.identity == {"name": "Own", "digest": found.digest}
    assert (found.points.of("dip"), found.points.of("other")) == (2.5, 1.0)
    assert found.points.largest_bonus == 2.0
    assert (found.min_entry_score, found.exits.unit, found.exits.max_bars) == (3.0, "atr", 9)
    assert found.ml_model_path == DEFAULT_PATH


def test_settings_stand_above_the_class(tmp_path: Path) -> None:
    path = written(tmp_path, SOUND)
    found = settings_of(path, min_entry_score=1.5, points={"dip": 4.0}, exits={"max_bars": 3})
    assert found.strategy.min_entry_score == 1.5
    assert found.strategy.points.of("dip") == 4.0
    assert found.strategy.exits.max_bars == 3
    assert found.strategy.exits.take_profit == 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"points": {"dap": 1.0}},
            r"strategy\.points\.dap is not known to .*Own; known keys: dip, ml_",
        ),
        ({"points": {"dip": -1.0}}, r"strategy\.points\.dip: .*greater than or equal to 0"),
        ({"rsi_oversold": 20.0}, r"strategy\.rsi_oversold is not a known key"),
        ({"digest": "0" * 64}, r"strategy\.digest: the settings are for another state of .*Own"),
    ],
)
def test_settings_that_the_strategy_does_not_know_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = written(tmp_path, SOUND)
    with pytest.raises(ConfigError, match=message):
        settings_of(path, **changes)


def test_settings_that_were_kept_are_read_without_running_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, SOUND)
    kept = settings_of(path, min_entry_score=2.0).model_dump(mode="json")
    path.unlink()
    again = Settings.model_validate(kept)
    assert again.model_dump(mode="json") == kept


def test_a_file_in_another_state_gives_no_rules(tmp_path: Path) -> None:
    path = written(tmp_path, SOUND)
    kept = settings_of(path).model_dump(mode="json")
    path.write_text(path.read_text() + "# another state\n")
    again = Settings.model_validate(kept)
    for asked in (rules_of, strategy_of):
        with pytest.raises(StrategyError, match="the strategy was changed since"):
            asked(again.strategy)
    assert tuple(rules_of(settings_of(path).strategy).names) == ("dip",)


def test_a_file_in_another_state_is_never_run(tmp_path: Path) -> None:
    path, mark = written(tmp_path, SOUND), tmp_path / "was run"
    kept = settings_of(path).model_dump(mode="json")
    path.write_text(f"open({str(mark)!r}, 'w').close()\n{path.read_text()}")
    again = Settings.model_validate(kept)
    for asked in (rules_of, strategy_of):
        with pytest.raises(StrategyError, match="the strategy was changed since, and is not run"):
            asked(again.strategy)
    with pytest.raises(ConfigError, match="the settings are for another state of"):
        settings_of(path, digest=kept["strategy"]["digest"])
    assert not mark.exists()
    settings_of(path)  # as it is now: the mark tells of a run
    assert mark.exists()


def test_a_session_goes_on_by_the_rules_it_began_with(tmp_path: Path) -> None:
    path = written(tmp_path, SOUND)
    settings = settings_of(path)
    before = rules_of(settings.strategy)
    path.write_text("no strategy any more")
    assert rules_of(settings.strategy) == before
    assert issubclass(strategy_of(settings.strategy), HybridStrategy)


def test_the_example_is_a_hybrid_strategy_and_the_default_is_the_built_in_one() -> None:
    own = read_strategy(MINE)
    assert is_hybrid(own)
    assert strategy_of(settings_of(*MINE.split(":")).strategy) is own.found
    assert strategy_of(load_settings().strategy).__name__ == "CryptoScalpingStrategy"


def test_a_plain_strategy_is_one_too(tmp_path: Path) -> None:
    path = written(tmp_path, "import backtrader as bt\nclass Own(bt.Strategy):\n    pass\n")
    own = read_strategy(f"{path}:Own")
    assert issubclass(own.found, bt.Strategy)
    assert not is_hybrid(own)
