"""Bundles that are missing, damaged, or made for something else, for every command that asks one.

That the same words work on a sound bundle is tested first.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.wrong_input.rooms import (
    BACKTEST,
    CLEAN,
    EVALUATE,
    PAPER,
    UPDATE,
    Command,
    Desk,
    Room,
    Words,
)

Change: TypeAlias = Callable[[Room], object]

# Commands that ask a bundle, and the words with which they do.
ASKING: Mapping[str, tuple[Command, Words]] = {
    "run_backtest --ml on": (BACKTEST, ["--start-date", CLEAN, "--ml", "on"]),
    "run_backtest --ml compare": (BACKTEST, ["--start-date", CLEAN, "--ml", "compare"]),
    "run_paper --ml on": (PAPER, ["--ml", "on"]),
    "evaluate_ml_ensemble": (EVALUATE, []),
    "train_ml_ensemble --update": (UPDATE, []),
}
each_asking = pytest.mark.parametrize(("command", "flags"), ASKING.values(), ids=ASKING)


def words_of(command: Command, flags: Words, room: Room, bundle: Path | None = None) -> Words:
    """Return the words that let the command ask a bundle, by default the room's."""
    flag = "--output" if command is UPDATE else "--model"
    return [*command.on(room, room.bars), *flags, flag, bundle or room.bundle]


@pytest.mark.parametrize(
    ("command", "flags"), [pair for name, pair in ASKING.items() if "train" not in name]
)
def test_a_sound_bundle_is_asked(command: Command, flags: Words, desk: Desk) -> None:
    # So small a bundle does not know what is usual, of which only a session has to say something.
    warns = "DRIFT IS NOT WATCHED" if command is PAPER else None
    desk.works(command, words_of(command, flags, desk.room), warns)


def version_of(room: Room) -> Path:
    return room.bundle / (room.bundle / "current").read_text()


def change(name: str, how: Callable[[bytes], bytes]) -> Change:
    """Return what changes the bytes of a file of the bundle, found by its name."""

    def changed(room: Room) -> None:
        (file,) = room.bundle.rglob(name)
        file.write_bytes(how(file.read_bytes()))

    return changed


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def remove(name: str) -> Change:
    def removed(room: Room) -> None:
        (file,) = room.bundle.rglob(name)
        file.unlink()

    return removed


def say(edit: Callable[[Any], object]) -> Change:
    """Return what edits the manifest, with all digests made anew."""

    def said(room: Room) -> None:
        version = version_of(room)
        manifest = json.loads((version / "manifest.json").read_text())
        edit(manifest)
        data = json.dumps(manifest).encode()
        (version / "manifest.json").write_bytes(data)
        name = version.name[:-16] + hashlib.sha256(data).hexdigest()[:16]
        version.rename(room.bundle / name)
        (room.bundle / "current").write_text(name)

    return said


DAMAGED: Mapping[str, tuple[Change, tuple[str, ...]]] = {
    "a member with a flipped bit": (change("plain.skops", flip), ("plain.skops", "damaged")),
    "a member cut short": (change("plain.skops", half), ("plain.skops", "damaged")),
    "an empty member": (change("plain.skops", lambda _: b""), ("plain.skops", "damaged")),
    "a missing member": (remove("plain.skops"), ("plain.skops", "cannot be read")),
    "a manifest with a flipped bit": (change("manifest.json", flip), ("manifest.json", "damaged")),
    "a manifest cut short": (change("manifest.json", half), ("manifest.json", "damaged")),
    "a missing manifest": (remove("manifest.json"), ("manifest.json", "cannot be read")),
    "a name that is no version": (
        change("current", lambda _: b"latest"), ("current", "must name a version", "'latest'")
    ),
    "a version that is gone": (
        change("current", lambda name: name[:-1] + b"z"), ("current", "must name a version")
    ),
    "a missing name": (remove("current"), ("current", "cannot be read")),
    "a manifest that is none": (
        change("manifest.json", lambda _: b"[]"), ("manifest.json", "damaged")
    ),
    "another format": (
        say(lambda text: text.update(format=99)), ("the bundle has format 99", "train again")
    ),
    "a feature that nobody knows": (
        say(lambda text: text["manifest"]["feature_names"].__setitem__(3, "moon")),
        ("trained", "feature", "'moon'"),
    ),
    "a feature less": (
        say(lambda text: text["manifest"]["feature_names"].pop()), ("trained", "feature")
    ),
    "another timeframe": (
        say(lambda text: text["manifest"].update(timeframe="1h")), ("timeframe", "'1h'", "'5m'")
    ),
}  # fmt: skip


@each_asking
@pytest.mark.parametrize(("damage", "about"), DAMAGED.values(), ids=DAMAGED)
def test_a_bundle_that_cannot_serve_is_refused_by_name(
    damage: Change, about: tuple[str, ...], command: Command, flags: Words, desk: Desk
) -> None:
    damage(desk.room)
    desk.refuses(command, words_of(command, flags, desk.room), about)


PLACES: Mapping[str, tuple[Change, tuple[str, ...]]] = {
    "nothing": (lambda _: None, ("no bundle there", "train_ml_ensemble.py")),
    "an empty folder": (
        lambda room: (room.path / "asked").mkdir(),
        ("no bundle there", "train_ml_ensemble.py"),
    ),
    "a file": (lambda room: (room.path / "asked").write_text("x"), ("a bundle is a folder",)),
}


@each_asking
@pytest.mark.parametrize(("put", "about"), PLACES.values(), ids=PLACES)
def test_what_is_no_bundle_is_refused_by_its_path(
    put: Change, about: tuple[str, ...], command: Command, flags: Words, desk: Desk
) -> None:
    put(desk.room)
    path = desk.room.path / "asked"
    desk.refuses(command, words_of(command, flags, desk.room, path), [str(path), *about])


@each_asking
def test_a_pickle_is_refused_unopened(command: Command, flags: Words, desk: Desk) -> None:
    path = desk.room.path / "model.pkl"
    path.write_bytes(b"cos\nsystem\n(S'touch planted'\ntR.")
    words = words_of(command, flags, desk.room, path)
    desk.refuses(command, words, ["model.pkl", "pickled models are neither read nor written"])


OTHERWISE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "other exits": ("[strategy.exits]\ntake_profit = 0.7\n", ("exits.take_profit", "0.5", "0.7")),
    "another time limit": ("[strategy.exits]\nmax_bars = 9\n", ("exits.max_bars", "5", "9")),
    "another filter": ("[strategy]\nrsi_oversold = 25\n", ("mandatory.rsi_below", "30", "25")),
}


@pytest.mark.parametrize(
    ("command", "flags"), [pair for name, pair in ASKING.items() if name.startswith("run")]
)
@pytest.mark.parametrize(("settings", "about"), OTHERWISE.values(), ids=OTHERWISE)
def test_a_bundle_for_another_strategy_is_refused_with_the_difference(
    settings: str, about: tuple[str, ...], command: Command, flags: Words, desk: Desk
) -> None:
    config = desk.room.path / "tandem.toml"
    config.write_text(settings)
    words = [*words_of(command, flags, desk.room), "--config", config]
    desk.refuses(command, words, ["the bundle was trained for", *about])


@pytest.mark.parametrize("mode", ["on", "compare"])
def test_bars_that_the_bundle_has_seen_are_refused(mode: str, desk: Desk) -> None:
    words = [*words_of(BACKTEST, [], desk.room), "--ml", mode]
    desk.refuses(BACKTEST, words, ["in-sample", "--start-date 2024-01-03T10:20"])


# What to do about it


@each_asking
def test_where_no_bundle_is_those_near_are_named_and_the_training_that_makes_it(
    command: Command, flags: Words, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.room.path)  # which has no models/
    path = desk.room.path / "asked"
    flag = "--output" if command is UPDATE else "--model"
    told = [
        f"{path}: no bundle there; name another by {flag}, found {desk.room.bundle}; or train it: ",
        f"train_ml_ensemble.py --data FILE --output {path}",
    ]
    desk.refuses(command, words_of(command, flags, desk.room, path), told)


def test_a_folder_of_bundles_names_those_in_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.room.path)
    folder = desk.room.path / "many"
    folder.mkdir()
    desk.room.bundle.rename(folder / "here")
    words = words_of(EVALUATE, [], desk.room, folder)
    desk.refuses(EVALUATE, words, [f"name another by --model, found {folder / 'here'}; or train"])


def test_without_any_bundle_the_training_alone_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.room.path)
    shutil.rmtree(desk.room.bundle)
    words = words_of(EVALUATE, [], desk.room)
    told = "no bundle there; train it: train_ml_ensemble.py --data FILE --output "
    desk.refuses(EVALUATE, words, [f"{told}{desk.room.bundle}"])


def test_a_mismatch_tells_the_training_that_makes_the_right_one(desk: Desk) -> None:
    config = desk.room.path / "tandem.toml"
    config.write_text("[strategy.exits]\ntake_profit = 0.7\n")
    words = words_of(BACKTEST, ["--start-date", CLEAN, "--ml", "on"], desk.room)
    told = "what makes one for this: train_ml_ensemble.py --data FILE --config FILE.toml --output "
    desk.refuses(BACKTEST, [*words, "--config", config], [f"{told}models/CryptoScalpingStrategy"])
