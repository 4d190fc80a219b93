"""A member of the user's own as a file: which types it may hold, and whether it is what it says.

Nothing of it is made unless the settings name its class. Then the class may be, the others of its
file, those that scikit-learn defines in Python, and the types that the settings trust. What is in C
in scikit-learn must be trusted, trees aside, and so must what hands its arrays to C as they are
(`ml.memory_guard`): it follows the numbers of a file into memory unchecked.
"""

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from feeds.messages import printable
from ml.base import Model
from ml.errors import BundleError, BundleMismatchError, MemberError
from ml.manifest import MemberRecord
from ml.memory_guard import Allows, follows_its_numbers
from ml.models.custom_model import CustomModel
from ml.models.estimator_class import estimator_class, module_name, source_digest
from ml.models.member_config import MemberConfig
from ml.models.plain_params import plain_params
from ml.skops_file import from_bytes, to_bytes

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
    try:
        refuse_unnamed(record.name, estimator, config)
        model: Any = from_bytes(data, _allows(estimator, config.trust if config else ()))
        kind, source = estimator_class(estimator), source_digest(estimator)
    except MemberError as error:
        raise BundleMismatchError(f"the bundle's member {record.name}: {error}") from error
    if type(model) is not CustomModel or plain_params(model) != record.params:
        raise ValueError("it holds another model than the manifest says")
    if type(model.estimator_) is not kind:
        raise ValueError(f"it holds another classifier than {estimator}")
    if model.source_ != source:
        place, _, _ = estimator.rpartition(":")
        raise BundleMismatchError(
            f"the bundle's member {record.name} learned with another {place}, which has changed "
            "since: train again, or restore the file"
        )
    return model


def refuse_unnamed(name: str, estimator: str, config: MemberConfig | None) -> None:
    """Refuse a class that the settings do not name.

    Raises
    ------
    MemberError
    """
    named = config.estimator if config else None
    if named != estimator:
        foreign = printable(estimator)
        raise MemberError(
            f"it is {foreign}, and of code only what the settings name is run (they name "
            f'{named or "none"}): add [members.{name}] estimator = "{foreign}" to the --config '
            "file if you trust it, or train again without"
        )


def _allows(estimator: str, trust: tuple[str, ...]) -> Allows:
    """Return which types the file of a member may hold whose class the settings name."""
    kind = estimator_class(estimator)
    itself = f"{kind.__module__}.{kind.__name__}"
    own = {_OURS, *(() if follows_its_numbers(itself) else (itself,)), *trust}
    of_its_file = f"{module_name(estimator)}." if source_digest(estimator) else None

    def allowed(name: str) -> bool:
        beside = of_its_file is not None and name.startswith(of_its_file) and _is_defined(name)
        return name in own or beside or of_scikit_learn(name)

    return allowed


def of_scikit_learn(name: str) -> bool:
    """Return whether `name` is a class of scikit-learn that needs no trust.

    It is defined in Python, and does not hand its arrays to C as they are.

    >>> of_scikit_learn("sklearn.naive_bayes.GaussianNB")
    True
    >>> of_scikit_learn("sklearn.datasets._base.load_files")  # a function
    False
    >>> of_scikit_learn("sklearn.neighbors._kd_tree.KDTree")  # in C
    False
    """
    if name == _GUARDED or not name.startswith(_SKLEARN) or ".tests." in name:
        return name == _GUARDED
    if follows_its_numbers(name):
        return False
    module, _, _ = name.rpartition(".")
    return _is_defined(name) and str(import_module(module).__file__).endswith(".py")


def _is_defined(name: str) -> bool:
    """Return whether it is a class, and its module the one that defines it."""
    module, _, kind = name.rpartition(".")
    try:
        found = getattr(import_module(module), kind, None)
    except ImportError:
        return False
    return inspect.isclass(found) and found.__module__ == module
