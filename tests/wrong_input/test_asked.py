"""What is asked of sound bars and cannot be answered: dates, symbols, timeframes, too few bars."""

from collections.abc import Callable, Mapping

import pytest

from feeds.bars import Bars
from feeds.files import write_bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from tests.makers import make_bars, with_hole
from tests.wrong_input.rooms import (
    BACKTEST,
    EVALUATE,
    EVERY,
    GENERATE,
    PAPER,
    READERS,
    TRAIN,
    UPDATE,
    WHOLE_PAPER,
    Command,
    Desk,
)

DATED = {"run_backtest": BACKTEST, "run_paper": WHOLE_PAPER, "train": TRAIN, "evaluate": EVALUATE}

# Flags that no bars can satisfy, and what the refusal says.
DATES: Mapping[str, tuple[list[str], tuple[str, ...]]] = {
    "dates behind the bars": (
        ["--start-date", "2030-01-01"],
        ("BTC/USDT: the range 2030-01-01", "must hold bars, found 2024-01-01 00:00Z to 2024-01-06"),
    ),
    "dates before the bars": (
        ["--end-date", "2020-01-01"],
        ("to 2020-01-01 00:00Z must hold bars, found 2024-01-01", "choose dates inside"),
    ),
    "dates the wrong way round": (
        ["--start-date", "2024-01-03", "--end-date", "2024-01-02"],
        ("a range must end after it starts, found 2024-01-03 00:00Z to 2024-01-02 00:00Z",),
    ),
    "dates that hold no moment": (
        ["--start-date", "2024-01-03", "--end-date", "2024-01-03"],
        ("a range must end after it starts",),
    ),
    "dates that hold the warm-up only": (
        ["--end-date", "2024-01-02"],
        ("a decision needs 400 bars of its segment before it", "288 bars", "give a longer range"),
    ),
}


@pytest.mark.parametrize("command", DATED.values(), ids=DATED)
@pytest.mark.parametrize(("flags", "about"), DATES.values(), ids=DATES)
def test_dates_without_bars_are_refused_with_those_that_have_some(
    flags: list[str], about: tuple[str, ...], command: Command, desk: Desk
) -> None:
    desk.refuses(command, [*command.on(desk.room, desk.room.bars), *flags], about)


FEW: Mapping[str, Callable[[Bars], Bars]] = {
    "fewer bars than the longest lookback": lambda bars: bars[:400],
    "one bar": lambda bars: bars[:1],
    "no segment that is long enough": lambda bars: with_hole(
        with_hole(bars[:1200], at=350, missing=60), at=700, missing=60
    ),
}


@pytest.mark.parametrize("command", DATED.values(), ids=DATED)
@pytest.mark.parametrize("few", FEW.values(), ids=FEW)
def test_too_few_bars_for_a_decision_are_refused_with_the_number_that_it_takes(
    few: Callable[[Bars], Bars], command: Command, desk: Desk
) -> None:
    file = desk.room.path / "few.csv"
    write_bars(few(make_bars(1500)), file)
    desk.refuses(command, command.on(desk.room, file), ["BTC/USDT", "needs 400 bars"])


@pytest.mark.parametrize("command", READERS.values(), ids=READERS)
def test_markets_that_do_not_go_together_are_refused(command: Command, desk: Desk) -> None:
    bars, other = desk.room.bars, desk.room.path / "other.csv"
    desk.refuses(
        command, command.on(desk.room, bars, bars), ["each symbol must come once", "BTC/USDT"]
    )
    write_bars(make_bars(30, symbol="ETH/EUR"), other)
    desk.refuses(command, command.on(desk.room, bars, other), ["one quote currency", "EUR, USDT"])
    write_bars(make_bars(30, symbol="ETH/USDT", timeframe="1h"), other)
    desk.refuses(command, command.on(desk.room, bars, other), ["one timeframe", "1h, 5m"])


@pytest.mark.parametrize("command", READERS.values(), ids=READERS)
def test_a_repair_that_there_is_not_is_refused(command: Command, desk: Desk) -> None:
    words = [*command.on(desk.room, desk.room.bars), "--repair", "sorted"]
    desk.refuses(command, words, ["unknown repair 'sorted'", "did you mean sort"])


ONE_SIDED: Mapping[str, tuple[Bars, list[str]]] = {
    "a profit that no market brings": (
        synthetic_bars("BTC/USDT", Timeframe.parse("5m"), days=15, seed=1),
        ["--profit-threshold", "20"],
    ),
    "a market that stands still": (
        make_bars(2000, volatility=1e-12),
        ["--population", "all"],
    ),
}


@pytest.mark.parametrize(("bars", "flags"), ONE_SIDED.values(), ids=ONE_SIDED)
def test_one_class_in_the_labels_teaches_nothing(bars: Bars, flags: list[str], desk: Desk) -> None:
    file = desk.room.path / "one-sided.parquet"
    write_bars(bars, file)
    words = [*TRAIN.on(desk.room, file), *flags]
    desk.refuses(TRAIN, words, ["must hold at least", "of each class", "0 ones", "give more bars"])


USAGE: Mapping[str, tuple[list[str], str]] = {
    "a symbol that is none": (["--symbol", "bitcoin"], "must look like BTC/USDT, found 'bitcoin'"),
    "a timeframe that is none": (["--timeframe", "5min"], "1m, 5m, 1h or 1d, found '5min'"),
    "a month, which is no timeframe": (["--timeframe", "1M"], "1m, 5m, 1h or 1d, found '1M'"),
    "a date that is none": (["--start-date", "soon"], "found 'soon'"),
    "a day that is none": (["--end-date", "2024-02-30"], "must be like 2024-01-31"),
    "a seed that is none": (["--seed", "-1"], "must be a whole number from 0 up, found '-1'"),
    "a flag that is none": (
        ["--sed", "1"],
        "unrecognized arguments: --sed 1; did you mean --seed?",
    ),
    "a flag cut short": (["--verb"], "unrecognized arguments: --verb; did you mean --verbose?"),
    "a flag without its value": (["--seed"], "expected one argument"),
}


@pytest.mark.parametrize("command", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize(("flags", "about"), USAGE.values(), ids=USAGE)
def test_wrong_usage_exits_2_and_names_the_flag(
    flags: list[str], about: str, command: Command, desk: Desk
) -> None:
    words = command.on(desk.room, desk.room.bars)
    desk.refuses_usage(command, [*words, *flags], about)


MEANT: Mapping[str, tuple[Command, list[str], str]] = {
    "bars of a training, as they were once named": (TRAIN, ["--data-file", "a.csv"], "--data?"),
    "bars of a test, as they were once named": (EVALUATE, ["--test-data=a.csv"], "--data?"),
    "a recording, as others name bars": (PAPER, ["--data", "a.csv"], "--rehearse?"),
    "a bundle, as others name it": (TRAIN, ["--model", "models/mine"], "--output?"),
    "a slip of the finger": (BACKTEST, ["--start-dat", "2024-01-01"], "--start-date?"),
    "a flag cut short": (EVALUATE, ["--feature"], "--feature-importance?"),
}


@pytest.mark.parametrize(("command", "flags", "about"), MEANT.values(), ids=MEANT)
def test_a_flag_that_is_not_there_is_answered_with_the_one_meant(
    command: Command, flags: list[str], about: str, desk: Desk
) -> None:
    told = f"unrecognized arguments: {' '.join(flags)}; did you mean {about}"
    desk.refuses_usage(command, flags, told)


def test_a_file_without_a_flag_is_answered_with_the_flag_of_bars(desk: Desk) -> None:
    desk.refuses_usage(BACKTEST, ["a.csv"], "arguments: a.csv; did you mean --data a.csv?")
    desk.refuses_usage(PAPER, ["a.csv"], "arguments: a.csv; did you mean --rehearse a.csv?")


def test_a_flag_that_is_like_no_other_gets_no_hint(desk: Desk) -> None:
    desk.refuses_usage(BACKTEST, ["--qqq"], "unrecognized arguments: --qqq")
    with pytest.raises(SystemExit):
        BACKTEST.main(["--qqq"])
    assert "did you mean" not in desk.said.readouterr().err


TOGETHER: Mapping[str, tuple[Command, list[str], str]] = {
    "a training without bars": (TRAIN, ["--preset", "small"], "--data FILE"),
    "a rehearsal without bars": (PAPER, ["--ml", "off"], "--symbols"),
    "a bundle, but no bars to try it on": (BACKTEST, ["--model", "x"], "--data FILE"),
    "a symbol without a file": (BACKTEST, ["--symbol", "BTC/USDT"], "--symbols"),
    "a simulation without a place for it": (GENERATE, ["--synthetic"], "--output FILE"),
    "a trade of bars that are not there": (EVALUATE, ["--backtest"], "--data FILE"),
}


@pytest.mark.parametrize(("command", "flags", "about"), TOGETHER.values(), ids=TOGETHER)
def test_flags_that_do_not_go_together_exit_2_and_name_the_one_that_is_missing(
    command: Command, flags: list[str], about: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.room.path)
    model = ["--model", desk.room.bundle] if command is EVALUATE else []
    desk.refuses(command, [*flags, *model], [about], code=2)


@pytest.mark.parametrize("flag", ["--label horizon", "--lookahead 3", "--preset small"])
def test_an_update_does_not_let_itself_be_told_what_the_bundle_is_about(
    flag: str, desk: Desk
) -> None:
    words = [*UPDATE.on(desk.room, desk.room.bars), *flag.split()]
    desk.refuses(UPDATE, words, [flag.split()[0], "the bundle's own"], code=2)
