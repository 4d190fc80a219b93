"""What each key of the settings means, in which unit, and which flag overrides it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.config import MOST_COST
from engine.jobs.settings import Settings
from feeds.quality import REPAIRS
from ml.models.member_config import USUAL_WEIGHT

SYMBOL = "<SYMBOL>"  # stands for the name of a symbol in a path
MEMBER = "<NAME>"  # stands for the name of a member of the ensemble


class Meaning(NamedTuple):
    """What a key says; `allowed` where a validator, not the field, holds the range."""

    unit: str
    text: str
    allowed: str = ""


class Flag(NamedTuple):
    """A flag, the key that it overrides and the commands that have it."""

    name: str
    path: str
    scripts: Sequence[str]
    note: str = ""


_COST = f"from 0, up to {MOST_COST:g}"
_FALLING = "from 0, up to 1, not above the threshold before it"
_DISTANCE = "above 0; in percent, below 100"

MEANINGS: Mapping[str, Meaning] = {
    "seed": Meaning("", "where all chance comes from"),
    "broker.cash": Meaning("quote currency", "what the account begins with"),
    "broker.fee": Meaning("fraction", "of the value, on every fill, per side", _COST),
    "broker.maker_fee": Meaning(
        "fraction",
        "of the value, on limit fills that rested in the book; absent: `fee`",
        f"absent, or {_COST}",
    ),
    "broker.half_spread": Meaning("fraction", "of the price, on market and stop fills", _COST),
    "broker.slippage": Meaning("fraction", "of the price, on market and stop fills", _COST),
    "broker.range_slippage": Meaning(
        "fraction", "of high less low of the bar that fills, on market and stop fills"
    ),
    "data.fill_limit": Meaning("bars", "the longest gap that is filled; a longer one is a hole"),
    "data.repair": Meaning("", "repairs allowed on defective files", ", ".join(REPAIRS)),
    "data.store": Meaning("", "folder that keeps what was downloaded", "a path"),
    "data.exchange": Meaning(
        "",
        "where bars come from; none: binance, for pairs in USD another that lists them",
        "an exchange as ccxt names it",
    ),
    "data.base_url": Meaning(
        "", "address to ask instead: a mirror of the exchange, or a stand-in", "an address"
    ),
    "strategy.file": Meaning(
        "", "a strategy of one's own; none: the built-in one", "`PATH.py:ClassName`"
    ),
    "strategy.digest": Meaning(
        "", "SHA-256 of that file, as `--show-config` prints it; another state is refused", "a text"
    ),
    "strategy.use_ml_ensemble": Meaning(
        "", "whether `--ml auto` asks the ensemble; `on`, `off` and `compare` stand above it"
    ),
    "strategy.ml_model_path": Meaning("", "folder of the bundle, to write and to ask", "a path"),
    "strategy.ml_strong_threshold": Meaning("probability", "from it on: `ml_strong`", _FALLING),
    "strategy.ml_entry_threshold": Meaning("probability", "from it on: `ml_entry`", _FALLING),
    "strategy.ml_weak_threshold": Meaning("probability", "from it on: `ml_weak`", _FALLING),
    "strategy.ml_avoid_threshold": Meaning(
        "probability", "from it on: `ml_neutral`; below it: `ml_avoid`", _FALLING
    ),
    "strategy.min_entry_score": Meaning("points", "the score that is an entry"),
    "strategy.warmup_bars": Meaning("bars", "of a segment, before anything is decided"),
    "strategy.rsi_oversold": Meaning("RSI, 0 to 100", "mandatory filter: RSI(14) below this"),
    "strategy.bollinger_deviations": Meaning("deviations", "width of the Bollinger band (20)"),
    "strategy.volume_ratio": Meaning("ratio", "volume over its 20-bar mean, at least"),
    "strategy.stochastic_oversold": Meaning("%K, 0 to 100", "slow %K(14, 3) below this"),
    "strategy.support_period": Meaning("bars", "in which the support is looked for"),
    "strategy.support_distance_percent": Meaning(
        "percent", "of the support: how far from it the close may be, on either side"
    ),
    "strategy.points.rsi": Meaning("points", "RSI below `rsi_oversold`; mandatory all the same"),
    "strategy.points.bollinger": Meaning("points", "close at or below the lower band"),
    "strategy.points.volume": Meaning("points", "volume of at least `volume_ratio`"),
    "strategy.points.pattern": Meaning("points", "a bullish candlestick pattern ends here"),
    "strategy.points.macd": Meaning("points", "MACD histogram above that of the bar before"),
    "strategy.points.stochastic": Meaning("points", "%K below `stochastic_oversold`"),
    "strategy.points.support": Meaning("points", "close within `support_distance_percent`"),
    "strategy.points.ml_strong": Meaning("points", "probability from `ml_strong_threshold` on"),
    "strategy.points.ml_entry": Meaning("points", "from `ml_entry_threshold` on"),
    "strategy.points.ml_weak": Meaning("points", "from `ml_weak_threshold` on"),
    "strategy.points.ml_neutral": Meaning("points", "from `ml_avoid_threshold` on"),
    "strategy.points.ml_avoid": Meaning("points", "below `ml_avoid_threshold`"),
    "strategy.entry.order": Meaning("", "at the next open, or by a limit order that waits"),
    "strategy.entry.offset_percent": Meaning(
        "percent", "of the close at the decision, by which the limit is below it"
    ),
    "strategy.entry.valid_bars": Meaning(
        "bars", "in which the limit may fill before it is dropped"
    ),
    "strategy.exits.unit": Meaning(
        "", "of the three below: percent of the entry price, or multiples of ATR(14)"
    ),
    "strategy.exits.take_profit": Meaning("`unit`", "target above the price paid"),
    "strategy.exits.stop_loss": Meaning("`unit`", "stop below the price paid", _DISTANCE),
    "strategy.exits.trailing_stop": Meaning(
        "`unit`", "the stop follows the highest high", f"absent, or {_DISTANCE}"
    ),
    "strategy.exits.max_bars": Meaning(
        "bars", "held, entry bar included, until a market order at the next open"
    ),
    "strategy.sizing.method": Meaning("", "which of the next two decides the units"),
    "strategy.sizing.fraction": Meaning("fraction", "of the equity put into an entry"),
    "strategy.sizing.risk": Meaning("fraction", "of the equity lost at the stop, costs included"),
    "strategy.sizing.reserve_percent": Meaning("percent", "of the equity that is never asked for"),
    "protections.max_drawdown": Meaning(
        "fraction", "fall of the equity from its peak; no entries for the rest of the run"
    ),
    "protections.daily_loss_limit": Meaning(
        "fraction", "of the equity at the day's start; no entries until the next UTC day"
    ),
    "protections.max_losses_in_a_row": Meaning(
        "trades", "without a net profit, of all symbols; no entries during the pause"
    ),
    "protections.losing_streak_pause_bars": Meaning(
        "bars", "after the last of these losses; absent: to the end of the run"
    ),
    "protections.cooldown_bars": Meaning(
        "bars", "after the bar in which a symbol lost; no entries in it"
    ),
    "protections.max_open_positions": Meaning(
        "symbols", "in a position or waiting to enter, this entry included"
    ),
    "protections.max_exposure": Meaning(
        "fraction", "of the equity in positions and waiting entries, this entry included"
    ),
    "training.label": Meaning(
        "",
        "1 if the price reaches `profit_threshold` in time; or if the strategy's exits end in "
        "profit after costs; `payoff` is the same, each row counting by what it won or lost",
    ),
    "training.lookahead": Meaning("bars", "of the horizon label, entry bar included"),
    "training.profit_threshold": Meaning("fraction", "of the horizon label, above the entry price"),
    "training.population": Meaning("", "learn where the mandatory filter holds, or everywhere"),
    "training.preset": Meaning("", "size of the models"),
    "training.fractions": Meaning(
        "fractions",
        "of the time: train, early stopping, calibrate, test",
        "four above 0, together 1; the last may be 0",
    ),
    "training.max_rows": Meaning("rows", "of all parts; more are thinned evenly in time"),
    "training.jobs": Meaning("threads", "that a model may use"),
    "training.device": Meaning(
        "",
        "where XGBoost and the LSTM learn: the processor, or a graphics card by CUDA; `auto` is a "
        "card where there is one for both",
    ),
    "training.fit_thresholds": Meaning(
        "",
        "whether the four thresholds are chosen on the calibrate part, by what entries came to; "
        "they are kept in the bundle",
    ),
    "training.optimize": Meaning("", "whether the models' parameters are searched for first"),
    "training.trials": Meaning("trials", "of the search, for each model, its defaults the first"),
    "training.tuning_folds": Meaning("folds", "of the train part, on which a trial is judged"),
    "training.tuning_rows": Meaning(
        "rows", "of the train part, which a trial sees; more are thinned evenly in time"
    ),
    "members.<NAME>.estimator": Meaning(
        "",
        "a classifier that joins the five, by scikit-learn's contract; absent for one of them",
        "absent, or `package.module:Class`, or `file.py:Class`",
    ),
    "members.<NAME>.weight": Meaning(
        "share", f"of the vote, over the sum of all; absent: the built-in one, or {USUAL_WEIGHT:g}"
    ),
    "members.<NAME>.params": Meaning("", "keyword arguments of the class", "a table"),
    "members.<NAME>.standardise": Meaning(
        "", "whether it sees features less their mean, over their deviation"
    ),
    "members.<NAME>.trust": Meaning(
        "", "types that its file in a bundle may hold besides its own", "names of types"
    ),
    "statistics.gate_seeds": Meaning(
        "shuffles", "of the random gate that a comparison with ML is measured against"
    ),
    "paper.confirm": Meaning("", "which bars the exchange's history is asked to confirm"),
    "paper.webhook": Meaning("", "where events are sent to, as JSON; a secret", "an address"),
    "paper.dashboard_token": Meaning(
        "", "what a dashboard beyond loopback asks for; a secret", "absent, or any text"
    ),
    "symbols.<SYMBOL>.amount_step": Meaning("units", "orders come in multiples of it; 0: any"),
    "symbols.<SYMBOL>.tick": Meaning("quote currency", "stop and target are rounded to it; 0: not"),
    "symbols.<SYMBOL>.min_notional": Meaning(
        "quote currency", "least value of an order that opens a position"
    ),
}

_RUN = ("run_backtest", "run_paper")
_TRAIN = ("train_ml_ensemble",)
_ASK = (*_RUN, "evaluate_ml_ensemble")
_ALL = (*_ASK, *_TRAIN, "generate_training_data")
_STORED = tuple(script for script in _ALL if script != "run_paper")

FLAGS = (
    Flag("--seed", "seed", _ALL),
    Flag("--cash", "broker.cash", _RUN),
    Flag("--fee", "broker.fee", _RUN, "a fraction, as in the file"),
    Flag("--repair", "data.repair", _ALL),
    Flag("--store", "data.store", _STORED),
    Flag("--exchange", "data.exchange", _ALL),
    Flag("--base-url", "data.base_url", _ALL),
    Flag("--confirm", "paper.confirm", ("run_paper",)),
    Flag("--strategy", "strategy.file", _ALL, "its rules, points and exits come with it"),
    Flag("--model", "strategy.ml_model_path", _ASK),
    Flag("--output", "strategy.ml_model_path", _TRAIN),
    Flag("--label", "training.label", _TRAIN),
    Flag("--lookahead", "training.lookahead", _TRAIN),
    Flag(
        "--profit-threshold",
        "training.profit_threshold",
        _TRAIN,
        "**percent** at the flag, a fraction in the file: 0.5 is 0.005",
    ),
    Flag("--population", "training.population", _TRAIN),
    Flag("--preset", "training.preset", _TRAIN),
    Flag("--jobs", "training.jobs", _TRAIN),
    Flag("--device", "training.device", (*_TRAIN, "run_backtest")),
    Flag(
        "--fit-thresholds",
        "training.fit_thresholds",
        (*_TRAIN, "run_backtest"),
        "without a value; it sets true",
    ),
    Flag("--optimize", "training.optimize", _TRAIN, "without a value; it sets true"),
    Flag("--trials", "training.trials", _TRAIN),
)

_COSTS = Settings().costs
_ROUND_TRIP = 2 * (_COSTS.fee + _COSTS.market_penalty)

NOTES = {
    "broker": (
        f"Entry and exit by market order cost {_ROUND_TRIP:.2%} of the value by default, and\n"
        f"{_COSTS.range_slippage:.0%} of the range of the bar that fills each of them."
    ),
    "data": "A repair is only made when it is named here or after `--repair`.",
    "strategy": (
        "The keys from `rsi_oversold` to `support_distance_percent` are those of the built-in\n"
        "strategy. One of [one's own](own-strategies.md) has the others, with the defaults of its\n"
        "class, and in `[strategy.points]` a key for each of its rules.\n"
        "`rsi_oversold` belongs to the bundle, as the exits do, see below.\n"
        "Probabilities are at a balanced prior, see the [glossary](glossary.md)."
    ),
    "strategy.points": (
        "Six points of the nine that the rules can give are an entry; the ensemble's add to them\n"
        "or, below 0, take away."
    ),
    "strategy.entry": (
        "A limit fills at its price where the low is below it, by a tick if the symbol has one.\n"
        "It pays no spread and the `maker_fee`, or the `fee` if the first open has reached it.\n"
        "While it waits nothing else is entered in the symbol. A bundle serves only the entries\n"
        "that it was trained for."
    ),
    "strategy.exits": (
        "A bundle serves only the exits and the `rsi_oversold` that it was trained for; train\n"
        "again after a change. With others `--ml on` and `compare` stop, and `auto` says that it\n"
        "trades without ML. ATR(14) is that of the bar on which the entry is decided."
    ),
    "strategy.sizing": (
        "No entry costs more than the free cash less the reserve. One that cash pays for in part\n"
        "is bought in part; one of which nothing can be bought is not ordered. Both are records."
    ),
    "protections": (
        "All absent by default. A protection only vetoes entries: it closes nothing, and leaves\n"
        "score, mandatory filter and exits alone. A limit that is reached stands, also when the\n"
        "equity recovers. Equity is marked at closes; bars are counted by time, so that missing\n"
        "ones count. Where several veto, the first of this table is named."
    ),
    "training": (
        "Read by `train_ml_ensemble.py`, and by `run_backtest.py` without bars, which always\n"
        "takes the small preset and keeps its bundle in `default_ensemble` below `--out`. The\n"
        "scores of an evaluation rest on the bundle's own label, population, exits, costs and\n"
        "mandatory filter."
    ),
    f"members.{MEMBER}": (
        "One section a member. One of the five (`[members.xgboost]`) takes another `weight`; a\n"
        "new name joins them, with a classifier of scikit-learn or\n"
        "[one of your own](custom-members.md). A member's share of the vote is its weight over\n"
        "that of all members that answer. A bundle keeps the weights that it was trained with."
    ),
    "statistics": "Read by a comparison: `--ml compare`.",
    f"symbols.{SYMBOL}": (
        'One section a symbol, its name in quotes: `[symbols."BTC/USDT"]`. A symbol without a\n'
        "section is free. Stop and target are rounded away from the price that they are set from."
    ),
}
