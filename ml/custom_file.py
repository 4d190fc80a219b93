"""A member of the user's own as a file: which types it may hold, and whether it is what it says.

Classes that scikit-learn itself defines in Python are allowed. So are, if the settings name the
member, its own class, the others of its file and the types that the settings trust. What scikit-
learn has in C is not: it follows the numbers of such a file into memory unchecked.
"""

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ml.base import Model
from ml.errors import BundleError, BundleMismatchError, MemberError
from ml.manifest import MemberRecord
from ml.models.custom_model import CustomModel
from ml.models.estimator_class import estimator_class, module_name, source_digest
from ml.models.member_config import MemberConfig
from ml.models.plain_params import plain_params
from ml.skops_file import Allows, from_bytes, to_bytes

_OURS = f"{CustomModel.__module__}.{CustomModel.__qualname__}"
_SKLEARN = "sklearn."
_GUARDED = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"


def custom_bytes(name: str, model: CustomModel, members: Mapping[str, MemberConfig]) -> bytes:
    """Return the model as a file that `read_custom` reads under the same settings.

    Raises
    ------
    BundleError
        If it cannot be written so, or holds a type that would not be read again.
    """
    trust = members[name].trust if name in members else ()
    try:
        return to_bytes(name, model, _allows(model.estimator, trust))
    except BundleError as error:
        raise BundleError(
            f"{error}; if you trust them to be made from a file, add them to members.{name}.trust"
        ) from error


def read_custom(record: MemberRecord, data: bytes, members: Mapping[str, MemberConfig]) -> Model:
    """Return the model of a file that `custom_bytes` wrote.

    Raises
    ------
    BundleMismatchError
        If the settings do not name its class, or the file of the class is not the one that it
        learned with.
    ImportError
        If the library of its class cannot be loaded.
    ValueError, TypeError
        If it is not what the record says.
    """
    estimator = record.params["estimator"]
    if not isinstance(estimator, str):
        raise TypeError(f"an estimator is named by text, found {estimator!r}")
    config = members.get(record.name)
    if not (config and config.estimator == estimator) and not _is_own(estimator):
        raise BundleMismatchError(_not_named(record.name, estimator, config))
    try:
        model: Any = from_bytes(data, _allows(estimator, config.trust if config else ()))
        source = source_digest(estimator)
        kind = estimator_class(estimator)
    except MemberError as error:
        raise BundleMismatchError(f"member {record.name}: {error}") from error
    if type(model) is not CustomModel or plain_params(model) != record.params:
        raise ValueError("it holds another model than the manifest says")
    if type(model.estimator_) is not kind:
        raise ValueError(f"it holds another classifier than {estimator}")
    if model.source_ != source:
        raise BundleMismatchError(
            f"member {record.name} learned with another {estimator.rpartition(':')[0]}, which has "
            f"changed since: train again, or restore the file"
        )
    return model


def _not_named(name: str, estimator: str, config: MemberConfig | None) -> str:
    found = f"they name {config.estimator}" if config else "they name none"
    return (
        f"the bundle's member {name} is {estimator}, and only code that the settings name is run "
        f'({found}): add [members.{name}] estimator = "{estimator}" to the --config file if you '
        f"trust it, or train again without"
    )


def _is_own(estimator: str) -> bool:
    """Return whether the class is one of scikit-learn's own, which anybody may name."""
    place, _, _ = estimator.rpartition(":")
    if not f"{place}.".startswith(_SKLEARN) or place.endswith(".py"):
        return False
    kind = estimator_class(estimator)
    return of_scikit_learn(f"{kind.__module__}.{kind.__name__}")


def _allows(estimator: str, trust: tuple[str, ...]) -> Allows:
    """Return which types the file of a member may hold whose class the settings name."""
    kind = estimator_class(estimator)
    own = {_OURS, f"{kind.__module__}.{kind.__name__}", *trust}
    place = module_name(estimator)

    def allowed(name: str) -> bool:
        return name in own or name.rpartition(".")[0] == place or of_scikit_learn(name)

    return allowed


def of_scikit_learn(name: str) -> bool:
    """Return whether `name` is a class that scikit-learn defines in Python.

    >>> of_scikit_learn("sklearn.naive_bayes.GaussianNB")
    True
    >>> of_scikit_learn("sklearn.datasets._base.load_files")  # a function
    False
    >>> of_scikit_learn("sklearn.neighbors._kd_tree.KDTree")  # in C
    False
    """
    module, _, kind = name.rpartition(".")
    if name == _GUARDED or not module.startswith(_SKLEARN) or ".tests" in module:
        return name == _GUARDED
    try:
        place = import_module(module)
    except ImportError:
        return False
    found = getattr(place, kind, None)
    in_python = str(getattr(place, "__file__", "")).endswith(".py")
    return in_python and inspect.isclass(found) and found.__module__ == module
