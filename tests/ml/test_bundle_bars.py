"""The bars of a bundle: kept whole with their version, read only by who extends it."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from feeds.bars import PRICES, Bars
from feeds.gaps import to_bars
from ml.bundle import load_bundle, save_bundle
from ml.bundle_bars import KeptBars, write_kept
from ml.bundle_folder import VERSIONS_KEPT
from ml.ensemble import Ensemble
from ml.errors import BundleDamagedError, BundleError
from tests.feeds.raw import FIVE_MINUTES, raw_frame, without_bars
from tests.makers import make_bars
from tests.ml.trained import manifest_for, trained_on

BARS = make_bars(500)
OTHER = make_bars(450, seed=1, symbol="ETH/USDT")
FACTS: dict[str, Any] = {
    "symbols": ("BTC/USDT", "ETH/USDT"),
    "data_digests": {bars.symbol: bars.digest() for bars in (BARS, OTHER)},
}


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return trained_on(BARS, {"plain": LogisticRegression(max_iter=500)})


@pytest.fixture(scope="module")
def stored(ensemble: Ensemble, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that tests must leave as it is."""
    path = tmp_path_factory.mktemp("kept") / "bundle"
    save_bundle(ensemble, manifest_for(BARS, **FACTS), path, bars=[BARS, OTHER])
    return path


@pytest.fixture
def bundle_path(stored: Path, tmp_path: Path) -> Path:
    """A copy to play with."""
    return Path(shutil.copytree(stored, tmp_path / "bundle"))


def kept_files(path: Path) -> list[Path]:
    return sorted(path.glob("*/bars/*"))


def kept_bars(path: Path) -> tuple[Bars, ...]:
    bundle = load_bundle(path)
    return bundle.kept.read(fill_limit=bundle.manifest.fill_limit)


def test_the_bars_of_a_training_are_kept_with_its_version(stored: Path) -> None:
    assert [file.name for file in kept_files(stored)] == [
        "BTC-USDT_5m.parquet",
        "ETH-USDT_5m.parquet",
    ]
    found = kept_bars(stored)
    assert [bars.symbol for bars in found] == ["BTC/USDT", "ETH/USDT"]
    assert {bars.symbol: bars.digest() for bars in found} == FACTS["data_digests"]
    assert load_bundle(stored).kept.version.parent == stored


@settings(max_examples=30)
@given(
    gaps=st.lists(st.integers(0, 5), min_size=5, max_size=60),
    fill_limit=st.integers(0, 4),
    cut=st.integers(2, 60),
)
def test_bars_come_back_under_the_fill_limit_of_the_training(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[int], fill_limit: int, cut: int
) -> None:
    rows = without_bars(raw_frame(6 * 61), [0, *gaps])  # neighbours: a file tells its timeframe
    seen = to_bars(rows, "BTC/USDT", FIVE_MINUTES, fill_limit=fill_limit)[:cut]
    version = tmp_path_factory.mktemp("version")
    (found,) = KeptBars(version, write_kept([seen], version)).read(fill_limit=fill_limit)
    for name in ("time", *PRICES, "volume", "filled", "segment"):
        np.testing.assert_array_equal(getattr(found, name), getattr(seen, name)[: len(found)])
    assert seen.filled[len(found) :].all()  # at the very end, nothing is known to be missing


def test_a_bundle_without_bars_says_what_to_do(ensemble: Ensemble, tmp_path: Path) -> None:
    version = save_bundle(ensemble, manifest_for(BARS), tmp_path)
    assert not (version / "bars").exists()
    with pytest.raises(BundleError, match=r"keeps no bars.*train once with the whole history"):
        kept_bars(tmp_path)


def test_other_bars_than_the_manifest_says_are_not_kept(ensemble: Ensemble, tmp_path: Path) -> None:
    for bars in ([OTHER], [BARS, OTHER], [BARS[:-1]]):
        with pytest.raises(ValueError, match="must be those that the manifest says"):
            save_bundle(ensemble, manifest_for(BARS), tmp_path, bars=bars)
    assert list(tmp_path.iterdir()) == []


# What is damaged is named, when it is read and not before


def flip(file: Path, place: float) -> None:
    data = bytearray(file.read_bytes())
    data[int(place * len(data))] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.7, 0.999])
def test_a_flipped_bit_is_named_with_its_file(bundle_path: Path, place: float) -> None:
    for file in kept_files(bundle_path):
        whole = file.read_bytes()
        flip(file, place)
        with pytest.raises(BundleDamagedError, match=rf"{file.name}: the file is damaged"):
            kept_bars(bundle_path)
        file.write_bytes(whole)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_named(bundle_path: Path, keep: float) -> None:
    file = kept_files(bundle_path)[1]
    data = file.read_bytes()
    file.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(BundleDamagedError, match=file.name):
        kept_bars(bundle_path)


def test_a_missing_file_is_named(bundle_path: Path) -> None:
    kept_files(bundle_path)[0].unlink()
    with pytest.raises(BundleDamagedError, match=r"BTC-USDT_5m\.parquet.*No such file"):
        kept_bars(bundle_path)


def test_bars_of_another_symbol_are_damage_whatever_their_digest(tmp_path: Path) -> None:
    digests = write_kept([BARS, OTHER], tmp_path)
    first, second = sorted((tmp_path / "bars").iterdir())
    swapped = KeptBars(tmp_path, {first.name: digests[second.name]})
    first.write_bytes(second.read_bytes())
    with pytest.raises(BundleDamagedError, match=first.name):
        swapped.read(fill_limit=5)


def test_noise_is_damage_whatever_its_digest(tmp_path: Path) -> None:
    noise = b"PAR1" + bytes(100) + b"PAR1"
    (tmp_path / "bars").mkdir()
    (tmp_path / "bars" / "BTC-USDT_5m.parquet").write_bytes(noise)
    kept = KeptBars(tmp_path, {"BTC-USDT_5m.parquet": hashlib.sha256(noise).hexdigest()})
    with pytest.raises(BundleDamagedError, match=r"BTC-USDT_5m\.parquet"):
        kept.read(fill_limit=5)


def test_a_run_does_not_read_the_bars(bundle_path: Path) -> None:
    shutil.rmtree(kept_files(bundle_path)[0].parent)
    assert load_bundle(bundle_path).ensemble.members


# What extends a version


def test_a_version_is_not_put_over_one_that_came_in_force_meanwhile(
    ensemble: Ensemble, bundle_path: Path
) -> None:
    old = load_bundle(bundle_path)
    facts = manifest_for(BARS, created_at=np.datetime64("2024-07-01"))
    between = save_bundle(ensemble, facts, bundle_path)
    later = manifest_for(BARS, created_at=np.datetime64("2024-08-01"))
    with pytest.raises(BundleError, match=rf"{between.name} came in force.*update again"):
        save_bundle(ensemble, later, bundle_path, extends=old)
    assert load_bundle(bundle_path).kept.version == between
    now = save_bundle(ensemble, later, bundle_path, extends=load_bundle(bundle_path))
    assert load_bundle(bundle_path).kept.version == now


def test_the_version_that_was_in_force_is_kept_however_old(
    ensemble: Ensemble, tmp_path: Path
) -> None:
    def save(day: int) -> Path:
        moment = np.datetime64(f"2024-06-0{day}")
        return save_bundle(ensemble, manifest_for(BARS, created_at=moment), tmp_path)

    oldest, *_, latest = [save(day) for day in range(1, VERSIONS_KEPT + 1)]
    (tmp_path / "current").write_text(oldest.name)  # somebody went back to it
    newest = save(9)
    kept = {f for f in tmp_path.iterdir() if f.is_dir()}
    assert {oldest, latest, newest} < kept
    assert len(kept) == VERSIONS_KEPT
