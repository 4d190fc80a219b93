"""One contract for every model, and what only some of them promise."""

import inspect
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import check_no_attributes_set_in_init
from torch import nn

from feeds.bars import IntArray
from ml.base import FloatMatrix, Samples
from ml.calibration import PlattCalibrator
from ml.ensemble import Member
from ml.member_files import member_bytes, member_record, read_member
from ml.models.catalog import MEMBER_NAMES, Preset, default_models, model_class
from ml.models.lstm_model import LSTMModel, _Adam
from ml.models.search_space import Span, search_space
from ml.models.svm_model import SVMModel
from ml.models.xgboost_model import XGBoostModel
from tests.ml.trained import custom_members, custom_models, quick_models

ROOT = Path(__file__).resolve().parents[2]
# The members of the example are held to the same: one that is added there is tested here.
CUSTOM = custom_members()
OURS = {**quick_models(), **custom_models()}
# scikit-learn's own, as it is, shows that the contract is that of its classifiers.
EVERY_MODEL = {**OURS, "plain": LogisticRegression()}
LSTM = OURS["lstm"]


def name_of(model: Any) -> str:
    return type(model).__name__


each_model = pytest.mark.parametrize("model", EVERY_MODEL.values(), ids=EVERY_MODEL)
each_of_ours = pytest.mark.parametrize("model", OURS.values(), ids=OURS)


def rows_for(
    model: Any, n: int = 900, *, seed: int = 0, noise: bool = False, features: int = 5
) -> tuple[FloatMatrix, IntArray]:
    """Return X as the model wants it, and y: the sign of the first feature, or a coin."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n + 10, features)).astype(np.float32) * 3.0 + 7.0
    rows = np.arange(10, n + 10)
    told = rng.normal(size=n) if noise else matrix[rows, 0] - 7.0 + rng.normal(size=n)
    return Samples(matrix, rows).shaped_for(model), (told > 0).astype(np.int64)


def fitted(model: Any, **kwargs: Any) -> Any:
    return clone(model).fit(*rows_for(model, **kwargs))


def auc(model: Any, X: FloatMatrix, y: IntArray) -> float:
    return float(roc_auc_score(y, model.predict_proba(X)[:, 1]))


def numpy_state() -> str:
    return repr(np.random.get_state(legacy=False))  # noqa: NPY002  it must stay as it was


@each_model
def test_probabilities_are_probabilities(model: Any) -> None:
    X, y = rows_for(model)
    answer = clone(model).fit(X, y).predict_proba(X)
    assert answer.shape == (len(y), 2)
    assert ((answer >= 0) & (answer <= 1)).all()
    np.testing.assert_allclose(answer.sum(axis=1), 1.0, atol=1e-12)


@each_model
def test_an_easy_signal_is_learned(model: Any) -> None:
    assert auc(fitted(model, seed=1), *rows_for(model, seed=2)) > 0.8


@each_model
def test_nothing_is_learned_from_noise(model: Any) -> None:
    trained = fitted(model, seed=1, noise=True)
    assert abs(auc(trained, *rows_for(model, 3000, seed=2, noise=True)) - 0.5) < 0.06


@each_model
def test_the_same_seed_makes_the_same_model(model: Any) -> None:
    X, _ = rows_for(model, 50, seed=9)
    np.testing.assert_array_equal(fitted(model).predict_proba(X), fitted(model).predict_proba(X))


@each_model
def test_a_clone_has_the_same_parameters_and_has_learned_nothing(model: Any) -> None:
    copy = clone(fitted(model))
    assert copy.get_params() == model.get_params()
    assert not [name for name in vars(copy) if name.endswith("_")]


@each_model
def test_fit_leaves_its_data_and_the_global_chance_alone(model: Any) -> None:
    X, y = rows_for(model)
    kept = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    states = random.getstate(), numpy_state(), torch.random.get_rng_state()
    clone(model).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(y, kept[1])
    assert random.getstate() == states[0]
    assert numpy_state() == states[1]
    assert torch.equal(torch.random.get_rng_state(), states[2])


@each_model
def test_rows_with_other_features_are_refused_in_one_line(model: Any) -> None:
    X, _ = rows_for(model, 5, features=4)
    with pytest.raises(ValueError, match="5 features") as caught:
        fitted(model).predict_proba(X)
    assert "\n" not in str(caught.value)


@each_model
def test_a_batch_answers_as_its_rows_do_one_by_one(model: Any) -> None:
    trained = fitted(model)
    X, _ = rows_for(model, 40, seed=3)
    one_by_one = [trained.predict_proba(X[i : i + 1])[0] for i in range(len(X))]
    np.testing.assert_allclose(trained.predict_proba(X), one_by_one, atol=1e-6)


@pytest.mark.parametrize(("name", "model"), EVERY_MODEL.items(), ids=EVERY_MODEL)
def test_a_model_survives_storing_to_the_last_bit(name: str, model: Any) -> None:
    trained = fitted(model)
    member = Member(name, 1.0, trained, PlattCalibrator(slope=1.0, intercept=0.0))
    record = member_record(member, sha256="")
    restored: Any = read_member(record, member_bytes(member, CUSTOM), CUSTOM).model
    X, _ = rows_for(model, 200, seed=4)
    np.testing.assert_array_equal(restored.predict_proba(X), trained.predict_proba(X))
    assert restored.get_params() == trained.get_params()
    assert getattr(restored, "rows_used_", None) == getattr(trained, "rows_used_", None)


@each_of_ours
def test_the_constructor_only_stores_keyword_parameters(model: Any) -> None:
    check_no_attributes_set_in_init(name_of(model), model)
    parameters = inspect.signature(type(model)).parameters.values()
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters)
    assert {"seed"} <= {p.name for p in parameters}


@each_of_ours
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_bad_parameter_is_stored_and_refused_by_fit(model: Any, value: float) -> None:
    for name in model._above_zero:
        with pytest.raises(ValueError, match=f"{name_of(model)}: {name} must be above 0"):
            clone(model).set_params(**{name: value}).fit(*rows_for(model))


def with_nan(X: FloatMatrix, y: IntArray) -> tuple[FloatMatrix, IntArray]:
    X = X.copy()
    X[3, ..., 0] = np.nan
    return X, y


@each_of_ours
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (with_nan, "rows must be finite"),
        (lambda X, y: (X[..., None], y), "rows must be"),
        (lambda X, y: (X[:0], y[:0]), "at least one"),
        (lambda X, y: (X, y * 0), "found only"),
        (lambda X, y: (X, y + 1), "labels must be 0 or 1"),
        (lambda X, y: (X, y[:-1]), "one for each of 900 rows"),
    ],
)
def test_bad_data_are_refused_with_the_reason(
    model: Any, spoil: Callable[..., Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"{name_of(model)}: .*{message}"):
        clone(model).fit(*spoil(*rows_for(model)))


@each_of_ours
def test_validation_with_other_features_is_refused(model: Any) -> None:
    with pytest.raises(ValueError, match="validation must have 5 features, found 4"):
        clone(model).fit(*rows_for(model), validation=rows_for(model, features=4))


@each_of_ours
def test_a_model_says_how_many_rows_it_used(model: Any) -> None:
    limit = min(model.get_params().get("max_rows", 900), 900)
    without_tail = clone(model).fit(*rows_for(model), validation=rows_for(model, 90, seed=5))
    assert without_tail.rows_used_ == limit


@pytest.mark.parametrize("model", [LSTMModel(steps=3, max_rows=100), SVMModel(max_rows=100)])
def test_a_cap_draws_other_rows_with_another_seed(model: Any) -> None:
    X, y = rows_for(model)
    first, second = (clone(model).set_params(seed=seed).fit(X, y) for seed in (0, 1))
    assert first.rows_used_ == second.rows_used_ <= 100
    assert not np.array_equal(first.predict_proba(X), second.predict_proba(X))


@each_of_ours
def test_the_label_is_one_from_one_half_on(model: Any) -> None:
    X, y = rows_for(model)
    trained = clone(model).fit(X, y)
    np.testing.assert_array_equal(trained.predict(X), trained.predict_proba(X)[:, 1] >= 0.5)
    assert trained.score(X, y) > 0.7


def test_boosting_stops_early_when_validation_gets_worse() -> None:
    model = XGBoostModel(max_rounds=300)
    X, y = rows_for(model, noise=True)
    trained = clone(model).fit(X, y, validation=rows_for(model, seed=1, noise=True))
    assert trained.booster_.num_boosted_rounds() < 100
    assert clone(model).fit(X, y).booster_.num_boosted_rounds() == 300


def test_the_lstm_takes_the_latest_rows_for_validation_when_none_are_given() -> None:
    X, y = rows_for(LSTM)
    model = clone(LSTM).fit(X, y)
    assert model.rows_used_ == 900 - 135
    given = clone(LSTM).fit(X[:765], y[:765], validation=(X[765:], y[765:]))
    np.testing.assert_array_equal(model.predict_proba(X), given.predict_proba(X))


def test_the_lstm_looks_at_every_step() -> None:
    trained = fitted(LSTM)
    X, _ = rows_for(LSTM, 1)
    for step in range(3):
        other = X.copy()
        other[0, step] += 1.0
        assert trained.predict_proba(other)[0, 1] != trained.predict_proba(X)[0, 1]


def test_the_lstm_refuses_sequences_of_another_length() -> None:
    with pytest.raises(ValueError, match="rows must have 3 steps, found 2"):
        fitted(LSTM).predict_proba(np.zeros((1, 2, 5), np.float32))


def test_the_lstm_bears_a_feature_that_never_changes() -> None:
    X, y = rows_for(LSTM)
    X[..., 1] = 1e6
    assert auc(clone(LSTM).fit(X, y), X, y) > 0.8


def test_the_lstm_leaves_the_threads_of_torch_as_they_were() -> None:
    before = torch.get_num_threads()
    fitted(LSTM)
    assert torch.get_num_threads() == before


def test_the_lstm_moves_its_weights_as_torchs_adam_would_to_the_last_bit() -> None:
    drawn = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=drawn) for shape in ((4, 7), (4,), (1, 1))]
    ours, theirs = ([nn.Parameter(each.clone()) for each in start] for _ in range(2))
    steps = _Adam(ours, 3e-3).step, torch.optim.Adam(theirs, lr=3e-3).step
    for power in range(-20, 20):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=drawn) * 2.0**power
            other.grad = one.grad.clone()
        for step in steps:
            step()
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_the_lstm_learns_without_torchs_compiler() -> None:
    learn = (
        "import sys, numpy as np; from ml.models.lstm_model import LSTMModel;"
        "X = np.zeros((20, 3, 2), np.float32); X[:10] = 1.0;"
        "LSTMModel(steps=3, max_epochs=1).fit(X, np.arange(20) // 10);"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", learn], check=True, cwd=ROOT)  # noqa: S603  our own


@pytest.mark.parametrize("name", ["random_forest", "xgboost", "lstm"])
def test_any_number_of_threads_learns_the_same(name: str) -> None:
    one, two = (clone(OURS[name]).set_params(jobs=jobs) for jobs in (1, 2))
    X, y = rows_for(one)
    answers = (model.fit(X, y).predict_proba(X).tobytes() for model in (one, two))
    assert len({*answers}) == 1


def test_the_forest_answers_as_scikit_learn_would() -> None:
    trained = fitted(OURS["random_forest"])
    X, _ = rows_for(OURS["random_forest"], 100, seed=5)
    np.testing.assert_allclose(
        trained.predict_proba(X), trained.forest_.predict_proba(X), atol=1e-15
    )


def test_the_svm_answers_as_scikit_learn_would() -> None:
    trained = fitted(OURS["svm"])
    X, _ = rows_for(OURS["svm"], 5000, seed=5)
    distance = trained.classifier_.decision_function(trained.scaler_.transform(X.astype(float)))
    expected = 1.0 / (1.0 + np.exp(-distance))
    np.testing.assert_allclose(trained.predict_proba(X)[:, 1], expected, atol=1e-10)


@pytest.mark.parametrize("preset", ["full", "small"])
def test_the_default_ensemble_has_the_five_models_and_their_weights(preset: Preset) -> None:
    models = default_models(preset, seed=7, jobs=2)
    assert tuple(models) == MEMBER_NAMES
    weights = {name: weight for name, (weight, _) in models.items()}
    five = {"random_forest": 0.20, "xgboost": 0.25, "lstm": 0.20, "logistic": 0.15, "svm": 0.20}
    assert weights.items() >= five.items()
    assert all(getattr(model, "seed", None) == 7 for _, model in models.values())


@pytest.mark.parametrize("preset", ["full", "small"])
def test_the_defaults_lie_where_a_tuning_looks(preset: Preset) -> None:
    tuned = {
        name: (model, search_space(model))
        for name, (_, model) in default_models(preset, seed=0, jobs=1).items()
        if search_space(model)
    }
    assert tuned.keys() >= {"random_forest", "xgboost", "lstm", "logistic", "svm"}
    for model, space in tuned.values():
        for name, span in space.items():
            default = getattr(model, name)
            assert span.low < default < span.high
            assert isinstance(default, int) == span.whole


@each_of_ours
@pytest.mark.parametrize("end", ["low", "high"])
def test_a_model_learns_at_the_ends_of_its_spans(model: Any, end: str) -> None:
    ends = {name: getattr(span, end) for name, span in search_space(model).items()}
    X, y = rows_for(model)
    answer = clone(model).set_params(**ends).fit(X, y).predict_proba(X)
    assert np.isfinite(answer).all()


def test_a_model_that_declares_no_spans_is_not_tuned() -> None:
    assert search_space(LogisticRegression()) == {}


@pytest.mark.parametrize(
    ("low", "high", "log"), [(2, 2, False), (3, 2, False), (0, 1, True), (float("nan"), 1, False)]
)
def test_a_span_that_holds_nothing_is_refused(low: float, high: float, log: bool) -> None:
    with pytest.raises(ValueError, match="span"):
        Span(low, high, log=log)


def test_a_missing_library_loses_one_model_and_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "ml.models.lstm_model", None)
    with caplog.at_level("WARNING"):
        found = default_models("full", seed=0, jobs=1)
    assert found.keys() == {*MEMBER_NAMES} - {"lstm"}
    assert "the lstm model is left out" in caplog.text


def test_a_class_is_found_by_the_name_of_its_model() -> None:
    assert model_class("svm") is SVMModel


@each_model
def test_rows_that_weigh_more_are_believed_where_labels_contradict(model: Any) -> None:
    X, y = rows_for(model, 600, seed=1)
    both, labels = np.concatenate([X, X]), np.concatenate([y, 1 - y])
    weight = np.where(np.arange(len(labels)) < len(y), 1.0, 0.05)
    order = np.random.default_rng(0).permutation(len(labels))
    trained = clone(model).fit(both[order], labels[order], sample_weight=weight[order])
    assert auc(trained, *rows_for(model, seed=2)) > 0.75


@each_of_ours
def test_only_the_proportion_of_the_weights_counts(model: Any) -> None:
    X, y = rows_for(model, 300)
    weight = np.random.default_rng(5).uniform(0.5, 2.0, len(y))
    one, other = (clone(model).fit(X, y, weight * unit) for unit in (1.0, 8.0))
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=1e-6)


@each_of_ours
@pytest.mark.parametrize("wrong", [[1.0], [-1.0], [np.nan], [0.0]])
def test_weights_that_make_no_sense_are_refused(model: Any, wrong: list[float]) -> None:
    X, y = rows_for(model, 60)
    weight = np.array(wrong * (len(y) - (wrong == [1.0])))
    with pytest.raises(ValueError, match="weights must"):
        clone(model).fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("steps", [float("nan"), 0, -3])
def test_an_lstm_with_steps_that_make_no_sense_is_not_read(steps: float) -> None:
    stored = fitted(LSTM).to_bytes()
    with pytest.raises(ValueError, match="steps must be above 0"):
        LSTMModel.from_bytes(stored, {**LSTM.get_params(), "steps": steps})
