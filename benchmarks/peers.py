"""Our Engine beside other engines, at one job: `python -m benchmarks.peers PEERS [--envs DIR]`.

PEERS is a folder with `setup_envs.sh`, `gen_data.py` and one `eng_NAME.py` an engine, which prints
a JSON line after @@ as `benchmarks/peer_job.py` does. Environments and bars are made in `--envs`
where they are missing (this needs a package index).

Engines run one at a time, in interleaved rounds, after one that is not counted and fills every
cache of compiled code. The process is measured from its start to its end, imports included, in
seconds of CPU. Seconds do not travel between machines; the ratios within a round do.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from statistics import median

from engine.tables import rendered, table

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_ENVS = Path("~/.cache/tandem-peers").expanduser()
LENGTHS = (131_400, 525_600)  # bars; what gen_data.py makes


@dataclass(frozen=True, slots=True)
class Peer:
    """An engine: how it is called, its script and variant, its environment and a library there."""

    name: str
    script: str
    variant: str
    env: str
    library: str


OURS = Peer("tandem", "", "sparse", "", "")
BASE = Peer("backtesting.py", "backtesting_py", "native", "btpy", "backtesting")
VECTORISED = Peer("vectorbt", "vectorbt", "order_func", "vbt", "vectorbt")
FLOOR = Peer("TA-Lib, one compiled loop", "reference", "run", "ref", "talib")
EVERY_ROUND = (OURS, BASE, VECTORISED, FLOOR)
ONCE = (
    Peer("nautilus_trader", "nautilus", "native", "nautilus", "nautilus_trader"),
    Peer("backtrader-next", "backtrader_next", "nostats", "btnext", "backtrader_next"),
    Peer("freqtrade", "freqtrade", "custom_exit", "freqtrade", "freqtrade"),
    Peer("backtrader, lean feed", "backtrader", "direct", "bt", "backtrader"),
    Peer("backtrader", "backtrader", "default", "bt", "backtrader"),
)


class PeersError(Exception):
    """The comparison cannot be made with what it was given."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one process came to; seconds of CPU."""

    process: float
    run: float
    peak_mb: float
    trades: int
    equity: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where the peers' scripts are, and where their environments and bars."""

    scripts: Path
    envs: Path

    @property
    def data(self) -> Path:
        """The folder of the bars."""
        return self.envs / "data"

    def python(self, peer: Peer) -> Path:
        """Return the interpreter that runs a peer."""
        return self.envs / f"v_{peer.env}" / "bin" / "python" if peer.env else Path(sys.executable)

    def command(self, peer: Peer, bars: int) -> list[str]:
        """Return the command line of a peer."""
        ours = ROOT / "benchmarks" / "peer_job.py"
        script = self.scripts / f"eng_{peer.script}.py" if peer.script else ours
        return [str(self.python(peer)), str(script), str(bars), peer.variant]

    def variables(self) -> dict[str, str]:
        """Return the environment of every process: all keep their compiled code, beside the bars.

        An installation that was copied has bytecode that Python takes for stale, and compiles
        hundreds of modules at each start.
        """
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return {
            **kept,
            "PEERS_DATA": str(self.data),
            "PYTHONPYCACHEPREFIX": str(self.envs / "bytecode"),
            "NUMBA_CACHE_DIR": str(self.envs / "numba"),
        }


def ready(place: Place, peers: Sequence[Peer]) -> None:
    """Make the environments and the bars that are missing."""
    if not (place.scripts / "setup_envs.sh").exists():
        raise PeersError(
            f"PEERS must be a folder with setup_envs.sh and the engines' scripts, found "
            f"{place.scripts} without; say make bench-peers PEERS=FOLDER"
        )
    place.envs.mkdir(parents=True, exist_ok=True)
    missing = sorted({peer.env for peer in (FLOOR, *peers) if peer.env and not _has(place, peer)})
    if missing:
        note(f"making environments in {place.envs}: {', '.join(missing)}")
        _must(["bash", str(place.scripts / "setup_envs.sh"), str(place.envs), *missing])
    if not all((place.data / f"bars_{count}.parquet").exists() for count in LENGTHS):
        note(f"making bars in {place.data}")
        _must([str(place.python(FLOOR)), str(place.scripts / "gen_data.py"), str(place.data)])


def _has(place: Place, peer: Peer) -> bool:
    python = place.python(peer)
    asked = f"import importlib.util, sys; sys.exit(not importlib.util.find_spec('{peer.library}'))"
    return python.exists() and not _done([str(python), "-c", asked])


def _must(command: Sequence[str]) -> None:
    if code := _done(command):
        raise PeersError(f"`{' '.join(command)}` must succeed, found exit code {code}")


def _done(command: Sequence[str]) -> int:
    """Run a command, what it says goes to stderr, and return its exit code."""
    # Whoever names the folder of the peers has their scripts run.
    return subprocess.run(command, check=False, stdout=sys.stderr).returncode  # noqa: S603  as asked for


def measured(place: Place, peer: Peer, bars: int) -> Outcome:
    """Run a peer in a process of its own and return what came of it."""
    command = place.command(peer, bars)
    with subprocess.Popen(  # noqa: S603  as asked for
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=place.variables()
    ) as process:
        # Errors are few lines, so that reading one pipe after the other does not stop the process.
        lines = process.stdout.read().splitlines() if process.stdout else []
        complaint = process.stderr.read() if process.stderr else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    found = [line for line in lines if line.startswith("@@")]
    if process.returncode or not found:
        last = complaint.strip().splitlines()[-1:] or ["it printed no line after @@"]
        raise PeersError(f"{peer.name} must do the job, found: {last[0]}")
    record = json.loads(found[-1][2:])
    return Outcome(
        process=used.ru_utime + used.ru_stime,
        run=record["cpu"]["run"],
        peak_mb=used.ru_maxrss / 1024,
        trades=record["trades"],
        equity=record["equity"],
    )


def rounds_of(
    place: Place, peers: Sequence[Peer], bars: int, rounds: int
) -> list[dict[Peer, Outcome]]:
    """Return the outcomes of each round; one on few bars goes before and is not counted."""
    for peer in peers:
        note(f"warming up {peer.name}")
        measured(place, peer, min(LENGTHS))
    done = []
    for number in range(1, rounds + 1):
        outcomes = {peer: measured(place, peer, bars) for peer in peers}
        refuse_other_jobs(outcomes)
        done.append(outcomes)
        note(f"round {number} of {rounds} is done")
    return done


def refuse_other_jobs(outcomes: Mapping[Peer, Outcome]) -> None:
    """Raise `PeersError` where an engine did not trade what ours did."""
    ours = outcomes[OURS]
    for peer, found in outcomes.items():
        if found.trades != ours.trades or not isclose(found.equity, ours.equity, rel_tol=1e-6):
            raise PeersError(
                f"{peer.name} must make {ours.trades} trades and end at {ours.equity:,.4f}, "
                f"found {found.trades} and {found.equity:,.4f}"
            )


def comparison(rounds: Sequence[dict[Peer, Outcome]]) -> str:
    """Return medians over the rounds, and medians of the ratios within each, as a table.

    The run of an engine that compiles is its second in the process; the process has both.
    """
    shown = table("engine", "process", "ratio", "run", "ratio", "peak MB", "trades", "equity")
    peers = list(dict.fromkeys(peer for each in rounds for peer in each))
    for peer in peers:
        both = [(each[peer], each[BASE]) for each in rounds if peer in each]
        own = [outcome for outcome, _ in both]
        shown.add_row(
            peer.name,
            f"{median(o.process for o in own):.2f}",
            f"{median(o.process / base.process for o, base in both):.3f}",
            f"{median(o.run for o in own):.3f}",
            f"{median(o.run / base.run for o, base in both):.4f}",
            f"{median(o.peak_mb for o in own):.0f}",
            f"{own[-1].trades:,}",
            f"{own[-1].equity:,.4f}",
        )
    return rendered(shown)


def verdict(rounds: Sequence[dict[Peer, Outcome]]) -> str:
    """Return how far we are from the fastest of each kind."""
    process = median(each[OURS].process / each[BASE].process for each in rounds)
    run = median(each[OURS].run / each[VECTORISED].run for each in rounds)
    return (
        f"Our process takes {process:.2f} times that of {BASE.name}, "
        f"our run {run:.2f} times that of {VECTORISED.name}.\n"
    )


def note(text: str) -> None:
    """Say how far it is, beside the result."""
    print(text, file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("peers", type=Path, metavar="PEERS", help="folder of the peers' scripts")
    made.add_argument("--envs", type=Path, default=DEFAULT_ENVS, help="environments and bars")
    made.add_argument("--bars", type=int, default=max(LENGTHS), choices=LENGTHS)
    made.add_argument("--rounds", type=int, default=5, choices=range(1, 21), metavar="1..20")
    made.add_argument("--slow", action="store_true", help="the slower peers too, in one round")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    args = parser().parse_args(argv)
    place = Place(args.peers.resolve(), args.envs.resolve())
    slow = ONCE if args.slow else ()
    try:
        ready(place, (*EVERY_ROUND, *slow))
        rounds = rounds_of(place, EVERY_ROUND, args.bars, args.rounds)
        for peer in slow:
            note(f"once: {peer.name}")
            rounds[-1][peer] = measured(place, peer, args.bars)
    except PeersError as error:
        print(f"bench-peers: {error}", file=sys.stderr)
        return 1
    print(
        f"{args.bars:,} one-minute bars; CPU seconds, medians of {args.rounds} interleaved rounds"
    )
    print(f"ratio: to {BASE.name} in the same round\n")
    print(comparison(rounds))
    print(verdict(rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
