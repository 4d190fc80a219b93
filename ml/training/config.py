"""Settings of a training."""

from typing import Literal, Self

from pydantic import Field, model_validator

from feeds.section import Section
from ml.models.device import AskedDevice


class TrainingConfig(Section):
    """What is learned, from which bars, and how the time is divided.

    Attributes
    ----------
    label : `horizon`, the price reaches `profit_threshold` within `lookahead` bars; `barrier`, the
        strategy's own exits end in profit after costs; or `payoff`, the same, each row counting
        by how much it won or lost
    lookahead : bars, the entry bar included
    profit_threshold : fraction above the entry price
    population : `candidates`, the bars where the mandatory filter holds and the ensemble will be
        asked; or `all`
    preset : size of the models, `full` or `small`
    fractions : shares of the time for fitting, early stopping, calibration and test; a last of 0
        leaves the test to others
    max_rows : rows of all parts together; more are thinned evenly in time
    jobs : threads a model may use
    device : where XGBoost and the LSTM learn, `cpu` or `cuda`; `auto` is a graphics card where
        there is one
    fit_thresholds : whether the thresholds of the points are fitted on the calibrate part
    optimize : whether the models' parameters are looked for before the training
    trials : of each member, its defaults among them, when they are
    tuning_folds : parts of the train part that a trial is judged on
    tuning_rows : rows of the train part that a trial sees; more are thinned evenly in time
    """

    label: Literal["horizon", "barrier", "payoff"] = "horizon"
    lookahead: int = Field(5, ge=1, le=10_000)
    profit_threshold: float = Field(0.005, gt=0, le=0.2)
    population: Literal["candidates", "all"] = "candidates"
    preset: Literal["full", "small"] = "full"
    fractions: tuple[float, float, float, float] = (0.65, 0.10, 0.10, 0.15)
    max_rows: int = Field(200_000, ge=1000)
    jobs: int = Field(2, ge=1, le=64)
    device: AskedDevice = "auto"
    fit_thresholds: bool = False
    optimize: bool = False
    trials: int = Field(20, ge=1, le=1000)
    tuning_folds: int = Field(3, ge=1, le=20)
    tuning_rows: int = Field(20_000, ge=500)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        *learned, test = self.fractions
        if min(learned) <= 0 or test < 0 or abs(sum(self.fractions) - 1) > 1e-9:
            raise ValueError(
                "fractions must be four shares above 0 that add up to 1 "
                "(train, stop, calibrate, test; the last may be 0)"
            )
        return self

    def without_test(self) -> Self:
        """Return the same with the test's share of the time given to the other parts."""
        *learned, test = self.fractions
        fractions = (*(share / (1.0 - test) for share in learned), 0.0)
        return self.model_copy(update={"fractions": fractions})
