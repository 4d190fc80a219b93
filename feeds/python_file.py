"""A Python file of the user's own: read, told apart by its digest, run once.

Reading runs nothing. Who takes a file only in one state compares `digest` before calling `module`,
so that what is run is what was compared.
"""

import hashlib
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from feeds.errors import PythonFileError
from feeds.messages import first_line
from feeds.section import first_mistake

ENDING = ".py"


@dataclass(frozen=True, slots=True)
class PythonFile:
    """A file as it was read; nothing of it has been run.

    Attributes
    ----------
    path : as it was named
    source : its bytes
    """

    path: str
    source: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hexadecimal."""
        return hashlib.sha256(self.source).hexdigest()

    def module(self, name: str) -> ModuleType:
        """Return the module of the file, which these bytes are run for once.

        Parameters
        ----------
        name : under which it is found in `sys.modules`, where dataclasses and what is stored look
            for it

        Raises
        ------
        PythonFileError
            if it stops with an error: which, and at which line
        """
        module = _run(self, name)
        sys.modules[name] = module  # another state of the file may have had the name since
        return module


def read_python(path: str | Path) -> PythonFile:
    """Return the file; it is not run.

    Raises
    ------
    PythonFileError
        if it cannot be read
    """
    try:
        return PythonFile(str(path), Path(path).read_bytes())
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        raise PythonFileError(getattr(error, "strerror", None) or first_line(error)) from error


@lru_cache(maxsize=128)
def _run(file: PythonFile, name: str) -> ModuleType:
    spec = spec_from_file_location(name, file.path)
    if spec is None:
        raise PythonFileError(f"its name must end in {ENDING}")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        exec(compile(file.source, file.path, "exec"), vars(module))  # noqa: S102  the user's own
    except (Exception, SystemExit) as error:  # whatever the file does is told as its own
        del sys.modules[name]
        raise PythonFileError(failure(file.path, error)) from error
    return module


def failure(path: str | Path, error: BaseException) -> str:
    """Return the line of the file at which it failed, where it did, and what was said there.

    Such as `line 9: ZeroDivisionError: division by zero`.
    """
    return f"{line_in(path, error)}{said(error)}"


def line_in(path: str | Path, error: BaseException) -> str:
    """Return the last line of the file that the error came through, as `line 9: `, or nothing."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return "" if error.lineno is None else f"line {error.lineno}: "
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return "" if line is None else f"line {line}: "


def said(error: BaseException) -> str:
    """Return the kind of error and the first line of what it said; of a section, its key."""
    if isinstance(error, ValidationError):
        return f"{error.title}: {first_mistake(error)}"
    kind = type(error).__name__
    # The text of a syntax error ends in file and line, which `line_in` has told.
    words = str(error.msg) if isinstance(error, SyntaxError) else first_line(error)
    return kind if words == kind else f"{kind}: {words}"
