"""What the page is told of a session: a window first, then what is new since a moment.

Only what is named here reaches the browser: no settings but the rules of the trade, no paths. Times
are milliseconds since 1970, UTC.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.dashboard.decision_view import decision_view, mark_view
from engine.dashboard.discreet import discreet
from engine.dashboard.health_view import ml_view
from engine.dashboard.ledger import Ledger
from engine.dashboard.standing import Standing, price_of
from engine.dashboard.trade_view import Json, ended_view, order_view, position_view, when
from engine.errors import UsageError
from engine.paper.columns import moment_at, ms
from engine.paper.reading import StateReader
from feeds.bars import PRICES, Bars
from feeds.timeframe import Timeframe

MOST_BARS = 500  # in a window
MOST_MARKS = 500
MOST_DECISIONS = 50
MOST_POINTS = 800  # of equity
MOST_TRADES = 20
MOST_EVENTS = 20
MOST_REJECTIONS = 500
# Who is further behind than this is told to begin anew.
MOST_BEHIND = 400  # moments


class SessionView:
    """Answers from a state; for the thread in which it was opened."""

    def __init__(self, path: Path) -> None:
        self._reader = StateReader.open(path)
        self._facts = self._reader.facts()
        self._session = str(ms(self._facts.created_at))
        self._bar_ms = Timeframe.parse(self._facts.timeframe).ms
        self._rules: Mapping[str, Any] = self._facts.settings.get("strategy", {})
        self._ledger = Ledger()
        self._standing = Standing(self._reader, self._ledger, self._bar_ms)

    def close(self) -> None:
        """Let go of the state."""
        self._reader.close()

    def window(self, symbol: str | None, *, only: bool) -> Json:
        """Return all that the page shows, the latest of it.

        Parameters
        ----------
        symbol : which the chart shows; None for the first
        only : list its decisions and no others

        Raises
        ------
        UsageError : the session has no such symbol
        """
        symbol = self._known(symbol or self._facts.symbols[0])
        self._ledger.follow(self._reader)
        bars = self._reader.bars(symbol, last=MOST_BARS)
        time, value = self._ledger.equity.thinned(MOST_POINTS)
        return {
            "session": self._about(bars),
            "bars": columns(bars),
            "equity": {"time": time, "value": value},
            "decisions": self._decisions(symbol if only else None, None),
            **self._traded(symbol, opened(bars)),
            **self._now(symbol),
            **self.standing(),
        }

    def pulse(self, symbol: str, last: str, *, only: bool) -> tuple[Json | None, Json]:
        """Return the news, and how the session is doing."""
        return self.news(symbol, last, only=only), self.standing()

    def news(self, symbol: str, last: str, *, only: bool) -> Json | None:
        """Return what came after a moment: None if nothing did, `{}` if one must begin anew.

        Parameters
        ----------
        last : id of that moment
        """
        self._known(symbol)
        self._ledger.follow(self._reader)
        if last == self._id():
            return None
        after = self._moment_of(last)
        if after is None:
            return {}
        time, value = self._ledger.equity.after(after)
        if not 0 < len(time) <= MOST_BEHIND:
            return {}
        start, decided = after - self._bar_ms, self._settled_since(after)
        return {
            "bars": columns(self._reader.bars(symbol, start=moment_at(start + 1))),
            "equity": {"time": time, "value": value},
            "decisions": self._decisions(symbol if only else None, decided),
            **self._traded(symbol, min(start, decided)),
            **self._now(symbol),
        }

    def earlier(self, symbol: str, before: int, count: int) -> Json:
        """Return bars that opened before a moment, and what was traded on them and since."""
        self._known(symbol)
        self._ledger.follow(self._reader)
        bars = self._reader.bars(symbol, end=moment_at(before), last=min(count, MOST_BARS))
        return {"bars": columns(bars), **self._traded(symbol, opened(bars))}

    def standing(self) -> Json:
        """Return how the session is doing, and what is watched."""
        return self._standing.look()

    # ---------------------------------------------------------------- what was asked for

    def _known(self, symbol: str) -> str:
        if symbol not in self._facts.symbols:
            raise UsageError("the symbol must be one that the session trades, found another")
        return symbol

    def _id(self) -> str:
        """Return the last moment's id; another session at the same address has others."""
        last = self._ledger.last
        return f"{self._session}.{0 if last is None else ms(last.closed_at)}"

    def _moment_of(self, last: str) -> int | None:
        session, _, moment = last.partition(".")
        is_ours = session == self._session and moment.isascii() and moment.isdigit()
        return int(moment) if is_ours else None

    # ---------------------------------------------------------------- parts of the answers

    def _about(self, bars: Bars) -> Json:
        facts = self._facts
        return {
            "exchange": facts.exchange,
            "place": discreet(facts.place),
            "files": None if facts.files is None else [discreet(name) for name in facts.files],
            "symbols": facts.symbols,
            "timeframe": facts.timeframe,
            "bar_ms": self._bar_ms,
            "stamps": stamps(facts.recording, bars),
            "most_decisions": MOST_DECISIONS,
        }

    def _now(self, symbol: str) -> Json:
        ledger = self._ledger
        latest = ledger.ended[: -MOST_TRADES - 1 : -1]
        return {
            "symbol": symbol,
            "id": self._id(),
            "account": self._account(),
            "positions": self._positions(),
            "orders": [order_view(order) for order in self._reader.orders(open_only=True)],
            "last_trades": [ended_view(each, ledger) for each in latest],
            "events": self._events(),
        }

    def _account(self) -> Json:
        last, ledger = self._ledger.last, self._ledger
        cash = self._facts.cash if last is None else last.cash
        value = 0.0 if last is None else last.position_value
        return {
            "start": self._facts.cash,
            "equity": cash + value,
            "cash": cash,
            "position_value": value,
            "trades": len(ledger.ended),
            "won": ledger.won,
            "pnl": ledger.pnl,
            "drawdown": ledger.equity.drawdown,
            "deepest": ledger.equity.deepest,
            "ml": None if last is None else ml_view(last.ml),
        }

    def _events(self) -> list[Json]:
        latest = self._reader.events(last=MOST_EVENTS)[::-1]
        return [{"at": ms(e.at), "kind": e.kind, "text": discreet(e.text)} for e in latest]

    def _positions(self, symbol: str | None = None) -> list[Json]:
        return [
            position_view(held, self._ledger, price_of(self._reader, held.position.symbol))
            for held in self._ledger.held()
            if symbol in (None, held.position.symbol)
        ]

    def _traded(self, symbol: str, start: int) -> Json:
        """Return trades and candidate bars of a symbol from a moment on."""
        ended = [
            ended_view(each, self._ledger)
            for each in self._ledger.ended
            if each.trade.symbol == symbol and when(each.exit) >= start
        ]
        rows = self._reader.decisions(symbol=symbol, after=moment_at(start), last=MOST_MARKS)
        refused = self._refused()
        marks = [mark_view(row, self._ledger, refused) for row in rows]
        return {"trades": [*ended, *self._positions(symbol)], "marks": marks}

    def _decisions(self, symbol: str | None, after: int | None) -> list[Mapping[str, Any]]:
        since = None if after is None else moment_at(after)
        rows = self._reader.decisions(symbol=symbol, after=since, last=MOST_DECISIONS)
        refused = self._refused()
        return [decision_view(row, self._rules, self._ledger, refused) for row in rows]

    def _settled_since(self, after: int) -> int:
        """Return after which moment decisions are news: made since, or come to something since."""
        moment = moment_at(after)
        fills, refused = self._reader.fills(after=moment), self._reader.rejections(after=moment)
        decided = [*(each.fill.decided_at for each in fills), *(r.decided_at for r in refused)]
        return min([after, *(ms(at) - 1 for at in decided)])

    def _refused(self) -> dict[tuple[str, int], str]:
        latest = self._reader.rejections(last=MOST_REJECTIONS)
        return {(each.symbol, ms(each.decided_at)): each.reason for each in latest}


def stamps(recording: Mapping[str, Any] | None, bars: Bars) -> list[str]:
    """Return what must be said of a session wherever it is shown."""
    simulated = bars.synthetic or bool(recording and recording.get("synthetic"))
    said = {"REHEARSAL": recording is not None, "SYNTHETIC": simulated}
    return [stamp for stamp, holds in said.items() if holds]


def columns(bars: Bars) -> Json:
    """Return the bars as lists, one for each column."""
    return {
        "time": bars.time.astype(np.int64).tolist(),
        **{name: getattr(bars, name).tolist() for name in (*PRICES, "volume")},
        "filled": bars.filled.astype(np.int64).tolist(),
    }


def opened(bars: Bars) -> int:
    """Return when the first bar opened (ms); 0 if there is none."""
    return ms(bars.time[0]) if len(bars) else 0
