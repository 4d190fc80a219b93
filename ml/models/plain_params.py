"""Parameters of a model as JSON holds them."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import JsonValue

PlainParams: TypeAlias = dict[str, JsonValue]


def plain_params(model: Any) -> PlainParams:
    """Return what the model was made with, in JSON's own types; other values as Python shows them.

    Parameters
    ----------
    model : an estimator of scikit-learn's contract
    """
    return {name: _as_json(value) for name, value in model.get_params(deep=False).items()}


def _as_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(inner) for inner in value]
    return value if isinstance(value, bool | int | float | str | None) else repr(value)
