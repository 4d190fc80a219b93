"""Bundles: an ensemble on disk, with all that it says about itself.

A bundle is a folder (`ml.bundle_folder`). Each training adds a version, `<created>-<digest>/` with
manifest.json and one file per member, and the text file `current` names the version in force. A
version is made under another name and renamed when it is whole, and `current` is replaced in one
step: whenever the writer is stopped, a reader finds the old version or the new one.

The bars that it was trained on lie beside the members, in `bars/`, so that the version can be
extended: `ml.bundle_bars`. Nothing that only serves reads them.

Every file's SHA-256 is in the manifest, and the manifest's is in the name of the version. They
prove damage, not intent: whoever can write the folder can write digests too. What a planted file
can *not* do is run code, see `ml.member_files`; that a library written in C survives whatever is
planted for it nobody promises, so take bundles from people you trust.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile

from pydantic import ValidationError

from feeds.atomic import atomic_text
from feeds.bars import Bars
from feeds.errors import BadFileError
from feeds.messages import first_line, printable, shown
from ml.bundle_bars import KeptBars, write_kept
from ml.bundle_files import damaged, read_file, read_recorded, sha256, sync_folder, write_file
from ml.bundle_folder import (
    CURRENT,
    DRAFT,
    VERSION,
    drop_old,
    holds_versions,
    name_in_force,
    note_before,
    only_writer,
    version_before,
    versions,
)
from ml.ensemble import Ensemble
from ml.errors import (
    BundleDamagedError,
    BundleError,
    BundleMismatchError,
    BundleMissingError,
)
from ml.manifest import FORMAT, Contents, Manifest
from ml.member_files import member_bytes, member_record, read_member
from ml.models.member_config import NOBODY, MemberConfig

DEFAULT_PATH = Path("models/crypto_scalping_ensemble")

_MANIFEST = "manifest.json"
_PICKLES = (".pkl", ".pickle", ".joblib")


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """An ensemble that can be asked, and where it comes from.

    Attributes
    ----------
    digest : SHA-256 of the stored manifest, and so of everything; empty if it was never stored
    kept : the bars that it was trained on, not read yet, and the folder of its version
    """

    ensemble: Ensemble
    manifest: Manifest
    digest: str = ""
    kept: KeptBars = field(default_factory=KeptBars)


def save_bundle(
    ensemble: Ensemble,
    manifest: Manifest,
    path: Path,
    *,
    bars: Sequence[Bars] = (),
    extends: Bundle | None = None,
    members: Mapping[str, MemberConfig] = NOBODY,
) -> Path:
    """Add a version to the bundle at `path` and put it in force; return its folder.

    The last VERSIONS_KEPT versions are kept, the one that was in force among them. Writers take
    turns.

    Parameters
    ----------
    bars : that it was trained on, to be kept; those that the manifest knows, or none
    extends : what must still be in force, because the new version is made of it
    members : of the settings, which say what members of the user's own may hold

    Raises
    ------
    BundleError
        If a member cannot be stored, the folder cannot be written, or another version than
        `extends` has come in force.
    """
    if bars and {each.symbol: each.digest() for each in bars} != manifest.data_digests:
        raise ValueError("the bars to keep must be those that the manifest says it was trained on")
    refuse_target(path)
    try:
        with only_writer(path):
            before = name_in_force(path)
            if extends is not None and extends.kept.version.name != before:
                raise BundleError(_overtaken(path, before))
            version = _write_version(ensemble, manifest, path, bars, members, before)
            atomic_text(path / CURRENT, version.name)
            drop_old(path, {version.name, before})
            return version
    except (OSError, BadFileError) as error:
        raise BundleError(f"{path}: the bundle cannot be written: {error}") from error


def load_bundle(path: Path, members: Mapping[str, MemberConfig] = NOBODY) -> Bundle:
    """Return the bundle in force at `path`.

    A member whose library cannot be loaded is left out, with the reason in
    `bundle.ensemble.left_out`.

    Parameters
    ----------
    members : of the settings, which name the code of the user's own that may be run

    Raises
    ------
    BundleMissingError
        If there is none.
    BundleDamagedError
        If a file is missing, does not have its digest or cannot be read; the message names it.
    BundleMismatchError
        If it has another format than this version of Tandem reads, or a member of the user's own
        that the settings do not name.
    """
    refuse_pickle(path)
    return _loaded(_version_in_force(path), members)


def load_version(
    path: Path, digest: str, members: Mapping[str, MemberConfig] = NOBODY
) -> Bundle | None:
    """Return the version at `path` that has the digest, in force or not; None if it is gone.

    Raises
    ------
    BundleError
        as `load_bundle`
    """
    named = (f for f in path.glob(f"*-{digest[:16]}") if VERSION.fullmatch(f.name))
    version = next(named, None)
    return None if version is None else _loaded(version, members)


def refuse_pickle(path: Path) -> None:
    """Refuse a path that names a pickled model.

    Raises
    ------
    BundleError
    """
    if path.suffix.lower() in _PICKLES:
        raise BundleError(
            f"{path}: pickled models are neither read nor written, since reading one runs its "
            f"code; a bundle is a folder such as {DEFAULT_PATH}, made by train_ml_ensemble.py"
        )


def refuse_target(path: Path) -> None:
    """Refuse a path at which no bundle can be written, before a training and not after it.

    Raises
    ------
    BundleError
    """
    refuse_pickle(path)
    if path.exists() and not path.is_dir():
        raise BundleError(f"{path}: a bundle is a folder, this is a file; name another path")
    if path.is_dir() and any(path.iterdir()) and not holds_versions(path):
        raise BundleError(
            f"{path}: the folder holds other things than a bundle; name an empty or a new one"
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise BundleError(f"{path}: the folder cannot be written: {error}") from error


def copy_bundle(source: Path, path: Path) -> Path:
    """Put the version in force at `source` in force at `path` too; return its folder there.

    Raises
    ------
    BundleError
        If there is none, or the folder cannot be written.
    """
    refuse_target(path)
    found = _version_in_force(source)
    try:
        with only_writer(path):
            version, before = path / found.name, name_in_force(path)
            if not version.exists():
                draft = shutil.copytree(found, path / f"new{DRAFT}")
                note_before(draft, before)
                sync_folder(draft)
                draft.rename(version)
                sync_folder(path)
            atomic_text(path / CURRENT, version.name)
            drop_old(path, {version.name, before})
            return version
    except OSError as error:
        raise BundleError(f"{path}: the bundle cannot be written: {error}") from error


def roll_back(
    path: Path, members: Mapping[str, MemberConfig] = NOBODY, *, to: str | None = None
) -> Bundle:
    """Put the version in force that the one in force replaced, and return it.

    It is read first, every digest included. Nothing is deleted: the other version is kept.

    Parameters
    ----------
    members : of the settings, which name the code of the user's own that may be run
    to : another version that is kept, by its name

    Raises
    ------
    BundleError
        If there is no such version, it is in force already, or the folder cannot be written; and
        as `load_bundle`
    """
    if not (path.is_dir() and holds_versions(path)):
        _version_in_force(path)  # says what is there instead
    try:
        with only_writer(path):
            now = name_in_force(path)
            found = _loaded(path / _wanted(path, now, to), members)
            atomic_text(path / CURRENT, found.kept.version.name)
            return found
    except OSError as error:
        raise BundleError(f"{path}: the bundle cannot be written: {error}") from error


def _wanted(path: Path, now: str, to: str | None) -> str:
    """Return the name of the version to go back to."""
    kept = versions(path)
    there = f"kept are {', '.join(kept) or 'none'}"
    name = version_before(path, now) if to is None else to
    if name is None:
        shown_now = printable(now) or "none that can be read"
        raise BundleError(
            f"{path}: no version is kept from before the one in force, {shown_now}; {there}"
        )
    if name not in kept:
        raise BundleError(
            f"{path}: a version to go back to must be kept, found {shown(to)}; {there}"
        )
    if name == now:
        raise BundleError(f"{path}: {name} is in force already; {there}")
    return name


# Writing


def _overtaken(path: Path, now: str) -> str:
    return (
        f"{path}: version {now or 'none'} came in force while another one was being extended, and "
        f"would be lost under it; update again"
    )


def _write_version(
    ensemble: Ensemble,
    manifest: Manifest,
    path: Path,
    bars: Sequence[Bars],
    members: Mapping[str, MemberConfig],
    before: str,
) -> Path:
    draft = path / f"new{DRAFT}"
    draft.mkdir()
    records = []
    for member in ensemble.members:
        data = member_bytes(member, members)
        records.append(member_record(member, sha256(data)))
        write_file(draft / records[-1].file, data)
    contents = Contents(
        manifest=manifest,
        base_rate=ensemble.base_rate,
        members=tuple(records),
        left_out=dict(ensemble.left_out),
        bars=write_kept(bars, draft),
    )
    text = contents.model_dump_json(indent=1).encode()
    write_file(draft / _MANIFEST, text)
    note_before(draft, before)
    sync_folder(draft)
    version = path / f"{manifest.created_at:%Y%m%dT%H%M%SZ}-{sha256(text)[:16]}"
    if not version.exists():  # else the digest says that it is the same
        draft.rename(version)
    sync_folder(path)
    return version


# Reading


def _loaded(version: Path, members: Mapping[str, MemberConfig]) -> Bundle:
    data = read_file(version / _MANIFEST)
    digest = sha256(data)
    if digest[:16] != version.name[-16:]:
        raise damaged(version / _MANIFEST)
    contents = _contents(version / _MANIFEST, data)
    kept = KeptBars(version, contents.bars)
    return Bundle(_ensemble(version, contents, members), contents.manifest, digest, kept)


def _version_in_force(path: Path) -> Path:
    if not path.exists() or (path.is_dir() and not holds_versions(path)):
        raise BundleMissingError(f"{path}: no bundle there; train one with train_ml_ensemble.py")
    if not path.is_dir():
        raise BundleError(f"{path}: a bundle is a folder, this is a file")
    name = read_file(path / CURRENT).decode("ascii", "replace")
    if not (VERSION.fullmatch(name) and (path / name).is_dir()):
        raise BundleDamagedError(
            f"{path / CURRENT}: must name a version that is there, found {name[:40]!r}"
        )
    return path / name


def _contents(file: Path, data: bytes) -> Contents:
    try:
        found = json.loads(data).get("format")
        if found != FORMAT:
            raise BundleMismatchError(
                f"{file}: the bundle has format {shown(found)}, this version reads {FORMAT}; train "
                f"again"
            )
        return Contents.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = printable(".".join(map(str, first["loc"])))
        raise BundleDamagedError(f"{file}: {where}: {printable(first['msg'])}") from error
    except (ValueError, AttributeError, RecursionError) as error:
        raise BundleDamagedError(f"{file}: not a manifest: {first_line(error)}") from error


def _ensemble(version: Path, contents: Contents, members: Mapping[str, MemberConfig]) -> Ensemble:
    found, left_out = [], dict(contents.left_out)
    for record in contents.members:
        data = read_recorded(version / record.file, record.sha256)
        try:
            found.append(read_member(record, data, members))
        except ImportError as error:
            left_out[record.name] = str(error)
        except BundleDamagedError as error:
            raise BundleDamagedError(f"{version}: {error}") from error
        except BundleMismatchError as error:
            raise BundleMismatchError(f"{version}: {error}") from error
    try:
        return Ensemble(tuple(found), contents.base_rate, left_out)
    except ValueError as error:
        raise BundleDamagedError(f"{version / _MANIFEST}: {error}") from error
