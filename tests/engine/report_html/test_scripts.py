"""The scripts of the page: one scope for all modules, and a library that is read only once."""

import base64
import re
import zlib
from collections import Counter

from engine.report_html.page import library_text
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
    assert code.startswith("/**\n* plotly.js v")
    assert "Licensed under the MIT license" in code[:300]
    assert "function(root, factory)" not in code
    assert code.rstrip().endswith("window.Plotly = Plotly;")
