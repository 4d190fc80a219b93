"""Proof that a session did what the engine does: it decides all again, and prices all again.

1. The bars on record pass through the engine once more, with the fills on record injected: the
   strategy must decide as it did, and send the orders that it sent. Each opinion of the ensemble is
   asked for again if the version of the bundle that gave it is still there, and recalled if not.
2. Each fill is priced again on its own (`engine.paper.repricing`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.jobs.live.asked_again import AskedAgain, Versions
from engine.jobs.live.lived_again import differing, live_again
from engine.jobs.live.recalled import opinions_of
from engine.jobs.live.trading import session_rules
from engine.jobs.serving import MLMode, wants_ml
from engine.jobs.settings import Settings
from engine.paper.integrity import check_sound
from engine.paper.reading import StateReader
from engine.paper.records import PricedFill
from engine.paper.repricing import Repricing, parents_in_bar
from feeds.messages import printable
from feeds.moments import readable
from ml.models.member_config import NOBODY, MemberConfig

_SHOWN = 5  # differences that are told one by one


@dataclass(frozen=True, slots=True)
class Parity:
    """What came of it.

    Attributes
    ----------
    asked_again, recalled : opinions that were asked for again, and those taken as they stand:
        the version of the bundle that gave them is gone, or nobody was there to be asked
    explained : fills that the bar model does not price as they were, by what explains them
    differences : what nothing explains, in words
    """

    bars: int
    decisions: int
    fills: int
    asked_again: int
    recalled: int
    explained: Mapping[str, int]
    differences: Sequence[str]

    @property
    def passed(self) -> bool:
        """Whether everything is explained."""
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        return {
            "bars": self.bars,
            "decisions": self.decisions,
            "fills": self.fills,
            "explained": dict(self.explained),
            "unexplained": len(self.differences),
            "opinions": {"asked_again": self.asked_again, "recalled": self.recalled},
            "differences": list(self.differences[:_SHOWN]),
        }

    def text(self) -> str:
        """Return what a person reads."""
        priced = self.fills - sum(self.explained.values())
        causes = "".join(f", {n:,} explained by {cause}" for cause, n in self.explained.items())
        return "\n".join(
            [
                f"{self.bars:,} bars, {self.decisions:,} decisions made again",
                f"{self.asked_again:,} opinions asked for again, {self.recalled:,} recalled",
                f"{self.fills:,} fills priced again: {priced:,} as the bar model has them{causes}",
                self._verdict(),
                *(f"  {printable(each)}" for each in self.differences[:_SHOWN]),
            ]
        )

    def _verdict(self) -> str:
        if not self.passed:
            return f"{len(self.differences):,} UNEXPLAINED:"
        if not self.decisions and not self.fills:
            return "nothing was proved: the session has decided nothing and filled no order yet"
        return "nothing is unexplained"


def parity(path: Path, members: Mapping[str, MemberConfig] = NOBODY) -> Parity:
    """Return whether a session's record is what the engine makes of its bars.

    A session that is running is proved up to now.

    Parameters
    ----------
    members : of the settings of today, which name the code of the user's own that may be run

    Raises
    ------
    StateError : the file is no state that can be read, or it is damaged
    """
    check_sound(path)
    with StateReader.open(path) as reader, reader.at_one_moment():
        facts, rows = reader.facts(), reader.decisions()
        chosen = {name: value for name, value in facts.settings.items() if name != "ml"}
        settings = Settings.model_validate(chosen)
        ask = AskedAgain(
            opinions_of(rows),
            {moment.closed_at: moment.ml for moment in reader.moments()},
            Versions(settings.strategy.ml_model_path, members),
        )
        asked = ask if wants_ml(settings, MLMode(facts.settings["ml"])) else None
        rules = session_rules(reader)
        found: list[str] = []
        if reader.moments(last=1):
            found = list(differing(reader, live_again(reader, settings, rules, asked)))
        causes, unexplained = _priced_again(reader, settings)
        return Parity(
            bars=sum(_traded(reader, symbol) for symbol in facts.symbols),
            decisions=len(rows),
            fills=len(reader.fills()),
            asked_again=ask.again,
            recalled=ask.recalled,
            explained=causes,
            differences=[*found, *ask.differences, *unexplained],
        )


def _traded(reader: StateReader, symbol: str) -> int:
    """Return how many bars came while the session ran."""
    return sum(each.origin is not None for each in reader.origins(symbol))


def _priced_again(
    reader: StateReader, settings: Settings
) -> tuple[Mapping[str, int], Sequence[str]]:
    """Return how many fills each cause explains, and in words those that nothing explains."""
    fills = reader.fills()
    parents = parents_in_bar(fills)
    repricing = Repricing(
        bars={symbol: reader.bars(symbol) for symbol in reader.facts().symbols},
        revisions=reader.revisions(),
        costs=settings.costs,
        rules=session_rules(reader),
        sent={order.id: order.sent_at for order in reader.orders()},
    )
    priced = [(each, repricing.of(each, parents.get(each.order))) for each in fills]
    causes = Counter(str(now.cause) for _, now in priced if now.cause is not None)
    return dict(causes), [_told(each) for each, now in priced if now.unexplained]


def _told(priced: PricedFill) -> str:
    fill = priced.fill
    return (
        f"{fill.symbol} {fill.reason} in the bar of {readable(fill.filled_at)}: {fill.price:.8g}, "
        f"priced by {priced.model}"
    )
