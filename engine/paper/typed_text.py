"""Values as JSON text, and back as they were: strict JSON, so that any program can read it.

What JSON has no word for is an object with one key: `{"$float": "nan"}` for a number that is not
finite, `{"$time": [1704067200000, "ms"]}` for a moment, `{"$pairs": [[1, "a"]]}` for a mapping
whose keys are not plain text. A tuple comes back as a list, an enumeration as its value.
"""

import json
from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import numpy as np


def to_text(value: object) -> str:
    """Return the value as strict JSON.

    Raises
    ------
    TypeError : for a value of another type than JSON's, numpy's scalars, moments and mappings

    >>> to_text({"rsi": float("nan"), "at": np.datetime64("2024-01-01", "D")})
    '{"rsi":{"$float":"nan"},"at":{"$time":[19723,"D"]}}'
    """
    return json.dumps(_tagged(value), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> Any:
    """Return what was written by `to_text`.

    >>> from_text('{"at":{"$time":[19723,"D"]},"score":-0.0}')
    {'at': np.datetime64('2024-01-01'), 'score': -0.0}
    """
    return json.loads(text, object_hook=_untagged)


@singledispatch
def _tagged(value: object) -> Any:
    raise TypeError(f"a value to be written down must be plain, found {type(value).__name__}")


@_tagged.register
def _(value: bool | int | None) -> Any:
    return value


@_tagged.register
def _(value: str) -> Any:
    return str(value)


@_tagged.register
def _(value: float) -> Any:
    return float(value) if np.isfinite(value) else {"$float": repr(float(value))}


@_tagged.register
def _(value: np.generic) -> Any:
    return _tagged(value.item())


@_tagged.register
def _(value: np.datetime64) -> Any:
    return {"$time": [int(value.astype(np.int64)), np.datetime_data(value.dtype)[0]]}


@_tagged.register(list)
@_tagged.register(tuple)
def _(value: list[Any] | tuple[Any, ...]) -> Any:
    return [_tagged(item) for item in value]


@_tagged.register(Mapping)
def _(value: Mapping[Any, Any]) -> Any:
    if all(isinstance(key, str) and not key.startswith("$") for key in value):
        return {str(key): _tagged(item) for key, item in value.items()}
    return {"$pairs": [[_tagged(key), _tagged(item)] for key, item in value.items()]}


def _untagged(found: dict[str, Any]) -> Any:
    match found:
        case {"$float": str(text)}:
            return float(text)
        case {"$time": [int(count), str(unit)]}:
            return np.array(count).astype(f"datetime64[{unit}]")[()]
        case {"$pairs": list(pairs)}:
            return dict(pairs)
        case _:
            return found
