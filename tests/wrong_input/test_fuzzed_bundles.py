"""Whatever a bundle holds: it serves, or is refused by name. Never a crash, never a hang."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.jobs.settings import Settings
from ml.bundle import load_bundle, save_bundle
from tests.makers import make_bars
from tests.ml.trained import manifest_for, trained_on
from tests.world import World
from tests.wrong_input.child import Child
from tests.wrong_input.damage import anywhere, damaged, often
from tests.wrong_input.rooms import CLEAN, SEEN, Room

Path_: TypeAlias = tuple[str | int, ...]  # of a value in JSON

ODD: list[Any] = [
    None, True, -1, 0, 1, 3, 0.5, -0.0, 1e308, 10**30, 2**63, float("nan"), float("inf"), "", "x",
    "\x00", "1h", "5", "horizon", "barrier", "2024-01-01", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "../../x", "x" * 5000, "\x1b[2J", [], ["x"], [1, 2], {}, {"x": 1},
    {"kind": "barrier"}, {"BTC-USDT_5m.parquet": "x"},
]  # fmt: skip


@pytest.fixture(scope="module")
def sound(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of every kind of member, with figures and bars, that serves the default settings."""
    path = tmp_path_factory.mktemp("sound") / "ensemble"
    bars, defaults = make_bars(SEEN), Settings()
    manifest = manifest_for(
        bars,
        label={"kind": "horizon", "lookahead": 5, "profit_threshold": 0.005},
        exits=defaults.strategy.exits.model_dump(mode="json"),
        mandatory=defaults.strategy.mandatory_filter,
        metrics=load_bundle(world.bundle).manifest.metrics,
    )
    save_bundle(trained_on(bars), manifest, path, bars=[bars])
    return path


@pytest.fixture
def bundle(sound: Path, tmp_path: Path) -> Path:
    """A copy to play with."""
    return Path(shutil.copytree(sound, tmp_path / "ensemble"))


def version_of(path: Path) -> Path:
    return path / (path / "current").read_text()


@often(80)
def test_any_damaged_file_is_refused(examples: int, child: Child, bundle: Path) -> None:
    files = [bundle / "current", *(f for f in version_of(bundle).rglob("*") if f.is_file())]
    whole = {file: file.read_bytes() for file in files}
    others = st.sampled_from(list(whole.values())) | st.just(b"")

    @st.composite
    def damages(draw: st.DrawFn) -> tuple[Path, bytes]:
        file = draw(st.sampled_from(files))
        return file, draw(damaged(whole[file], anywhere) | others)

    @settings(max_examples=examples)
    @given(damages())
    def holds(damage: tuple[Path, bytes]) -> None:
        file, data = damage
        file.write_bytes(data)
        found = child.ask("bundle", bundle)
        file.write_bytes(whole[file])
        assert (found == "sound") == (data == whole[file])
        assert found == "sound" or file.name in found

    assert len(files) == 8
    assert child.ask("bundle", bundle) == "sound"
    holds()


def paths_in(value: Any, above: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every value below, of lists only the first."""
    inner = value.items() if isinstance(value, dict) else []
    for key, below in [*inner, *(enumerate(value) if isinstance(value, list) else [])]:
        if above[-1:] != ("feature_names",) or key == 0:
            yield (*above, key)
            yield from paths_in(below, (*above, key))


def edited(text: Any, path: Path_, value: Any) -> Any:
    """Return the JSON with one value replaced, or without it where the value is `...`."""
    result = deepcopy(text)
    place = result
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return result


def plant(path: Path, text: Any) -> None:
    """Put a manifest in the place of the one in force, with all digests made anew."""
    version = version_of(path)
    data = json.dumps(text).encode()
    (version / "manifest.json").write_bytes(data)
    name = version.name[:-16] + hashlib.sha256(data).hexdigest()[:16]
    version.rename(path / name)
    (path / "current").write_text(name)


@often(20)
@pytest.mark.parametrize("name", ["random_forest.skops", "svm.skops", "lstm.safetensors"])
def test_a_member_with_the_digest_of_its_damage_is_read_or_refused(
    examples: int, name: str, child: Child, bundle: Path
) -> None:
    version = version_of(bundle)
    whole = (version / name).read_bytes()
    text = json.loads((version / "manifest.json").read_text())
    (at,) = (i for i, each in enumerate(text["members"]) if name.startswith(each["name"]))

    @settings(max_examples=examples)
    @given(damaged(whole, anywhere))
    def holds(data: bytes) -> None:
        (version_of(bundle) / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        plant(bundle, edited(text, ("members", at, "sha256"), digest))
        child.ask("bundle", bundle)

    holds()


def test_a_sound_bundle_is_asked(child: Child, bundle: Path, room: Room) -> None:
    for words in asking(bundle, room):
        assert child.ask("command", *words) == "sound", words


def asking(bundle: Path, room: Room) -> list[list[object]]:
    """Return the commands that ask a bundle, the quick ones."""
    dates = ["--start-date", CLEAN, "--end-date", "2024-01-05", "--out", room.runs]
    return [
        ["run_backtest", "--data", room.bars, "--ml", "on", "--model", bundle, *dates],
        ["evaluate_ml_ensemble", "--data", room.bars, "--model", bundle],
        ["evaluate_ml_ensemble", "--model", bundle],
        ["evaluate_ml_ensemble", "--model", bundle, "--json"],
    ]


@often(40)
def test_a_manifest_of_any_words_serves_or_is_refused(
    examples: int, child: Child, bundle: Path, room: Room
) -> None:
    text = json.loads((version_of(bundle) / "manifest.json").read_text())
    edits = st.tuples(st.sampled_from(list(paths_in(text))), st.sampled_from([..., *ODD]))
    commands = asking(bundle, room)

    @settings(max_examples=examples)
    @given(edits, st.sampled_from(commands))
    def holds(edit: tuple[Path_, Any], words: list[object]) -> None:
        plant(bundle, edited(text, *edit))
        child.ask("command", *words)

    holds()
