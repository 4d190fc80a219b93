"""Numbers as people read them; what is undefined is a dash."""

import re

NBSP = "\N{NO-BREAK SPACE}"  # keeps a number and its unit, or two ends, on one line
DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"

_NEGATIVE = re.compile(r"(?<![\w-])-(?=[\d.])")
_PERCENT = re.compile(r"(?<=\d) ?%")


def fraction(value: float | None, digits: int) -> str:
    r"""Return a fraction in percent.

    >>> fraction(0.0123, 1)
    '1.2\xa0%'
    """
    return DASH if value is None else f"{_signed(value * 100.0, digits)}{NBSP}%"


def number(value: float | None, digits: int) -> str:
    """Return a number with so many digits behind the point."""
    return DASH if value is None else _signed(value, digits)


def money(value: float | None) -> str:
    """Return an amount of the quote currency."""
    return DASH if value is None else _signed(value, 2)


def from_to(low: str, high: str) -> str:
    r"""Return two ends on one line.

    >>> from_to("1.0", "2.0")
    '1.0\xa0to\xa02.0'
    """
    return f"{low}{NBSP}to{NBSP}{high}"


def typeset(text: str) -> str:
    """Return what the console says with its numbers as they stand on the page.

    Hyphens within words and dates stay.

    >>> typeset("from 2022-06-06 on -0.021%") == f"from 2022-06-06 on {MINUS}0.021{NBSP}%"
    True
    """
    return _PERCENT.sub(f"{NBSP}%", _NEGATIVE.sub(MINUS, text))


def _signed(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace("-", MINUS)
