"""The page: sections, style, scripts and the charting library in one file that asks nobody."""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from engine.report_html.packed_trades import trades_of_report
from engine.report_html.report import Report
from engine.report_html.section import PAGE, Section, render
from engine.report_html.sections import SECTIONS

_IMPORT = re.compile(r'^import [^;]* from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)
_WRAPPED = re.compile(  # a notice, the library as what a function returns, and who takes it
    r"(\s*/\*.*?\*/)\s*\(\s*function\(root, factory\) \{.*?\(\) => \{"
    r"(\n.*\n)return Plotly;\n\}\)\);?\s*",
    re.DOTALL,
)
_LEVEL = 4  # the next ones save 4 % and take twice as long


def page(report: Report) -> str:
    """Return the report as one HTML file, which needs nothing else."""
    sections = [section for make in SECTIONS if (section := make(report)) is not None]
    script = _script(tuple(section.name for section in sections))
    return render(
        "report.html",
        report=report,
        sections=sections,
        style=(PAGE / "style.css").read_text(encoding="utf-8"),
        script=script,
        allowed=f"{_digest(script)} {_library_digest()}",
        contents=_json([_contents(section) for section in sections]),
        runs=_json(trades_of_report(report).packed),
        library=library_text(),
    )


def _digest(script: str) -> str:
    """Return what a browser asks of a script in this page: that it is this very one."""
    found = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(found).decode('ascii')}'"


def _contents(section: Section) -> dict[str, Any]:
    return {"name": section.name, "data": section.data, "arrays": section.arrays}


def _json(contents: Sequence[Any] | Mapping[str, Any]) -> str:
    """Return JSON that may stand within a script element."""
    text = json.dumps(contents, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _script(names: Sequence[str]) -> str:
    """Return the modules as one script: a page that is opened as a file may not import others."""
    drawn = [name for name in names if (PAGE / f"{name}.js").exists()]
    parts = [_module(name) for name in _with_imported(("report", *drawn))]
    drawers = ", ".join(f"{name}: draw{name.title().replace('_', '')}" for name in drawn)
    return "\n".join([*parts, f"drawReport({{ {drawers} }});"])


def _with_imported(names: Sequence[str]) -> Iterable[str]:
    """Return the modules and all that they import, each after those that it needs."""
    found: dict[str, None] = {}
    for name in names:
        needed = _IMPORT.findall(_text(name))
        found |= dict.fromkeys([*_with_imported(needed), name])
    return found


def _module(name: str) -> str:
    return _EXPORT.sub("", _IMPORT.sub("", _text(name)))


@cache
def _text(name: str) -> str:
    return (PAGE / f"{name}.js").read_text(encoding="utf-8")


@cache
def library_text() -> str:
    """Return the charting library, deflated: two fifths of its size."""
    return base64.b64encode(zlib.compress(_library().encode(), _LEVEL)).decode("ascii")


@cache
def _library_digest() -> str:
    return _digest(_library())


def _library() -> str:
    code = files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    return _at_top_level(code)


def _at_top_level(code: str) -> str:
    """Return the library without the function around it, if it has one.

    A browser reads what is inside a function twice before it runs, and the library is long.
    """
    wrapped = _WRAPPED.fullmatch(code)
    return "".join(wrapped.groups()) if wrapped else code
