"""From `package.module:Class` or `file.py:Class` to the class."""

import hashlib
import inspect
import sys
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from feeds.messages import first_line
from ml.errors import MemberError

_ENDING = ".py"


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
    module = _module_of_file(place) if place.endswith(_ENDING) else _module_of_package(place)
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
    if not place.endswith(_ENDING):
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
    return hashlib.sha256(_source(place)).hexdigest() if place.endswith(_ENDING) else ""


def _module_of_package(place: str) -> ModuleType:
    try:
        return import_module(place)
    except ImportError:
        raise
    except (Exception, SystemExit) as error:  # a library may fail in any way while it loads
        raise ImportError(f"{place} cannot be loaded: {type(error).__name__}: {error}") from error


def _module_of_file(place: str) -> ModuleType:
    module = _run(place, _source(place))
    sys.modules[module.__name__] = module  # what a bundle stores is found by this name
    return module


def _source(place: str) -> bytes:
    try:
        return Path(place).read_bytes()
    except (OSError, ValueError) as error:
        raise MemberError(
            f"{place} must be a file that can be read: {getattr(error, 'strerror', '') or error}; "
            "paths count from the folder in which the command is run"
        ) from error


@lru_cache(maxsize=32)
def _run(place: str, source: bytes) -> ModuleType:
    """Return the module of the file, run once as long as it stays as it is."""
    name = module_name(f"{place}:")
    spec = spec_from_file_location(name, place)
    if spec is None:
        raise MemberError(f"{place} cannot be imported: no file of Python")
    module = module_from_spec(spec)
    sys.modules[name] = module  # as an import does; dataclasses look for it there
    try:
        exec(compile(source, place, "exec"), vars(module))  # noqa: S102  the user names the file
    except (Exception, SystemExit) as error:  # the file may fail in any way, or end by itself
        del sys.modules[name]
        raise MemberError(
            f"{place} cannot be imported: {type(error).__name__}: {first_line(error)}"
        ) from error
    return module


def _there(module: ModuleType, name: str) -> str:
    classes = [key for key, thing in vars(module).items() if inspect.isclass(thing)]
    own = [key for key in classes if getattr(module, key).__module__ == module.__name__]
    return ", ".join(get_close_matches(name, classes, n=3) or own[:5]) or "no class"
