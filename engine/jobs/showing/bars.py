"""The bars of a kept run, read again from where they came, and none but them."""

from pathlib import Path

from engine.errors import RunError
from engine.jobs.default_market import default_markets
from engine.jobs.markets import Market, cut
from engine.jobs.request_record import ExchangeRecord
from engine.jobs.settings import PlainSettings, RunSettings, Settings
from engine.jobs.showing.folder import RunFolder
from feeds.bars import Bars
from feeds.errors import FeedError
from feeds.moments import parse_utc


def settings_again(run: RunFolder) -> Settings | PlainSettings:
    """Return the settings of the run; the store is where it was, wherever we are now."""
    settings = run.any_settings(run.labels[0])
    bars = run.manifest.request.bars
    if not isinstance(bars, ExchangeRecord):
        return settings
    data = settings.data.model_copy(update={"store": bars.store})
    return settings.model_copy(update={"data": data})


def markets_again(run: RunFolder) -> list[Market]:
    """Return the markets that the run traded, warm-up included.

    Raises
    ------
    RunError
        if they cannot be read, or are not what they were
    """
    settings = settings_again(run)
    found = {bars.symbol: bars for bars in _bars_again(run, settings)}
    markets = []
    for symbol, facts in run.manifest.data.symbols.items():
        if symbol not in found:
            raise RunError(f"{symbol}: the run traded it, and its bars are no longer there")
        market = cut(
            found[symbol],
            start=parse_utc(facts.start),
            end=parse_utc(facts.end),
            warmup_bars=settings.strategy.warmup_bars,
        )
        if market.bars.digest() != facts.digest:
            raise RunError(
                f"{symbol}: the bars from {facts.start} to {facts.end} must have the digest "
                f"{facts.digest[:16]} of the run, found {market.bars.digest()[:16]}: they were "
                "changed since; put the old ones back, or make a new run"
            )
        markets.append(market)
    return markets


def _bars_again(run: RunFolder, settings: RunSettings) -> list[Bars]:
    asked = run.manifest.request.asked_bars()
    if asked is None:
        return default_markets(settings.built_in(), Path())[1]
    try:
        return asked.read(settings.data, settings.strategy.warmup_bars)
    except (FeedError, RunError) as error:
        raise RunError(f"the bars of the run cannot be read again: {error}") from error
