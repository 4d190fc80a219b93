"""Python, the packages of requirements.lock, and whether they load and compile."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from engine.jobs.diagnosing.finding import Asked, Finding, State

AGAIN = ".venv/bin/python -m pip install --requirement requirements.lock"
OLDEST = (3, 11)
_SHOWN = 5  # names in a line

# A pinned line: name, exact version, and perhaps the systems that need it.
_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.!+-]+)(?: ; sys_platform ([!=]=) \"(\w+)\")?")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")

# Imports what it is told, one after the other: what ends the process is the one named last.
_LOADER = """
import importlib, sys
for name in sys.argv[1:]:
    print("load", name, flush=True)
    try:
        importlib.import_module(name)
    except Exception as error:
        print("error", type(error).__name__, str(error).partition("\\n")[0], flush=True)
"""


def python(_: Asked) -> Iterator[Finding]:
    """Tell which Python this is."""
    own = sys.prefix != sys.base_prefix
    yield interpreter(sys.version_info[:3], Path(sys.prefix if own else sys.executable), own=own)


def interpreter(version: tuple[int, int, int], place: Path, *, own: bool) -> Finding:
    """Return what a Python is worth; `own` if it is that of an environment."""
    number = ".".join(map(str, version))
    if version[:2] < OLDEST:
        least = ".".join(map(str, OLDEST))
        remedy = f"delete .venv, then: make setup PYTHON=python{least}"
        return Finding("python", State.FAIL, f"must be {least} or later, found {number}", remedy)
    if own:
        return Finding("python", State.OK, f"{number} in {place}")
    remedy = "make an environment of its own: make setup, then .venv/bin/python"
    return Finding("python", State.WARN, f"{number} of the system, {place}", remedy)


def packages(asked: Asked) -> Iterator[Finding]:
    """Compare what is installed with requirements.lock."""
    pinned = locked(asked.root / "requirements.lock")
    here = {name: _installed(name) for name in pinned}
    needed = needed_by(_dependencies(asked.root / "pyproject.toml"))
    missing = [name for name, version in here.items() if version is None]
    other = [
        f"{name} {version} instead of {pinned[name]}"
        for name, version in here.items()
        if version is not None and version.partition("+")[0] != pinned[name]
    ]
    to_run = [name for name in missing if name in needed]
    to_develop = [name for name in missing if name not in needed]
    if to_run:
        yield Finding("packages", State.FAIL, f"missing: {_listed(to_run)}", AGAIN)
    if other:
        found = f"other versions, by which results may differ: {_listed(other)}"
        yield Finding("packages", State.WARN, found, AGAIN)
    if to_develop:
        whose = "those above, or tests and checks" if to_run else "tests and checks only"
        found = f"missing, needed by {whose}: {_listed(to_develop)}"
        yield Finding("packages", State.WARN, found, AGAIN)
    if not missing and not other:
        yield Finding("packages", State.OK, f"all {len(pinned)} as in requirements.lock")


def libraries(asked: Asked) -> Iterator[Finding]:
    """Load every direct dependency in a process of its own, which a broken one may end."""
    modules = _modules({_canonical(n) for n in _dependencies(asked.root / "pyproject.toml")})
    broken = broken_modules(modules)
    for module, why in broken.items():
        yield Finding(
            "libraries",
            State.FAIL,
            f"{module} is installed and does not load: {why}",
            f"install it anew: {AGAIN} --force-reinstall",
        )
    if modules and not broken:
        yield Finding("libraries", State.OK, f"all {len(modules)} load: {', '.join(modules)}")


def compilation(_: Asked) -> Iterator[Finding]:
    """Compile a loop, or take it from the cache."""
    try:
        from feeds.order_kernels import tick_up  # compiled, and kept beside its file
    except RuntimeError as error:  # so numba says that it finds no place to keep what it compiles
        remedy = "let the folder feeds be written, or set NUMBA_CACHE_DIR to a folder that can"
        yield Finding("compilation", State.FAIL, f"cannot be kept: {error}", remedy)
        return
    if tick_up(10.01, 0.25) != 10.25:
        remedy = "delete the folders __pycache__ below feeds, ml and engine"
        yield Finding("compilation", State.FAIL, "compiled code computes something else", remedy)
    elif not hasattr(tick_up, "stats"):
        found = "numba's compiler is switched off by NUMBA_DISABLE_JIT: loops take a hundred times"
        yield Finding("compilation", State.WARN, found, "unset NUMBA_DISABLE_JIT")
    else:
        yield Finding("compilation", State.OK, f"works; kept in {tick_up.stats.cache_path}")


def refused(folder: Path) -> str:
    """Return why nothing can be written into a folder; empty if it can."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__


def locked(path: Path) -> dict[str, str]:
    """Return what requirements.lock pins for this system: canonical name and version."""
    matches = (_PIN.fullmatch(line.strip()) for line in path.read_text("utf-8").splitlines())
    pins = (match.groups() for match in matches if match)
    return {
        _canonical(name): version
        for name, version, sign, system in pins
        if sign is None or (sign == "==") == (system == sys.platform)
    }


def needed_by(names: list[str]) -> set[str]:
    """Return the canonical names and all that they need, as far as what is installed says."""
    seen: set[str] = set()
    waiting = [_canonical(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += _wanted(name)
    return seen


def broken_modules(modules: list[str]) -> Mapping[str, str]:
    """Return the modules that cannot be imported, and why; each try is one process."""
    broken: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        loaded = subprocess.run(  # noqa: S603  our own interpreter on our own lines
            [sys.executable, "-W", "ignore", "-c", _LOADER, *waiting],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        last = ""
        for line in loaded.stdout.splitlines():
            kind, _, said = line.partition(" ")
            last = said if kind == "load" else last
            if kind == "error":
                broken[last] = said
        if loaded.returncode == 0 or not last:
            break
        broken[last] = f"it ended the process with code {loaded.returncode}"
        waiting = waiting[waiting.index(last) + 1 :]
    return broken


def _modules(distributions: set[str]) -> list[str]:
    """Return what is imported of each distribution: the module of its name, or all that it has."""
    found: dict[str, list[str]] = {}
    for module, owners in metadata.packages_distributions().items():
        for owner in distributions.intersection(map(_canonical, owners)):
            found.setdefault(owner, []).append(module)
    named = {owner: owner.replace("-", "_") for owner in found}
    chosen = ([named[o]] if named[o] in modules else modules for o, modules in found.items())
    return sorted(module for modules in chosen for module in modules if module[0] != "_")


def _wanted(name: str) -> list[str]:
    try:
        said = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    plain = [each for each in said if "extra ==" not in each.partition(";")[2]]
    return [_canonical(match[0]) for each in plain if (match := _NAME.match(each))]


def _dependencies(path: Path) -> list[str]:
    import tomllib  # an older Python, of which there is a line, has none

    project = tomllib.loads(path.read_text("utf-8"))["project"]
    return [str(each) for each in project["dependencies"]]


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
