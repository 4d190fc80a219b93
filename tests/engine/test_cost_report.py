"""The sweep and the flattery list as text."""

from typing import Any

import pytest

from engine.cost_report import flattery_text, sweep_text
from engine.cost_sweep import cost_sweep
from engine.result import RunResult
from engine.tables import WIDTH
from tests.engine.run_makers import make_fill, make_result, make_trade


def losing(label: str = "on", **changed: Any) -> RunResult:
    trades, fills = [make_trade(-3.0)], [make_fill(), make_fill(units=-1.0, price=97.2)]
    return make_result(label, trades=trades, sweep=cost_sweep(trades, fills, 0.001), **changed)


def test_every_run_is_shown_at_every_fee_and_where_it_breaks_even() -> None:
    text = sweep_text([make_result(), losing()])
    for fee in ("0.000%", "0.050%", "0.100%", "0.150%", "0.200%"):
        assert text.count(f" {fee} ") == 2
    assert "ML-off breaks even at a fee of 0.350% a side" in text
    assert "ML-on loses even without fees, -2.800% a trade; it loses even without any cost" in text


def test_without_trades_there_is_nothing_to_break_even_at() -> None:
    assert "ML-off made no trade" in sweep_text([make_result(sweep=cost_sweep([], [], 0.001))])


@pytest.mark.parametrize(
    ("run", "stamp"),
    [(make_result(synthetic=True), "SYNTHETIC"), (make_result(in_sample=True), "IN-SAMPLE")],
)
def test_the_sweep_bears_the_stamps(run: RunResult, stamp: str) -> None:
    assert sweep_text([run]).startswith(f"*** {stamp}: ")
    assert "***" not in sweep_text([make_result()])


def test_a_sentence_that_holds_for_one_run_only_names_it() -> None:
    text = flattery_text([make_result(flattery=["a", "b"]), losing(flattery=["b", "c"])])
    assert text.splitlines()[1:] == ["- ML-off: a", "- b", "- ML-on: c"]
    alone = flattery_text([make_result(flattery=["a"])])
    assert alone.splitlines()[1:] == ["- a"]


def test_the_text_is_plain_and_fits() -> None:
    long = make_result(synthetic=True, in_sample=True, flattery=["word " * 60])
    text = "\n".join([sweep_text([long, losing()]), flattery_text([long])])
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= WIDTH
