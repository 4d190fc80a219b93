"""Whether the members that the settings name can join the vote, told before the work.

Each is tried on a few made-up rows: it must learn, answer with probabilities, answer the same when
it learns again, and come back from a file as it was.
"""

import logging
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier

from feeds.bars import FloatArray
from ml.base import Rows
from ml.calibration import PlattCalibrator
from ml.ensemble import Member
from ml.errors import BundleError, MemberError, TrainingError
from ml.member_files import member_bytes, member_record, read_member
from ml.models.configured import custom_model
from ml.models.estimator_class import estimator_class
from ml.models.member_config import MemberConfig

_ROWS, _FEATURES = 300, 8
_CONTRACT = ("fit", "get_params", "set_params", "__sklearn_tags__")

log = logging.getLogger("tandem.ml")


def check_members(members: Mapping[str, MemberConfig], *, seed: int, weighed: bool = False) -> None:
    """Refuse a member that could not be trained, asked and stored.

    Parameters
    ----------
    members : of the settings
    seed : of the training
    weighed : whether the rows of the training count by what they came to

    Raises
    ------
    MemberError
        Naming the member, what must hold and what was found.
    """
    for name, member in members.items():
        if not member.joins:
            continue
        try:
            _check(name, member, members, seed=seed, weighed=weighed)
        except (MemberError, TrainingError, BundleError, ImportError, ValueError) as error:
            raise MemberError(f"members.{name}: {error}") from error


def _check(
    name: str,
    member: MemberConfig,
    members: Mapping[str, MemberConfig],
    *,
    seed: int,
    weighed: bool,
) -> None:
    model: Any = custom_model(member, seed=seed)
    _check_contract(member, model)
    if weighed and not model.takes_weight:
        raise MemberError(
            f'with label = "payoff" rows count by what they came to, and {member.estimator} '
            "cannot weigh rows: its fit has no sample_weight; choose another label or estimator"
        )
    rows = _made_up()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few rows; the training itself is not silenced
        fitted, again = (clone(model).fit(*rows) for _ in range(2))
        answer = fitted.predict_proba(rows.X)
        _check_probabilities(member, answer)
        if not np.array_equal(answer, again.predict_proba(rows.X)):
            raise MemberError(
                f"{member.estimator} must answer the same when it learns the same again with the "
                "same random_state, found other probabilities: take all chance from random_state"
            )
        _check_storing(name, fitted, members, answer)


def _check_contract(member: MemberConfig, model: Any) -> None:
    kind = estimator_class(model.estimator)
    missing = [name for name in _CONTRACT if not hasattr(kind, name)]
    if missing:
        raise MemberError(
            f"{member.estimator} must keep to scikit-learn's contract, found no "
            f"{', '.join(missing)}: begin with class {kind.__name__}(ClassifierMixin, "
            "BaseEstimator) of sklearn.base"
        )
    estimator = model.made()
    if not is_classifier(estimator):
        raise MemberError(
            f"{member.estimator} must be a classifier: the ensemble votes on rises, yes or no"
        )
    if not hasattr(estimator, "predict_proba"):
        raise MemberError(
            f"{member.estimator} must have predict_proba, found none with these params: only "
            "probabilities can vote; a class of your own can wrap it in CalibratedClassifierCV"
        )


def _check_probabilities(member: MemberConfig, answer: FloatArray) -> None:
    if not (np.isfinite(answer) & (answer >= 0.0) & (answer <= 1.0)).all():
        raise MemberError(
            f"{member.estimator} must answer with probabilities from 0 to 1, found "
            f"{answer[:, 1].min():g} to {answer[:, 1].max():g}"
        )


def _check_storing(
    name: str, fitted: Any, members: Mapping[str, MemberConfig], answer: FloatArray
) -> None:
    member = Member(name, 1.0, fitted, PlattCalibrator(slope=1.0, intercept=0.0))
    data = member_bytes(member, members)
    try:
        restored = read_member(member_record(member, sha256=""), data, members).model
    except BundleError as error:
        raise MemberError(
            f"what it learned must come back from a file, found: {error}; keep numbers, text, "
            "arrays and estimators of scikit-learn in its attributes"
        ) from error
    if not np.array_equal(restored.predict_proba(_made_up().X), answer):
        raise MemberError("it must answer from a file as it did before, found other probabilities")


def _made_up() -> Rows:
    """Return rows of which a feature tells the label more often than not."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(_ROWS, _FEATURES)).astype(np.float32)
    return Rows(X, (X[:, 0] + rng.normal(size=_ROWS) > 0.0).astype(np.int64))
