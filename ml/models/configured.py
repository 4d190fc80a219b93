"""The models of a training as the settings want them."""

from collections.abc import Mapping
from importlib import import_module

from ml.base import Model
from ml.models.member_config import USUAL_WEIGHT, MemberConfig


def with_members(
    models: Mapping[str, tuple[float, Model]], members: Mapping[str, MemberConfig], *, seed: int
) -> dict[str, tuple[float, Model]]:
    """Return the models with the weights that the settings give them, and those that join them.

    A member's share of the vote is its weight over the sum of the weights of all that answer.

    Parameters
    ----------
    models : name -> (weight, unfitted model)
    seed : of those that join
    """
    given = {name: each.weight for name, each in members.items() if each.weight is not None}
    weighted = {name: (given.get(name, weight), model) for name, (weight, model) in models.items()}
    return weighted | {
        name: (given.get(name, USUAL_WEIGHT), custom_model(member, seed=seed))
        for name, member in members.items()
        if member.joins
    }


def custom_model(member: MemberConfig, *, seed: int) -> Model:
    """Return the unfitted model of a member that joins."""
    # Here and not above: who only wants to know whether any joins starts without scikit-learn.
    made: Model = import_module("ml.models.custom_model").CustomModel(
        estimator=member.estimator,
        params=dict(member.params),
        standardise=member.standardise,
        seed=seed,
    )
    return made
