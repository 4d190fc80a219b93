"""Where the difference between ML-off and ML-on comes from, and how sure it is."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.labels import MOST_SHUFFLES, ranking_words
from engine.records import Trade
from engine.report_html.packing import Packed, pack_numbers, pack_times
from engine.report_html.report import Report
from engine.report_html.section import Section, render
from engine.report_html.sureness import beside, forests, sharpe_words, wins_over_chance
from engine.report_html.words import fraction, money
from engine.result import TradeGroup
from feeds.bars import FloatArray, IntArray, TimeArray

MOST_STEPS = 500  # of one group's line: five groups stay below what a chart may hold


class _Group(NamedTuple):
    """How a group of entries is called, and what it is."""

    title: str
    meaning: str


GROUPS: Mapping[str, _Group] = {
    "added": _Group(
        "Added",
        "only ML-on entered: the ensemble's points lifted the score to an entry",
    ),
    "removed": _Group(
        "Removed",
        "only ML-off entered: the ensemble's points took the score below an entry; as ML-off "
        "traded them",
    ),
    "moved_in": _Group(
        "Moved in",
        "only ML-on entered, but not for the ensemble's points: ML-off was in a position there, or "
        "its entry was refused or vetoed",
    ),
    "moved_out": _Group(
        "Moved out",
        "only ML-off entered, though the score sufficed for ML-on too, which was in a position, or "
        "whose entry was refused or vetoed; as ML-off traded them",
    ),
    "kept": _Group("Kept", "both entered; as ML-on traded them"),
}
# What they are for a plain strategy, which has no scores.
_PLAIN: Mapping[str, str] = {
    "added": "only ML-on entered, while ML-off held nothing",
    "removed": "only ML-off entered, while ML-on held nothing; as ML-off traded them",
    "moved_in": "only ML-on entered, while ML-off was in a position",
    "moved_out": "only ML-off entered, while ML-on was in a position; as ML-off traded them",
    "kept": "both entered; as ML-on traded them",
}


def difference(report: Report) -> Section | None:
    """Return what made the entries of the two runs differ, and how sure it is that it matters."""
    compared = report.document["comparison"]
    if not compared or not report.groups:
        return None
    steps, sure = bridge(report), forests(compared)
    return Section(
        name="difference",
        title="Where the difference comes from",
        html=render(
            "difference.html",
            sentences=_sentences(report),
            groups=_rows(compared["groups"], plain=_is_plain(report)),
            bridge=[(step["title"], money(step["value"])) for step in steps],
            forests=sure,
            level=fraction(compared["intervals"]["level"], 0),
            intervals=compared["intervals"],
            beside=beside(report.document),
            shuffles=f"{compared['random_gate']['seeds']:,}",
            most_shuffles=f"{fraction(MOST_SHUFFLES, 0)} of shuffles",
            over_chance=wins_over_chance(compared),
            ranking=ranking_words(compared["volatility_gate"]["ranking"]),
            sharpe=sharpe_words(compared["sharpe"]),
        ),
        data={
            "groups": [{"name": name, "title": GROUPS[name].title} for name in report.groups],
            "bridge": steps,
            "forests": [
                {
                    "name": each.name,
                    "title": each.title,
                    "unit": each.unit,
                    "decides": each.decides,
                    "rows": each.drawn,
                }
                for each in sure
            ],
        },
        arrays=_lines(report),
    )


def _is_plain(report: Report) -> bool:
    """Whether nothing was scored: then groups are told by who held what."""
    return all(result.decisions.empty for result in report.results)


def bridge(report: Report) -> list[dict[str, Any]]:
    """Return the steps from ML-off's net profit to that of ML-on.

    The first and the last are net profits, those between are what each group of entries changed;
    entries that both made differ by the money that was put in.
    """
    off, on = (_profit(result.trades) for result in report.results)
    came_to = {name: g["pnl"] for name, g in report.document["comparison"]["groups"].items()}
    kept_off = off - came_to["removed"] - came_to["moved_out"]
    return [
        {"name": "off", "title": "ML-off, all trades", "value": off},
        {"name": "removed", "title": "Removed entries left out", "value": -came_to["removed"]},
        {"name": "added", "title": "Entries added", "value": came_to["added"]},
        {
            "name": "moved",
            "title": "Entries moved in, less those moved out",
            "value": came_to["moved_in"] - came_to["moved_out"],
        },
        {
            "name": "kept",
            "title": "Kept entries, made with other amounts",
            "value": came_to["kept"] - kept_off,
        },
        {"name": "on", "title": "ML-on, all trades", "value": on},
    ]


def _profit(trades: Sequence[Trade]) -> float:
    return float(sum(trade.pnl for trade in trades))


def _sentences(report: Report) -> list[str]:
    """Return in words which entries differ and what that came to."""
    groups = report.document["comparison"]["groups"]
    counts = {name: group["trades"] for name, group in groups.items()}
    off, on = (f"{len(result.trades):,}" for result in report.results)
    common = (
        f"{counts['kept']:,} entries are common to ML-off, which made {off} trades, and ML-on, "
        f"which made {on}."
    )
    said = [common, _plain_words(counts) if _is_plain(report) else _scored_words(counts)]
    if counts["added"]:
        pnl = groups["added"]["pnl"]
        said.append(f"What was added {'gained' if pnl > 0 else 'lost'} {money(abs(pnl))}.")
    if counts["removed"]:
        pnl = groups["removed"]["pnl"]
        spared = "gave up a profit of" if pnl > 0 else "spared a loss of"
        said.append(f"Leaving out what was removed {spared} {money(abs(pnl))}.")
    return said


def _scored_words(counts: Mapping[str, int]) -> str:
    return (
        f"The ensemble's points added {counts['added']:,} and removed {counts['removed']:,}; "
        f"{counts['moved_in']:,} moved in and {counts['moved_out']:,} moved out because earlier "
        "entries had made the two accounts differ."
    )


def _plain_words(counts: Mapping[str, int]) -> str:
    return (
        f"While the other held nothing, ML-on alone entered {counts['added']:,} times (added) and "
        f"ML-off alone {counts['removed']:,} times (removed); while the other was in a position, "
        f"{counts['moved_in']:,} (moved in) and {counts['moved_out']:,} times (moved out)."
    )


def _rows(groups: Mapping[str, Mapping[str, float | None]], *, plain: bool) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            "title": GROUPS[name].title,
            "meaning": _PLAIN[name] if plain else GROUPS[name].meaning,
            "trades": f"{group['trades']:,}",
            "win_rate": fraction(group["win_rate"], 1),
            "expectancy": fraction(group["expectancy"], 3),
            "pnl": money(group["pnl"]),
        }
        for name, group in groups.items()
    ]


def _lines(report: Report) -> dict[str, Packed]:
    """Return for each group its net profit so far, at moments at which trades of it ended."""
    trades = {result.label: result.trades for result in report.results}
    time = report.results[0].equity.time
    packed: dict[str, Packed] = {}
    for name, group in report.groups.items():
        moments, profit = _so_far(trades[group.label], group)
        packed[f"{name}.time"] = pack_times(np.concatenate([time[:1], moments, time[-1:]]))
        packed[f"{name}.profit"] = pack_numbers(np.concatenate([[0.0], profit, profit[-1:]]))
    return packed


def _so_far(trades: Sequence[Trade], group: TradeGroup) -> tuple[TimeArray, FloatArray]:
    """Return net profit after each end of a trade, or after some of them if there are many."""
    own = [trades[place] for place in group.trades]
    closed = np.array([trade.closed_at for trade in own], "datetime64[ms]")
    order = np.argsort(closed, kind="stable")
    profit = np.cumsum(np.array([trade.pnl for trade in own], np.float64)[order])
    some = _some(len(own))
    return closed[order][some], profit[some]


def _some(count: int) -> IntArray:
    """Return at most `MOST_STEPS` positions, evenly spread, the last of all among them."""
    spread = np.linspace(0, count - 1, min(count, MOST_STEPS))
    return np.unique(np.round(spread).astype(np.int64))
