"""Which rules a configuration decides by."""

from strategies.config import CryptoScalpingConfig, HybridConfig, OwnConfig
from strategies.errors import StrategyError
from strategies.own_file import read_class
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
            return _own(config.file, config.digest)
        case _:
            raise TypeError(f"a configuration of a strategy is needed, found {type(config)}")


def _own(file: str, digest: str) -> OwnRules:
    known = _KNOWN.get((file, digest))
    if known is None:
        found = read_class(file)
        if found.digest != digest:
            raise StrategyError(changed(file, digest, found.digest))
        known = _KNOWN[file, digest] = OwnRules(found.name, found.found.rules)
    return known


# A session decides by the rules it began with, whatever becomes of the file.
_KNOWN: dict[tuple[str, str], OwnRules] = {}


def changed(file: str, before: str, now: str) -> str:
    """Return the line that says that a strategy's file is another one."""
    return (
        f"{file}: must have the digest {before[:16]}, found {now[:16]}: the strategy was changed "
        "since; put the old file back, or begin anew with this one"
    )
