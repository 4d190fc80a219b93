"""A rehearsal that somebody else is reading when it ends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from engine.paper.reading import StateReader
from run_paper import main as paper
from tests.scripts.test_run_paper import BEGINS, SPEED, said
from tests.world import World


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Have the state in the folder read, from its first moment until the block ends."""
    over = Event()

    def read() -> None:
        while not over.is_set():
            for path in folder.glob("*.sqlite"):
                with StateReader.open(path) as reader:
                    if reader.moments(last=1):
                        reader._connection.execute("BEGIN")
                        assert reader.moments(last=1)
                        over.wait()
            time.sleep(0.02)

    thread = Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_the_state_of_a_rehearsal_that_is_being_read_stays_and_is_whole(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--rehearse", str(world.files[0]), *BEGINS, "--end-date", "2022-02-17T06:30", *SPEED]
    words += ["--out", str(tmp_path), "--ml", "off"]
    with reading(tmp_path):
        assert paper(words) == 0
    (state,) = tmp_path.glob("*.sqlite")
    assert f"kept in {state}, where it was: another process is reading" in capsys.readouterr().out
    with StateReader.open(state) as reader:
        assert len(reader.moments()) == 6
    assert paper([*words, "--json"]) == 0  # it is over, and put away now
    found = said(capsys)
    assert found["session"]["moments"] == 6
    assert Path(found["state"]) == Path(found["run_dir"]) / "session.sqlite"
    assert list(tmp_path.glob("*.sqlite*")) == []
