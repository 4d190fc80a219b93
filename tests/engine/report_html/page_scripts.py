"""Functions of the page's scripts, called in the browser."""

import json
from typing import Any

import numpy as np
from selenium.webdriver import Chrome

from engine.report_html.page import _module, _with_imported
from feeds.bars import FloatArray

# Numbers come back as the bytes of floats: JSON has no NaN.
_CALL = """
const done = arguments[arguments.length - 1];
const given = arguments[0];
const bytes = (values) => [...new Uint8Array(Float64Array.from(values).buffer)];
const hex = (values) => bytes(values).map((b) => b.toString(16).padStart(2, "0")).join("");
const sent = (value) => ArrayBuffer.isView(value) ? { floats: hex(value) } : value;
(async () => {
  SCRIPT
  const value = await (EXPRESSION);
  const plain = value && typeof value === "object" && !ArrayBuffer.isView(value)
    ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, sent(each)]))
    : sent(value);
  done({ value: plain });
})().catch((error) => done({ error: String(error) }));
"""


def called(browser: Chrome, module: str, expression: str, given: Any) -> Any:
    """Return what an expression over `given` is in a module; typed arrays as arrays of floats."""
    script = "\n".join(_module(name) for name in _with_imported([module]))
    text = _CALL.replace("SCRIPT", script).replace("EXPRESSION", expression)
    answer = browser.execute_async_script(text, given)
    assert "error" not in answer, answer
    return _received(answer["value"])


def _received(value: Any) -> Any:
    match value:
        case {"floats": str(text)}:
            return np.frombuffer(bytes.fromhex(text), "<f8")
        case dict():
            return {name: _received(each) for name, each in value.items()}
        case _:
            return value


def unpacked(browser: Chrome, packed: Any) -> FloatArray:
    """Return what the page makes of a packed array."""
    values: FloatArray = called(
        browser, "unpacking", "unpacked(given)", json.loads(json.dumps(packed, allow_nan=False))
    )
    return values
