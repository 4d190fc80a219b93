"""Configuration: TOML in, validated sections out, errors in one line."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import Field, ValidationError, field_validator

from engine.errors import ConfigError
from feeds.costs import Costs
from feeds.gaps import FILL_LIMIT
from feeds.messages import first_line
from feeds.section import Section, first_mistake

S = TypeVar("S", bound=Section)

MOST_COST = 0.02  # a fee above 2 % is a percentage that was meant to be a fraction
MOST_RANGE_SLIPPAGE = 0.5  # half of the bar is what a fill at a random moment of it would miss

# A key of very many parts takes tomllib minutes and the machine's memory.
_MOST_CHARACTERS, _LONGEST_LINE = 200_000, 1000


class BrokerConfig(Section):
    """Cash and what fills cost; fee per side, others as fractions of the price or of a bar."""

    cash: float = Field(10_000.0, gt=0, le=1e12)
    fee: float = 0.001
    maker_fee: float | None = None
    half_spread: float = 0.0001
    slippage: float = 0.0001
    range_slippage: float = Field(0.02, ge=0, le=MOST_RANGE_SLIPPAGE)

    @field_validator("fee", "maker_fee", "half_spread", "slippage")
    @classmethod
    def _is_fraction(cls, cost: float | None) -> float | None:
        if cost is not None and not 0.0 <= cost <= MOST_COST:
            raise ValueError(f"must be a fraction from 0 to {MOST_COST}; 0.001 is 0.1 %")
        return cost

    @property
    def costs(self) -> Costs:
        """The costs of a fill."""
        return Costs(
            fee=self.fee,
            maker_fee=self.maker_fee,
            half_spread=self.half_spread,
            slippage=self.slippage,
            range_slippage=self.range_slippage,
        )


class DataConfig(Section):
    """Where bars come from and how they are read.

    `fill_limit` bars of a gap are filled, the repairs named are allowed. `store` keeps what was
    downloaded from `exchange` (None: the usual one), or from a mirror or
    stand-in of it at `base_url`.
    """

    fill_limit: int = Field(FILL_LIMIT, ge=0, le=1000)
    repair: tuple[str, ...] = ()
    store: Path = Path("data")
    exchange: str | None = None
    base_url: str | None = None


def load_config(kind: type[S], path: Path | None, overrides: Mapping[str, Any]) -> S:
    """Return the configuration of `kind`: defaults, then the file, then `overrides`.

    `overrides` is nested like the file; None in it means "not given".
    """
    return checked_config(kind, merged_config(path, overrides), path, overrides)


def merged_config(path: Path | None, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the file says with `overrides` above it, unchecked."""
    return merged({} if path is None else read_toml(path), overrides)


def checked_config(
    kind: type[S], found: Mapping[str, Any], path: Path | None, overrides: Mapping[str, Any]
) -> S:
    """Return what was found as a configuration; errors say which of both it came from."""
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        from_flag = path is None or _holds(overrides, error.errors()[0]["loc"])
        where = "command line" if from_flag else str(path)
        raise ConfigError(f"{where}: {first_mistake(error, kind)}") from error


def to_toml(config: Section) -> str:
    """Return the configuration as TOML that `load_config` reads back."""
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def read_toml(path: Path, flag: str = "--config") -> dict[str, Any]:
    """Return what a file says that a flag names, unchecked.

    Raises
    ------
    ConfigError
        in one line, if it cannot be read, is no TOML, or too long to be settings
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_MOST_CHARACTERS + 1)
        longest = max(map(len, text.splitlines()), default=0)
        if len(text) <= _MOST_CHARACTERS and longest <= _LONGEST_LINE:
            return tomllib.loads(text)
    except FileNotFoundError as error:
        raise ConfigError(f"{flag} must name a file, found none at {path}") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{flag} must name a file, found the folder {path}") from error
    except OSError as error:
        raise ConfigError(f"{flag} must name a file that can be read: {error}") from error
    except (ValueError, RecursionError) as error:  # of what is no TOML, no UTF-8 or has no end
        raise ConfigError(f"{path} must be TOML: {first_line(error)}") from error
    raise ConfigError(
        f"{path} must hold settings: at most {_MOST_CHARACTERS} characters, in lines of at most "
        f"{_LONGEST_LINE}; found more, is it the right file?"
    )


def merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, section by section; what `high` has of a key stands above, unless it is None."""
    found = dict(low)
    for key, value in high.items():
        if isinstance(value, Mapping):
            below = found.get(key, {})
            if isinstance(below, Mapping):  # else it is refused as it stands
                found[key] = merged(below, value)
        elif value is not None:
            found[key] = value
    return found


def _holds(overrides: Mapping[str, Any], loc: tuple[int | str, ...]) -> bool:
    """Return whether the value at `loc` was given in `overrides`; a whole section never is."""
    value: Any = overrides
    for key in loc:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value is not None and not isinstance(value, Mapping)
