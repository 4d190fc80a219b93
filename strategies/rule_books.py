"""Which rules a configuration decides by."""

from functools import lru_cache

from strategies.config import CryptoScalpingConfig, HybridConfig, OwnConfig
from strategies.own_file import OwnFile, read_class
from strategies.own_rules import OwnRules
from strategies.rules import RuleBook
from strategies.scalping_rules import ScalpingRules


def rules_of(config: HybridConfig) -> RuleBook:
    """Return the rule book of a configuration.

    Raises
    ------
    StrategyError
        if the file of a strategy of one's own is gone, or is not the one that was configured
    """
    match config:
        case CryptoScalpingConfig():
            return ScalpingRules(config)
        case OwnConfig():
            return own_rules(config)
        case _:
            raise TypeError(f"a configuration of a strategy is needed, found {type(config)}")


def own_rules(config: OwnConfig) -> OwnRules:
    """Return the rules of a strategy of one's own."""
    own = own_class(config.file, config.digest)
    return OwnRules(own.text, own.found.rules)


@lru_cache
def own_class(file: str, digest: str) -> OwnFile:
    """Return the class that a file holds in the state that the digest names.

    It is read once, so that a session goes on by the rules it began with, whatever becomes of the
    file.

    Raises
    ------
    StrategyError
        if the file is gone, or in another state, in which it is not run
    """
    return read_class(file, digest)
