"""From `package.module:Class` or `file.py:Class` to the class."""

import hashlib
import inspect
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType
from typing import Any

from feeds.errors import PythonFileError
from feeds.python_file import ENDING, PythonFile, failure, read_python, said
from ml.errors import MemberError


def estimator_class(estimator: str) -> type[Any]:
    """Return the class that `estimator` names, importing it: its module's code is run.

    Raises
    ------
    ImportError
        If a package is not installed or cannot be loaded.
    MemberError
        If a file cannot be read or run, or there is no such class.
    """
    place, _, name = estimator.rpartition(":")
    module = _module_of_file(place) if place.endswith(ENDING) else _module_of_package(place)
    found = getattr(module, name, None)
    if not inspect.isclass(found):
        raise MemberError(f"{place} must hold the class {name}, found {_there(module, name)}")
    return found


def module_name(estimator: str) -> str:
    """Return under which name the module of the estimator is imported.

    That of a file depends on how the settings write its path and not on the folder in which the
    command runs: a bundle that holds its types is read anywhere.
    """
    place, _, _ = estimator.rpartition(":")
    if not place.endswith(ENDING):
        return place
    return f"member_file_{hashlib.sha256(place.encode()).hexdigest()[:16]}"


def source_digest(estimator: str) -> str:
    """Return the SHA-256 of the file that holds the class; empty if it is of a package.

    Raises
    ------
    MemberError
        If the file cannot be read.
    """
    place, _, _ = estimator.rpartition(":")
    return _read(place).digest if place.endswith(ENDING) else ""


def failure_of(estimator: str, error: BaseException) -> str:
    """Return what an error of the class says, with the line of its file where it has one."""
    place, _, _ = estimator.rpartition(":")
    return failure(place, error) if place.endswith(ENDING) else said(error)


def _module_of_package(place: str) -> ModuleType:
    try:
        return import_module(place)
    except ImportError:
        raise
    except (Exception, SystemExit) as error:  # a library may fail in any way while it loads
        raise ImportError(f"{place} cannot be loaded: {type(error).__name__}: {error}") from error


def _module_of_file(place: str) -> ModuleType:
    file = _read(place)
    try:
        return file.module(module_name(f"{place}:"))  # what a bundle stores is found by this name
    except PythonFileError as error:
        raise MemberError(f"{place} cannot be imported: {error}") from error


def _read(place: str) -> PythonFile:
    try:
        return read_python(place)
    except PythonFileError as error:
        raise MemberError(
            f"{place} must be a file that can be read: {error}; paths count from the folder in "
            "which the command is run"
        ) from error


def _there(module: ModuleType, name: str) -> str:
    classes = [key for key, thing in vars(module).items() if inspect.isclass(thing)]
    own = [key for key in classes if getattr(module, key).__module__ == module.__name__]
    return ", ".join(get_close_matches(name, classes, n=3) or own[:5]) or "no class"
