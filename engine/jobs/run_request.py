"""What a user asks of a run, the same for a backtest and a rehearsal."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from pydantic import JsonValue

from engine.errors import RunError, UsageError
from engine.jobs.bar_flags import asked_bars, bar_overrides
from engine.jobs.flags import add_strategy_flag
from engine.jobs.markets import AskedBars, Market
from engine.jobs.request_record import (
    RequestRecord,
    bars_record,
    model_record,
    strategy_record,
    text_of,
)
from engine.jobs.serving import MLMode
from engine.jobs.settings import PlainSettings, RunSettings, Settings
from ml.bundle import DEFAULT_PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRun:
    """Bars, ML mode and settings of a run; without bars it is about the embedded default."""

    settings: RunSettings
    bars: AskedBars | None = None
    ml: MLMode | None = None
    model: Path | None = None
    in_sample: bool = False
    out: Path = Path("runs")

    def check_out(self) -> None:
        """Raise `RunError` if no results can be kept at `out`: before the work, not after it."""
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self.out):
                pass
        except OSError as error:
            why = error.strerror or str(error)
            raise RunError(
                f"--out must be a folder that can be written, found {self.out}: {why}; name another"
            ) from error

    def markets(self) -> list[Market]:
        """Return the asked dates of every symbol, with warm-up before them.

        Raises
        ------
        FeedError, RunError
            if the bars cannot be had, or the dates hold none that can be decided on
        """
        if self.bars is None:
            raise UsageError("a run needs bars: name a file of them, or --symbols")
        return self.bars.markets(self.settings.data, self.settings.strategy.warmup_bars)

    def record(
        self, command: str, mode: MLMode, analyzer: object, **options: JsonValue
    ) -> RequestRecord:
        """Return what the run folder keeps of the request.

        Parameters
        ----------
        command : which kind of run it is
        mode : that is in force
        analyzer : who answers, if it is an `Analyzer`
        options : what only this kind of run is told
        """
        return RequestRecord(
            command=command,
            bars=bars_record(self.bars, self.settings.data),
            start=None if self.bars is None else text_of(self.bars.start),
            end=None if self.bars is None else text_of(self.bars.end),
            ml=mode,
            strategy=strategy_record(self.settings.strategy.file, self.settings.strategy.digest),
            model=model_record(analyzer, self.settings.strategy.ml_model_path),
            in_sample=self.in_sample,
            options=options,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest(AskedRun):
    """A run of a hybrid strategy."""

    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainRequest(AskedRun):
    """A run of a plain strategy."""

    settings: PlainSettings


def add_run_flags(parser: argparse.ArgumentParser, modes: Iterable[MLMode], default: str) -> None:
    """Add the flags of a run; `default` says which ML mode is taken without `--ml`."""
    add_strategy_flag(parser.add_argument_group("the strategy"))
    ml = parser.add_argument_group("the ensemble")
    ml.add_argument("--ml", choices=[mode.value for mode in modes], help=default)
    ml.add_argument(
        "--model",
        type=Path,
        metavar="PATH",
        help=f"folder of the bundle to ask; default: {DEFAULT_PATH}",
    )
    ml.add_argument("--in-sample", action="store_true", help="allow bars that the bundle has seen")
    account = parser.add_argument_group("the account")
    account.add_argument("--cash", type=float, help="starting cash, in quote currency")
    account.add_argument("--fee", type=float, help="a fraction per side: 0.001 is 0.1 %%")
    account.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        default=Path("runs"),
        help="folder of the runs; default: runs",
    )


def run_overrides(args: argparse.Namespace) -> Mapping[str, Any]:
    """Return what the flags of a run change in the settings."""
    return {
        "seed": args.seed,
        "broker": {"cash": args.cash, "fee": args.fee},
        "data": bar_overrides(args),
        "strategy": {"file": args.strategy, "ml_model_path": args.model},
    }


def run_request(args: argparse.Namespace, settings: Settings) -> RunRequest:
    """Return what the flags of a run ask for."""
    return RunRequest(settings=settings, **_asked(args, settings))


def plain_request(args: argparse.Namespace, settings: PlainSettings) -> PlainRequest:
    """Return what the flags of a run of a plain strategy ask for."""
    return PlainRequest(settings=settings, **_asked(args, settings))


def _asked(args: argparse.Namespace, settings: RunSettings) -> dict[str, Any]:
    return {
        "bars": asked_bars(args, settings),
        "ml": None if args.ml is None else MLMode(args.ml),
        "model": args.model,
        "in_sample": args.in_sample,
        "out": args.out,
    }
