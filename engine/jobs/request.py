"""What a user asks of a run, the same for a backtest and a rehearsal: flags and their meaning."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.config import to_toml
from engine.jobs.command import as_json, date, guarded, show_log
from engine.jobs.markets import Market, cut, read_markets
from engine.jobs.report import RunReport
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings, load_settings
from feeds.timeframe import Timeframe


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Bars, dates, ML mode and settings of a run."""

    settings: Settings
    data: Sequence[Path] = ()
    symbol: str | None = None
    timeframe: Timeframe | None = None
    start: np.datetime64 | None = None
    end: np.datetime64 | None = None
    ml: MLMode | None = None
    model: Path | None = None
    in_sample: bool = False
    out: Path = Path("runs")

    def markets(self) -> list[Market]:
        """Return the asked dates of every file, with warm-up before them."""
        read = read_markets(
            self.data, self.settings.data, symbol=self.symbol, timeframe=self.timeframe
        )
        warmup = self.settings.strategy.warmup_bars
        return [cut(bars, start=self.start, end=self.end, warmup_bars=warmup) for bars in read]


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a run to a parser that has those of `engine.jobs.command`."""
    parser.add_argument("--start-date", type=date, metavar="D", help="UTC, first bar that counts")
    parser.add_argument("--end-date", type=date, metavar="D", help="UTC, exclusive")
    parser.add_argument("--model", type=Path, metavar="PATH", help="the bundle to ask")
    parser.add_argument("--in-sample", action="store_true", help="allow bars the bundle has seen")
    parser.add_argument("--cash", type=float, help="starting cash, in quote currency")
    parser.add_argument("--fee", type=float, help="a fraction per side: 0.001 is 0.1 %%")
    parser.add_argument("--out", type=Path, metavar="DIR", default=Path("runs"), help="for results")


def serve(name: str, args: argparse.Namespace, run: Callable[[RunRequest], RunReport]) -> int:
    """Answer a parsed command line with `run` and return the exit code."""
    show_log(verbose=args.verbose)

    def work() -> int:
        settings = _settings(args)
        if args.show_config:
            print(to_toml(settings))  # noqa: T201
            return 0
        report = run(_request(args, settings))
        print(as_json(report.to_json()) if args.json else report.text())  # noqa: T201
        return 0

    return guarded(name, work)


def _settings(args: argparse.Namespace) -> Settings:
    overrides = {
        "seed": args.seed,
        "broker": {"cash": args.cash, "fee": args.fee},
        "data": {"repair": args.repair},
        "strategy": {"ml_model_path": args.model},
    }
    return load_settings(args.config, overrides)


def _request(args: argparse.Namespace, settings: Settings) -> RunRequest:
    return RunRequest(
        settings=settings,
        data=tuple(args.data),
        symbol=args.symbol,
        timeframe=args.timeframe,
        start=args.start_date,
        end=args.end_date,
        ml=args.ml,
        model=args.model,
        in_sample=args.in_sample,
        out=args.out,
    )
