"""What an exchange asks of orders."""

import math

from pydantic import BaseModel, ConfigDict, Field


class SymbolRules(BaseModel):
    """What an exchange asks of orders in one symbol; 0 asks nothing.

    Attributes
    ----------
    amount_step : units come in multiples of this
    tick : prices come in multiples of this; stops and targets are rounded to it
    min_notional : least value, in quote currency, of an order that opens or adds to a position
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount_step: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    tick: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    min_notional: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)

    def allows_units(self, units: float) -> bool:
        """Return whether the units are a multiple of the step, up to rounding.

        >>> SymbolRules(amount_step=0.1).allows_units(0.3)
        True
        """
        if not self.amount_step:
            return True
        steps = units / self.amount_step
        return math.isclose(steps, round(steps), rel_tol=1e-12, abs_tol=1e-6)
