"""The space of a search: which settings are tried, between which values, from a TOML file.

The file looks like a settings file, with a table instead of a value:

    [strategy.exits]
    take_profit = { low = 0.3, high = 2.0, step = 0.1 }
    stop_loss = { low = 0.3, high = 2.0, log = true }
    trailing_stop = { choices = ["none", 0.5, 1.0] }

What a fill costs, where bars come from and how an ensemble learns are no parameters of a strategy:
`strategy` and `protections` alone may be searched.
"""

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from engine.config import checked_config, read_toml
from engine.errors import ConfigError
from engine.jobs.searching.values import Choice, Choices, Given, Span, Value, nested
from engine.jobs.settings import Settings
from engine.search_words import NONE
from feeds.messages import printable, shown
from feeds.section import Section

FEWEST_TRADES = 30

_SECTIONS = ("strategy", "protections")
_FIXED = {
    "strategy.file": "name the strategy with --strategy",
    "strategy.digest": "name the strategy with --strategy",
    "strategy.use_ml_ensemble": "say it with --ml",
    "strategy.ml_model_path": "say it with --model",
}
_WORDS = {"low", "high", "step", "log", "choices"}
_MOST_KEYS = 100
_MOST_STEPS = 1_000_000_000
_LARGEST = 2**53  # beyond it floats do not tell whole numbers apart


class SearchConfig(Section):
    """How the space is searched: the section `[search]` of its file.

    `fewest_trades` is how often a set must trade to be compared: fewer may shine by luck.
    """

    sampler: Literal["tpe", "grid"] = "tpe"
    fewest_trades: int = Field(FEWEST_TRADES, ge=2, le=1_000_000)


@dataclass(frozen=True, slots=True)
class Space:
    """What a search tries.

    Attributes
    ----------
    spans : by dotted key, in the order of the file
    """

    config: SearchConfig
    spans: Mapping[str, Given]

    def to_json(self) -> dict[str, Any]:
        """Return it in JSON's own types."""
        spans = {key: span.to_json() for key, span in self.spans.items()}
        return {**self.config.model_dump(mode="json"), "space": spans}


def load_space(path: Path, settings: Settings) -> Space:
    """Return the space of a file, checked against the settings that it is about.

    Raises
    ------
    ConfigError
        in one line, if a key is not one of the settings, or its values are not allowed there
    """
    found = read_toml(path, "--search")
    about = found.pop("search", {})
    if not isinstance(about, Mapping):
        raise ConfigError(f"{path}: search must be a section, found {shown(about)}")
    config = checked_config(SearchConfig, about, path, {})
    known = _known(settings)
    spans = {}
    for key, given in _leaves(found, ()):
        where = f"{path}: {printable(key)}"
        _check_key(where, key, known)
        spans[key] = _span(where, given, _kind(settings, key))
    if not 1 <= len(spans) <= _MOST_KEYS:
        raise ConfigError(
            f"{path}: a space must have 1 to {_MOST_KEYS} keys such as "
            f"strategy.min_entry_score = {{ low = 4.0, high = 8.0 }}, found {len(spans)}"
        )
    return Space(config, spans)


def _known(settings: Settings) -> list[str]:
    """Return the dotted keys of the sections that may be searched."""
    found = settings.model_dump(include=set(_SECTIONS))
    return [key for key, _ in _leaves(found, ())]


def _leaves(found: Mapping[str, Any], above: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield what has values, by dotted key; a table with a word of a span is one."""
    for name, value in found.items():
        path = [*above, str(name)]
        if isinstance(value, Mapping) and not (above and _WORDS & value.keys()):
            yield from _leaves(value, path)
        else:
            yield ".".join(path), value


def _check_key(where: str, key: str, known: Sequence[str]) -> None:
    if key in _FIXED:
        raise ConfigError(f"{where} is not searched for: {_FIXED[key]}")
    if key in known:
        return
    if key.partition(".")[0] not in _SECTIONS and not difflib.get_close_matches(key, known, n=1):
        raise ConfigError(
            f"{where} is not searched for: only what decides a trade is, in the sections "
            f"{' and '.join(_SECTIONS)}"
        )
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else f"; known keys: {', '.join(known)}"
    raise ConfigError(f"{where} is not a known key{hint}")


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a key may hold."""

    whole: bool
    number: bool
    optional: bool
    adapter: TypeAdapter[Any]


def _kind(settings: Settings, key: str) -> _Kind:
    """Return what the key of the settings may hold, as its field says."""
    section: BaseModel = settings
    *sections, name = key.split(".")
    for each in sections:
        section = getattr(section, each)
    field = type(section).model_fields.get(name)
    if field is None:  # a rule of a strategy of one's own
        return _Kind(False, True, False, TypeAdapter(Annotated[float, Field(ge=0)]))
    kinds = _kinds(field.annotation)
    # The constraints of the field alone; what it must agree with is asked of each set.
    alone: Any = Annotated[field.annotation, *field.metadata, Field()]
    return _Kind(
        whole=int in kinds and float not in kinds,
        number=bool({int, float} & kinds),
        optional=types.NoneType in kinds,
        adapter=TypeAdapter(alone),
    )


def _kinds(annotation: Any) -> set[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return {kind for each in get_args(annotation) for kind in _kinds(each)}
    return _kinds(get_args(annotation)[0]) if get_origin(annotation) is Annotated else {annotation}


def _span(where: str, given: Any, kind: _Kind) -> Given:
    if not isinstance(given, Mapping) or not given.keys() <= _WORDS:
        raise ConfigError(
            f"{where} must be {{ low = …, high = … }} with step = … or log = true if wanted, or "
            f"{{ choices = […] }}, found {shown(given)}"
        )
    if "choices" in given:
        return _choices(where, given, kind)
    if not {"low", "high"} <= given.keys():
        raise ConfigError(f"{where} must have both low and high, or choices; found {shown(given)}")
    if not kind.number:
        raise ConfigError(f"{where} is not a number: give {{ choices = […] }}")
    return _between(where, given, kind)


def _between(where: str, given: Mapping[str, Any], kind: _Kind) -> Span:
    low, high = (_number(where, name, given[name], kind) for name in ("low", "high"))
    step = given.get("step", 1 if kind.whole else None)
    log = given.get("log", False)
    if not isinstance(log, bool):
        raise ConfigError(f"{where}: log must be true or false, found {shown(log)}")
    if log and "step" in given:
        raise ConfigError(f"{where}: step and log do not go together; leave one out")
    if log and low <= 0:
        raise ConfigError(f"{where}: with log, low must be above 0, found {low}")
    if not low < high:
        raise ConfigError(f"{where}: low must be below high, found {low} and {high}")
    if step is not None:
        step = _step(where, step, kind, high - low)
    for value in (low, high):
        _check(where, value, kind)
    return Span(low, high, None if log else step, log=log, whole=kind.whole)


def _step(where: str, given: Any, kind: _Kind, width: float) -> float | int:
    step = _number(where, "step", given, kind)
    if not 0 < step <= width:
        raise ConfigError(f"{where}: step must be above 0 and at most high less low, found {step}")
    if width > _MOST_STEPS * step:
        raise ConfigError(
            f"{where}: step must leave at most {_MOST_STEPS:,} values, found {step} for a span of "
            f"{width}"
        )
    return step


def _number(where: str, name: str, value: Any, kind: _Kind) -> float | int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not -_LARGEST <= value <= _LARGEST:
        raise ConfigError(f"{where}: {name} must be a number, found {shown(value)}")
    if not kind.whole:
        return float(value)
    if not float(value).is_integer():
        raise ConfigError(f"{where}: {name} must be a whole number, found {shown(value)}")
    return int(value)


def _choices(where: str, given: Mapping[str, Any], kind: _Kind) -> Choices:
    found = given["choices"]
    if given.keys() != {"choices"}:
        raise ConfigError(f"{where}: choices stand alone; leave low, high, step and log out")
    if not isinstance(found, list) or len(found) < 2:
        raise ConfigError(f"{where}: choices must be a list of two or more, found {shown(found)}")
    values = [_choice(where, each, kind) for each in found]
    if len(set(map(repr, values))) < len(values):
        raise ConfigError(f"{where}: each choice must come once, found {shown(found)}")
    return Choices(tuple(values))


def _choice(where: str, value: Any, kind: _Kind) -> Choice:
    if value == NONE and kind.optional:
        return None
    if kind.number:
        value = _number(where, "a choice", value, kind)
    elif not isinstance(value, bool | int | float | str):
        raise ConfigError(f"{where}: a choice must be one value, found {shown(value)}")
    _check(where, value, kind)
    chosen: Choice = value
    return chosen


def _check(where: str, value: Value, kind: _Kind) -> None:
    """Raise if the key may not hold the value."""
    try:
        kind.adapter.validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise ConfigError(f"{where}: {problem}, found {shown(value)}") from error


def applied(settings: Settings, values: Mapping[str, Choice]) -> Settings:
    """Return the settings with these values.

    Raises
    ------
    ConfigError
        if they do not go together
    """
    found = settings.model_dump()
    for key, value in values.items():
        *sections, name = key.split(".")
        section = found
        for each in sections:
            section = section[each]
        section[name] = value
    return checked_config(Settings, found, None, nested(values))


def configured(settings: Settings, space: Space) -> dict[str, Choice] | None:
    """Return the values that the settings have, if the space holds them."""
    return None if missing(settings, space) else _at_hand(settings, space)


def missing(settings: Settings, space: Space) -> dict[str, Choice]:
    """Return the values of the settings that the space does not hold, by dotted key."""
    values = _at_hand(settings, space)
    return {key: value for key, value in values.items() if not space.spans[key].holds(value)}


def _at_hand(settings: Settings, space: Space) -> dict[str, Choice]:
    values: dict[str, Choice] = {}
    for key in space.spans:
        value: Any = settings
        for each in key.split("."):
            value = getattr(value, each)
        values[key] = value
    return values
