"""The house keeps its own rules: sizes, layers of imports, pinned versions, one clock."""

import ast
import importlib.metadata
import importlib.util
import re
import statistics
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("engine", "ml", "feeds", "strategies")
SCRIPTS = sorted(ROOT.glob("*.py"))

MAX_FILE_LINES = 400
MAX_CLASS_LINES = 200
MAX_PUBLIC_METHODS = 12
MAX_BODY_LINES = 40
MAX_MEDIAN_BODY_LINES = 8

# Who may import what is heavy, foreign or hard to replace; a folder ends in a slash.
HOMES = {
    "aiohttp": ("feeds/standin/",),
    "arch": (),
    "backtrader": ("engine/", "strategies/"),
    "ccxt": ("feeds/exchange.py", "feeds/live/"),
    "dask": (),
    "distributed": ("engine/jobs/spreading/cluster.py",),
    "fastapi": ("engine/dashboard/",),
    "imblearn": ("ml/training/balance.py",),
    "optuna": ("ml/training/tuning.py", "engine/jobs/searching/"),
    "skops": ("ml/skops_file.py",),
    "sqlite3": ("engine/paper/", "ml/training/", "engine/jobs/searching/storage.py"),
    "sqlalchemy": ("ml/training/tuning.py", "engine/jobs/searching/storage.py"),
    "talib": ("feeds/indicators.py",),
    "starlette": ("engine/dashboard/",),
    "torch": ("ml/models/lstm_model.py", "ml/models/device.py"),
    "uvicorn": ("engine/dashboard/",),
    "xgboost": ("ml/models/xgboost_model.py", "ml/models/device.py"),
}

# Questions to the system's clock. Stopwatches (perf_counter, monotonic) tell no time of day.
CLOCK_CALLS = {
    *(f"{kind}.{call}" for kind in ("datetime", "date", "Timestamp") for call in ("now", "today")),
    "datetime.utcnow",
    "Timestamp.utcnow",
    *(f"time.{call}" for call in ("time", "time_ns", "gmtime", "localtime", "strftime")),
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    """Return the source files of the folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


PRODUCT = [*sources(*PACKAGES), *SCRIPTS]
EVERYTHING = [*PRODUCT, *sources("tests", "benchmarks")]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def where(path: Path, node: ast.expr | ast.stmt | None = None) -> str:
    line = f":{node.lineno}" if node else ""
    return f"{path.relative_to(ROOT).as_posix()}{line}"


def nodes(paths: list[Path], *kinds: type[ast.AST]) -> Iterator[tuple[Path, ast.AST]]:
    for path in paths:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, kinds):
                yield path, node


def functions(paths: list[Path]) -> Iterator[tuple[Path, Function]]:
    for path, node in nodes(paths, ast.FunctionDef, ast.AsyncFunctionDef):
        assert isinstance(node, Function)
        yield path, node


def body_lines(function: Function) -> int:
    """Return the lines of the body, its docstring not counted."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_files_stay_within_their_budget() -> None:
    long = [where(p) for p in EVERYTHING if len(p.read_text().splitlines()) > MAX_FILE_LINES]
    assert long == []


def test_functions_stay_within_their_budget() -> None:
    long = [where(p, f) for p, f in functions(EVERYTHING) if body_lines(f) > MAX_BODY_LINES]
    assert long == []


def test_functions_are_short_on_the_whole() -> None:
    assert statistics.median(body_lines(f) for _, f in functions(PRODUCT)) <= MAX_MEDIAN_BODY_LINES


def test_classes_stay_within_their_budget() -> None:
    large = []
    for path, node in nodes(EVERYTHING, ast.ClassDef):
        assert isinstance(node, ast.ClassDef)
        methods = [m for m in node.body if isinstance(m, Function) and m.name[0] != "_"]
        lines = (node.end_lineno or 0) - node.lineno + 1
        if lines > MAX_CLASS_LINES or len(methods) > MAX_PUBLIC_METHODS:
            large.append(where(path, node))
    assert large == []


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_resolve_inside_the_project(package: str) -> None:
    found = importlib.util.find_spec(package)
    assert found is not None
    assert Path(found.origin or "").resolve() == ROOT / package / "__init__.py"


def imported(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the first name of each absolute import, functions' own imports included."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0], node


@pytest.mark.parametrize("library", HOMES)
def test_libraries_are_imported_only_where_they_are_at_home(library: str) -> None:
    homes = HOMES[library]
    strangers = [
        where(path, node)
        for path in PRODUCT
        for name, node in imported(path)
        if name == library and not where(path).startswith(homes)
    ]
    assert strangers == []


def test_nobody_but_the_clock_asks_for_the_time() -> None:
    asking = [
        where(path, node)
        for path, node in nodes(PRODUCT, ast.Call)
        if isinstance(node, ast.Call) and asks_for_the_time(node)
    ]
    assert asking
    assert [place for place in asking if not place.startswith("feeds/clock.py:")] == []


def asks_for_the_time(call: ast.Call) -> bool:
    """Return whether the call reads the system's clock, as far as its text shows."""
    name = ".".join(ast.unparse(call.func).split(".")[-2:])
    words = [a.value for a in call.args if isinstance(a, ast.Constant)]
    return name in CLOCK_CALLS or (name == "np.datetime64" and words in (["now"], ["today"]))


# A pinned line: name, exact version, and perhaps the systems that need it.
PIN = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[\w.!+-]+)( ; sys_platform [!=]= .+)?")


def lock_lines() -> list[str]:
    text = (ROOT / "requirements.lock").read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def locked() -> dict[str, str]:
    matches = [PIN.fullmatch(line) for line in lock_lines()]
    return {canonicalize_name(m["name"]): m["version"] for m in matches if m}


def direct_dependencies() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]


def needed_by(names: list[str]) -> set[str]:
    """Return the names and all that they need on this system, as installed here."""
    seen: set[str] = set()
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        wanted = map(Requirement, importlib.metadata.requires(name) or [])
        waiting += [canonicalize_name(r.name) for r in wanted if is_needed(r)]
    return seen


def is_needed(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def test_the_lock_pins_every_line_and_names_no_address() -> None:
    assert [line for line in lock_lines() if not PIN.fullmatch(line)] == []
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_the_lock_holds_every_direct_and_transitive_dependency() -> None:
    missing = needed_by(direct_dependencies()) - locked().keys()
    # The CUDA packages that torch brings on a plain Linux are pinned by torch itself.
    assert {
        name for name in missing if not name.startswith(("nvidia-", "cuda-", "triton"))
    } == set()


def test_the_environment_is_the_one_that_the_lock_describes() -> None:
    here = {name: importlib.metadata.version(name) for name in map(str, direct_dependencies())}
    pinned = locked()
    other = {n: v for n, v in here.items() if v.split("+")[0] != pinned[canonicalize_name(n)]}
    assert other == {}


def test_the_first_python_that_is_promised_can_install_every_pin() -> None:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    (first,) = re.findall(r">=\s*(3\.\d+)", asked)
    here = {canonicalize_name(d.name): d for d in importlib.metadata.distributions()}
    wanted = {n: d.metadata.json.get("requires_python") for n, d in here.items() if n in locked()}
    assert len(wanted) > 100
    refusing = {n: w for n, w in wanted.items() if w and f"{first}.0" not in SpecifierSet(str(w))}
    assert refusing == {}


@pytest.mark.parametrize("path", ["Makefile", ".ci/run", "pyproject.toml"])
def test_tooling_names_no_network_address(path: str) -> None:
    assert "://" not in (ROOT / path).read_text()
