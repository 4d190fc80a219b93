"""What a user asks of a run, the same for a backtest and a rehearsal."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.jobs.flags import bar_files, date
from engine.jobs.markets import BarFiles, Market, cut
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Files, dates, ML mode and settings of a run."""

    settings: Settings
    files: BarFiles
    start: np.datetime64 | None = None
    end: np.datetime64 | None = None
    ml: MLMode | None = None
    model: Path | None = None
    in_sample: bool = False
    out: Path = Path("runs")

    def markets(self) -> list[Market]:
        """Return the asked dates of every file, with warm-up before them."""
        read = self.files.read(self.settings.data)
        warmup = self.settings.strategy.warmup_bars
        return [cut(bars, start=self.start, end=self.end, warmup_bars=warmup) for bars in read]


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a run to a parser that has those of `engine.jobs.flags`."""
    parser.add_argument("--start-date", type=date, metavar="D", help="UTC, first bar that counts")
    parser.add_argument("--end-date", type=date, metavar="D", help="UTC, exclusive")
    parser.add_argument("--model", type=Path, metavar="PATH", help="the bundle to ask")
    parser.add_argument("--in-sample", action="store_true", help="allow bars the bundle has seen")
    parser.add_argument("--cash", type=float, help="starting cash, in quote currency")
    parser.add_argument("--fee", type=float, help="a fraction per side: 0.001 is 0.1 %%")
    parser.add_argument("--out", type=Path, metavar="DIR", default=Path("runs"), help="for results")


def run_overrides(args: argparse.Namespace) -> Mapping[str, Any]:
    """Return what the flags of a run change in the settings."""
    return {
        "seed": args.seed,
        "broker": {"cash": args.cash, "fee": args.fee},
        "data": {"repair": args.repair},
        "strategy": {"ml_model_path": args.model},
    }


def run_request(args: argparse.Namespace, settings: Settings) -> RunRequest:
    """Return what the flags of a run ask for."""
    return RunRequest(
        settings=settings,
        files=bar_files(args),
        start=args.start_date,
        end=args.end_date,
        ml=args.ml,
        model=args.model,
        in_sample=args.in_sample,
        out=args.out,
    )
