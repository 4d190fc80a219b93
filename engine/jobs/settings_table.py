"""Every key of the settings with default, range, unit and meaning.

`python -m engine.jobs.settings_table` prints docs/configuration.md.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.config import to_toml
from engine.jobs.settings import Settings
from engine.jobs.settings_meaning import FLAGS, MEANINGS, MEMBER, NOTES, SYMBOL, Flag

# What stands for the name of a section, where there is one for each of many names.
_NAMED_BY = {"symbols": SYMBOL, "members": MEMBER}


class Key(NamedTuple):
    """One key: its path, and how the model declares it."""

    path: str
    field: FieldInfo

    @property
    def section(self) -> str:
        """The path without the key's own name; empty at the top."""
        return self.path.rpartition(".")[0]


def keys(kind: type[BaseModel] = Settings, prefix: str = "") -> Iterator[Key]:
    """Yield every key below a section, its own before those of the sections inside."""
    inside: list[tuple[type[BaseModel], str]] = []
    for name, field in kind.model_fields.items():
        below = _section_of(field.annotation)
        if below is None:
            yield Key(prefix + name, field)
        else:
            kept_by = f"{_NAMED_BY[name]}." if get_origin(field.annotation) is dict else ""
            inside.append((below, f"{prefix}{name}.{kept_by}"))
    for section, path in inside:
        yield from keys(section, path)


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a field holds, itself, as the values of a dict or as one of two."""
    kinds = get_args(annotation)[-1:] if get_origin(annotation) is dict else get_args(annotation)
    sections = (kind for kind in (annotation, *kinds) if isinstance(kind, type))
    return next((kind for kind in sections if issubclass(kind, BaseModel)), None)


_HEAD = """\
# Configuration

Settings come from the defaults, then from the file after `--config`, then from flags; what comes
later wins. `--show-config` prints the settings in force and stops, and what it prints is such a
file. A key may be missing: then it has its default. Unknown keys, values out of range, NaN and
infinity are refused in one line. Paths count from the folder in which the command is run.
This page is written by `python -m engine.jobs.settings_table > docs/configuration.md`; a test
keeps it so.

## Example

All keys. What is optional is absent by default: `exchange` and `base_url`, `trailing_stop`, the
keys of `[protections]`, and the sections of symbols and members. Everything else has its default.

```toml
{example}```

## Percent or fraction

In **percent**, 0.5 is half a percent: keys whose name ends in `_percent`, namely

{percent}
and, while `strategy.exits.unit` is `"percent"`,

{by_unit}
As **fractions**, 0.005 is half a percent:

{fractions}
## Flags that override keys

| flag | key | commands | note |
|---|---|---|---|
{flags}
"""

_TABLE = """\
| key | default | allowed | unit | meaning |
|---|---|---|---|---|
"""


def example() -> Settings:
    """Return the defaults with what is optional set, so that every key is there."""
    return Settings.model_validate(
        {
            "data": {"exchange": "binance", "base_url": "http://127.0.0.1:8080/api/v3"},
            "broker": {"maker_fee": 0.001},
            "strategy": {"exits": {"trailing_stop": 0.4}},
            "protections": {
                "max_drawdown": 0.2,
                "daily_loss_limit": 0.03,
                "max_losses_in_a_row": 5,
                "losing_streak_pause_bars": 72,
                "cooldown_bars": 12,
                "max_open_positions": 3,
                "max_exposure": 0.5,
            },
            "members": {
                "extra_trees": {
                    "estimator": "sklearn.ensemble:ExtraTreesClassifier",
                    "weight": 0.1,
                    "params": {"n_estimators": 200},
                }
            },
            "symbols": {"BTC/USDT": {"amount_step": 1e-5, "tick": 0.01, "min_notional": 5.0}},
        }
    )


def as_markdown() -> str:
    """Return docs/configuration.md."""
    head = _HEAD.format(
        example=to_toml(example()),
        percent=_named("percent"),
        by_unit=_named("`unit`"),
        fractions=_named("fraction", "fractions"),
        flags="".join(map(_flag_line, FLAGS)),
    )
    return head + "\n".join(_section(name, list(held)) for name, held in _by_section())


def _by_section() -> Iterator[tuple[str, Iterator[Key]]]:
    return groupby(keys(), key=lambda key: key.section)


def _section(name: str, held: Sequence[Key]) -> str:
    title = f"`[{name}]`" if name else "At the top of the file"
    note = f"{NOTES[name]}\n\n" if name in NOTES else ""
    return f"## {title}\n\n{note}{_TABLE}{''.join(map(_line, held))}"


def _line(key: Key) -> str:
    unit, text, allowed = MEANINGS[key.path]
    cells = (f"`{key.path}`", _default(key.field), allowed or _allowed(key.field), unit, text)
    return f"| {' | '.join(cells)} |\n"


def _flag_line(flag: Flag) -> str:
    scripts = ", ".join(f"`{script}`" for script in flag.scripts)
    return f"| `{flag.name}` | `{flag.path}` | {scripts} | {flag.note} |\n"


def _named(*units: str) -> str:
    """Return the keys of these units as a list."""
    return "".join(f"- `{path}`\n" for path, key in MEANINGS.items() if key.unit in units)


def _default(field: FieldInfo) -> str:
    match field.get_default(call_default_factory=True):
        case None | ():
            return "none"
        case dict():
            return "none"
        case bool(value):
            return str(value).lower()
        case int(value) | float(value):
            return _number(value)
        case tuple(values):
            return ", ".join(map(str, values))
        case value:
            return str(value)


_WORDS = {"gt": "above", "ge": "from", "lt": "below", "le": "up to"}


def _allowed(field: FieldInfo) -> str:
    """Return the range that the field declares."""
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    if NoneType in get_args(field.annotation) and len(kinds) == 1:
        return f"absent, or {_allowed_of(kinds[0], field)}"
    return _allowed_of(field.annotation, field)


def _allowed_of(kind: Any, field: FieldInfo) -> str:
    if kind is bool:
        return "true, false"
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    bounds = [
        f"{word} {_number(getattr(bound, name))}"
        for bound in field.metadata
        for name, word in _WORDS.items()
        if hasattr(bound, name)
    ]
    return ", ".join([*(["whole"] if kind is int else []), *bounds]) or "any number"


def _number(number: float) -> str:
    """Return the number as TOML may write it."""
    return f"{int(number):_}" if number == int(number) else f"{number:g}"


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
