"""What an exchange asks of orders."""

import math

from pydantic import Field, field_validator

from feeds.section import Section

LEAST_STEP = 1e-18  # the smallest unit of any coin; a smaller step is not a number to reckon with


class SymbolRules(Section):
    """What an exchange asks of orders in one symbol; 0 asks nothing.

    Attributes
    ----------
    amount_step : units come in multiples of this
    tick : prices come in multiples of this; stops and targets are rounded to it
    min_notional : least value, in quote currency, of an order that opens or adds to a position
    """

    amount_step: float = Field(default=0.0, ge=0.0)
    tick: float = Field(default=0.0, ge=0.0)
    min_notional: float = Field(default=0.0, ge=0.0)

    @field_validator("amount_step", "tick")
    @classmethod
    def _is_step(cls, step: float) -> float:
        if 0.0 < step < LEAST_STEP:
            raise ValueError(f"must be 0 or at least {LEAST_STEP}")
        return step

    def allows_units(self, units: float) -> bool:
        """Return whether the units are a multiple of the step, up to rounding.

        >>> SymbolRules(amount_step=0.1).allows_units(0.3)
        True
        """
        if not self.amount_step:
            return True
        steps = units / self.amount_step
        return math.isclose(steps, round(steps), rel_tol=1e-12, abs_tol=1e-6)
