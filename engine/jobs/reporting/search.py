"""What a search hands on to the run of its best set: what it says, and settings to go on with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.jobs.reporting.making import asked_with, settings_file
from engine.jobs.request_record import RequestRecord
from engine.jobs.settings import Settings
from engine.run_folder import BEST

_HEAD = """\
# The settings that a search found, for --config; what is not said has its default. Figures on the
# bars that they were chosen on are flattered: metrics.json beside this file says how much.

"""


@dataclass(frozen=True, slots=True, eq=False)
class ToldSearch:
    """What a search says of the settings that it found.

    Attributes
    ----------
    facts : of JSON's own types, as they stand in metrics.json
    best : the settings; None if no set could be compared
    request : for a run with them
    folder : where its trials are kept
    """

    facts: Mapping[str, Any]
    best: Settings | None
    request: RequestRecord
    folder: Path

    @property
    def file(self) -> str:
        """The settings as a file that --config takes; empty for none."""
        if self.best is None:
            return ""
        return _HEAD + settings_file(self.best.model_dump(mode="json"), self.request)

    def how_to_go_on(self, run: Path) -> list[str]:
        """Return lines that say where all of it is kept, and how to use what was found."""
        kept = [f"the search is kept in {self.folder}"]
        if self.best is None:
            return kept
        line = asked_with(run / BEST, self.request)
        return [
            *kept,
            f"the settings that it found are kept in {run / BEST}",
            f"go on with: {line}",
        ]
