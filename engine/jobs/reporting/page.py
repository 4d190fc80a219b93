"""The page of a run: what a job knows, as the page wants it."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tomli_w

from engine.config import BrokerConfig
from engine.equity import EquityCurve
from engine.jobs.comparing.groups import entry_groups
from engine.jobs.comparing.references import BAND, References, held
from engine.jobs.markets import Market
from engine.jobs.reporting.levels import levels_of
from engine.jobs.reporting.making import commands, importance_commands, settings_file, settings_of
from engine.jobs.reporting.places import told_from
from engine.jobs.request_record import SEARCH, RequestRecord
from engine.report_html.page import page
from engine.report_html.report import Beside, Report, Traded
from engine.result import RunResult
from engine.run_folder import PageOf

ModelOf: TypeAlias = Callable[[], Mapping[str, Any] | None]
"""Says what is told of the ensemble (`engine.jobs.reporting.model`), when the page is made."""

_BAND_POINTS = 1_000


def report_page(
    results: Sequence[RunResult],
    markets: Sequence[Market],
    request: Mapping[str, Any],
    beside: References | None,
    model: ModelOf | None = None,
) -> PageOf:
    """Return what writes the page once the run has a folder."""

    def write(folder: Path, created: datetime, document: Mapping[str, Any]) -> str:
        asked = None if model is None else model()
        return page(
            Report(
                name=folder.name,
                created_at=f"{created:%Y-%m-%d %H:%M}Z",
                document=document,
                results=results,
                levels={} if request["command"] == SEARCH else levels_of(results, markets),
                groups={} if beside is None else entry_groups(*results),
                markets={m.bars.symbol: Traded(m.bars, m.first) for m in markets},
                beside=None if beside is None else _beside(beside),
                held=_held(results[0], markets) if beside is None else beside.held,
                model=asked,
                request=told_from(Path.cwd(), dict(request)),
                **_repeated(folder, results[0].config, request, _bundle(results, asked)),
            )
        )

    return write


def _bundle(results: Sequence[RunResult], asked: Mapping[str, Any] | None) -> str:
    """Return where the bundle is that answered; of a walk-forward the newest."""
    windows = (asked or {}).get("windows")
    if windows is not None and windows["each"]:
        return str(windows["each"][-1]["path"])
    return str(results[-1].config["strategy"].get("ml_model_path"))


def _repeated(
    folder: Path, config: Mapping[str, Any], request: Mapping[str, Any], bundle: str
) -> dict[str, Any]:
    """Return how the run can be made again, by paths from the working folder."""
    told = partial(told_from, Path.cwd())
    asked = RequestRecord.model_validate(told(dict(request)))
    other = tomli_w.dumps(told(tomllib.loads(settings_file(config, asked))))
    return {
        "settings": [
            setting._replace(value=told(setting.value), default=told(setting.default))
            for setting in settings_of(config)
        ],
        "settings_file": other,
        "importance": importance_commands(asked, other, Path(told(bundle)), config["seed"]),
        "repeat": commands(Path(told(str(folder.resolve()))), asked, other),
    }


def _beside(found: References) -> Beside:
    """Return the gates and holding over time; the band at some of its moments."""
    time = found.held.time
    some = np.unique(np.linspace(0, len(time) - 1, min(len(time), _BAND_POINTS)).astype(np.int64))
    seeds = np.array([run.equity.equity[some] for run in found.random])
    low, high = np.quantile(seeds, BAND, axis=0)
    return Beside(
        time=time[some],
        low=low,
        high=high,
        share=BAND[1] - BAND[0],
        volatility=found.volatility.equity,
    )


def _held(result: RunResult, markets: Sequence[Market]) -> EquityCurve:
    broker = BrokerConfig.model_validate(result.config["broker"])
    return held(markets, cash=broker.cash, costs=broker.costs)
