"""Paths as a page tells them: who reads it is not told how the machine that made it is laid out."""

from pathlib import Path
from typing import Any


def told_from(working: Path, value: Any) -> Any:
    """Return a value of JSON's own types with its absolute paths told from a folder.

    Parameters
    ----------
    working : absolute; of a path that lies elsewhere the last name alone is left
    """
    match value:
        case str(text) if Path(text).is_absolute():
            path = Path(text)
            below = path.is_relative_to(working)
            return str(path.relative_to(working)) if below else path.name
        case dict():
            return {key: told_from(working, each) for key, each in value.items()}
        case list() | tuple():
            return [told_from(working, each) for each in value]
        case _:
            return value
