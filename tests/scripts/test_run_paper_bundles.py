"""A session with the ensemble that goes on while the bundle is being exchanged."""

import shutil
from pathlib import Path

from engine.paper.reading import StateReader
from ml.bundle import load_bundle
from run_paper import main as paper
from tests.scripts.test_run_paper import SPEED, around_a_question
from tests.world import World


def test_a_damaged_version_does_not_keep_a_session_from_going_on(
    world: World, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(world.bundle, tmp_path / "bundle"))
    state, digest = tmp_path / "state.sqlite", load_bundle(bundle).digest
    words = [str(world.files[0]), *around_a_question(world), *SPEED, "--ml", "on"]
    words += ["--model", str(bundle), "--state", str(state), "--out", str(tmp_path / "runs")]
    assert paper(["--rehearse", *words]) == 0
    (bundle / "current").write_text("20220301T000000Z-0123456789abcdef")
    assert paper(["--rehearse", *words]) == 0
    with StateReader.open(state) as reader:
        assert {moment.ml for moment in reader.moments()} == {digest}
        assert reader.last_version() == digest
    another = [*words, "--state", str(tmp_path / "another.sqlite")]
    assert paper(["--rehearse", *another]) == 1  # it has nothing to go on with
