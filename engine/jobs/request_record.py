"""What was asked of a run, in a form that the run folder keeps and that can be asked again."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from engine.config import DataConfig
from engine.errors import RunError
from engine.jobs.markets import AskedBars, BarFiles, ExchangeBars
from engine.jobs.serving import MLMode
from feeds.errors import FeedError
from feeds.moments import iso, parse_utc
from feeds.symbol import normalise_symbol
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer
from strategies.own_file import split


def _that_reads(read: Callable[[str], object]) -> AfterValidator:
    """Return a check that a text can be read, for pydantic."""

    def checked(text: str) -> str:
        try:
            read(text)
        except FeedError as error:
            raise ValueError(str(error)) from error
        return text

    return AfterValidator(checked)


PLAIN = "plain"  # the command of a run of a plain strategy
SEARCH = "search"  # that of a search in windows, whose run has settings for each
BEST_OF = "best_of"  # an option: of how many sets on the same bars the run's is the best

MomentText: TypeAlias = Annotated[str, _that_reads(parse_utc)]
SymbolText: TypeAlias = Annotated[str, _that_reads(normalise_symbol)]
TimeframeText: TypeAlias = Annotated[str, _that_reads(Timeframe.parse)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FilesRecord(_Frozen):
    """Bars of files; the paths are absolute, symbol and timeframe for files that lack theirs."""

    kind: Literal["files"] = "files"
    paths: tuple[Path, ...] = Field(min_length=1)
    symbol: SymbolText | None
    timeframe: TimeframeText | None


class ExchangeRecord(_Frozen):
    """Bars of an exchange by way of the store, an absolute path; `before` bars ahead of them."""

    kind: Literal["exchange"] = "exchange"
    exchange: str | None
    base_url: str | None
    store: Path
    symbols: tuple[SymbolText, ...] = Field(min_length=1)
    timeframe: TimeframeText
    start: MomentText
    end: MomentText
    before: int = Field(ge=0)


class LiveRecord(_Frozen):
    """Bars as they closed on an exchange while a paper session ran."""

    kind: Literal["live"] = "live"
    exchange: str
    symbols: tuple[SymbolText, ...] = Field(min_length=1)
    timeframe: TimeframeText


class DefaultRecord(_Frozen):
    """The embedded default: a simulated market, and an ensemble trained on its first part."""

    kind: Literal["default"] = "default"


class OtherRecord(_Frozen):
    """Bars that a program made; nobody else can read them again."""

    kind: Literal["other"] = "other"


BarsRecord: TypeAlias = Annotated[
    FilesRecord | ExchangeRecord | LiveRecord | DefaultRecord | OtherRecord,
    Field(discriminator="kind"),
]


class ModelRecord(_Frozen):
    """The version of a bundle that answered; `digest` is that of its manifest."""

    path: Path
    version: str
    digest: str


class StrategyRecord(_Frozen):
    """A strategy of one's own: its class, its file and the SHA-256 of it."""

    path: Path
    name: str
    digest: str


class RequestRecord(_Frozen):
    """What was asked of a run.

    Attributes
    ----------
    command : which kind of run: `backtest`, `paper`, `plain`, `search` or `walk-forward`
    bars : where they came from
    start, end : of the dates that count, ISO in UTC; None for all
    ml : the mode in force
    strategy : None for the built-in one
    model : None where no bundle answered
    options : what only this kind of run is told
    """

    command: str
    bars: BarsRecord
    start: MomentText | None = None
    end: MomentText | None = None
    ml: MLMode
    strategy: StrategyRecord | None = None
    model: ModelRecord | None = None
    in_sample: bool = False
    options: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def best_of(self) -> int:
        """Of how many sets on the same bars a search chose the run's; 0 for none."""
        found = self.options.get(BEST_OF, 0)
        return found if isinstance(found, int) else 0

    def asked_bars(self) -> AskedBars | None:
        """Return the bars to ask for again; None for the embedded default.

        Raises
        ------
        RunError
            if they came from nowhere that can be asked
        """
        match self.bars:
            case DefaultRecord():
                return None
            case LiveRecord():
                raise RunError("a market that was traded live is over: nobody can ask for it again")
            case OtherRecord():
                raise RunError("the bars of this run were made by a program: nobody can read them")
            case FilesRecord() | ExchangeRecord() as kept:
                return AskedBars(_source(kept), _moment(self.start), _moment(self.end))


def _source(kept: FilesRecord | ExchangeRecord) -> BarFiles | ExchangeBars:
    if isinstance(kept, FilesRecord):
        frame = None if kept.timeframe is None else Timeframe.parse(kept.timeframe)
        return BarFiles(kept.paths, kept.symbol, frame)
    return ExchangeBars(
        kept.symbols,
        Timeframe.parse(kept.timeframe),
        parse_utc(kept.start),
        parse_utc(kept.end),
        kept.before,
    )


def bars_record(asked: AskedBars | None, config: DataConfig) -> BarsRecord:
    """Return where the bars come from."""
    match None if asked is None else asked.source:
        case None:
            return DefaultRecord()
        case BarFiles(paths=paths, symbol=symbol, timeframe=timeframe):
            return FilesRecord(
                paths=tuple(path.resolve() for path in paths),
                symbol=symbol,
                timeframe=None if timeframe is None else str(timeframe),
            )
        case ExchangeBars() as source:
            return ExchangeRecord(
                exchange=config.exchange,
                base_url=config.base_url,
                store=config.store.resolve(),
                symbols=tuple(source.symbols),
                timeframe=str(source.timeframe),
                start=iso(source.start),
                end=iso(source.end),
                before=source.before,
            )
        case _:
            return OtherRecord()


def model_record(analyzer: object, path: Path) -> ModelRecord | None:
    """Return which bundle answers; None if none does."""
    if not isinstance(analyzer, Analyzer):
        return None
    version = analyzer.bundle.kept.version.name
    return ModelRecord(path=path.resolve(), version=version, digest=analyzer.digest)


def strategy_record(file: str | None, digest: str | None) -> StrategyRecord | None:
    """Return which strategy decides, as the settings name it."""
    if file is None or digest is None:
        return None
    path, name = split(file)
    return StrategyRecord(path=path.resolve(), name=name, digest=digest)


def text_of(moment: np.datetime64 | None) -> str | None:
    """Return a date as the record keeps it."""
    return None if moment is None else iso(moment)


def _moment(text: str | None) -> np.datetime64 | None:
    return None if text is None else parse_utc(text)
