"""A run told anew, slowly and from its records alone: the account, and what would have vetoed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.jobs.hybrid_run import HybridRun
from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.protections import Protection, ProtectionsConfig
from engine.records import Trade
from engine.sizing import Sized, Terms, Wallet, units_for_fraction, units_for_risk
from feeds.bars import Bars
from feeds.exits import next_fill_bar
from feeds.ticks import tick_down

# By how much a figure may be off that was reached by other sums.
CLOSE = 1e-8
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class Sent:
    """An entry that was sent: the close on which it was bought, if it was, and on which it ended.

    `price` is the close on which it was decided, or the limit.
    """

    symbol: str
    decided_at: np.datetime64
    units: float
    price: float
    bought_at: np.datetime64 | None
    over_at: np.datetime64


class Retold:
    """Answers about one run; `config` are the protections to go by, those of the run or others."""

    def __init__(
        self,
        markets: Sequence[Market],
        settings: Settings,
        run: HybridRun,
        config: ProtectionsConfig | None = None,
    ) -> None:
        self.bars = {market.bars.symbol: market.bars for market in markets}
        self.order = list(self.bars)
        self.settings, self.run = settings, run
        self.config = config or settings.protections
        self.length = markets[0].bars.timeframe.delta
        self.rows: list[Mapping[str, Any]] = run.decisions.to_dict("records")  # type: ignore[assignment]  # keys are text
        self.sent = list(self._all_sent())

    # ------------------------------------------------------------ what was sent, and what it costs

    def _all_sent(self) -> Iterator[Sent]:
        trades = {(t.symbol, t.decided_at): t for t in self.run.execution.trades}
        refused = {(r.symbol, r.decided_at): r for r in self.run.execution.rejections}
        for row in self.rows:
            key = row["symbol"], np.datetime64(row["decided_at"], "ms")
            if row["outcome"] == "entered":
                trade = trades[key]
                ends = trade.opened_at + self.length, trade.closed_at + self.length
                yield Sent(*key, trade.units, self.price(row), *ends)
            elif row["outcome"] == "rejected":
                over = self._refused_at(self.bars[key[0]], key[1], refused[key].reason)
                yield Sent(*key, refused[key].units, self.price(row), None, over)

    def _refused_at(self, bars: Bars, decided_at: np.datetime64, reason: str) -> np.datetime64:
        at = int(np.searchsorted(bars.closed_at, decided_at))
        if reason == "cash":
            return np.datetime64(bars.closed_at[next_fill_bar(bars)[at]])
        if reason == "unfilled":
            return np.datetime64(bars.closed_at[at + self.settings.strategy.entry.valid_bars])
        segment = np.flatnonzero(bars.segment == bars.segment[at])
        return np.datetime64(bars.closed_at[segment[-1]])

    def others(self, symbol: str, now: np.datetime64) -> Iterator[Sent]:
        """Yield what was held or waited when the symbol's entry was decided."""
        for one in self.sent:
            earlier = one.decided_at < now or (
                one.decided_at == now and self.order.index(one.symbol) < self.order.index(symbol)
            )
            if earlier and one.over_at > now:
                assert one.symbol != symbol
                yield one

    def price(self, row: Mapping[str, Any]) -> float:
        """Return the price that an entry of this row sees: the close, or its limit."""
        entry = self.settings.strategy.entry
        if entry.order == "market":
            return float(row["close"])
        tick = self.settings.rules_of(row["symbol"]).tick
        return float(tick_down(row["close"] * (1 - entry.offset_percent / 100), tick))

    def range_at(self, symbol: str, closed_at: np.datetime64) -> float:
        bars = self.bars[symbol]
        at = int(np.searchsorted(bars.closed_at, closed_at))
        return float(bars.high[at] - bars.low[at])

    def cost(self, one: Sent) -> float:
        """Return what an entry costs at the price, and in a range, that it saw."""
        costs = self.settings.costs
        if self.settings.strategy.entry.order == "limit":
            return one.units * one.price * (1 + max(costs.fee, costs.limit_fee))
        wild = costs.range_slippage * self.range_at(one.symbol, one.decided_at)
        bought = one.price * (1 + costs.half_spread + costs.slippage) + wild
        return one.units * bought * (1 + costs.fee)

    def at_work(self, one: Sent, now: np.datetime64) -> float:
        if one.bought_at is None or one.bought_at > now:
            return self.cost(one)
        bars = self.bars[one.symbol]
        return float(one.units * bars.close[bars.closed_at <= now][-1])

    # ------------------------------------------------------------ the account

    def equity(self, now: np.datetime64) -> float:
        curve = self.run.execution.equity
        return float(curve.equity[curve.time == now][0])

    def size(self, row: Mapping[str, Any]) -> Sized:
        """Work out the size of an entry from the account at its close."""
        symbol, now = row["symbol"], np.datetime64(row["decided_at"], "ms")
        curve, sizing = self.run.execution.equity, self.settings.strategy.sizing
        waiting = [o for o in self.others(symbol, now) if o.bought_at is None or o.bought_at > now]
        cash = float(curve.cash[curve.time == now][0])
        wallet = Wallet(
            equity=self.equity(now),
            cash=cash - sum(self.cost(o) for o in waiting),
            reserve=self.equity(now) * sizing.reserve_percent / 100,
        )
        terms = Terms(
            price=self.price(row),
            by_limit=self.settings.strategy.entry.order == "limit",
            bar_range=self.range_at(symbol, now),
            costs=self.settings.costs,
            rules=self.settings.rules_of(symbol),
        )
        if sizing.method == "fraction":
            return units_for_fraction(wallet, terms, fraction=sizing.fraction)
        stop = self.settings.strategy.exits.fractions(row["atr_fraction"]).stop
        return units_for_risk(wallet, terms, risk_fraction=sizing.risk, stop_fraction=float(stop))

    def before(self, now: np.datetime64) -> np.ndarray:
        """Return the equity at all closes up to now, the beginning first."""
        curve = self.run.execution.equity
        return np.append(self.settings.broker.cash, curve.equity[curve.time <= now])

    # ------------------------------------------------------------ what would have vetoed

    def excess(self, name: Protection, row: Mapping[str, Any]) -> float:
        """Return by how much an entry is over the limit: above 0 it is vetoed, below it is not."""
        symbol, now = row["symbol"], np.datetime64(row["decided_at"], "ms")
        match name:
            case Protection.MAX_DRAWDOWN:
                path = self.before(now)
                falls = 1 - path / np.maximum.accumulate(path)
                return float(falls.max()) - _or_never(self.config.max_drawdown)
            case Protection.DAILY_LOSS:
                return self._lost_of_day(now) - _or_never(self.config.daily_loss_limit)
            case Protection.LOSING_STREAK:
                return self._left_of_pause(now)
            case Protection.COOLDOWN:
                lost = [t for t in self._lost(now) if t.symbol == symbol]
                passed = min((self._bars_since(t, now) for t in lost), default=np.inf)
                return (
                    -1.0
                    if self.config.cooldown_bars is None
                    else (self.config.cooldown_bars - passed - 0.5)
                )
            case Protection.MAX_OPEN_POSITIONS:
                busy = 1 + len({one.symbol for one in self.others(symbol, now)})
                return busy - _or_never(self.config.max_open_positions) - 0.5
            case Protection.MAX_EXPOSURE:
                there = sum(self.at_work(one, now) for one in self.others(symbol, now))
                mine = self.cost(
                    Sent(symbol, now, self.size(row).units, self.price(row), None, now)
                )
                limit = _or_never(self.config.max_exposure)
                return (there + mine) / self.equity(now) - limit

    def _lost_of_day(self, now: np.datetime64) -> float:
        midnight = now.astype("datetime64[D]").astype("datetime64[ms]")
        start = self.before(midnight)[-1]
        curve = self.run.execution.equity
        today = curve.equity[(curve.time > midnight) & (curve.time <= now)]
        return float(1 - min([start, *today]) / start)

    def _bars_since(self, trade: Trade, now: np.datetime64) -> float:
        return float((now - trade.closed_at) / self.length) - 1

    def _lost(self, now: np.datetime64) -> list[Trade]:
        done = (t for t in self.run.execution.trades if t.closed_at < now)
        return [t for t in done if t.pnl <= 0]

    def _left_of_pause(self, now: np.datetime64) -> float:
        """Return the bars that are left of the longest pause, less half a one."""
        most, pause = self.config.max_losses_in_a_row, self.config.losing_streak_pause_bars
        left, streak = -1.0, 0
        for trade in self.run.execution.trades:
            streak = streak + 1 if trade.pnl <= 0 else 0
            if most is not None and streak >= most and trade.closed_at < now:
                length = np.inf if pause is None else pause
                left = max(left, length - self._bars_since(trade, now) - 0.5)
        return left


def _or_never(limit: float | None) -> float:
    return np.inf if limit is None else limit
