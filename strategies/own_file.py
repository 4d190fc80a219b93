"""A strategy of one's own: a class in a Python file, named `PATH.py:ClassName`."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from feeds.errors import PythonFileError
from feeds.messages import printable, shown
from feeds.python_file import ENDING, PythonFile, line_in, read_python
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
    if not colon or not path.endswith(ENDING) or not name.isidentifier():
        raise StrategyError(
            f"a strategy is named as PATH.py:ClassName, found {shown(text)}; such as "
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
    return _read(path).digest


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
    file = _read(path)
    if expected not in (None, file.digest):
        raise StrategyError(
            f"{path}: must have the digest {expected[:16]}, found {file.digest[:16]}: the strategy "
            "was changed since, and is not run; put the old file back, or begin anew with this one"
        )
    module = _run(file)
    found = getattr(module, name, None)
    if not isinstance(found, type):
        there = [n for n, v in vars(module).items() if _is_its_own(v, module)]
        raise StrategyError(
            f"{path}: must hold a class {printable(name)}, found {', '.join(there) or 'no class'}"
        )
    return OwnFile(path, name, file.digest, found)


def _read(path: Path) -> PythonFile:
    try:
        return read_python(path)
    except PythonFileError as error:
        raise StrategyError(
            f"{printable(str(path))}: a strategy's file must be readable: {error}; name one as "
            "PATH.py:ClassName, such as examples/my_strategy.py:MyStrategy"
        ) from error


def _run(file: PythonFile) -> ModuleType:
    try:
        return file.module(f"own_strategy_{file.digest[:16]}")
    except PythonFileError as error:
        cause = error.__cause__
        if isinstance(cause, StrategyError):  # of a `Rule`: it says itself what must hold
            raise StrategyError(f"{file.path}: {line_in(file.path, cause)}{cause}") from error
        raise StrategyError(f"{file.path}: a strategy's file must run, {error}") from error


def _is_its_own(value: object, module: ModuleType) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__
