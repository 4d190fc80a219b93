"""The ensemble that the measurements ask: five models at the default settings, trained once.

A training takes minutes, so the bundle is kept in a folder and used again.
"""

from pathlib import Path

from engine.jobs.serving import serving_analyzer
from engine.jobs.settings import Settings, load_settings
from engine.jobs.train import train_bundle
from feeds.bars import Bars
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer

TIMEFRAME = Timeframe.parse("1m")
SYMBOL = "BTC/USDT"
DEFAULT_FOLDER = Path("models") / "benchmarks"
TRAINING_DAYS = 365  # as many candidates as the models' caps on rows ask for


def market(days: int, symbol: str = SYMBOL) -> Bars:
    """Return the one-minute bars that are measured on; the ensemble has not seen them."""
    return synthetic_bars(symbol, TIMEFRAME, days=days, seed=0)


def settings_in(folder: Path) -> Settings:
    """Return the default settings, with the bundle in the folder."""
    return load_settings(overrides={"strategy": {"ml_model_path": folder / "ensemble"}})


def analyzer_in(folder: Path, *, days: int = TRAINING_DAYS, preset: str = "full") -> Analyzer:
    """Return the analyzer of the bundle in the folder, trained now if there is none.

    Parameters
    ----------
    days : length of the market that it learns from
    preset : size of the models, `full` (the default of a training) or `small`
    """
    settings = settings_in(folder)
    if not settings.strategy.ml_model_path.exists():
        training = settings.training.model_copy(update={"preset": preset})
        learned = synthetic_bars(SYMBOL, TIMEFRAME, days=days, seed=1)
        train_bundle([learned], settings.model_copy(update={"training": training}))
    return serving_analyzer(settings, TIMEFRAME)
