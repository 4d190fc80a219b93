"""What a bundle says about itself: what it was made from, and whom it may serve."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

import numpy as np
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

from feeds.gaps import FILL_LIMIT
from feeds.messages import shown
from ml.errors import BundleMismatchError
from ml.models.catalog import form_of
from ml.prediction import Thresholds
from ml.references import References

FORMAT: Final = 1  # of a bundle; another number is another layout of files or manifest

# What decides the numbers of a training or a run; by the name of the distribution.
_LIBRARIES = (
    "backtrader",
    "imbalanced-learn",
    "numba",
    "numpy",
    "optuna",
    "pandas",
    "safetensors",
    "scikit-learn",
    "skops",
    "TA-Lib",
    "torch",
    "xgboost",
)


def _aware(moment: Any) -> Any:
    """Read numpy's naive moments, which are UTC in this house."""
    if isinstance(moment, np.datetime64):
        return moment.astype("datetime64[ms]").item().replace(tzinfo=UTC)
    return moment


UtcMoment: TypeAlias = Annotated[
    AwareDatetime, BeforeValidator(_aware), AfterValidator(lambda moment: moment.astimezone(UTC))
]
Facts: TypeAlias = dict[str, JsonValue]
_BarsFile: TypeAlias = Annotated[str, Field(pattern=r"^[A-Z0-9]+-[A-Z0-9]+_\d+[mhd]\.parquet$")]


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries of record that are installed; none is imported."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


def _market_entry() -> Facts:
    """Return how bundles entered that were made before there was a choice."""
    return {"order": "market"}


def _built_in() -> Facts:
    """Return the strategy of bundles that were made before there were others."""
    return {"name": "CryptoScalpingStrategy"}


class Manifest(_Frozen):
    """How the ensemble of a bundle came about. Moments may be given as numpy's, in UTC.

    Attributes
    ----------
    created_at : when the training ended
    feature_names : in the order of the columns
    label : what was learned, with its parameters
    population : the bars that were learned from
    entry, exits, costs, mandatory : of the strategy that it was trained for; `mandatory` is the
        filter without which the ensemble is not asked
    strategy : name of the strategy whose candidate bars were learned from and, of one's own, the
        SHA-256 of its file
    seen_until : the latest moment of which any of its data, tuning included, knew
    data_digests : `Bars.digest` by symbol
    fill_limit : missing bars in a row that were filled when the bars were read
    metrics : of the training and its test part; of an update, old against new on the newest rows
    thresholds : of the points, where they were fitted with the ensemble
    tuning : how the models' parameters were searched for, trials included; empty if they were not
    synthetic : whether any of the data was simulated
    references : what is usual for the rows that a run asks about; None in bundles from before it
        was measured, and where there were too few rows
    """

    created_at: UtcMoment
    feature_names: tuple[str, ...] = Field(min_length=1)
    label: Facts
    population: str
    entry: Facts = Field(default_factory=_market_entry)
    exits: Facts
    costs: Facts
    mandatory: Facts
    strategy: Facts = Field(default_factory=_built_in)
    symbols: tuple[str, ...] = Field(min_length=1)
    timeframe: str
    seen_until: UtcMoment
    data_digests: dict[str, str]
    seed: int
    synthetic: bool
    fill_limit: int = FILL_LIMIT
    metrics: Facts = Field(default_factory=dict)
    thresholds: Thresholds | None = None
    tuning: Facts = Field(default_factory=dict)
    libraries: dict[str, str] = Field(default_factory=library_versions)
    references: References | None = None

    @model_validator(mode="after")
    def _references_are_of_the_features(self) -> Self:
        if self.references is not None and (tuple(self.references.features) != self.feature_names):
            raise ValueError("references must be of the bundle's features, in their order")
        return self

    @property
    def seen_until_ms(self) -> np.datetime64:
        """`seen_until` as numpy's moment (ms, UTC): what is decided before it is in-sample."""
        return np.datetime64(self.seen_until.replace(tzinfo=None), "ms")


class CalibratorRecord(_Frozen):
    """A `PlattCalibrator`."""

    slope: float
    intercept: float


class MemberRecord(_Frozen):
    """One member of a stored ensemble; its file lies beside the manifest.

    Attributes
    ----------
    form : how the file is written, as the catalog says
    sha256 : of the file
    params : what the model was made with
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    weight: float
    calibrator: CalibratorRecord
    form: str
    sha256: str
    params: Facts

    @model_validator(mode="after")
    def _known_form(self) -> Self:
        if self.form != form_of(self.name):
            raise ValueError(f"{self.name} is stored as {form_of(self.name)}, found {self.form!r}")
        return self

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.{self.form}"


class Contents(_Frozen):
    """All that manifest.json holds.

    Attributes
    ----------
    left_out : members that could not be stored because they were not there, and why
    bars : name and SHA-256 of the files of bars, in the order of the training; empty in bundles
        from before they were kept
    """

    format: Literal[1] = FORMAT
    manifest: Manifest
    base_rate: float
    members: tuple[MemberRecord, ...]
    left_out: dict[str, str]
    bars: dict[_BarsFile, str] = Field(default_factory=dict)


def check_serves(
    manifest: Manifest,
    *,
    timeframe: str,
    feature_names: Sequence[str],
    entry: Mapping[str, Any] | None = None,
    exits: Mapping[str, Any] | None = None,
    mandatory: Mapping[str, Any] | None = None,
) -> None:
    """Refuse a run for which the bundle was not trained.

    Parameters
    ----------
    entry, exits, mandatory : of the run's strategy; None is not compared

    Raises
    ------
    BundleMismatchError
        Naming the first difference: what the bundle has and what the run has.
    """
    pairs = [
        ("timeframe", manifest.timeframe, timeframe),
        *_by_place("feature", manifest.feature_names, feature_names),
        *_by_key("entry", manifest.entry, entry),
        *_by_key("exits", manifest.exits, exits),
        *_by_key("mandatory", manifest.mandatory, mandatory),
    ]
    for name, trained, wanted in pairs:
        if trained != wanted:
            raise BundleMismatchError(
                f"the bundle was trained for {name} {shown(trained)}, this run has "
                f"{shown(wanted)}: train a bundle for this run, or run with what the bundle was "
                f"trained for"
            )


def check_strategy(manifest: Manifest, wanted: Mapping[str, Any]) -> None:
    """Refuse a strategy whose candidate bars the bundle has not learned from.

    Parameters
    ----------
    wanted : name and, of a strategy of one's own, digest of its file

    Raises
    ------
    BundleMismatchError
        Naming both.
    """
    trained = manifest.strategy
    if trained == wanted:
        return
    if trained.get("name") != wanted.get("name"):
        raise BundleMismatchError(
            f"the bundle learned from candidate bars of {shown(trained.get('name'))}, this "
            f"command is about {shown(wanted.get('name'))}: name its own by --strategy, or another "
            "bundle by --model"
        )
    before, now = (str(each.get("digest"))[:16] for each in (trained, wanted))
    raise BundleMismatchError(
        f"the bundle learned from candidate bars of {shown(trained.get('name'))} when its file had "
        f"the digest {before}, now it has {now}: train again, or put the old file back"
    )


_Pairs: TypeAlias = list[tuple[str, Any, Any]]


def _by_place(name: str, trained: Sequence[str], wanted: Sequence[str]) -> _Pairs:
    places = range(max(len(trained), len(wanted)))
    return [(f"{name} {i}", _at(trained, i), _at(wanted, i)) for i in places]


def _at(names: Sequence[str], place: int) -> str | None:
    return names[place] if place < len(names) else None


def _by_key(name: str, trained: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> _Pairs:
    if wanted is None:
        return []
    keys = sorted({*trained, *wanted})
    return [(f"{name}.{key}", _plain(trained.get(key)), _plain(wanted.get(key))) for key in keys]


def _plain(value: Any) -> Any:
    """Return the value as JSON would give it back, so that (1, 2) equals [1, 2]."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
