"""The Engine's word on a set that a sweep has run: they must come to the same."""

from dataclasses import fields

from engine.errors import RunError
from engine.jobs.searching.trial import Figures, Trial
from engine.metrics import Metrics


def figures_of(trades: int, metrics: Metrics) -> Figures:
    """Return the figures of an Engine's run that a sweep has, too."""
    names = [each.name for each in fields(Figures) if each.name != "trades"]
    return Figures(trades=trades, **{name: getattr(metrics, name) for name in names})


def check_same(ran: Figures, trial: Trial) -> None:
    """Raise `RunError` if the Engine's run of a set is not what the sweep said of it."""
    told = None if trial.outcome is None else trial.outcome.figures
    names = [each.name for each in fields(Figures)]
    pairs = {name: (getattr(told, name), getattr(ran, name)) for name in names}
    differing = [f"{name} {a} and {b}" for name, (a, b) in pairs.items() if a != b]
    if differing:
        raise RunError(
            f"set {trial.number}: the sweep and the Engine must come to the same, found "
            f"{'; '.join(differing)}: please report it, and trust no figure of this search"
        )
