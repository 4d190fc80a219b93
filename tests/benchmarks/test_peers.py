"""The comparison with other engines: what it needs, what it does with what they say."""

import sys
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.peers import BASE, FLOOR, OURS, VECTORISED, Outcome, Peer, PeersError, Place

# A peer that prints what the real ones print; the bars do not matter to it.
PEER = """
import json, sys
print("@@" + json.dumps({"cpu": {"run": 0.25}, "trades": 7, "equity": 99.5}))
"""
SETUP = """
for engine in ${@:2}; do
  mkdir -p "$1/v_$engine/bin"; ln -sf "PYTHON" "$1/v_$engine/bin/python"
done
"""
DATA = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1]); folder.mkdir()
for count in (131400, 525600): (folder / f"bars_{count}.parquet").touch()
"""
HERE = Peer("here", "here", "run", "here", "json")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    scripts = tmp_path / "peers"
    scripts.mkdir()
    (scripts / "setup_envs.sh").write_text(SETUP.replace("PYTHON", sys.executable))
    (scripts / "gen_data.py").write_text(DATA)
    (scripts / "eng_here.py").write_text(PEER)
    return Place(scripts, tmp_path / "envs")


def test_environments_and_bars_are_made_where_they_are_missing(place: Place) -> None:
    peers.ready(place, [HERE])
    assert place.python(HERE).exists()
    made = {path.name for path in place.data.iterdir()}
    assert made == {"bars_131400.parquet", "bars_525600.parquet"}
    (place.data / "bars_131400.parquet").write_text("kept")
    peers.ready(place, [HERE])
    assert (place.data / "bars_131400.parquet").read_text() == "kept"


def test_a_process_is_measured_as_a_whole(place: Place) -> None:
    peers.ready(place, [HERE])
    done = peers.measured(place, HERE, 131_400)
    assert (done.run, done.trades, done.equity) == (0.25, 7, 99.5)
    assert done.process > 0
    assert done.peak_mb > 1


@pytest.mark.parametrize(
    ("script", "said"),
    [("raise SystemExit('no such bars')", "no such bars"), ("print(1)", "no line after @@")],
)
def test_a_peer_that_fails_is_named(place: Place, script: str, said: str) -> None:
    peers.ready(place, [HERE])
    (place.scripts / "eng_here.py").write_text(script)
    with pytest.raises(PeersError, match=f"here must do the job, found: .*{said}"):
        peers.measured(place, HERE, 131_400)


def test_a_folder_without_scripts_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert peers.main([str(tmp_path / "nowhere"), "--envs", str(tmp_path)]) == 1
    complaint = capsys.readouterr().err
    assert "make bench-peers PEERS=FOLDER" in complaint
    assert complaint.count("\n") == 1


def test_an_installation_that_fails_is_told(place: Place) -> None:
    (place.scripts / "setup_envs.sh").write_text("exit 3")
    with pytest.raises(PeersError, match="must succeed, found exit code 3"):
        peers.ready(place, [HERE])


def test_ratios_are_those_within_a_round() -> None:
    # The machine was twice as slow in the second round; a ratio of medians would be off.
    rounds = [
        {
            OURS: Outcome(1.0 * slow, 0.5 * slow, 340, 3720, 92_970.37),
            BASE: Outcome(5.0 * slow, 4.0 * slow, 313, 3720, 92_970.37),
            VECTORISED: Outcome(10.0 * slow, 0.5 * slow, 673, 3720, 92_970.37),
            FLOOR: Outcome(1.2 * slow, 0.1 * slow, 341, 3720, 92_970.37),
        }
        for slow in (1.0, 2.0, 1.0)
    ]
    rounds[-1][HERE] = Outcome(50.0, 40.0, 100, 3720, 92_970.37)
    lines = peers.comparison(rounds).splitlines()
    cells = {line.split("|")[1].strip(): [c.strip() for c in line.split("|")] for line in lines}
    assert cells["tandem"][2:6] == ["1.00", "0.200", "0.500", "0.1250"]
    assert cells["here"][2:4] == ["50.00", "10.000"]
    assert "0.20 times that of backtesting.py" in peers.verdict(rounds)
    assert "run 1.00 times that of vectorbt" in peers.verdict(rounds)


def test_an_engine_that_does_another_job_is_refused() -> None:
    ours = Outcome(1.0, 0.5, 340, 3720, 92_970.37)
    peers.refuse_other_jobs({OURS: ours, BASE: Outcome(5.0, 4.0, 313, 3720, 92_970.3701)})
    with pytest.raises(PeersError, match=r"vectorbt must make 3720 trades .*found 3965"):
        peers.refuse_other_jobs({OURS: ours, VECTORISED: Outcome(5.0, 4.0, 313, 3965, 64_986.0)})
