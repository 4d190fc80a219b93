"""The whole configuration of a command, from `--config FILE.toml` and the flags."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from engine.config import BrokerConfig, DataConfig, load_config
from engine.errors import ConfigError
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
from strategies.config import CryptoScalpingConfig, OpinionPoints, OwnConfig


class StatisticsConfig(Section):
    """What a comparison is measured with: `gate_seeds` shuffles of the random gate."""

    gate_seeds: int = Field(100, ge=2, le=10_000)


class Settings(Section):
    """The sections of a configuration; `symbols` and `members` have one for each name."""

    seed: int = Field(0, ge=0, lt=2**32)
    broker: BrokerConfig = BrokerConfig()
    data: DataConfig = DataConfig()
    strategy: CryptoScalpingConfig | OwnConfig = CryptoScalpingConfig()
    protections: ProtectionsConfig = ProtectionsConfig()
    training: TrainingConfig = TrainingConfig()
    members: Members = Field(default_factory=dict)
    statistics: StatisticsConfig = StatisticsConfig()
    paper: PaperConfig = PaperConfig()
    symbols: dict[str, SymbolRules] = Field(default_factory=dict)

    @field_validator("strategy", mode="before")
    @classmethod
    def _of_its_kind(cls, found: Any) -> Any:
        """Read the section of a strategy of one's own as such; its file is not run for it."""
        if not isinstance(found, Mapping):
            return found
        own = found.get("file") is not None
        return (OwnConfig if own else CryptoScalpingConfig).model_validate(found)

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


def load_settings(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings: defaults, then the file, then `overrides` (None: not given).

    The defaults of a strategy of one's own are those of its class.

    Raises
    ------
    ConfigError
        if they break a rule
    StrategyError
        if there is no such strategy
    """
    return load_config(Settings, path, overrides or {}, _own_defaults)


def _own_defaults(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a strategy of one's own says of itself, where the settings name one."""
    section = found.get("strategy")
    file = section.get("file") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(file, str):
        return {}
    from strategies.catalog import defaults_of, read_strategy  # loads backtrader

    defaults = defaults_of(read_strategy(file))
    _refuse_another(section.get("digest"), defaults)
    _refuse_unknown_rules(section.get("points"), defaults)
    return {"strategy": defaults}


def _refuse_another(digest: Any, defaults: Mapping[str, Any]) -> None:
    if digest not in (None, defaults["digest"]):
        raise ConfigError(
            f"strategy.digest: the settings are for another state of {defaults['file']}, which now "
            f"has the digest {defaults['digest'][:16]}; put the old file back, or leave the key out"
        )


def _refuse_unknown_rules(points: Any, defaults: Mapping[str, Any]) -> None:
    known = {*defaults["points"], *OpinionPoints.model_fields}
    unknown = [key for key in points if key not in known] if isinstance(points, Mapping) else []
    if unknown:
        raise ConfigError(
            f"strategy.points.{printable(str(unknown[0]))} is no rule of {defaults['file']}; "
            f"known keys: {', '.join(sorted(known))}"
        )
