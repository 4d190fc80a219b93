"""Records of trials of every kind, on the real thing."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from engine.jobs.searching.storage import JOURNAL, file_storage
from tests.postgres import server


@pytest.fixture
def database() -> Iterator[str]:
    # The server's user may not look into pytest's own folders.
    with TemporaryDirectory() as folder, server(Path(folder)) as address:
        yield address


@pytest.fixture(params=["sqlite", "journal", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a record that several commands may write to."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("database"))
    journal = f"{JOURNAL}{tmp_path / 'search.log'}"
    return journal if request.param == "journal" else file_storage(tmp_path / "shared.db")
