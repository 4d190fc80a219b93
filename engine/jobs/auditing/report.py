"""What the leak audit found: each leak by name, and what was looked at where there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from engine.plain import plain
from feeds.moments import readable

Kind: TypeAlias = Literal["altered", "cut", "window"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """Something that knew what it could not have known.

    Attributes
    ----------
    where : whether it was found in what a run is shown, or in what is learned
    what : the feature, the column of evidence, the stage or the member
    kind : what was done when it showed: to the later bars, or that only the last ones were left
    symbol : of the first row that differs; None where there is no such row
    first_at : when that row's bar closed
    difference : what the row said before and after
    """

    where: Literal["serving", "training"]
    what: str
    kind: Kind
    symbol: str | None
    first_at: np.datetime64 | None
    difference: str

    def to_json(self) -> dict[str, Any]:
        """Return the leak in JSON's own types."""
        found: dict[str, Any] = plain({name: getattr(self, name) for name in self.__slots__})
        return found

    def line(self) -> str:
        """Return what a person reads."""
        at = "" if self.first_at is None else f" at {readable(self.first_at)}"
        of = "" if self.symbol is None else f" of {self.symbol}"
        return f"LEAK in {self.where}: {self.what}{of}{at}: {self.difference} ({self.kind})"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What was audited, and every leak.

    Attributes
    ----------
    synthetic : whether the bars are simulated
    serving, training : what was looked at
    """

    synthetic: bool
    serving: Mapping[str, Any]
    training: Mapping[str, Any]
    leaks: Sequence[Leak]

    @property
    def passed(self) -> bool:
        """True if there is no leak; the command's exit code follows it."""
        return not self.leaks

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        facts = {"synthetic": self.synthetic, "serving": self.serving, "training": self.training}
        leaks = [leak.to_json() for leak in self.leaks]
        return {"audit": {**plain(facts), "leaks": leaks, "clean": self.passed}}

    def text(self) -> str:
        """Return what a person reads."""
        serving, training = self.serving, self.training
        orders, split = serving["orders"], training["split"].astype("datetime64[m]")
        stamp = "SYNTHETIC  " if self.synthetic else ""
        looked_at = [
            f"{stamp}leak audit of {', '.join(serving['symbols'])}: what comes after a moment is\n"
            "altered, then cut away, and nothing before it may change",
            f"serving: {serving['moments']} moments, {serving['bars']:,} bars; "
            f"{serving['columns']} columns of features, evidence, scores and opinions",
            f"windows: {serving['windows']} bars whose rules see the last bars alone, as live",
            f"orders: {orders['moments']} moments, {orders['bars']:,} bars; "
            f"{orders['decisions']:,} decisions, {orders['fills']:,} fills",
            "clock: every bar run, and none that the sparse clock passes over was busy",
            f"training: split at {readable(split)}; {training['rows']:,} rows learned "
            f"from, members {', '.join(training['members'])}",
        ]
        untraded = (
            []
            if orders["fills"]
            else [
                "ORDERS WERE NOT AUDITED: nothing was traded; give more bars, or rules that trade"
            ]
        )
        verdict = [leak.line() for leak in self.leaks] or ["no leak found"]
        return "\n".join([*looked_at, *untraded, *verdict])
