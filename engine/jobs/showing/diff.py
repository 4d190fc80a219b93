"""Two kept runs side by side: what was asked and made of, what it came to, which trades differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

from engine.jobs.showing.folder import RunFolder
from engine.jobs.showing.tables import Change, differing
from engine.plain import plain
from engine.report import METRICS, cell, signed
from engine.tables import rendered, run_name, stamp_line, table

KEY = ("symbol", "decided_at")
_ENDINGS = ("units", "entry_price", "exit_price", "closed_at", "exit_reason", "pnl", "return")
_SHOWN = 10  # trades of a kind in the text; JSON has them all

_Entry: TypeAlias = tuple[str, str, int]
"""Symbol, decision, and how many trades were decided there before: plain strategies may make
several."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunsBeside:
    """A run of one folder beside a run of another.

    Attributes
    ----------
    labels : of the two runs, `off` or `on`
    trades : how many each made
    config : keys whose values differ, first and second
    metrics : every metric, first and second
    only_first, only_second : trades that only one of them made
    changed : entries of both whose trades came to something else, with what differs
    """

    labels: tuple[str, str]
    trades: tuple[int, int]
    config: Mapping[str, Change]
    metrics: Mapping[str, Change]
    only_first: Sequence[Mapping[str, Any]]
    only_second: Sequence[Mapping[str, Any]]
    changed: Sequence[Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Return the pair in JSON's own types."""
        found: dict[str, Any] = plain({name: getattr(self, name) for name in self.__slots__})
        return found

    def text(self, stamps: str) -> str:
        """Return the pair for people."""
        first, second = map(run_name, self.labels)
        shown = table("Run", f"{first}, first", f"{second}, second", "Difference")
        then, now = self.trades
        shown.add_row("Trades", f"{then:,}", f"{now:,}", f"{now - then:+,}")
        for name, (title, show) in METRICS.items():
            then, now = self.metrics[name]
            change = None if then is None or now is None else now - then
            shown.add_row(title, cell(then, show), cell(now, show), signed(change, show))
        lines = [*_changes("setting", self.config), stamps + rendered(shown)]
        lines += _trades("only in the first", self.only_first)
        lines += _trades("only in the second", self.only_second)
        lines += _changed(self.changed)
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunDiff:
    """Two run folders side by side.

    Attributes
    ----------
    request : what was asked that differs
    made_of : digests of bars and bundle, seed and versions that differ
    """

    first: RunFolder
    second: RunFolder
    request: Mapping[str, Change]
    made_of: Mapping[str, Change]
    pairs: Sequence[RunsBeside]

    @property
    def stamps(self) -> list[str]:
        """Those that any of the runs bears."""
        return sorted({*self.first.manifest.stamps, *self.second.manifest.stamps})

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        found: dict[str, Any] = plain(
            {
                "first": self.first.path,
                "second": self.second.path,
                "stamps": self.stamps,
                "result_hash": [r.manifest.result_hash for r in (self.first, self.second)],
                "request": self.request,
                "made_of": self.made_of,
                "runs": [pair.to_json() for pair in self.pairs],
            }
        )
        return found

    def text(self) -> str:
        """Return what a person reads."""
        same = self.first.manifest.result_hash == self.second.manifest.result_hash
        stamps = "".join(map(stamp_line, self.stamps))
        lines = [
            f"first:  {self.first.path}",
            f"second: {self.second.path}",
            f"their results are {'the same' if same else 'not the same'}",
            *_changes("asked", self.request),
            *_changes("made of", self.made_of),
        ]
        return "\n".join([*lines, *(pair.text(stamps) for pair in self.pairs)])


def diff(first: RunFolder, second: RunFolder) -> RunDiff:
    """Return two run folders side by side: runs of one label, or the only one of each."""
    asked = [flat(run.manifest.request.model_dump(mode="json")) for run in (first, second)]
    pairs = _pairs(first, second)
    return RunDiff(
        first=first,
        second=second,
        request=differing(*asked),
        made_of=differing(_made_of(first), _made_of(second)),
        pairs=[_beside((a, b), first, second) for a, b in pairs],
    )


def _pairs(first: RunFolder, second: RunFolder) -> list[tuple[str, str]]:
    common = [(label, label) for label in first.labels if label in second.labels]
    if common:
        return common
    return list(zip(first.labels, second.labels, strict=False))


def _beside(labels: tuple[str, str], first: RunFolder, second: RunFolder) -> RunsBeside:
    runs = tuple(zip(labels, (first, second), strict=True))
    configs = [flat(run.config(label)) for label, run in runs]
    metrics = [run.figures(label)["metrics"] for label, run in runs]
    trades = [_by_entry(run.table(label, "trades.csv")) for label, run in runs]
    return RunsBeside(
        labels=labels,
        config=differing(*configs),
        metrics={name: (metrics[0].get(name), metrics[1].get(name)) for name in METRICS},
        trades=(len(trades[0]), len(trades[1])),
        only_first=[trade for key, trade in trades[0].items() if key not in trades[1]],
        only_second=[trade for key, trade in trades[1].items() if key not in trades[0]],
        changed=list(_other_ends(*trades)),
    )


def _by_entry(trades: pd.DataFrame) -> dict[_Entry, dict[str, Any]]:
    before = trades.groupby(list(KEY)).cumcount()
    rows = [plain(row) for row in trades.drop(columns="stamp").to_dict("records")]
    return {
        (row["symbol"], row["decided_at"], place): row
        for row, place in zip(rows, before.tolist(), strict=True)
    }


def _other_ends(
    first: Mapping[_Entry, Mapping[str, Any]],
    second: Mapping[_Entry, Mapping[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Yield the entries that both made and that came to something else."""
    for key, trade in first.items():
        other = second.get(key)
        changes = differing(_ending(trade), _ending(other)) if other is not None else {}
        if changes:
            yield {**dict(zip(KEY, key[:2], strict=True)), "changes": changes}


def _ending(trade: Mapping[str, Any]) -> dict[str, Any]:
    return {name: trade[name] for name in _ENDINGS}


def _made_of(run: RunFolder) -> dict[str, Any]:
    facts = list(run.manifest.runs.values())
    digests = {name: digest for each in facts for name, digest in each.digests.items()}
    return {"seed": facts[0].seed, **digests, **facts[0].versions}


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested mappings by their paths.

    >>> flat({"broker": {"fee": 0.001}, "seed": 0})
    {'broker.fee': 0.001, 'seed': 0}
    """
    found: dict[str, Any] = {}
    for key, inner in value.items():
        path = f"{prefix}{key}"
        found |= flat(inner, f"{path}.") if isinstance(inner, Mapping) else {path: inner}
    return found


def _changes(what: str, changes: Mapping[str, Change]) -> list[str]:
    return [f"{what}: {name} {a} -> {b}" for name, (a, b) in changes.items()]


def _trades(where: str, trades: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        f"  {trade['symbol']} {trade['decided_at']} {trade['exit_reason']} {trade['return']:+.3%}"
        for trade in trades[:_SHOWN]
    ]
    return [f"trades {where}: {len(trades):,}", *lines, *_rest(trades)]


def _changed(changed: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for each in changed[:_SHOWN]:
        changes = each["changes"]
        exits = "{} -> {} ".format(*changes["exit_reason"]) if "exit_reason" in changes else ""
        returns = "{:+.3%} -> {:+.3%}".format(*changes["return"]) if "return" in changes else ""
        lines.append(f"  {each['symbol']} {each['decided_at']} {exits}{returns}".rstrip())
    return [f"same entries with another end: {len(changed):,}", *lines, *_rest(changed)]


def _rest(items: Sequence[Any]) -> list[str]:
    more = len(items) - _SHOWN
    return [f"  and {more:,} more, see --json"] if more > 0 else []
