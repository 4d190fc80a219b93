"""The parser of every command: a flag that it does not have is answered with the one meant.

It needs nothing but Python: the doctor runs where the libraries do not.
"""

import argparse
import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

NOTHING: Mapping[str, str] = MappingProxyType({})

BARS = "--data"  # names files of bars, in every command that reads some

_UNKNOWN = "unrecognized arguments: "  # what argparse says before all that it does not know


class FlagParser(argparse.ArgumentParser):
    """A parser without abbreviations whose help keeps the lines of its text.

    Parameters
    ----------
    meant : flag that this command does not have -> the one that does it here, where no likeness
        of the letters would tell
    """

    def __init__(self, *, meant: Mapping[str, str] = NOTHING, **said: Any) -> None:
        super().__init__(
            **said, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )
        self._meant = meant

    def error(self, message: str) -> NoReturn:
        """Exit with 2 and the usage; behind a flag that is not known stands the one meant."""
        _, told, unknown = message.partition(_UNKNOWN)
        super().error(f"{message}{self._hint(unknown.split()[0])}" if told else message)

    def _hint(self, word: str) -> str:
        """Return `; did you mean --x?`, or nothing."""
        known = [name for name in self._option_string_actions if name.startswith("--")]
        flag = word.partition("=")[0]
        if not flag.startswith("-"):
            bars = self._meant.get(BARS, BARS)
            return f"; did you mean {bars} {word}?" if bars in known else ""
        close = [self._meant[flag]] if flag in self._meant else _close(flag, known)
        return f"; did you mean {close[0]}?" if close else ""


def _close(flag: str, known: Sequence[str]) -> list[str]:
    """Return the flags that the word may stand for, the likeliest first."""
    begun = [name for name in known if len(flag) > len("--x") and name.startswith(flag)]
    return begun or difflib.get_close_matches(flag, known, n=1)
