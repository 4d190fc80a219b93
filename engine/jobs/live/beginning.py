"""What a session is begun with, and must go on with."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import StateError
from engine.jobs.live.request import PaperRequest
from engine.jobs.live.venue import Venue, recording_facts
from engine.jobs.markets import BarFiles, Market
from engine.paper.health import time_of
from engine.paper.records import SessionFacts
from engine.paper.state import PaperState
from engine.rules import SymbolRules
from feeds.clock import SystemClock
from feeds.live.moment import Opening
from feeds.messages import printable
from ml.manifest import library_versions

# The sections that decide what is traded, beside the fill limit; others may change.
_DECISIVE = ("broker", "protections", "strategy", "symbols")


def state_path(request: PaperRequest, markets: Sequence[Market]) -> Path:
    """Return where the state is; a rehearsal's own is found again by what is rehearsed."""
    if request.state is not None:
        return request.state
    if not markets:
        return Path("paper.sqlite")
    asked = [recording_facts(markets), _decisive(request)]
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
    return request.out / f"rehearsal-{digest}.sqlite"


def session_facts(
    request: PaperRequest, venue: Venue, opening: Opening, markets: Sequence[Market]
) -> SessionFacts:
    """Return what a new session is begun with; the settings' rules stand above the exchange's."""
    settings = request.settings
    rules = {
        symbol: settings.symbols.get(
            symbol,
            SymbolRules(
                tick=terms.tick, amount_step=terms.amount_step, min_notional=terms.min_notional
            ),
        )
        for symbol, terms in opening.terms.items()
    }
    return SessionFacts(
        exchange=opening.exchange,
        symbols=venue.spec.symbols,
        timeframe=str(venue.spec.timeframe),
        cash=settings.broker.cash,
        settings=_decisive(request),
        rules={symbol: rule.model_dump(mode="json") for symbol, rule in rules.items()},
        recording=_recording(request, markets),
        created_at=time_of(SystemClock()),
        versions=library_versions(),
    )


def _recording(request: PaperRequest, markets: Sequence[Market]) -> dict[str, Any] | None:
    """Return what is rehearsed, its files by their names: a state tells nobody of folders."""
    if request.rehearsal is None:
        return None
    source = request.rehearsal.bars.source
    files = [path.name for path in source.paths] if isinstance(source, BarFiles) else []
    return {**recording_facts(markets), "files": files}


def _same_recording(recording: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what a recording is known by: not by the names of its files."""
    if recording is None:
        return None
    return {key: value for key, value in recording.items() if key != "files"}


def _decisive(request: PaperRequest) -> dict[str, Any]:
    """Return the settings that decide what is traded."""
    settings = request.settings.model_dump(mode="json")
    chosen = {name: settings[name] for name in _DECISIVE}
    fill_limit = {"fill_limit": request.settings.data.fill_limit}
    return {"ml": str(request.ml), "data": fill_limit, **chosen}


def refuse_another(
    state: PaperState, request: PaperRequest, venue: Venue, markets: Sequence[Market]
) -> None:
    """Raise `StateError` if the state was begun with something else."""
    facts = state.reader.facts()
    recording = recording_facts(markets) if markets else None
    pairs = [
        ("exchange", facts.exchange, venue.spec.called),
        ("symbols", list(facts.symbols), list(venue.spec.symbols)),
        ("timeframe", facts.timeframe, str(venue.spec.timeframe)),
        ("recording", _same_recording(facts.recording), recording),
        *_differing(facts.settings, _decisive(request)),
    ]
    for name, before, now in pairs:
        if before != now:
            raise StateError(
                f"a session must go on with the {printable(name)} it was begun with, "
                f"{_told(before)}, found {_told(now)}: "
                "name another --state to begin a new one"
            )


def _told(value: Any) -> str:
    return printable(str(value))


def _differing(before: Any, now: Any, name: str = "") -> list[tuple[str, Any, Any]]:
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [(name, before, now)]
    keys = sorted({*before, *now})
    inner = (_differing(before.get(k), now.get(k), f"{name}.{k}".lstrip(".")) for k in keys)
    return [pair for pairs in inner for pair in pairs]
