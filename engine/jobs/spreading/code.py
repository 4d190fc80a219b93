"""The digest of the code: by it a worker is known to compute what this process would."""

import hashlib
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_PACKAGES = ("engine", "feeds", "ml", "strategies")


def code_digest() -> str:
    """Return the SHA-256 of all that is imported, as it is on the disk."""
    return digest_of_code(_PACKAGES)


@cache
def digest_of_code(names: tuple[str, ...]) -> str:
    """Return the SHA-256 of the named modules, folders of modules and patterns of them.

    They are read once in a process: it runs what it has imported, whatever the disk says later.

    Raises
    ------
    FileNotFoundError
        if a name stands for no module
    """
    sha = hashlib.sha256()
    for name in names:
        for file in _modules(name):
            sha.update(file.relative_to(_ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()


def _modules(name: str) -> list[Path]:
    pattern = f"{name}/**/*.py" if (_ROOT / name).is_dir() else name
    found = sorted(_ROOT.glob(pattern))
    if not found:
        raise FileNotFoundError(f"{name} must be a module or a folder of them, found none")
    return found
