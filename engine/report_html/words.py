"""Numbers as people read them; what is undefined is a dash."""

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def fraction(value: float | None, digits: int) -> str:
    """Return a fraction in percent.

    >>> fraction(0.0123, 1)
    '1.2 %'
    """
    return DASH if value is None else f"{_signed(value * 100.0, digits)} %"


def number(value: float | None, digits: int) -> str:
    """Return a number with so many digits behind the point."""
    return DASH if value is None else _signed(value, digits)


def money(value: float | None) -> str:
    """Return an amount of the quote currency."""
    return DASH if value is None else _signed(value, 2)


def _signed(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace("-", MINUS)
