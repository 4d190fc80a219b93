"""What is kept on the disk: downloaded bars, and the bundle."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from engine.jobs.diagnosing.finding import Asked, Finding, State

if TYPE_CHECKING:
    from feeds.store import Listing
    from ml.bundle import Bundle
    from ml.models.member_config import MemberConfig

ELSEWHERE = "at"  # below it lies what other addresses than the exchange's own have said


def store(asked: Asked) -> Iterator[Finding]:
    """Read every file of the store, digests included, and say what it covers."""
    from feeds.errors import FeedError

    files = sorted(path for path in asked.store.rglob("*.parquet") if path.name[0] != ".")
    if not files:
        yield Finding("store", State.OK, f"{asked.store} holds no bars yet; commands download them")
    strange = []
    for path in files:
        try:
            root, listing = _listing(path, asked.store)
        except (FeedError, ValueError):
            strange.append(path)
            continue
        yield _file(root, listing, path)
    if strange:
        found = f"{len(strange)} more below {asked.store} are none of the store's: {strange[0]}"
        yield Finding("store", State.OK, found)


def _listing(path: Path, store: Path) -> "tuple[Path, Listing]":
    """Return the root of the store that a file belongs to, and what it must hold."""
    from feeds.store import Listing
    from feeds.timeframe import Timeframe

    below = path.relative_to(store).parts
    root = store
    if below[0] == ELSEWHERE:
        root, below = store.joinpath(*below[:2]), below[2:]
    exchange, symbol, name = below
    return root, Listing(exchange, symbol, Timeframe.parse(name.removesuffix(".parquet")))


def _file(root: Path, listing: "Listing", path: Path) -> Finding:
    import pyarrow.parquet as pq

    from feeds.errors import StoreError
    from feeds.store import Store

    try:
        covered = Store(root).covered(listing)
    except StoreError as error:
        why, _, remedy = str(error).rpartition("; ")
        return Finding("store", State.FAIL, why, remedy)
    rows = pq.read_metadata(path).num_rows
    could = sum(span.bars(listing.timeframe) for span in covered)
    holes = f" in {len(covered)} stretches" if len(covered) > 1 else ""
    share = f", {rows / could:.2%} of those that could be" if could else ""
    place = "" if root == path.parents[2] and root.parent.name != ELSEWHERE else f" at {root.name}"
    spans = f"{covered[0]}".split(" to ")[0], f"{covered[-1]}".split(" to ")[1]
    found = f"{listing}{place}: {rows:,} bars{share}, {spans[0]} to {spans[1]}{holes}"
    return Finding("store", State.OK, found)


def bundle(asked: Asked) -> Iterator[Finding]:
    """Load the bundle as a run would."""
    from engine.errors import ConfigError, UsageError
    from ml.bundle import DEFAULT_PATH, load_bundle
    from ml.errors import BundleError, BundleMismatchError, BundleMissingError
    from strategies.errors import StrategyError

    path = asked.model or DEFAULT_PATH
    try:
        loaded = load_bundle(path, _members(asked.config))
    except (ConfigError, StrategyError, UsageError) as error:
        yield Finding("bundle", State.FAIL, str(error), "mend the file that --config names")
    except BundleMissingError:
        state = State.WARN if asked.model is None else State.FAIL
        remedy = _remedy(path)
        yield Finding("bundle", state, f"{path}: no bundle there; ML-on has nobody to ask", remedy)
    except BundleMismatchError as error:  # members of one's own are named by a configuration
        remedy = "give --config the settings that it was trained with, here too, or train it again"
        yield Finding("bundle", State.WARN, str(error), remedy)
    except BundleError as error:
        yield Finding("bundle", State.FAIL, str(error), "train it again with train_ml_ensemble.py")
    else:
        yield from _loaded(path, loaded)


def _remedy(path: Path) -> str:
    from engine.jobs.bundle_remedies import bundles_near

    train = "train one with train_ml_ensemble.py"
    found = ", ".join(map(str, bundles_near(path)))
    return f"name one with --model, found {found}; or {train}" if found else train


def _members(config: Path | None) -> "Mapping[str, MemberConfig]":
    """Return the members that the settings name; nobody without settings."""
    from engine.jobs.settings import load_any_settings
    from ml.models.member_config import NOBODY

    return NOBODY if config is None else load_any_settings(config).members


def _loaded(path: Path, loaded: "Bundle") -> Iterator[Finding]:
    from feeds.clock import SystemClock
    from ml.manifest import library_versions

    made, ensemble = loaded.manifest, loaded.ensemble
    age = (SystemClock().now() - made.created_at) // timedelta(days=1)
    yield Finding(
        "bundle",
        State.OK,
        f"{path}: {len(ensemble.members)} members, {', '.join(made.symbols)} {made.timeframe}, "
        f"trained {made.created_at:%Y-%m-%d}, {age} days ago, seen until "
        f"{made.seen_until:%Y-%m-%d %H:%MZ}{', SYNTHETIC' if made.synthetic else ''}",
    )
    if ensemble.left_out:
        why = "; ".join(f"{name}: {reason}" for name, reason in ensemble.left_out.items())
        yield Finding("bundle", State.WARN, f"members left out: {why}", "see packages above")
    here = library_versions()
    other = [
        f"{name} {then}, now {here.get(name, 'missing')}"
        for name, then in made.libraries.items()
        if here.get(name) != then
    ]
    if other:
        found = f"trained with other libraries: {', '.join(other)}"
        yield Finding("bundle", State.WARN, found, "train it again, or install those versions")
