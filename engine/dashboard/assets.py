"""The files of the page, read once: no request reaches the disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("page")
INDEX = "index.html"

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page."""

    content: bytes
    media_type: str


def read_assets() -> Mapping[str, Asset]:
    """Return the files of the page by the path that they are asked for with."""
    found = {
        f"/{path.name}": Asset(path.read_bytes(), TYPES[path.suffix])
        for path in sorted(FOLDER.iterdir())
    }
    return {"/": found.pop(f"/{INDEX}"), **found}
