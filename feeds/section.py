"""The base of every part of the configuration."""

from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Section(BaseModel):
    """A frozen part of the configuration that knows all its keys and guesses no types.

    pydantic alone would read true as 1 and "5" as 5: that is a slip of the pen, not a setting.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_type(cls, value: Any, info: ValidationInfo) -> Any:
        annotation = cls.model_fields[info.field_name or ""].annotation
        kinds = {annotation, *get_args(annotation)}
        each = value if isinstance(value, list | tuple) else [value]
        if kinds & {int, float} and any(isinstance(one, bool | str) for one in each):
            raise ValueError(f"must be a {'number' if float in kinds else 'whole number'}")
        if bool in kinds and not isinstance(value, bool):
            raise ValueError("must be true or false")
        if Path in kinds and "\0" in str(value):
            raise ValueError("must be a path")
        return value
