"""Settings of a training."""

import pytest
from pydantic import ValidationError

from ml.training.config import TrainingConfig


def test_the_default_is_the_horizon_label_over_five_bars_and_half_a_percent() -> None:
    config = TrainingConfig()
    assert (config.label, config.lookahead, config.profit_threshold) == ("horizon", 5, 0.005)
    assert config.population == "candidates"


@pytest.mark.parametrize(
    "fractions",
    [(0.7, 0.1, 0.1, 0.2), (0.9, 0.0, 0.1, 0.0), (0.65, 0.1, 0.25), (1.2, -0.4, 0.1, 0.1)],
)
def test_fractions_are_four_shares_that_add_up_to_one(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match=r"fractions"):
        TrainingConfig.model_validate({"fractions": fractions})


def test_the_tests_share_of_the_time_can_be_given_to_the_other_parts() -> None:
    config = TrainingConfig(fractions=(0.6, 0.1, 0.1, 0.2)).without_test()
    assert config.fractions == pytest.approx((0.75, 0.125, 0.125, 0.0))
    assert TrainingConfig.model_validate(config.model_dump()) == config


@pytest.mark.parametrize(
    "wrong", [{"lookahed": 5}, {"label": "triple"}, {"profit_threshold": 0.0}, {"lookahead": 0}]
)
def test_what_is_not_known_or_not_possible_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrainingConfig.model_validate(wrong)
