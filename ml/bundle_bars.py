"""The bars that a version of a bundle was trained on: kept with it, so that it can be extended.

A run never needs them, and loading a bundle does not read them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from feeds.bars import Bars
from feeds.errors import FeedError
from feeds.files import read_bars, write_bars
from ml.bundle_files import damaged, read_recorded, sha256, sync_folder
from ml.errors import BundleDamagedError, BundleError

FOLDER = "bars"


@dataclass(frozen=True, slots=True)
class KeptBars:
    """The bars of a version, on disk.

    Attributes
    ----------
    version : the version's folder
    digests : name of the file -> its SHA-256; empty if none were kept
    """

    version: Path = Path()
    digests: Mapping[str, str] = field(default_factory=dict)

    def read(self, *, fill_limit: int) -> tuple[Bars, ...]:
        """Return the bars of each symbol, under the fill limit of the training.

        Every bar that exists is the one of the training, to the last bit. Filled bars at the very
        ends are not kept: nothing is known to be missing there until another bar comes.

        Raises
        ------
        BundleError
            If none were kept.
        BundleDamagedError
            If a file is missing, does not have its digest or cannot be read as bars.
        """
        if not self.digests:
            raise BundleError(
                f"{self.version}: the bundle keeps no bars, so it cannot be extended; train once "
                f"with the whole history, without --update, and it will"
            )
        return tuple(self._read(name, fill_limit) for name in self.digests)

    def _read(self, name: str, fill_limit: int) -> Bars:
        file = self.version / FOLDER / name
        read_recorded(file, self.digests[name])
        try:
            bars, _ = read_bars(file, fill_limit=fill_limit)
        except FeedError as error:
            raise BundleDamagedError(f"{file}: {error}") from error
        if _name(bars) != name:
            raise damaged(file)
        return bars


def write_kept(bars: Sequence[Bars], version: Path) -> dict[str, str]:
    """Write the bars into the folder of a version; return name and SHA-256 of each file.

    Raises
    ------
    BadFileError
        If they cannot be written.
    """
    digests = {}
    for each in bars:
        file = version / FOLDER / _name(each)
        write_bars(each, file)
        digests[file.name] = sha256(file.read_bytes())
    if digests:
        sync_folder(version / FOLDER)
    return digests


def _name(bars: Bars) -> str:
    return f"{bars.symbol.replace('/', '-')}_{bars.timeframe}.parquet"
