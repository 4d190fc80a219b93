"""Members that the settings name: tried before the work, trained, and compared with a bundle's."""

import logging
from collections.abc import Iterator, Mapping

from engine.jobs.settings import Settings
from ml.base import Model
from ml.bundle import Bundle
from ml.models.configured import with_members
from ml.models.member_config import USUAL_WEIGHT, MemberConfig
from ml.models.plain_params import plain_params

log = logging.getLogger("tandem.ml")


def check_configured(settings: Settings) -> None:
    """Refuse a member that could not be trained, asked and stored, before the work.

    Raises
    ------
    MemberError
    """
    if any(member.joins for member in settings.members.values()):
        from ml.member_check import check_members  # without such members there is nothing to load

        weighed = settings.training.label == "payoff"
        check_members(settings.members, seed=settings.seed, weighed=weighed)


def named_again(
    kept: Mapping[str, MemberConfig], today: Mapping[str, MemberConfig]
) -> dict[str, MemberConfig]:
    """Return the members of a kept run, the code of each of which is named by today's settings.

    What the file of a member may hold is for today's settings alone to say: nothing that a folder
    holds is trusted.

    Raises
    ------
    MemberError
        if one is of code that they do not name
    """
    found = {}
    for name, member in kept.items():
        now = today.get(name)
        if member.estimator is not None:
            from ml.custom_file import refuse_unnamed  # without such members nothing to load

            refuse_unnamed(name, member.estimator, now)
        trust = () if now is None else now.trust
        found[name] = member.model_copy(update={"trust": trust})
    return found


def configured(
    models: Mapping[str, tuple[float, Model]], settings: Settings
) -> dict[str, tuple[float, Model]]:
    """Return the models with the weights of the settings, and the members that join them."""
    own = [name for name, member in settings.members.items() if member.joins]
    if own and settings.training.optimize:
        log.warning("no parameters are searched for of %s: those of the settings", ", ".join(own))
    return with_members(models, settings.members, seed=settings.seed)


def tell_of_difference(bundle: Bundle, settings: Settings) -> None:
    """Log where the members of the bundle are not those that the settings name."""
    for line in _differences(bundle, settings.members):
        log.warning("%s; the bundle's own vote: train again to change that", line)


def _differences(bundle: Bundle, members: Mapping[str, MemberConfig]) -> Iterator[str]:
    stored = {member.name: member for member in bundle.ensemble.members}
    for name, member in members.items():
        if name in bundle.ensemble.left_out:
            continue
        if name not in stored:
            yield f"members.{name} is not in the bundle"
            continue
        weight = member.weight or USUAL_WEIGHT
        if (member.joins or member.weight) and stored[name].weight != weight:
            yield f"members.{name} weighs {stored[name].weight:g} in the bundle, not {weight:g}"
        if member.joins and not _is_of(member, plain_params(stored[name].model)):
            yield f"members.{name} is another one in the bundle"


def _is_of(member: MemberConfig, made_with: Mapping[str, object]) -> bool:
    wanted = {"estimator", "params", "standardise"}
    return all(made_with.get(key) == getattr(member, key) for key in wanted)
