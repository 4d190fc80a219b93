"""The whole configuration of a command, from `--config FILE.toml` and the flags."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from engine.config import BrokerConfig, DataConfig, load_config
from engine.paper.config import PaperConfig
from engine.protections import ProtectionsConfig
from engine.rules import SymbolRules
from feeds.costs import Costs
from feeds.errors import FeedError
from feeds.section import Section
from feeds.symbol import normalise_symbol
from ml.training.config import TrainingConfig
from strategies.config import CryptoScalpingConfig


class StatisticsConfig(Section):
    """What a comparison is measured with: `gate_seeds` shuffles of the random gate."""

    gate_seeds: int = Field(100, ge=2, le=10_000)


class Settings(Section):
    """The sections of a configuration; `symbols` has trading rules by symbol."""

    seed: int = Field(0, ge=0, lt=2**32)
    broker: BrokerConfig = BrokerConfig()
    data: DataConfig = DataConfig()
    strategy: CryptoScalpingConfig = CryptoScalpingConfig()
    protections: ProtectionsConfig = ProtectionsConfig()
    training: TrainingConfig = TrainingConfig()
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


def load_settings(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings: defaults, then the file, then `overrides` (None: not given)."""
    return load_config(Settings, path, overrides or {})
