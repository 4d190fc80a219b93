"""A part of the page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from engine import labels
from engine.report_html.packing import Packed
from engine.report_html.words import typeset

PAGE = Path(__file__).with_name("page")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Section:
    """A part of the page: words and tables, and the numbers that its charts are drawn from.

    Attributes
    ----------
    name : its id on the page; `page/<name>.js` draws its charts, if there is one
    title : its heading
    html : what it says, also without any script
    data : of JSON's own types
    arrays : long ones, by name
    """

    name: str
    title: str
    html: str
    data: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Packed] = field(default_factory=dict)


def render(template: str, **values: Any) -> str:
    """Fill a template of `page/`, which knows `engine.labels`; whatever is put in is escaped."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["labels"] = labels
    made.filters["typeset"] = typeset
    return made
