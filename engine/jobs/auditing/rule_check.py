"""The checks that a run makes of its rules: can they enter, and are a user's own honest.

Own rules get a short audit, in a training too. A rule is asked about some bars once more, and is
shown no bar after them and no more before them than live. A rule that looks ahead would otherwise
win in silence until somebody runs the audit.
"""

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from engine.errors import RunError
from engine.jobs.auditing.report import Leak
from engine.jobs.auditing.windows import audit_windows
from feeds.bars import Bars, TimeArray
from feeds.moments import readable
from ml.prediction import EPSILON
from strategies.config import HybridConfig, OwnConfig
from strategies.evidence import EvidenceTable, candidates, evidence_table

log = logging.getLogger("tandem.run")

CANDIDATES = 24  # bars of each market: a rule that looks ahead tells at about every second one
OTHERS = 8  # any other bars, for a mandatory rule that knows where not to enter


def warn_of_no_entry(config: HybridConfig, *, with_ensemble: bool) -> None:
    """Warn where the rules, and the ensemble if one is asked, cannot give enough for an entry."""
    most, give = config.points.all_rules, "rules alone give"
    if with_ensemble:
        most, give = most + max(config.points.largest_bonus, 0.0), "rules and ensemble give"
    if config.min_entry_score > most + EPSILON:
        log.warning(
            "NO ENTRY IS POSSIBLE: %g points are needed, %s %g at most; lower "
            "strategy.min_entry_score, or let the rules give more",
            config.min_entry_score,
            give,
            most,
        )


def check_own_rules(tables: Mapping[str, EvidenceTable], config: HybridConfig) -> None:
    """Refuse rules of a user's file that say otherwise where they do not see what follows.

    The built-in rules are audited by the tests.

    Parameters
    ----------
    tables : evidence of each symbol, as the run or the training goes by it

    Raises
    ------
    RunError
        that names the rule and the first bar that tells
    """
    if not isinstance(config, OwnConfig):
        return

    def evidence_of(bars: Bars, config: HybridConfig) -> EvidenceTable:
        whole = tables[bars.symbol]
        return whole if bars is whole.bars else evidence_table(bars, config)

    for table in tables.values():
        leaks, _ = audit_windows([table.bars], config, _moments(table, config), evidence_of)
        if leaks:
            raise RunError(f"{config.file}: {_refusal(leaks[0], table, config)}")


def _moments(table: EvidenceTable, config: HybridConfig) -> TimeArray:
    """Return the closes of the bars that are asked about; the same ones in every run."""
    candidate = candidates(table, config)
    other = (table.bars.bars_before() >= config.warmup_bars) & ~candidate
    rng = np.random.default_rng(0)
    drawn = [
        rng.choice(rows, min(count, len(rows)), replace=False)
        for rows, count in (
            (np.flatnonzero(candidate), CANDIDATES),
            (np.flatnonzero(other), OTHERS),
        )
    ]
    return np.sort(table.bars.closed_at[np.concatenate(drawn)])


def _refusal(leak: Leak, table: EvidenceTable, config: HybridConfig) -> str:
    """Return what the rule knew, and what to do about it."""
    bars, name = table.bars, leak.what.removeprefix("rule ")
    row = int(np.flatnonzero(bars.closed_at == leak.first_at)[0])
    begin = row - int(bars.bars_before()[row])
    cut = evidence_table(bars[begin : row + 1], config)
    said, alone = table.holds[name][row], cut.holds[name][-1]
    at = f"rule {name} at the bar of {bars.symbol} that closed at {readable(bars.closed_at[row])}"
    if said != alone:
        return (
            f"{at} says {said} with the bars after it and {alone} without: it looks ahead; let it "
            "rest on that bar and earlier ones alone (--audit tells more)"
        )
    return (
        f"{at} says {said} of the whole market and {not said} of the last "
        f"{config.warmup_bars + 1} bars, which is what it sees live: either it looks back farther, "
        "or counts from the beginning, or it takes the first bars for what follows the last, as "
        "numpy.roll(close, -1) does; let it do none of these (--audit tells more)"
    )


def check_rules_on(markets: Sequence[Bars], config: HybridConfig) -> None:
    """Do the same where no evidence is at hand."""
    if isinstance(config, OwnConfig):
        check_own_rules({bars.symbol: evidence_table(bars, config) for bars in markets}, config)
