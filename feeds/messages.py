"""What a message shows of foreign text: printable, on one line, not endless; and of counts."""

_MOST = 200  # characters


def shown(value: object) -> str:
    """Return the value as a literal, cut where it is long.

    >>> shown("5min")
    "'5min'"
    """
    try:
        return printable(repr(value))
    except ValueError:  # Python writes no decimal number of more than some thousand digits
        return "a number of thousands of digits"


def printable(text: str) -> str:
    r"""Return the text with control characters escaped, cut where it is long.

    >>> printable("open\x1b[31m\nclose")
    'open\\x1b[31m\\nclose'
    """
    return _escaped(text) if len(text) <= _MOST else f"{_escaped(text[:_MOST])}…"


def one_line(text: str) -> str:
    r"""Return a whole message on one line, with control characters escaped.

    >>> one_line("the file\n   \x1b[31m.csv is empty")
    'the file \\x1b[31m.csv is empty'
    """
    return _escaped(" ".join(text.split()))


def counted(count: int, noun: str) -> str:
    """Return how many there are of what a noun names, in the plural but for one.

    >>> counted(1, "segment"), counted(1200, "row")
    ('1 segment', '1,200 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _escaped(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def first_line(error: BaseException) -> str:
    """Return the first line of what a library said, or the kind of error if it said nothing."""
    return printable(str(error).partition("\n")[0].strip() or type(error).__name__)
