"""How many configurations have been looked at on the same bars: the best of many is often luck.

Every run keeps a folder below `out`, so the folders there are the record of what was tried. A run
counts if it saw a symbol of this run at the same time, whatever the timeframe; on simulated markets
only the same bars are the same market, and what a search has cut from them for its windows. ML-off
and ML-on are a configuration each. What does not decide a trade, such as where a bundle lies, makes
no other configuration; another bundle does. A search has looked at each of its sets; what they were
lies in `SEARCHED` files below the folder.

Runs whose folder was deleted, or kept elsewhere, are not known: the count is a lower bound. The
trials of a bundle's own tuning are not among them; they were judged on its train part.
"""

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeAlias

from pydantic import BaseModel, FiniteFloat

from engine.metrics import DAYS_PER_YEAR
from engine.plain import plain
from engine.result import RunResult
from engine.result_hash import ENSEMBLES
from feeds.atomic import atomic_text

log = logging.getLogger("tandem.run")

Key: TypeAlias = tuple[str, str]
"""A label, `off` or `on`, and a digest of what decides its trades."""

SEARCHED = "search/*/tried.json"

# What a configuration holds that decides no trade: keys of sections, None for whole sections. What
# an ensemble learned from is in its digest, whether one was asked in the label.
IDLE: Mapping[str, frozenset[str] | None] = MappingProxyType(
    {
        "data": frozenset({"store", "exchange", "base_url"}),
        "strategy": frozenset({"use_ml_ensemble", "ml_model_path"}),
        **dict.fromkeys(("members", "paper", "seed", "statistics", "training")),
    }
)

# What reading the files of a damaged or foreign folder raises.
_UNREADABLE = (OSError, ValueError, TypeError, LookupError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """What has been looked at on the same bars, the runs at hand among it.

    Attributes
    ----------
    count : different configurations
    sharpes : Sharpe ratio per day of each with ML, in its latest run, and of each that a search
        looked at; those without a ratio are missing. ML-off alone is what they are compared with,
        and not one to be chosen among them
    unreadable : folders of runs and searches below `out` that are damaged
    """

    count: int
    sharpes: tuple[float, ...]
    unreadable: int


def trials(
    out: Path,
    data: Mapping[str, Any],
    results: Sequence[RunResult],
    tried: Mapping[Key, float | None] = MappingProxyType({}),
) -> Trials:
    """Return what has been looked at below `out` on the bars of these results, and themselves.

    Parameters
    ----------
    out : the folder of run folders; it need not be there
    data : what the results saw, as in `metrics.json`
    results : the runs at hand, which have no folder yet
    tried : Sharpe ratio per year of each set that their search looked at, on whatever bars
    """
    here = _Data.model_validate(plain(data))
    found: dict[Key, float | None] = {}
    unreadable = 0
    for folder in _folders(out):
        try:
            found |= _of_folder(folder, here)
        except _UNREADABLE:
            unreadable += 1
    searched: dict[Key, float | None] = {}
    for file in sorted(out.glob(SEARCHED)):
        try:
            searched |= Searched.read(file).trials_on(here)
        except _UNREADABLE:
            unreadable += 1
    searched |= {key: _daily(sharpe) for key, sharpe in tried.items()}
    found |= searched
    found |= {
        configuration_of(r.label, r.config, r.digests): _daily(r.metrics.sharpe) for r in results
    }
    log.info(
        "configurations looked at on these bars, as the folders in %s tell, these runs among "
        "them: %d; folders there that are damaged: %d",
        out,
        len(found),
        unreadable,
    )
    sharpes = tuple(
        sharpe
        for key, sharpe in found.items()
        if sharpe is not None and (key[0] != "off" or key in searched)
    )
    return Trials(count=len(found), sharpes=sharpes, unreadable=unreadable)


class _Symbol(BaseModel):
    """Bars of a symbol; `cut_from` is the digest of those that they were cut from, if any."""

    start: str
    end: str
    digest: str
    cut_from: str | None = None

    def meets(self, other: "_Symbol") -> bool:
        # Moments written in one form are in the order of time.
        return self.start < other.end and other.start < self.end

    def is_of(self, other: "_Symbol") -> bool:
        """Return whether both are of the same simulated bars."""
        return not {self.digest, self.cut_from or self.digest}.isdisjoint(
            {other.digest, other.cut_from or other.digest}
        )


class _Data(BaseModel):
    """What a run saw, as in `metrics.json`."""

    synthetic: bool
    symbols: dict[str, _Symbol]

    def meets(self, other: "_Data") -> bool:
        """Return whether both saw a symbol at the same time; simulated ones, the same bars."""
        both = self.symbols.keys() & other.symbols.keys()
        pairs = [(self.symbols[symbol], other.symbols[symbol]) for symbol in both]
        simulated = self.synthetic or other.synthetic
        return any(one.meets(two) and (one.is_of(two) or not simulated) for one, two in pairs)


class _Figures(BaseModel):
    sharpe: FiniteFloat | None


class _Run(BaseModel):
    ml: str
    metrics: _Figures


class _Making(BaseModel):
    digests: dict[str, str]


class _Folder(BaseModel):
    """What is read of a run folder: of metrics.json, manifest.json and config.json."""

    data: _Data
    runs: list[_Run]
    making: dict[str, _Making]
    configs: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return what the files hold; an OSError, ValueError or LookupError if they do not."""
        metrics, manifest, configs = (
            json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            for name in ("metrics", "manifest", "config")
        )
        facts = {"data": metrics["data"], "runs": metrics["runs"], "making": manifest["runs"]}
        return cls.model_validate({**facts, "configs": configs})

    def trials(self) -> dict[Key, float | None]:
        """Return the Sharpe ratio per day of each configuration, by its key."""
        return {
            configuration_of(run.ml, self.configs[run.ml], self.making[run.ml].digests): _daily(
                run.metrics.sharpe
            )
            for run in self.runs
        }


class _Tried(BaseModel):
    """A set of a search, as a configuration; its Sharpe ratio is per year."""

    label: str
    digest: str
    sharpe: FiniteFloat | None


class Searched(BaseModel):
    """What a search has looked at, and on which bars."""

    data: _Data
    tried: list[_Tried]

    @classmethod
    def of(cls, data: Mapping[str, Any], tried: Mapping[Key, float | None]) -> Self:
        """Return it; the Sharpe ratios are per year, by configuration."""
        sets = [_Tried(label=k[0], digest=k[1], sharpe=each) for k, each in tried.items()]
        return cls(data=_Data.model_validate(data), tried=sets)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return what the file holds; an OSError or ValueError if it does not."""
        return cls.model_validate_json(file.read_bytes())

    def trials_on(self, here: _Data) -> dict[Key, float | None]:
        """Return the Sharpe ratio per day of each set, if the search was on the same bars."""
        if not self.data.meets(here):
            return {}
        return {(each.label, each.digest): _daily(each.sharpe) for each in self.tried}


def keep_searched(file: Path, searched: Searched) -> None:
    """Write down what a search has looked at, in a file that is one of `SEARCHED`."""
    atomic_text(file, searched.model_dump_json() + "\n")


def _folders(out: Path) -> list[Path]:
    """Return the folders below `out` that are named as runs are, oldest first."""
    return sorted(path for path in out.glob("[0-9]*Z-*") if path.is_dir())


def _of_folder(folder: Path, here: _Data) -> dict[Key, float | None]:
    """Return the trials in the folder, if it was on the same bars."""
    found = _Folder.read(folder)
    return found.trials() if found.data.meets(here) else {}


def configuration_of(label: str, config: Mapping[str, Any], digests: Mapping[str, str]) -> Key:
    """Return the label and a digest of all that decides trades on given bars."""
    ensemble = sorted(digest for name, digest in digests.items() if name in ENSEMBLES)
    text = json.dumps(plain([label, deciding(config), ensemble]), sort_keys=True)
    return label, hashlib.sha256(text.encode()).hexdigest()


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a configuration decides a trade; a seed decides none."""
    kept = {name: section for name, section in config.items() if IDLE.get(name, ()) is not None}
    return {name: _less(section, IDLE.get(name) or frozenset()) for name, section in kept.items()}


def _less(section: Any, idle: frozenset[str]) -> Any:
    if not isinstance(section, Mapping):
        return section
    return {key: value for key, value in section.items() if key not in idle}


def _daily(sharpe: float | None) -> float | None:
    """Return a Sharpe ratio per day of one per year."""
    return None if sharpe is None else sharpe / math.sqrt(DAYS_PER_YEAR)
