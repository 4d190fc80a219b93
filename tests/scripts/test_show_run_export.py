"""A kept run for other tools: trades as freqtrade names them, returns as quantstats reads them."""

import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import quantstats
from hypothesis import given
from hypothesis import strategies as st

from engine.jobs.request_record import OtherRecord, RequestRecord
from engine.jobs.serving import MLMode
from engine.jobs.showing.folder import RunFolder, open_run
from engine.jobs.showing.trade_export import (
    COLUMNS,
    UNKNOWN,
    export_trades,
    filled_trades,
    with_fills,
)
from engine.records import Fill, trades_of
from engine.run_folder import Making, save_run
from tests.engine.run_makers import BAR, START, make_fill, make_result
from tests.scripts.showing import answer, read, refusal, rewrite, text
from tests.test_layout import ROOT


def exported(path: Path, label: str) -> pd.DataFrame:
    """Return the trades of one run as freqtrade's loader makes a frame of the file."""
    name = {"off": "ML-off", "on": "ML-on"}[label]
    return pd.DataFrame(read(path)["strategy"][name]["trades"])


def folder_of(fills: Sequence[Fill], tmp_path: Path) -> RunFolder:
    """Keep a run of these fills."""
    result = make_result("off", fills=list(fills), trades=trades_of(fills))
    facts = {"start": "2024-01-01", "end": "2024-01-02", "bars": 9, "digest": "0" * 64}
    data = {"synthetic": False, "timeframe": "5m", "symbols": {"BTC/USDT": facts}}
    asked = RequestRecord(command="backtest", bars=OtherRecord(), ml=MLMode.OFF)
    making = Making(request=asked.model_dump(mode="json"))
    kept = save_run([result], None, data, tmp_path / "runs", making=making)
    return open_run(str(kept), kept.parent)


def fills_at(*units_and_prices: tuple[float, float], fee: float = 0.001) -> list[Fill]:
    """Return fills bar after bar, each paying a fee on its value."""
    return [
        replace(
            make_fill(units=units, price=price, fee=fee * abs(units) * price),
            decided_at=START + place * BAR,
            filled_at=START + place * BAR,
            bar=place,
        )
        for place, (units, price) in enumerate(units_and_prices)
    ]


# Trades


def test_the_columns_are_freqtrades_and_the_sums_are_ours(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trades.json"
    (file,) = answer(capsys, kept, "--export-trades", path)["files"]
    run = open_run(str(kept), kept.parent)
    assert (file["path"], file["runs"]) == (str(path), ["off", "on"])
    rows = 0
    for label in run.labels:
        found, ours = exported(path, label), run.table(label, "trades.csv")
        assert tuple(found.columns) == COLUMNS
        assert found["profit_abs"].sum() == pytest.approx(ours["pnl"].sum(), rel=1e-12)
        assert found["stake_amount"].sum() == pytest.approx(
            (ours["units"] * ours["entry_price"]).sum(), rel=1e-12
        )
        paid = found["amount"] * (
            found["open_rate"] * found["fee_open"] + found["close_rate"] * found["fee_close"]
        )
        assert paid.sum() == pytest.approx(ours["fees"].sum(), rel=1e-12)
        rows += len(ours)
    assert file["rows"] == rows > 10


def test_the_page_explains_the_columns_in_their_order() -> None:
    page = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|.*\| (.*) \|$", page, re.MULTILINE)
    explained = [(name, said) for names, said in rows for name in re.findall(r"`(\w+)`", names)]
    assert tuple(name for name, _ in explained) == COLUMNS
    assert {name for name, said in explained if said.startswith("empty")} == set(UNKNOWN)


def test_every_trade_tells_what_it_was(kept: Path, tmp_path: Path) -> None:
    run = open_run(str(kept), kept.parent)
    export_trades(run, tmp_path / "trades.json")
    found, ours = exported(tmp_path / "trades.json", "on"), run.table("on", "trades.csv")
    assert list(found["pair"]) == list(ours["symbol"])
    assert list(found["exit_reason"]) == list(ours["exit_reason"])
    np.testing.assert_allclose(found["amount"], ours["units"], rtol=1e-12)
    np.testing.assert_allclose(found["open_rate"], ours["entry_price"], rtol=1e-12)
    np.testing.assert_allclose(found["close_rate"], ours["exit_price"], rtol=1e-12)
    for end, moment in (("open", "opened_at"), ("close", "closed_at")):
        moments = pd.to_datetime(ours[moment], utc=True)
        assert list(pd.to_datetime(found[f"{end}_date"], utc=True)) == list(moments)
        assert list(pd.to_datetime(found[f"{end}_timestamp"], unit="ms", utc=True)) == list(moments)
    assert list(found["trade_duration"]) == list(ours["bars_held"] * 5)
    assert not found["is_short"].any()
    assert not found["is_open"].any()
    assert set(found["leverage"]) == {1.0}
    assert found[list(UNKNOWN)].isna().all(axis=None)
    # What freqtrade divides by is the money put in with its fee.
    paid = ours["units"] * ours["entry_price"] * (1 + found["fee_open"])
    np.testing.assert_allclose(found["profit_ratio"], ours["pnl"] / paid, rtol=1e-9)


def test_orders_are_the_fills_of_their_trade(kept: Path, tmp_path: Path) -> None:
    run = open_run(str(kept), kept.parent)
    export_trades(run, tmp_path / "trades.json")
    orders = [o for each in exported(tmp_path / "trades.json", "off")["orders"] for o in each]
    fills = run.table("off", "fills.csv")
    assert sum(order["amount"] for order in orders) == pytest.approx(fills["units"].abs().sum())
    assert sum(order["ft_is_entry"] for order in orders) == (fills["reason"] == "entry").sum()
    assert {(o["ft_order_side"], o["ft_is_entry"]) for o in orders} == {("buy", 1), ("sell", 0)}
    assert {order["ft_order_tag"] for order in orders} == set(fills["reason"])


def test_csv_has_a_file_for_each_run_and_the_same_rows_as_json(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = answer(capsys, kept, "--export-trades", tmp_path / "mine.csv")["files"]
    assert [file["path"] for file in files] == [
        str(tmp_path / "mine-off.csv"),
        str(tmp_path / "mine-on.csv"),
    ]
    answer(capsys, kept, "--export-trades", tmp_path / "mine.json")
    for label in ("off", "on"):
        table = pd.read_csv(tmp_path / f"mine-{label}.csv")
        assert tuple(table.columns) == (*COLUMNS, "stamp")
        same = exported(tmp_path / "mine.json", label)
        assert [json.loads(text) for text in table["orders"]] == list(same["orders"])
        rest = [name for name in COLUMNS if name != "orders"]
        for name in rest:
            known = table[name].dropna()
            assert list(known) == list(same[name].dropna()), name


def test_a_single_run_is_written_under_the_name_that_was_given(tmp_path: Path) -> None:
    run = folder_of(fills_at((1.0, 100.0), (-1.0, 110.0)), tmp_path)
    (file,) = export_trades(run, tmp_path / "trades.csv").files
    assert file.path == tmp_path / "trades.csv"
    assert len(pd.read_csv(file.path)) == 1


def test_a_position_in_parts_that_turns_around_becomes_a_long_and_a_short(tmp_path: Path) -> None:
    fills = fills_at((1.0, 100.0), (1.0, 110.0), (-5.0, 120.0), (1.0, 90.0), (2.0, 80.0))
    run = folder_of(fills, tmp_path)
    long, short = (each.row() for each in filled_trades(run, "off"))
    assert (long["is_short"], long["amount"], long["open_rate"]) == (False, 2.0, 105.0)
    assert (short["is_short"], short["amount"], short["open_rate"]) == (True, 3.0, 120.0)
    assert short["close_rate"] == pytest.approx((90.0 + 2 * 80.0) / 3)
    assert [o["amount"] for o in long["orders"]] == [1.0, 1.0, 2.0]
    assert [o["amount"] for o in short["orders"]] == [3.0, 1.0, 2.0]
    assert [o["ft_order_side"] for o in short["orders"]] == ["sell", "buy", "buy"]
    for row in (long, short):
        assert row["fee_open"] == pytest.approx(0.001)
        assert row["fee_close"] == pytest.approx(0.001)
    assert long["profit_ratio"] == pytest.approx((240 * 0.999) / (210 * 1.001) - 1)
    assert short["profit_ratio"] == pytest.approx(1 - (250 * 1.001) / (360 * 0.999))
    cash = sum(fill.cash_change for fill in fills)
    assert long["profit_abs"] + short["profit_abs"] == pytest.approx(cash)


@given(
    st.lists(
        st.tuples(st.sampled_from(["BTC/USDT", "ETH/USDT"]), st.integers(-4, 4).filter(bool)),
        max_size=30,
    )
)
def test_the_parts_of_fills_add_up_to_their_trades(wanted: list[tuple[str, int]]) -> None:
    prices = [100.0 + 7 * place % 11 for place in range(len(wanted))]
    fills = fills_at(
        *((float(units), price) for (_, units), price in zip(wanted, prices, strict=True))
    )
    fills = [replace(fill, symbol=symbol) for fill, (symbol, _) in zip(fills, wanted, strict=True)]
    joined = list(with_fills(fills))
    assert [each.trade for each in joined] == trades_of(fills)
    for each in joined:
        assert {fill.symbol for fill in each.fills} == {each.trade.symbol}
        assert sum(fill.units for fill in each.fills) == pytest.approx(0.0, abs=1e-9)
        assert sum(fill.fee for fill in each.fills) == pytest.approx(each.trade.fees)
        assert sum(fill.cash_change for fill in each.fills) == pytest.approx(each.trade.pnl)
        orders = each.row()["orders"]
        entered = sum(order["amount"] for order in orders if order["ft_is_entry"])
        assert entered == pytest.approx(each.row()["amount"])


def test_a_run_without_trades_has_the_columns_all_the_same(tmp_path: Path) -> None:
    run = folder_of([], tmp_path)
    export_trades(run, tmp_path / "none.csv")
    assert tuple(pd.read_csv(tmp_path / "none.csv").columns) == (*COLUMNS, "stamp")
    export_trades(run, tmp_path / "none.json")
    assert read(tmp_path / "none.json")["strategy"]["ML-off"]["trades"] == []


def test_fills_that_do_not_come_to_the_trades_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = folder_of(fills_at((1.0, 100.0), (-1.0, 110.0)), tmp_path)
    fills = run.path / "off" / "fills.csv"
    fills.write_text(fills.read_text().replace("110.0", "111.0"))
    digest = hashlib.sha256(fills.read_bytes()).hexdigest()
    rewrite(run.path / "manifest.json", lambda m: m["files"].update({"off/fills.csv": digest}))
    said = refusal(capsys, run.path, "--export-trades", tmp_path / "t.csv")
    assert "do not come to its trades" in said
    assert not (tmp_path / "t.csv").exists()


# Returns


def returns(path: Path) -> pd.DataFrame:
    """Read the file as a user of quantstats does."""
    return pd.read_csv(path, index_col="date", parse_dates=True)


def test_quantstats_comes_to_our_figures(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "returns.csv"
    answer(capsys, kept, "--export-returns", path)
    table = returns(path)
    run = open_run(str(kept), kept.parent)
    stamps = "".join(f" {stamp}" for stamp in run.manifest.stamps)
    assert list(table.columns) == [f"ML-off{stamps}", f"ML-on{stamps}"]
    for label, column in zip(run.labels, table, strict=True):
        ours = run.figures(label)["metrics"]
        theirs = {
            "total_return": quantstats.stats.comp(table[column]),
            "volatility": quantstats.stats.volatility(table[column], periods=365),
            "sharpe": quantstats.stats.sharpe(table[column], periods=365),
            "sortino": quantstats.stats.sortino(table[column], periods=365),
        }
        for name, value in theirs.items():
            assert math.isfinite(value)
            assert value == pytest.approx(ours[name], rel=1e-9), name


def test_days_are_those_of_the_run_in_utc(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(capsys, kept, "--export-returns", tmp_path / "returns.csv")
    days = returns(tmp_path / "returns.csv").index
    facts = read(kept / "manifest.json")["data"]["symbols"]["BTC/USDT"]
    assert str(days[0].date()) == facts["start"][:10]
    last = pd.Timestamp(facts["end"]) - pd.Timedelta("1ms")
    assert days[-1].date() == last.date()
    assert len(days) == (days[-1] - days[0]).days + 1


def test_the_tear_sheet_of_the_page_is_made_as_it_says(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(capsys, kept, "--export-returns", tmp_path / "returns.csv")
    page = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(import pandas.*?)^```", page, re.MULTILINE | re.DOTALL)
    subprocess.run(  # noqa: S603  our own interpreter; matplotlib's state and warnings stay there
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg", "MPLCONFIGDIR": str(tmp_path / "matplotlib")},
        check=True,
        capture_output=True,
    )
    assert "Sharpe" in (tmp_path / "sheet.html").read_text(encoding="utf-8")


# What cannot be written


@pytest.mark.parametrize("flag", ["--export-trades", "--export-returns"])
@pytest.mark.parametrize("name", ["trades", "trades.parquet"])
def test_another_kind_of_file_is_wrong_usage(
    flag: str, name: str, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "takes FILE.csv" in refusal(capsys, kept, flag, tmp_path / name, code=2)


@pytest.mark.parametrize("flag", ["--export-trades", "--export-returns"])
def test_a_place_that_cannot_be_written_is_said(
    flag: str, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    said = refusal(capsys, kept, flag, tmp_path / "file" / "out.csv")
    assert "cannot be written" in said
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("flag", ["--export-trades", "--export-returns"])
def test_a_folder_that_is_not_there_is_not_made(
    flag: str, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, kept, flag, tmp_path / "exprots" / "out.csv")
    assert f"its folder must be there, found none at {tmp_path / 'exprots'}; make it" in said
    assert not (tmp_path / "exprots").exists()


def test_stamps_travel_with_what_is_written(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stamped = tmp_path / kept.name
    shutil.copytree(kept, stamped)
    rewrite(stamped / "manifest.json", lambda m: m.update(stamps=["SYNTHETIC"]))
    said = text(capsys, stamped, "--export-trades", tmp_path / "t.csv")
    assert "SYNTHETIC" in said
    assert set(pd.read_csv(tmp_path / "t-on.csv")["stamp"]) == {"SYNTHETIC"}
    answer(capsys, stamped, "--export-trades", tmp_path / "t.json")
    assert read(tmp_path / "t.json")["strategy"]["ML-on"]["stamp"] == "SYNTHETIC"
    answer(capsys, stamped, "--export-returns", tmp_path / "r.csv")
    assert list(returns(tmp_path / "r.csv").columns) == ["ML-off SYNTHETIC", "ML-on SYNTHETIC"]
