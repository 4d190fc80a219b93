"""The base of every part of the configuration, and in words what one got wrong."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from feeds.messages import printable, shown


class Section(BaseModel):
    """A frozen part of the configuration that knows all its keys and guesses no types.

    pydantic alone would read true as 1 and "5" as 5: that is a slip of the pen, not a setting.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_type(cls, value: Any, info: ValidationInfo) -> Any:
        annotation = cls.model_fields[info.field_name or ""].annotation
        kinds = {annotation, *get_args(annotation)}
        each = value if isinstance(value, list | tuple) else [value]
        if kinds & {int, float} and any(isinstance(one, bool | str) for one in each):
            raise ValueError(f"must be a {'number' if float in kinds else 'whole number'}")
        if bool in kinds and not isinstance(value, bool):
            raise ValueError("must be true or false")
        if Path in kinds and "\0" in str(value):
            raise ValueError("must be a path")
        return value


def first_mistake(error: ValidationError, kind: type[BaseModel] | None = None) -> str:
    """Return in one line the first thing that is wrong: which key, what must hold, what was found.

    Parameters
    ----------
    kind : what was to be made, for a hint at its keys; None: the section that the error names
    """
    kind = next(_sections(error.title), None) if kind is None else kind
    first, *others = error.errors()
    key = printable(".".join(str(part) for part in first["loc"]))
    more = f" (and {len(others)} more)" if others else ""
    if first["type"] == "extra_forbidden":
        hint = "" if kind is None else _did_you_mean(kind, first["loc"])
        return f"{key} is not a known key{hint}{more}"
    problem = first["msg"].removeprefix("Value error, ")
    subject = f"{key}: " if key else ""
    return f"{subject}{problem}, found {shown(first['input'])}{more}"


def _sections(name: str, above: type[Section] = Section) -> Iterator[type[Section]]:
    """Yield the sections of that name."""
    for kind in above.__subclasses__():
        if kind.__name__ == name:
            yield kind
        yield from _sections(name, kind)


def _did_you_mean(kind: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """Return a hint from the keys that the section at `loc` knows."""
    *sections, wrong = loc
    kinds: list[Any] = [kind]
    for name in sections:
        kinds = [inner for each in kinds for inner in _kinds_at(each, str(name))]
    known = {key for each in kinds for key in _keys(each)}
    close = difflib.get_close_matches(str(wrong), known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known keys: {', '.join(sorted(known))}" if known else ""


def _kinds_at(section: Any, name: str) -> list[Any]:
    """Return what a key of the section may hold."""
    field = _keys(section).get(name)
    return [] if field is None else [field.annotation, *get_args(field.annotation)]


def _keys(section: Any) -> Mapping[str, Any]:
    return getattr(section, "model_fields", {})
