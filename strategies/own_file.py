"""A strategy of one's own: a class in a Python file, named `PATH.py:ClassName`."""

import hashlib
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from feeds.messages import first_line
from strategies.errors import StrategyError


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A class that was read from a file.

    Attributes
    ----------
    path : absolute
    digest : SHA-256 of the file
    """

    path: Path
    name: str
    digest: str
    found: type[Any]

    @property
    def text(self) -> str:
        """The same as settings name it."""
        return f"{self.path}:{self.name}"


def split(text: str) -> tuple[Path, str]:
    """Return path and class of `PATH.py:ClassName`.

    Raises
    ------
    StrategyError
        if it is not such a text
    """
    path, colon, name = text.rpartition(":")
    if not colon or not path.endswith(".py") or not name.isidentifier():
        raise StrategyError(
            f"a strategy is named as PATH.py:ClassName, found {text!r}; such as "
            "examples/my_strategy.py:MyStrategy"
        )
    return Path(path), name


def digest_of(path: Path) -> str:
    """Return the SHA-256 of the file, which is not run.

    Raises
    ------
    StrategyError
        if it cannot be read
    """
    return hashlib.sha256(_source(path)).hexdigest()


def read_class(text: str, expected: str | None = None) -> OwnFile:
    """Run the file and return the class; the same file is run once.

    Parameters
    ----------
    expected : the digest of the one state in which the file may be run; None: as it is

    Raises
    ------
    StrategyError
        if it is in another state, cannot be read or run, or holds no such class
    """
    path, name = split(text)
    path = path.resolve()
    source = _source(path)
    digest = hashlib.sha256(source).hexdigest()
    if expected not in (None, digest):
        raise StrategyError(
            f"{path}: must have the digest {expected[:16]}, found {digest[:16]}: the strategy was "
            "changed since, and is not run; put the old file back, or begin anew with this one"
        )
    module = _run(path, digest, source)
    found = getattr(module, name, None)
    if not isinstance(found, type):
        there = [n for n, v in vars(module).items() if _is_its_own(v, module)]
        raise StrategyError(
            f"{path}: must hold a class {name}, found {', '.join(there) or 'no class'}"
        )
    return OwnFile(path, name, digest, found)


def _source(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StrategyError(
            f"{path}: a strategy's file must be readable: {error.strerror or error}"
        ) from error


@cache
def _run(path: Path, digest: str, source: bytes) -> ModuleType:
    """Return the module of the file; a file that was changed is another one."""
    module = ModuleType(f"own_strategy_{digest[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and backtrader look for it there
    try:
        exec(compile(source, str(path), "exec"), vars(module))  # noqa: S102  the user's own file
    except (Exception, SystemExit) as error:  # whatever the file does is told as its own
        del sys.modules[module.__name__]
        if isinstance(error, StrategyError):
            raise StrategyError(f"{path}: {error}") from error
        raise StrategyError(
            f"{path}: a strategy's file must run, {line_in(path, error)}"
            f"{type(error).__name__}: {first_line(error)}"
        ) from error
    return module


def line_in(path: Path, error: BaseException) -> str:
    """Return the last line of the file that the error came through, as `line 9: `, or nothing."""
    if isinstance(error, SyntaxError):
        return "" if error.lineno is None else f"line {error.lineno}: "
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return "" if line is None else f"line {line}: "


def _is_its_own(value: object, module: ModuleType) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__
