"""The leak audit: `run_backtest.py --audit`.

What a trader could know at a moment does not depend on what comes after it. So the product is made
to work on markets that are alike up to a moment and differ after it, and its answers are compared:
what a run is shown (`audit_serving`), what it trades (`audit_orders`), what is learned
(`audit_training`).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import UsageError
from engine.jobs.auditing.orders import OrdersAudited, audit_orders, hybrid_run_of
from engine.jobs.auditing.report import AuditReport
from engine.jobs.auditing.serving import audit_serving, watched
from engine.jobs.auditing.training import TrainingAudited, audit_training, training_of
from engine.jobs.auditing.windows import audit_windows
from engine.jobs.bundle_remedies import remedied
from engine.jobs.default_market import default_markets
from engine.jobs.markets import Market
from engine.jobs.members import check_configured, configured
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import serving_analyzer
from engine.jobs.settings import Settings
from engine.jobs.train import origin_of
from engine.jobs.training_rows import training_rows
from feeds.bars import Bars, TimeArray
from feeds.clock import Clock, SystemClock
from ml.analyzer import Analyzer
from ml.bundle import Bundle
from ml.features.catalog import FEATURES
from ml.manifest import Manifest
from ml.models.catalog import default_models
from ml.training.config import TrainingConfig
from strategies.evidence import evidence_table
from strategies.views import NoEnsemble, ask

log = logging.getLogger("tandem.audit")

_ALL = 2**62  # rows
_ASKED_SHARE = 0.75  # of the sampled moments; the others may fall on any bar that is decided on


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is audited; a leak shows at almost every bar, so a sample finds it.

    Attributes
    ----------
    moments : after each of which everything is changed, for what a run is shown
    bars : of each market, the latest, for the same
    order_moments : at which whole runs are compared, which takes longest
    order_bars : of each market, the latest, for the same
    rows : the latest that are learned from
    """

    moments: int = 24
    bars: int = 20_000
    order_moments: int = 4
    order_bars: int = 6_000
    rows: int = 20_000


def audit(
    request: RunRequest, extent: Extent | None = None, *, clock: Clock | None = None
) -> AuditReport:
    """Audit the product on the bars of the request; without data, on the embedded default.

    The ensemble is the bundle that `--model` names, else the one that the training audit trains.
    That one is of the small preset on any data: whether a step looks ahead does not depend on how
    many trees a forest has, and it is trained twice.

    Raises
    ------
    UsageError
        if the request is about one way to run
    TrainingError, RunError
        if the bars are too few for a training or for decisions
    """
    if request.ml is not None or request.in_sample:
        raise UsageError(
            "--audit looks for leaks and trades nothing: --ml and --in-sample do not go with it"
        )
    extent = extent or Extent()
    check_configured(request.settings)
    settings, markets = _asked_for(request)
    trained = _trained(markets, settings, extent.rows)
    source = _source(request, settings, markets, trained, clock or SystemClock())
    return _report(markets, settings, trained, source, extent)


def _asked_for(request: RunRequest) -> tuple[Settings, list[Bars]]:
    if request.bars is None:
        if request.model is not None:
            raise UsageError("--model goes with bars: add --data FILE or --symbols")
        settings, markets = default_markets(request.settings, request.out)
    else:
        settings, markets = request.settings, [market.bars for market in request.markets()]
    return settings.model_copy(update={"training": _audited(settings.training)}), markets


def _audited(training: TrainingConfig) -> TrainingConfig:
    """Return the configuration of the audited training.

    Rows are not thinned: which ones are would depend on how many come later. A training without a
    test part gets the default one, after whose start the bars are altered.
    """
    fractions = training.fractions if training.fractions[-1] else TrainingConfig().fractions
    update = {"preset": "small", "optimize": False, "max_rows": _ALL, "fractions": fractions}
    return training.model_copy(update=update)


def _trained(markets: Sequence[Bars], settings: Settings, limit: int) -> TrainingAudited:
    decided = training_rows(markets, settings).decided_at
    start = decided[max(0, len(decided) - limit)]
    warmup = settings.strategy.warmup_bars + 1  # the row's bar closed at `start`
    latest = [bars[max(0, bars.index_from(start) - warmup) :] for bars in markets]
    training = settings.training
    five = default_models(training.preset, seed=settings.seed, jobs=training.jobs)
    models = configured(five, settings)
    learn = training_of(settings, models)
    return audit_training(latest, learn, training.fractions, seed=settings.seed)


def _source(
    request: RunRequest,
    settings: Settings,
    markets: Sequence[Bars],
    trained: TrainingAudited,
    clock: Clock,
) -> Analyzer:
    if request.model is not None:
        with remedied(settings):
            return serving_analyzer(settings, markets[0].timeframe)
    origin = origin_of(markets, settings)
    manifest = Manifest(created_at=clock.now(), metrics={}, **origin)
    return Analyzer(Bundle(trained.trail.ensemble, manifest))


def _report(
    markets: Sequence[Bars],
    settings: Settings,
    trained: TrainingAudited,
    source: Analyzer,
    extent: Extent,
) -> AuditReport:
    seed = settings.seed
    served = [bars[-extent.bars :] for bars in markets]
    moments = sampled_moments(served, settings, extent.moments)
    watch = watched(FEATURES, source, settings.strategy)
    leaks, columns = audit_serving(served, watch, moments, seed=seed)
    unlike, windows = audit_windows(served, settings.strategy, moments)
    traded = [_latest(bars, settings, extent.order_bars) for bars in markets]
    run = hybrid_run_of(settings, source)
    orders = audit_orders(traded, run, moments=extent.order_moments, seed=seed)
    return AuditReport(
        synthetic=any(bars.synthetic for bars in markets),
        serving={
            "symbols": [bars.symbol for bars in markets],
            "bars": sum(map(len, served)),
            "moments": len(moments),
            "columns": columns,
            "windows": windows,
            "orders": _orders_facts(traded, orders),
        },
        training=_training_facts(trained),
        leaks=[*leaks, *unlike, *orders.leaks, *trained.leaks],
    )


def sampled_moments(markets: Sequence[Bars], settings: Settings, count: int) -> TimeArray:
    """Return moments at which bars close, most of them bars on which the ensemble is asked.

    There something can come of a leak; the others show one that only other bars have.
    """
    strategy = settings.strategy
    tables = {bars.symbol: evidence_table(bars, strategy) for bars in markets}
    asked = ask(tables, strategy, NoEnsemble("only the bars are wanted"))
    wanted = [bars.closed_at[asked[bars.symbol].bars] for bars in markets]
    warm = [bars.closed_at[bars.bars_before() >= strategy.warmup_bars] for bars in markets]
    rng = np.random.default_rng(settings.seed)
    drawn = [_drawn(rng, wanted, round(count * _ASKED_SHARE))]
    drawn.append(_drawn(rng, warm, count - len(drawn[0])))
    return np.unique(np.concatenate(drawn))


def _drawn(rng: np.random.Generator, times: Sequence[TimeArray], count: int) -> TimeArray:
    every = np.unique(np.concatenate(times))
    return rng.choice(every, min(count, len(every)), replace=False)


def _latest(bars: Bars, settings: Settings, count: int) -> Market:
    """Return the latest bars, with warm-up before them."""
    first = max(0, len(bars) - count)
    begin = max(0, first - settings.strategy.warmup_bars)
    return Market(bars[begin:], first - begin)


def _orders_facts(markets: Sequence[Market], orders: OrdersAudited) -> Mapping[str, Any]:
    return {
        "bars": sum(len(market.bars) - market.first for market in markets),
        "moments": orders.moments,
        "decisions": orders.decisions,
        "fills": orders.fills,
    }


def _training_facts(trained: TrainingAudited) -> Mapping[str, Any]:
    trail = trained.trail
    return {
        "split": trained.split,
        "rows": sum(len(part) for name, part in trail.parts.items() if name != "test"),
        "stages": trained.stages,
        "members": [member.name for member in trail.ensemble.members],
    }
