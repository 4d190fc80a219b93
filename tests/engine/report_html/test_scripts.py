"""The scripts of the page: one scope for all modules, and a library that is read only once."""

import base64
import hashlib
import re
import zlib
from collections import Counter

from engine.report_html.page import LIBRARY, library_text
from engine.report_html.section import PAGE

_DECLARED = re.compile(
    r"^(?:export )?(?:async )?(?:function\*?|const|let|class) +(?P<name>[\w$]+)", re.MULTILINE
)


def test_no_two_modules_declare_the_same_name() -> None:
    declared = [
        name for path in PAGE.glob("*.js") for name in _DECLARED.findall(path.read_text("utf-8"))
    ]
    assert len(declared) > 50
    assert [name for name, count in Counter(declared).items() if count > 1] == []


def test_the_library_stands_at_the_top_level_with_its_notice() -> None:
    code = zlib.decompress(base64.b64decode(library_text())).decode()
    assert code.startswith("/**\n* plotly.js (finance - minified) v4.1.0")
    assert "Licensed under the MIT license" in code[:300]
    assert "function(root, factory)" not in code
    assert code.rstrip().endswith("window.Plotly = Plotly;")


def test_the_library_is_the_one_that_its_makers_published() -> None:
    found = hashlib.sha256(LIBRARY.read_bytes()).hexdigest()
    assert found == "9993f6d57ffd52d7417a9e89b666679ff69078e7c2816b43ab9ecdea9fa4709d"
    assert "MIT" in LIBRARY.with_name("LICENSE").read_text(encoding="utf-8")


def test_the_library_draws_every_kind_of_chart_that_the_page_has() -> None:
    """Those of the finance bundle, by its makers' list."""
    kinds = {"bar", "candlestick", "funnel", "funnelarea", "histogram", "indicator", "ohlc", "pie"}
    kinds |= {"scatter", "waterfall"}
    traces = re.compile(r'type: "(?P<kind>[a-z]+)",\s+(?:mode|name|orientation|x)\b')
    used = {each for path in PAGE.glob("*.js") for each in traces.findall(path.read_text("utf-8"))}
    assert {"bar", "candlestick", "scatter", "waterfall"} <= used <= kinds
