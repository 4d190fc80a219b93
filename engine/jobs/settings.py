"""The whole configuration of a command, from `--config FILE.toml` and the flags."""

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from engine.config import BrokerConfig, DataConfig, checked_config, merged, merged_config
from engine.errors import ConfigError, UsageError
from engine.paper.config import PaperConfig
from engine.protections import ProtectionsConfig
from engine.rules import SymbolRules
from feeds.costs import Costs
from feeds.errors import FeedError
from feeds.messages import printable
from feeds.section import Section
from feeds.symbol import normalise_symbol
from ml.models.member_config import Members
from ml.training.config import TrainingConfig
from strategies.config import (
    CryptoScalpingConfig,
    OpinionPoints,
    OwnConfig,
    PlainConfig,
    StrategyConfig,
)
from strategies.own_file import OwnFile, digest_of, split


class StatisticsConfig(Section):
    """What a comparison is measured with: `gate_seeds` shuffles of the random gate."""

    gate_seeds: int = Field(100, ge=2, le=10_000)


class RunSettings(Section):
    """The sections of a configuration; `symbols` and `members` have one for each name."""

    seed: int = Field(0, ge=0, lt=2**32)
    broker: BrokerConfig = BrokerConfig()
    data: DataConfig = DataConfig()
    strategy: StrategyConfig
    protections: ProtectionsConfig = ProtectionsConfig()
    training: TrainingConfig = TrainingConfig()
    members: Members = Field(default_factory=dict)
    statistics: StatisticsConfig = StatisticsConfig()
    paper: PaperConfig = PaperConfig()
    symbols: dict[str, SymbolRules] = Field(default_factory=dict)

    @field_validator("symbols")
    @classmethod
    def _normalised(cls, rules: dict[str, SymbolRules]) -> dict[str, SymbolRules]:
        try:
            normal = {normalise_symbol(symbol): rule for symbol, rule in rules.items()}
        except FeedError as error:
            raise ValueError(str(error)) from error
        if len(normal) < len(rules):
            raise ValueError("each symbol has one set of rules")
        return normal

    def rules_of(self, symbol: str) -> SymbolRules:
        """Return what the exchange asks of orders in a symbol."""
        return self.symbols.get(symbol, SymbolRules())

    @property
    def costs(self) -> Costs:
        """What fills cost."""
        return self.broker.costs

    def built_in(self) -> "Settings":
        """Return the same with the built-in strategy: what the embedded default is made with."""
        return Settings.model_validate(self.model_dump(exclude={"strategy", "statistics"}))


class Settings(RunSettings):
    """The configuration of a hybrid strategy, the built-in one or one's own."""

    strategy: CryptoScalpingConfig | OwnConfig = CryptoScalpingConfig()

    @field_validator("strategy", mode="before")
    @classmethod
    def _of_its_kind(cls, found: Any) -> Any:
        """Read the section of a strategy of one's own as such; its file is not run for it."""
        if not isinstance(found, Mapping):
            return found
        own = found.get("file") is not None
        return (OwnConfig if own else CryptoScalpingConfig).model_validate(found)


class PlainSettings(RunSettings):
    """The configuration of a plain strategy of backtrader."""

    strategy: PlainConfig
    statistics: StatisticsConfig = StatisticsConfig(gate_seeds=20)  # each is a run, bar by bar

    @field_validator("protections")
    @classmethod
    def _none(cls, found: ProtectionsConfig) -> ProtectionsConfig:
        if found != ProtectionsConfig():
            raise ValueError(
                "a plain strategy sends its orders without asking a protection; leave the section "
                "out, or write a hybrid strategy"
            )
        return found


def load_settings(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings: defaults, then the file, then `overrides` (None: not given).

    The defaults of a strategy of one's own are those of its class.

    Raises
    ------
    ConfigError
        if they break a rule
    StrategyError
        if there is no such strategy
    UsageError
        if it is a plain one, which has nothing that this command could work on
    """
    return hybrid(load_any_settings(path, overrides))


def settings_of_class(file: str, digest: str) -> Settings | PlainSettings:
    """Return the defaults of a strategy of one's own, in the state in which it was first read.

    Raises
    ------
    StrategyError
        if it was not read yet, and is gone or in another state
    """
    from strategies.catalog import defaults_of, is_hybrid  # loads backtrader
    from strategies.rule_books import own_class

    own = own_class(file, digest)
    kind = Settings if is_hybrid(own) else PlainSettings
    return kind.model_validate({"strategy": defaults_of(own)})


def hybrid(settings: "Settings | PlainSettings") -> Settings:
    """Return the settings of a hybrid strategy; refuse those of a plain one."""
    if isinstance(settings, PlainSettings):
        raise UsageError(
            f"{settings.strategy.file} is a plain strategy: nothing but run_backtest.py runs it; "
            "what is trained, audited or traded on paper needs rules, those of a HybridStrategy"
        )
    return settings


def load_any_settings(
    path: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings | PlainSettings:
    """Return the settings of a hybrid or of a plain strategy, as `load_settings` does."""
    given = overrides or {}
    found = merged_config(path, given)
    section = found.get("strategy")
    file = section.get("file") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(file, str):
        return checked_config(Settings, found, path, given)
    from strategies.catalog import (  # loads backtrader
        defaults_of,
        is_hybrid,
        params_of,
        read_strategy,
    )

    own = read_strategy(file, _expected(file, section.get("digest")))
    defaults = defaults_of(own)
    if is_hybrid(own):
        _refuse_unknown("points", {*defaults["points"], *OpinionPoints.model_fields}, section, own)
        return checked_config(Settings, merged({"strategy": defaults}, found), path, given)
    _refuse_unknown("params", set(params_of(own)), section, own)
    return checked_config(PlainSettings, merged({"strategy": defaults}, found), path, given)


def _expected(file: str, digest: Any) -> str | None:
    """Return the digest that the settings name; raise before a file in another state is run."""
    if digest is None:
        return None
    path = split(file)[0].resolve()
    found = digest_of(path)
    if digest != found:
        raise ConfigError(
            f"strategy.digest: the settings are for another state of {file}, which now has the "
            f"digest {found[:16]} and is not run; put the old file back, or leave the key out"
        )
    return found


def _refuse_unknown(key: str, known: Set[str], section: Mapping[str, Any], own: OwnFile) -> None:
    found = section.get(key)
    unknown = [name for name in found if name not in known] if isinstance(found, Mapping) else []
    if unknown:
        raise ConfigError(
            f"strategy.{key}.{printable(str(unknown[0]))} is not known to {own.text}; known keys: "
            f"{', '.join(sorted(known))}"
        )
