"""What a user asks of a run, the same for a backtest and a rehearsal."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import RunError
from engine.jobs.flags import bar_files, date, repairs
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

    def check_out(self) -> None:
        """Raise `RunError` if no results can be kept at `out`: before the work, not after it."""
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"--out must be a folder that can be written: {error}") from error

    @property
    def is_about_files(self) -> bool:
        """Whether anything was asked that only files can answer."""
        asked = (self.start, self.end, self.model, self.files.symbol, self.files.timeframe)
        return self.in_sample or any(flag is not None for flag in asked)

    def markets(self) -> list[Market]:
        """Return the asked dates of every file, with warm-up before them.

        Raises
        ------
        FeedError, RunError
            if a file cannot be used, or the dates hold no bar that can be decided on
        """
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
        "data": {"repair": repairs(args)},
        "strategy": {"ml_model_path": args.model},
    }


def run_request(args: argparse.Namespace, settings: Settings) -> RunRequest:
    """Return what the flags of a run ask for."""
    return RunRequest(
        settings=settings,
        files=bar_files(args),
        start=args.start_date,
        end=args.end_date,
        ml=None if args.ml is None else MLMode(args.ml),
        model=args.model,
        in_sample=args.in_sample,
        out=args.out,
    )
