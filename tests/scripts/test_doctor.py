"""The doctor: every line says how it stands and what to do, whatever is broken."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine.jobs.diagnosing.exchange import TOLERATED
from engine.jobs.diagnosing.finding import ROOT, Asked, Finding, State
from engine.jobs.diagnosing.machine import PORT, ROOMY, TIGHT, nearest, port, room
from engine.jobs.doctor import CHECKS, examine, main, make_parser, summary_of, text_of
from feeds.bars import Bars
from feeds.clock import ReplayClock, SystemClock
from feeds.standin.faults import Fault, FaultKind
from feeds.standin.server import StandIn
from feeds.store import Listing, Store
from ml.bundle import load_bundle, save_bundle
from ml.bundle_folder import CURRENT
from tests.feeds.sources import market, real_rows, span_of_bars
from tests.makers import make_bars
from tests.ml.trained import (
    EXAMPLE,
    custom_members,
    custom_models,
    manifest_for,
    quick_model,
    trained_on,
)
from tests.scripts.showing import truncate


def looked(check: str, **changed: Any) -> list[Finding]:
    """Return what one check finds."""
    given: dict[str, Any] = {"exchange": "binance", "base_url": None, "model": None}
    given |= {"store": Path("data"), "out": Path("runs"), **changed}
    (chosen,) = [each for each in CHECKS if each.__name__ == check]
    return list(examine(Asked(**given), [chosen]))


# The whole


def test_a_sound_installation_passes_and_every_check_has_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with StandIn([market(20)]) as server:
        words = ["--base-url", server.url, "--store", tmp_path / "data", "--out", tmp_path / "runs"]
        assert main([*map(str, words), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["passed"]
    for each in said["findings"]:
        assert set(each) == {"check", "state", "found", "remedy"}
        assert each["found"]
        assert bool(each["remedy"]) == (each["state"] != "ok"), each
    states = {each["check"]: each["state"] for each in said["findings"]}
    assert list(states) == [
        *("python", "packages", "libraries", "compilation", "runs", "store", "bundle"),
        *("exchange", "clock", "disk", "port", "browser"),
    ]
    for check in ("python", "packages", "libraries", "compilation", "store", "exchange", "clock"):
        assert states[check] == "ok", check


def test_people_read_lines_with_remedies_and_a_summary_and_offline_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # away from bundles that lie here
    with StandIn([market(20)]) as gone:
        pass
    (tmp_path / "runs").write_text("in the way")
    words = ["--base-url", gone.url, "--store", tmp_path / "data", "--out", tmp_path / "runs"]
    assert main([*map(str, words), "--model", str(tmp_path / "none")]) == 1
    said = capsys.readouterr().out
    assert "ok    libraries" in said
    assert "warn  exchange     binance gave no proper answer" in said
    assert f"fail  runs         {tmp_path / 'runs'} cannot be written" in said
    assert "fail  bundle" in said
    assert "-> train one with train_ml_ensemble.py" in said
    assert "Tandem does not work: 2 to mend" in said


def test_warnings_alone_pass() -> None:
    fine, odd = Finding("a", State.OK, "x"), Finding("b", State.WARN, "y", "z")
    assert summary_of([fine]) == "everything works"
    assert summary_of([fine, odd]) == "Tandem works: 0 to mend, 1 to know of"
    assert text_of(odd).splitlines()[1].strip() == "-> z"


def test_a_look_that_fails_is_a_line_and_the_next_ones_go_on() -> None:
    def breaking(asked: Asked) -> Iterator[Finding]:
        yield Finding("breaking", State.OK, "so far")
        raise ZeroDivisionError("by nought")

    def lacking(asked: Asked) -> Iterator[Finding]:
        raise ModuleNotFoundError("No module named 'torch'")
        yield

    asked = Asked("binance", None, Path("data"), None, Path("runs"))
    found = list(examine(asked, [breaking, lacking, port]))
    assert [each.state for each in found[:3]] == [State.OK, State.FAIL, State.FAIL]
    assert "ZeroDivisionError: by nought" in found[1].found
    assert "No module named 'torch'" in found[2].found
    assert found[3].check == "port"


@pytest.mark.parametrize(
    ("environment", "python"), [(".venv", ".venv/bin/python"), ("nowhere", "python3.11")]
)
def test_make_asks_the_environment_or_without_one_the_python_that_is_named(
    environment: str, python: str
) -> None:
    words = ["make", "--dry-run", "doctor", f"VENV={environment}", "PYTHON=python3.11"]
    planned = subprocess.run(  # noqa: S603  make only prints what it would do
        words, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert f"{python} -m engine.jobs.doctor" in planned
    assert "pip install" not in planned


def test_an_answer_that_nobody_takes_ends_with_a_line(tmp_path: Path) -> None:
    words = [sys.executable, "-S", "-m", "engine.jobs.doctor", "--out", str(tmp_path)]
    with subprocess.Popen(  # noqa: S603  our own interpreter
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as asked:
        assert asked.stdout is not None
        asked.stdout.close()
        assert asked.wait(60) == 1
        assert asked.stderr is not None
        said = asked.stderr.read()
    assert said == "doctor: the answer cannot be written: Broken pipe\n"


def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--shop", "binance"])
    assert exit_.value.code == 2
    assert "--shop" in capsys.readouterr().err


# The exchange, by the real ccxt client


@pytest.mark.parametrize(
    ("kind", "state", "word"),
    [
        (FaultKind.RESTRICTED_PLACE, "warn", "--base-url"),
        (FaultKind.FIREWALL, "warn", "--base-url"),
        (FaultKind.MAINTENANCE, "warn", "connection"),
        (FaultKind.HTML, "warn", "connection"),
        (FaultKind.RESET, "warn", "connection"),
    ],
)
def test_an_exchange_that_does_not_answer_well_is_a_warning(
    kind: FaultKind, state: str, word: str
) -> None:
    with StandIn([market(20)], faults=[Fault(kind, path="time")]) as server:
        (found,) = looked("exchange", base_url=server.url)
    assert found.state.value == state
    assert word in found.remedy


def test_an_exchange_that_nobody_knows_is_a_failure() -> None:
    (found,) = looked("exchange", exchange="binanse")
    assert found.state is State.FAIL
    assert "did you mean binance" in found.remedy


def test_an_address_that_is_none_is_a_failure() -> None:
    (found,) = looked("exchange", base_url="localhost")
    assert found.state is State.FAIL


@pytest.mark.parametrize(
    ("seconds", "state", "side"),
    [(30.0, State.WARN, "behind"), (-30.0, State.WARN, "ahead of"), (0.4, State.OK, "behind")],
)
def test_a_clock_that_is_off_by_more_than_a_second_has_a_remedy(
    seconds: float, state: State, side: str
) -> None:
    assert TOLERATED == 1.0
    theirs = ReplayClock(SystemClock().now() + timedelta(seconds=seconds))
    theirs.start()
    with StandIn([market(20)], clock=theirs) as server:
        reached, clock = looked("exchange", base_url=server.url)
    assert reached.state is State.OK
    assert (clock.check, clock.state) == ("clock", state)
    assert side in clock.found
    assert ("timedatectl" in clock.remedy) == (state is State.WARN)


# Bars and bundle


def listing(symbol: str = "BTC/USDT") -> Listing:
    return Listing("binance", symbol, make_bars(1).timeframe)


def rows_of(bars: Bars) -> pd.DataFrame:
    """Return the rows as a download brings them."""
    rows = real_rows(bars)
    return rows.assign(timestamp=rows["timestamp"].dt.tz_localize(None))


def stored(root: Path, symbol: str = "BTC/USDT", count: int = 288) -> Path:
    """Put a day of bars into a store; return the file."""
    bars = make_bars(count, symbol=symbol)
    store = Store(root)
    store.add(listing(symbol), rows_of(bars), span_of_bars(bars))
    return store.path(listing(symbol))


def test_every_file_of_the_store_is_a_line_with_what_it_covers(tmp_path: Path) -> None:
    stored(tmp_path)
    stored(tmp_path, "ETH/USDT", 12)
    stored(tmp_path / "at" / "http-127.0.0.1-8080", "SOL/USDT", 3)
    here, elsewhere, third = sorted(looked("store", store=tmp_path), key=lambda f: f.found)
    assert {each.state for each in (here, elsewhere, third)} == {State.OK}
    assert here.found == (
        "binance BTC/USDT 5m: 288 bars, 100.00% of those that could be, "
        "2024-01-01 00:00Z to 2024-01-02 00:00Z"
    )
    assert elsewhere.found.startswith("binance ETH/USDT 5m: 12 bars")
    assert third.found.startswith("binance SOL/USDT 5m at http-127.0.0.1-8080: 3 bars")


def test_a_damaged_file_is_named_and_the_others_are_looked_at(tmp_path: Path) -> None:
    damaged = stored(tmp_path)
    stored(tmp_path, "ETH/USDT")
    truncate(damaged)
    found = looked("store", store=tmp_path)
    (bad,) = [each for each in found if each.state is State.FAIL]
    assert str(damaged) in bad.found
    assert "move it away" in bad.remedy
    assert [each.state for each in found].count(State.OK) == 1


def test_a_file_of_another_listing_is_damaged(tmp_path: Path) -> None:
    file = stored(tmp_path)
    other = file.parent.parent / "ETH-USDT"
    file.parent.rename(other)
    (found,) = looked("store", store=tmp_path)
    assert found.state is State.FAIL
    assert str(other) in found.found


def test_holes_in_the_coverage_are_counted(tmp_path: Path) -> None:
    bars = make_bars(288)
    store = Store(tmp_path)
    for part in (bars[:100], bars[200:]):
        store.add(listing(), rows_of(part), span_of_bars(part))
    (found,) = looked("store", store=tmp_path)
    assert "188 bars" in found.found
    assert "in 2 stretches" in found.found


def test_what_is_not_the_stores_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").write_text("anything")
    found = looked("store", store=tmp_path)
    assert [each.state for each in found] == [State.OK]
    assert "mine.parquet" in found[0].found


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("room") / "ensemble"
    bars = make_bars(1000)
    save_bundle(trained_on(bars), manifest_for(bars), path)
    return path


def test_the_bundle_says_its_age_and_until_when_it_has_seen(bundle: Path) -> None:
    found, *_ = looked("bundle", model=bundle)
    assert found.state is State.OK
    for word in ("members", "BTC/USDT 5m", "days ago", "seen until 20"):
        assert word in found.found


def test_a_bundle_of_other_libraries_is_a_warning(bundle: Path, tmp_path: Path) -> None:
    loaded = load_bundle(bundle)
    then = {**loaded.manifest.libraries, "numpy": "1.0.0", "theano": "1.0"}
    old = loaded.manifest.model_copy(update={"libraries": then})
    save_bundle(loaded.ensemble, old, tmp_path / "old")
    found, other = looked("bundle", model=tmp_path / "old")
    assert (found.state, other.state) == (State.OK, State.WARN)
    assert "numpy 1.0.0, now 2" in other.found
    assert "theano 1.0, now missing" in other.found


def test_a_damaged_bundle_fails_and_names_the_file(bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (member, *_) = sorted(
        p for p in copy.rglob("*") if p.suffix not in ("", ".json") and p.is_file()
    )
    truncate(member)
    (found,) = looked("bundle", model=copy)
    assert found.state is State.FAIL
    assert member.name in found.found


def test_no_bundle_is_a_warning_unless_one_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [each.state for each in looked("bundle")] == [State.WARN]
    first = tmp_path / "models" / "first" / CURRENT
    first.parent.mkdir(parents=True)
    first.touch()
    (found,) = looked("bundle")
    assert found.remedy.startswith("name one with --model, found models/first; or train")
    assert [each.state for each in looked("bundle", model=tmp_path / "no")] == [State.FAIL]


# The machine


@pytest.mark.parametrize(
    ("free", "state"),
    [(ROOMY, State.OK), (ROOMY - 1, State.WARN), (TIGHT, State.WARN), (TIGHT - 1, State.FAIL)],
)
def test_room_on_the_disk_is_judged(free: int, state: State) -> None:
    found = room(Path("/"), free)
    assert found.state is state
    assert bool(found.remedy) == (state is not State.OK)


def test_a_port_that_is_taken_is_a_warning_with_another() -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(PORT)
            holder.listen()
        except OSError:
            pass  # somebody else has it: all the better
        (taken,) = looked("port")
    assert taken.state is State.WARN
    assert "--dashboard 127.0.0.1:8788" in taken.remedy


def test_without_a_browser_only_its_tests_are_hindered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    (found,) = looked("browser")
    assert found.state is State.WARN
    assert "chromium-driver" in found.remedy


@pytest.mark.parametrize("name", ["", "new", "new/below"])
def test_a_folder_that_is_yet_to_be_made_is_judged_by_the_one_above(
    name: str, tmp_path: Path
) -> None:
    assert nearest(tmp_path / name) == tmp_path


@pytest.mark.parametrize("flag", ["runs", "store"])
def test_a_file_in_the_way_of_a_folder_is_a_failure(flag: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    changed = {"out" if flag == "runs" else "store": tmp_path / "file" / "below"}
    found = looked("folders", **{"out": tmp_path, "store": tmp_path, **changed})
    bad = [each for each in found if each.state is State.FAIL]
    assert [each.check for each in bad] == [flag]
    assert f"--{'out' if flag == 'runs' else 'store'}" in bad[0].remedy


def test_a_bundle_with_a_member_of_ones_own_asks_for_its_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)  # paths in the example count from here
    bars, path = make_bars(700), tmp_path / "ensemble"
    models = {"logistic": quick_model("logistic"), **custom_models()}
    save_bundle(trained_on(bars, models), manifest_for(bars), path, members=custom_members())
    (found,) = looked("bundle", model=path)
    assert found.state is State.WARN
    assert "--config" in found.remedy
    found, *_ = looked("bundle", model=path, config=EXAMPLE)
    assert found.state is State.OK
    assert f"{len(models)} members" in found.found


def test_a_configuration_that_breaks_a_rule_is_a_failure_of_its_own(
    bundle: Path, tmp_path: Path
) -> None:
    config = tmp_path / "mine.toml"
    config.write_text("members.mine = { weight = 0.1 }\n")
    words = ["--config", str(config), "--model", str(bundle), "--out", str(tmp_path)]
    (found,) = looked("bundle", model=bundle, config=config)
    assert found.state is State.FAIL
    assert "mine" in found.found
    assert "--config" in found.remedy
    assert make_parser().parse_args(words).config == config
