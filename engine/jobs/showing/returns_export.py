"""Daily returns of a kept run as a table that quantstats and others read.

A row is a UTC day, from the first to the last of the run, each from the end of the day before; the
first counts from the initial cash. They are the returns that our own metrics come from.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from engine.errors import UsageError
from engine.jobs.showing.exported import ExportedRun, written
from engine.jobs.showing.folder import RunFolder
from engine.metrics import daily_returns
from engine.tables import run_name


def export_returns(run: RunFolder, path: Path) -> ExportedRun:
    """Write one column for each run; its name carries the stamps, as its tear sheet then does.

    Raises
    ------
    UsageError
        if the file is no CSV
    """
    if path.suffix != ".csv":
        raise UsageError(f"--export-returns takes FILE.csv, found {path}")
    table = pd.DataFrame({_column(run, label): returns_of(run, label) for label in run.labels})
    text = table.to_csv(index_label="date", date_format="%Y-%m-%d", lineterminator="\n")
    return ExportedRun(run, "days", [written(path, text, run.labels, len(table))])


def returns_of(run: RunFolder, label: str) -> "pd.Series[float]":
    """Return one return for each UTC day of a run, as a fraction; the index is the days."""
    curve = run.table(label, "equity.parquet")
    time = curve["time"].dt.tz_localize(None).to_numpy("datetime64[ms]")
    cash = float(run.config(label)["broker"]["cash"])
    values = daily_returns(time, curve["equity"].to_numpy(np.float64), cash)
    # Equity known at midnight is that of the day that ends there.
    first = (time[0] - np.timedelta64(1, "ms")).astype("datetime64[D]")
    days = pd.date_range(first.astype("datetime64[s]"), periods=len(values), freq="D")
    return pd.Series(values, days)


def _column(run: RunFolder, label: str) -> str:
    return " ".join([run_name(label), *run.manifest.stamps])
