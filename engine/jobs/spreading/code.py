"""The digest of the code: by it a worker is known to compute what this process would."""

import hashlib
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_PACKAGES = ("engine", "feeds", "ml", "strategies")


@cache
def code_digest() -> str:
    """Return the SHA-256 of all that is imported, as it is on the disk."""
    return digest_of_code(_PACKAGES)


def digest_of_code(names: tuple[str, ...]) -> str:
    """Return the SHA-256 of the named modules and folders of modules, as they are on the disk."""
    sha = hashlib.sha256()
    for name in names:
        place = _ROOT / name
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            sha.update(file.relative_to(_ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()
