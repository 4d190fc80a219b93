"""What is asked of a search."""

from dataclasses import dataclass
from pathlib import Path

from engine.jobs.searching.trial import Objective

TRIALS = 200  # where none are asked for; of a grid all


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSearch:
    """A space to search.

    Attributes
    ----------
    space : its file
    trials : how many sets are tried; None for `TRIALS`, or for the whole grid
    objective : by which figure they are compared
    storage : address of the record of trials; None for a file below the folder of results
    """

    space: Path
    trials: int | None = None
    objective: Objective = Objective.EXPECTANCY
    storage: str | None = None
