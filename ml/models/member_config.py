"""Members of the ensemble as the configuration names them: `[members.<name>]`."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Self, TypeAlias

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from feeds.section import Section
from ml.models.catalog import MEMBER_NAMES

USUAL_WEIGHT: Final = 0.2  # of a member that names none: the mean of the five's

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_ESTIMATOR = re.compile(r"[^:\n]+:[A-Za-z_]\w*")
_CHANCE = "random_state"


class MemberConfig(Section):
    """One member: another weight for one of the five, or a classifier that joins them.

    Attributes
    ----------
    estimator : `package.module:Class`, or `file.py:Class`, that keeps to scikit-learn's contract;
        absent for one of the five
    weight : of its vote; only the proportion to the others' counts. Absent: the catalog's, or
        USUAL_WEIGHT
    params : keyword arguments of the class
    standardise : whether it sees features less their mean, over their deviation, of the rows
        that it learned from
    trust : full names of types that its file in a bundle may hold besides: not of its own file, and
        not scikit-learn's, or of those that follow the numbers of a file into memory
    """

    estimator: str | None = None
    weight: float | None = Field(None, gt=0, le=1000)
    params: dict[str, JsonValue] = Field(default_factory=dict)
    standardise: bool = True
    trust: tuple[str, ...] = ()

    @field_validator("estimator")
    @classmethod
    def _names_a_class(cls, estimator: str | None) -> str | None:
        if estimator is not None and not _ESTIMATOR.fullmatch(estimator):
            raise ValueError(
                "must be package.module:Class or file.py:Class, such as "
                "sklearn.ensemble:ExtraTreesClassifier"
            )
        return estimator

    @model_validator(mode="after")
    def _leaves_chance_to_the_seed(self) -> Self:
        for name in self.params:
            if name.split("__")[-1] == _CHANCE:
                raise ValueError(
                    f"{name} is not a member's own: all chance comes from `seed`; leave it away"
                )
        return self

    @property
    def joins(self) -> bool:
        """Whether it is a member of its own, not another weight for one of the five."""
        return self.estimator is not None


def _known(members: dict[str, MemberConfig]) -> dict[str, MemberConfig]:
    for name, member in members.items():
        ours = name in MEMBER_NAMES
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} cannot name a member: small letters, digits and _, at most 41, "
                "beginning with a letter"
            )
        if not ours and not member.joins:
            raise ValueError(
                f"{name} is none of {', '.join(MEMBER_NAMES)}, so it must name its estimator, "
                f'such as estimator = "sklearn.ensemble:ExtraTreesClassifier"'
            )
        if ours and member.model_fields_set - {"weight"}:
            raise ValueError(
                f"{name} is a member already, and only its weight may be set; "
                "choose another name for your own"
            )
    return members


Members: TypeAlias = Annotated[dict[str, MemberConfig], AfterValidator(_known)]

# What is read without settings: only what is ours.
NOBODY: Final[Mapping[str, MemberConfig]] = MappingProxyType({})
