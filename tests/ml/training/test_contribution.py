"""What a member adds: the sign, the weights, and members that are alone or silent."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import FloatArray
from ml.base import FloatMatrix
from ml.ensemble import Ensemble, Member
from ml.training.contribution import Contribution, member_contributions
from ml.training.evaluator import evaluate
from tests.ml.training.plain_rows import IDENTITY, Adds, adding, foretold_by


@dataclass
class Opposes(Adds):
    """A model that says the opposite."""

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        return super().predict_proba(X)[:, ::-1]


@dataclass
class Sometimes(Adds):
    """A model that answers on every other row."""

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        answers = super().predict_proba(X)
        answers[::2] = np.nan
        return answers


def member(name: str, model: Adds, weight: float = 1.0) -> Member:
    return Member(name, weight, model, IDENTITY)


def found_in(*members: Member) -> dict[str, Contribution]:
    found = member_contributions(Ensemble(members, 0.4), foretold_by(0, of=3))
    return {each.name: each for each in found.members}


def test_above_nothing_a_member_helps_and_below_it_harms() -> None:
    found = found_in(member("good", Adds((0,))), member("bad", Opposes((0,)), 0.4))
    good, bad = found["good"], found["bad"]
    for helps in (good.roc_auc, good.log_loss, good.brier):
        assert helps is not None
        assert helps > 0.05
    for harms in (bad.log_loss, bad.brier):
        assert harms is not None
        assert harms < -0.01


@settings(max_examples=20)
@given(weights=st.lists(st.floats(0.1, 10.0), min_size=3, max_size=3))
def test_a_contribution_is_what_an_ensemble_of_the_others_loses(weights: list[float]) -> None:
    members = [member(f"m{i}", Adds((i,)), weight) for i, weight in enumerate(weights)]
    rows = foretold_by(0, of=3, rows=60)
    whole = evaluate(Ensemble(members, 0.4), rows).ensemble
    found = member_contributions(Ensemble(members, 0.4), rows).members
    assert [each.name for each in found] == ["m0", "m1", "m2"]
    assert sum(each.weight for each in found) == pytest.approx(1.0)
    for each in found:
        others = [m for m in members if m.name != each.name]
        rest = evaluate(Ensemble(others, 0.4), rows).ensemble
        assert whole.roc_auc is not None
        assert rest.roc_auc is not None
        assert each.roc_auc == pytest.approx(whole.roc_auc - rest.roc_auc, abs=1e-12)
        assert each.log_loss == pytest.approx(rest.log_loss - whole.log_loss, abs=1e-12)
        assert each.brier == pytest.approx(rest.brier - whole.brier, abs=1e-12)


def test_rows_count_by_their_weight_as_in_an_evaluation() -> None:
    rng = np.random.default_rng(3)
    rows = foretold_by(0, of=3, rows=80)
    weighed = replace(rows, weight=rng.uniform(0.01, 1.0, len(rows)))
    pair = (member("a", Adds((0,))), member("b", Adds((1,))))
    whole, alone = (evaluate(Ensemble(m, 0.4), weighed).ensemble for m in (pair, pair[1:]))
    first = member_contributions(Ensemble(pair, 0.4), weighed).members[0]
    unweighed = member_contributions(Ensemble(pair, 0.4), rows).members[0]
    assert whole.roc_auc is not None
    assert alone.roc_auc is not None
    assert first.roc_auc == pytest.approx(whole.roc_auc - alone.roc_auc, abs=1e-12)
    assert first.brier == pytest.approx(alone.brier - whole.brier, abs=1e-12)
    assert first.brier != pytest.approx(unweighed.brier)


def test_a_lone_member_has_nobody_to_be_compared_with() -> None:
    found = member_contributions(adding(0), foretold_by(0, of=1))
    assert json.loads(json.dumps(found.to_json(), allow_nan=False)) == {
        "rows": 800,
        "members": [
            {"name": "adds", "weight": 1.0, "roc_auc": None, "log_loss": None, "brier": None}
        ],
    }


def test_a_member_that_answers_now_and_then_is_judged_where_others_answer_too() -> None:
    found = found_in(member("always", Adds((1,))), member("sometimes", Sometimes((0,))))
    helps = found["sometimes"].roc_auc
    assert helps is not None
    assert helps > 0.05
    rows = foretold_by(0, of=3)
    answered = rows.take(np.arange(1, len(rows), 2))
    pair = Ensemble((member("a", Adds((1,))), member("b", Adds((0,)))), 0.4)
    only = member_contributions(pair, answered).members[0]
    assert found["always"].brier == pytest.approx(only.brier)


def test_rows_of_one_outcome_cannot_rank() -> None:
    rows = foretold_by(0, of=3)
    pair = Ensemble((member("a", Adds((0,))), member("b", Adds((1,)))), 0.4)
    first = member_contributions(pair, replace(rows, y=np.ones_like(rows.y))).members[0]
    assert first.roc_auc is None
    assert first.brier is not None
