"""What a session tells others while it runs."""

import json
from pathlib import Path

import pytest

from engine.paper.reading import StateReader
from run_paper import main as paper
from tests.engine.paper.test_webhook import receiver
from tests.scripts.test_run_paper import BEGINS, EAGER, SPEED
from tests.world import World


def test_every_entry_and_exit_is_posted_and_the_address_is_nowhere(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, state = tmp_path / "told.toml", tmp_path / "state.sqlite"
    words = [str(world.files[0]), *BEGINS, "--end-date", "2022-02-17T11:00", *SPEED, "--ml", "off"]
    words += ["--config", str(config), "--state", str(state), "--out", str(tmp_path / "runs")]
    with receiver() as there:
        config.write_text(f'{EAGER}\n[paper]\nwebhook = "{there.url}"\n')
        assert paper(["--rehearse", *words]) == 0
        told = there.taken
    said = capsys.readouterr()
    with StateReader.open(state) as reader:
        fills = reader.fills()
        assert "s3cret" not in json.dumps(reader.facts().settings)
    assert len(fills) > 4
    assert [each["event"] for each in told] == [
        "entry" if each.fill.units > 0 else "exit" for each in fills
    ]
    assert [each["price"] for each in told] == [each.fill.price for each in fills]
    assert {each["ml"] for each in told} == {"off"}
    for text in (said.out, said.err, *(f.read_text() for f in (tmp_path / "runs").rglob("*.json"))):
        assert "s3cret" not in text
