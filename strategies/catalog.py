"""Which strategies there are: the built-in one, and those that a file holds."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import FunctionType
from typing import Any, TypeAlias

import backtrader as bt
from pydantic import ValidationError

from feeds.section import first_mistake
from strategies.config import EntryRules, ExitRules, HybridConfig, OwnConfig, Sizing
from strategies.crypto_scalping import CryptoScalpingStrategy
from strategies.errors import StrategyError
from strategies.hybrid import HybridStrategy
from strategies.own_file import OwnFile, read_class
from strategies.rule_books import own_class
from strategies.rules import Rule

Defaults: TypeAlias = dict[str, Any]
"""Keys of the section `strategy` of the settings, as the class has them."""

_SECTIONS = {"entry": EntryRules, "exits": ExitRules, "sizing": Sizing}
_SAID = ("rules", "min_entry_score", *_SECTIONS)  # what a class says of itself
_CLOSE = 0.75  # of two names: `min_score` is taken for `min_entry_score`, `size` for nothing


def strategy_of(config: HybridConfig) -> type[HybridStrategy]:
    """Return the class that decides by this configuration.

    Raises
    ------
    StrategyError
        if it is in a file that does not hold it
    """
    if not isinstance(config, OwnConfig):
        return CryptoScalpingStrategy
    strategy: type[HybridStrategy] = own_class(config.file, config.digest).found
    return strategy


def read_strategy(text: str, expected: str | None = None) -> OwnFile:
    """Return the strategy named PATH.py:ClassName, hybrid or plain.

    Parameters
    ----------
    expected : the digest of the one state in which its file may be run; None: as it is

    Raises
    ------
    StrategyError
        if there is none, or it is not fit to run
    """
    own = read_class(text, expected)
    if not issubclass(own.found, bt.Strategy):
        raise StrategyError(
            f"{own.path}: {own.name} must be a strategy, a subclass of "
            "strategies.hybrid.HybridStrategy or of backtrader.Strategy; found "
            f"{own.found.__mro__[1].__name__}"
        )
    if is_hybrid(own):
        _check(own)
    return own


def is_hybrid(own: OwnFile) -> bool:
    """Return whether the strategy has rules and points, so that an ensemble can be trained."""
    return issubclass(own.found, HybridStrategy)


def params_of(own: OwnFile) -> Mapping[str, Any]:
    """Return the parameters of a plain strategy, with their defaults."""
    return dict(own.found.params._getitems())


def defaults_of(own: OwnFile) -> Defaults:
    """Return what a strategy says of itself, as the settings have it."""
    found, named = own.found, {"file": own.text, "digest": own.digest}
    if not is_hybrid(own):
        return named
    return {
        **named,
        "min_entry_score": found.min_entry_score,
        "points": {rule.name: rule.points for rule in found.rules},
        **{name: getattr(found, name).model_dump() for name in _SECTIONS},
    }


def _check(own: OwnFile) -> None:
    """Raise `StrategyError` where the class lacks something."""
    rules, where = own.found.rules, f"{own.path}: {own.name}"
    if not isinstance(rules, tuple) or not all(isinstance(rule, Rule) for rule in rules):
        raise StrategyError(f"{where}.rules must be a tuple of Rule, found {rules!r}")
    if not any(rule.mandatory for rule in rules):
        raise StrategyError(
            f"{where}.rules must hold one rule that is mandatory: only bars on which it holds are "
            "looked at, and the ensemble learns from them"
        )
    names = [rule.name for rule in rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StrategyError(f"{where}.rules must have names of their own, found {twice[0]} twice")
    methods = [name for name, v in vars(HybridStrategy).items() if isinstance(v, FunctionType)]
    taken = [name for name in methods if getattr(own.found, name) is not _ours(name)]
    if taken:
        raise StrategyError(
            f"{where}.{taken[0]}: a hybrid strategy says its rules and leaves methods as they are; "
            "one with methods of its own is a plain one, a subclass of backtrader.Strategy"
        )
    _refuse_misspelled(own.found, where)
    for name, kind in _SECTIONS.items():
        found = getattr(own.found, name)
        if type(found) is not kind:
            raise StrategyError(f"{where}.{name} must be {kind.__name__}(…), found {found!r}")
    try:
        OwnConfig.model_validate(defaults_of(own))
    except ValidationError as error:  # the file says it, and not the command line
        raise StrategyError(f"{where}.{first_mistake(error)}") from error


def _refuse_misspelled(found: type, where: str) -> None:
    """Raise `StrategyError` where a value would be passed over in silence.

    Constants of the author's own are welcome; what comes close to a known name is none, nor is a
    key that only settings have.
    """
    ours = [kind for kind in found.__mro__ if issubclass(kind, HybridStrategy)]
    own = {name: value for kind in reversed(ours) for name, value in vars(kind).items()}
    for name, value in own.items():
        if name.startswith("_") or hasattr(HybridStrategy, name) or callable(value):
            continue
        close = get_close_matches(name.lower(), _SAID, n=1, cutoff=_CLOSE)
        if close:
            raise StrategyError(
                f"{where}.{name} is not known, and would change nothing; did you mean {close[0]}? "
                f"A class says {', '.join(_SAID)}"
            )
        if name in HybridConfig.model_fields:
            raise StrategyError(
                f"{where}.{name} would change nothing: a class says {', '.join(_SAID)}; set it as "
                f"strategy.{name} by --config"
            )


def _ours(name: str) -> Any:
    return getattr(HybridStrategy, name)
