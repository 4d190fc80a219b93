"""How a search tells of its sets, on the console and on the page of its run alike."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from engine.tables import formatted

# The figures of a set, in the order of their table, and how they are written.
FORMS: Mapping[str, str] = MappingProxyType(
    {
        "trades": ",.0f",
        "expectancy": ".3%",
        "profit_factor": ".2f",
        "sharpe": ".2f",
        "total_return": ".2%",
        "max_drawdown": ".2%",
        "win_rate": ".1%",
    }
)
BESIDE = 4  # sets beside each other
NONE = "none"  # a choice that leaves the key out


def cell(figure: str, value: float | None) -> str:
    """Return a figure of a set as tables write it.

    >>> cell("expectancy", -0.00125), cell("sharpe", None)
    ('-0.125%', '-')
    """
    return formatted(value, FORMS[figure])


def heads(numbers: Iterable[int]) -> list[str]:
    """Return what sets are called beside each other, by their numbers, the best first.

    >>> heads([7, 3])
    ['Set 7 (best)', 'Set 3']
    """
    return [f"Set {each}{'' if place else ' (best)'}" for place, each in enumerate(numbers)]


def by_importance(keys: Iterable[str], weights: Mapping[str, float]) -> Sequence[str]:
    """Return the keys, the one that matters most first.

    >>> by_importance(["a", "b", "c"], {"b": 0.7, "c": 0.3})
    ['b', 'c', 'a']
    """
    return sorted(keys, key=lambda key: -weights.get(key, 0.0))


def said(value: float | str | None) -> str:
    """Return a value of a key as tables write it.

    >>> said(0.123456), said(12), said(None)
    ('0.1235', '12', 'none')
    """
    if value is None:
        return NONE
    return f"{value:.4g}" if isinstance(value, float) else str(value)
