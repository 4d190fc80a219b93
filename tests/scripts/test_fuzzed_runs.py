"""Whatever a manifest says: the run is shown, or refused in a line."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from show_run import main
from tests.scripts.showing import read

Place: TypeAlias = tuple[str | int, ...]

VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 10**400, "", "x", "\x00", "\x1b[2J", "soon", "0000-01-01", "5m", "1M",
    "BTC/USDT", "../..", "/", "x" * 500, "9999-12-31T23:59:59Z", "1970-01-01", [], [[]], {},
    {"a": 1},
    "on", "off", "compare", "walk-forward", "exchange", "default",
]  # fmt: skip
ASKED = [[], ["--why", "BTC/USDT", "2024-01-05T10:05"], ["--diff", "last"]]


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the way to every value inside a document, the digests of files left out."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inner:
        if key == "files":
            continue
        yield (*place, key)
        if isinstance(each, dict | list):
            yield from places(each, (*place, key))


@pytest.fixture(scope="module")
def copy(furnished: tuple[Any, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose manifest is written over and over."""
    path = tmp_path_factory.mktemp("fuzzed") / furnished[1].name
    shutil.copytree(furnished[1], path)
    return path


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_manifest_of_any_kind_is_shown_or_refused_in_a_line(
    data: st.DataObject, copy: Path, furnished: tuple[Any, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = read(furnished[1] / "manifest.json")
    *way, last = data.draw(st.sampled_from(list(places(manifest))))
    holder = manifest
    for key in way:
        holder = holder[key]
    holder[last] = data.draw(st.sampled_from(VALUES))
    (copy / "manifest.json").write_text(json.dumps(manifest))
    words = data.draw(st.sampled_from(ASKED))
    code = main([str(copy), *words, "--out", str(furnished[1].parent), "--quiet"])
    out, err = capsys.readouterr()
    assert (code, err.count("\n"), bool(out)) in ((0, 0, True), (1, 1, False))
