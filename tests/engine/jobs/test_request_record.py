"""What was asked of a run is kept so that it can be asked again."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from engine.config import DataConfig
from engine.errors import RunError
from engine.jobs.markets import AskedBars, BarFiles, ExchangeBars
from engine.jobs.request_record import RequestRecord
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings
from feeds.bars import Bars
from feeds.timeframe import Timeframe
from tests.makers import make_bars

FIVE = Timeframe.parse("5m")
START, END = np.datetime64("2024-01-01", "ms"), np.datetime64("2024-02-01T00:05", "ms")
ASKED = {
    "files": AskedBars(BarFiles((Path("/a/b.csv"), Path("/c.parquet")), "BTC/USDT", FIVE), START),
    "files that say theirs": AskedBars(BarFiles((Path("/a/b.csv"),)), None, END),
    "an exchange": AskedBars(
        ExchangeBars(("BTC/USDT", "ETH/USDT"), FIVE, START, END, 400), START, END
    ),
    "the embedded default": None,
}


def kept(asked: AskedBars | None, **options: str) -> RequestRecord:
    """Return the record after a journey through JSON."""
    request = RunRequest(settings=Settings(), bars=asked)
    record = request.record("backtest", MLMode.COMPARE, None, **options)
    return RequestRecord.model_validate_json(record.model_dump_json())


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_what_was_asked_is_asked_again(asked: AskedBars | None) -> None:
    record = kept(asked)
    assert record.asked_bars() == asked
    assert (record.command, record.ml, record.model) == ("backtest", MLMode.COMPARE, None)


def test_paths_do_not_depend_on_where_the_command_ran() -> None:
    request = RunRequest(
        settings=Settings(data=DataConfig(store=Path("d/../data"))),
        bars=ASKED["an exchange"],
    )
    record = request.record("backtest", MLMode.OFF, None)
    bars = record.model_dump(mode="json")["bars"]
    assert bars["store"] == str(Path.cwd() / "data")
    files = kept(AskedBars(BarFiles((Path("x/../b.csv"),)))).model_dump(mode="json")["bars"]
    assert files["paths"] == [str(Path.cwd() / "b.csv")]


def test_options_of_a_command_are_kept() -> None:
    assert kept(None, windows="train=10d,test=5d").options == {"windows": "train=10d,test=5d"}


class Made:
    """Bars that nobody else has."""

    def read(self, _config: DataConfig, /) -> list[Bars]:
        return [make_bars(10)]


def test_bars_of_a_program_cannot_be_asked_for_again() -> None:
    with pytest.raises(RunError, match="made by a program"):
        kept(AskedBars(Made())).asked_bars()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("start", "soon"),
        ("ml", "perhaps"),
        ("bars", {"kind": "files", "paths": [], "symbol": None, "timeframe": None}),
        ("bars", {"kind": "files", "paths": ["a"], "symbol": "BTC", "timeframe": None}),
        ("bars", {"kind": "files", "paths": ["a"], "symbol": None, "timeframe": "5 minutes"}),
        ("bars", {"kind": "dream"}),
        ("more", 1),
    ],
)
def test_what_cannot_have_been_asked_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        RequestRecord.model_validate({**kept(None).model_dump(), key: value})
