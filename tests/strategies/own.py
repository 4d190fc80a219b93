"""Strategies of one's own, written into files."""

from pathlib import Path
from textwrap import dedent
from typing import Any

from engine.jobs.settings import Settings, load_settings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MINE = f"{EXAMPLES / 'my_strategy.py'}:MyStrategy"

HEAD = """\
import numpy as np
from feeds import indicators
from feeds.windows import mean
from strategies.hybrid import ExitRules, HybridStrategy, Rule, above, below

def dips(bars):
    return below(indicators.rsi(bars.close, 7), 40.0)

"""


def written(folder: Path, text: str, name: str = "own.py") -> Path:
    """Write a file whose head imports what strategies need and holds the rule `dips`."""
    path = folder / name
    path.write_text(HEAD + dedent(text), encoding="utf-8")
    return path


def settings_of(path: Path | str, name: str = "Own", **strategy: Any) -> Settings:
    """Return the settings of a strategy in a file."""
    return load_settings(overrides={"strategy": {"file": f"{path}:{name}", **strategy}})
