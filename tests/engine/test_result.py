import csv
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.errors import RunError
from engine.result import RunResult
from engine.run_folder import Making, save_run, to_json
from feeds.clock import FixedClock
from tests.engine.run_makers import make_curve, make_result

CLOCK = FixedClock(datetime(2024, 6, 1, 12, 30, tzinfo=UTC))
COMPARISON = {"difference": {"sharpe": float("nan")}}
DATA = {"symbols": {"BTC/USDT": {"bars": np.int64(7)}}}


def both() -> list[RunResult]:
    return [make_result("off"), make_result("on", ml_asked=12, ml_unavailable=1)]


def saved(out: Path, results: list[RunResult] | None = None) -> Path:
    return save_run(results or both(), COMPARISON, DATA, out, clock=CLOCK)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_json_has_the_promised_shape() -> None:
    document = to_json(both(), COMPARISON, DATA, Path("runs/x"))
    assert list(document) == ["runs", "comparison", "data", "result_hash", "run_dir"]
    off, on = document["runs"]
    assert (off["ml"], on["ml"], on["trades"]) == ("off", "on", 2)
    assert (on["ml_asked"], on["ml_unavailable"], on["in_sample"]) == (12, 1, False)
    assert {"win_rate", "profit_factor", "expectancy", "total_return"} <= on["metrics"].keys()
    assert {"max_drawdown", "sharpe"} <= on["metrics"].keys()
    assert document["comparison"] == {"difference": {"sharpe": None}}
    assert document["run_dir"] == "runs/x"
    json.dumps(document, allow_nan=False)


def test_a_page_that_cannot_be_made_costs_no_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def page(*_: Any) -> str:
        raise ZeroDivisionError("of no use")

    folder = save_run(both(), None, DATA, tmp_path, making=Making(page=page), clock=CLOCK)
    assert (folder / "metrics.json").exists()
    assert not (folder / "report.html").exists()
    (said,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert "report.html could not be made" in said.getMessage()
    assert "of no use" in said.getMessage()


def test_json_counts_rejections_and_vetoes_by_name() -> None:
    vetoes = {"max_drawdown": 7, "cooldown": 3}
    quiet, busy = to_json([make_result(), make_result("on", vetoes=vetoes)], None, DATA, None)[
        "runs"
    ]
    assert (quiet["rejections"], quiet["vetoes"]) == ({"no cash": 1}, {})
    assert busy["vetoes"] == vetoes


def test_json_of_a_single_run_has_an_empty_comparison() -> None:
    document = to_json([make_result()], None, DATA, None)
    assert (document["comparison"], document["run_dir"]) == ({}, None)


@pytest.mark.parametrize(
    ("synthetic", "in_sample", "stamps"),
    [
        (False, False, ()),
        (True, False, ("SYNTHETIC",)),
        (False, True, ("IN-SAMPLE",)),
        (True, True, ("SYNTHETIC", "IN-SAMPLE")),
    ],
)
def test_stamps_say_what_a_run_is_not_worth(
    synthetic: bool, in_sample: bool, stamps: tuple[str, ...]
) -> None:
    assert make_result(synthetic=synthetic, in_sample=in_sample).stamps == stamps


def test_the_folder_holds_everything(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    tables = ["trades.csv", "fills.csv", "rejections.csv", "equity.parquet", "decisions.parquet"]
    expected = {f"{label}/{table}" for label in ("off", "on") for table in tables}
    expected |= {"config.json", "manifest.json", "metrics.json", "run.log"}
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert found == expected
    assert read(folder / "config.json") == {"off": {"cash": 1000.0}, "on": {"cash": 1000.0}}
    assert read(folder / "metrics.json") == to_json(both(), COMPARISON, DATA, folder)


def test_the_manifest_names_inputs_and_the_digest_of_every_file(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    manifest = read(folder / "manifest.json")
    assert manifest["created_at"] == "2024-06-01T12:30:00Z"
    assert manifest["runs"]["on"]["digests"] == {"BTC/USDT": "ab12"}
    assert manifest["runs"]["on"]["seed"] == 7
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert len(manifest["files"]) == 13


def test_trades_state_when_and_how_each_was_made(tmp_path: Path) -> None:
    rows = rows_of(saved(tmp_path) / "off" / "trades.csv")
    assert len(rows) == 2
    first = rows[0]
    assert first["decided_at"] == first["opened_at"] == "2024-01-01T00:05:00Z"
    assert first["closed_at"] == "2024-01-01T00:15:00Z"
    assert (first["exit_reason"], first["bars_held"]) == ("take_profit", "2")
    names = ("units", "entry_price", "exit_price", "fees", "pnl", "return")
    assert [float(first[n]) for n in names] == [1.0, 100.0, 102.2, 0.2, 2.0, 0.02]


def test_equity_reads_back_in_utc(tmp_path: Path) -> None:
    frame = pd.read_parquet(saved(tmp_path) / "on" / "equity.parquet")
    curve = make_result().equity
    assert str(frame["time"].dt.tz) == "UTC"
    np.testing.assert_array_equal(frame["time"].dt.tz_localize(None).to_numpy(), curve.time)
    for name in ("equity", "cash", "position_value"):
        np.testing.assert_array_equal(frame[name], getattr(curve, name))


def test_every_table_carries_the_stamp(tmp_path: Path) -> None:
    folder = saved(tmp_path, [make_result(synthetic=True, in_sample=True)]) / "off"
    for path in folder.iterdir():
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
        assert set(frame["stamp"]) == {"SYNTHETIC IN-SAMPLE"}, path.name


def test_a_run_without_anything_saves_empty_tables(tmp_path: Path) -> None:
    empty: dict[str, Any] = {"trades": [], "fills": [], "rejections": []}
    result = make_result(**empty, decisions=pd.DataFrame(), equity=make_curve([1.0]))
    folder = saved(tmp_path, [result])
    assert rows_of(folder / "off" / "trades.csv") == []
    assert (folder / "off" / "trades.csv").read_text().startswith("symbol,units,entry_price,")


def test_ids_begin_with_the_moment_and_never_collide(tmp_path: Path) -> None:
    folders = [saved(tmp_path) for _ in range(3)]
    first = folders[0].name
    assert first.startswith("20240601T123000Z-")
    assert [folder.name for folder in folders] == [first, f"{first}-2", f"{first}-3"]
    assert [read(f / "metrics.json")["run_dir"] for f in folders] == [str(f) for f in folders]


def test_a_name_that_another_run_is_writing_is_not_taken(tmp_path: Path) -> None:
    name = saved(tmp_path / "elsewhere").name
    (tmp_path / f".{name}.part").mkdir(parents=True)
    assert saved(tmp_path).name == f"{name}-2"


def test_other_settings_give_another_id(tmp_path: Path) -> None:
    other = saved(tmp_path, [make_result(config={"cash": 5.0})])
    assert saved(tmp_path, [make_result()]).name != other.name


def test_a_folder_that_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="JSON's types"):
        saved(tmp_path, [make_result(config={"oops": object()})])
    unwritable = make_result().decisions.assign(mixed=pd.Series([object()]))
    with pytest.raises(Exception, match="mixed"):
        saved(tmp_path, [make_result(decisions=unwritable)])
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(RunError, match="must be written below"):
        saved(blocked)


def test_two_runs_of_one_label_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="different labels"):
        saved(tmp_path, [make_result(), make_result()])
