"""A space: its file is checked against the settings, and every slip is named in one line."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, IntDistribution

from engine.errors import ConfigError
from engine.jobs.searching.choosing import distribution
from engine.jobs.searching.effect import warn_of_missing
from engine.jobs.searching.space import Space, applied, configured, load_space
from engine.jobs.searching.values import Choices, Span
from engine.jobs.settings import load_settings
from tests.test_layout import ROOT

SETTINGS = load_settings()


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "space.toml"
    path.write_text(text, encoding="utf-8")
    return path


def read(tmp_path: Path, text: str) -> Space:
    return load_space(written(tmp_path, text), SETTINGS)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as found:
        read(tmp_path, text)
    said = str(found.value)
    assert "\n" not in said
    return said


def test_the_example_is_a_space_that_holds_the_usual_settings() -> None:
    space = load_space(ROOT / "examples" / "space.toml", SETTINGS)
    values = configured(SETTINGS, space)
    assert values is not None
    assert applied(SETTINGS, values) == SETTINGS


def test_numbers_choices_and_absence_are_read(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        """
        search = { sampler = "grid", fewest_trades = 7 }
        strategy.min_entry_score = { low = 4, high = 6, step = 0.5 }
        strategy.exits.max_bars = { low = 2, high = 9 }
        strategy.exits.unit = { choices = ["percent", "atr"] }
        protections.cooldown_bars = { choices = ["none", 6] }
        """,
    )
    assert (space.config.sampler, space.config.fewest_trades) == ("grid", 7)
    assert space.spans == {
        "strategy.min_entry_score": Span(4.0, 6.0, 0.5),
        "strategy.exits.max_bars": Span(2, 9, 1, whole=True),
        "strategy.exits.unit": Choices(("percent", "atr")),
        "protections.cooldown_bars": Choices((None, 6)),
    }
    score = space.spans["strategy.min_entry_score"]
    assert [score.at(place) for place in range(score.count or 0)] == [4.0, 4.5, 5.0, 5.5, 6.0]


SLIPS = {
    "strategy.min_entry_scor = { low = 1, high = 2 }": "did you mean strategy.min_entry_score?",
    "strategy.exits.takeprofit = { low = 1, high = 2 }": "did you mean strategy.exits.take_profit?",
    "broker.fee = { low = 0.0, high = 0.001 }": "only what decides a trade",
    "seed = { low = 0, high = 9 }": "only what decides a trade",
    "strategy.file = { choices = ['a.py:A', 'b.py:B'] }": "name the strategy with --strategy",
    "strategy.use_ml_ensemble = { choices = [true, false] }": "say it with --ml",
    "strategy.min_entry_score = 4.0": "must be { low",
    "strategy.min_entry_score = { low = 4.0 }": "must have both low and high",
    "strategy.min_entry_score = { low = 4.0, high = 4.0 }": "low must be below high",
    "strategy.min_entry_score = { low = '4', high = 5 }": "low must be a number, found '4'",
    "strategy.min_entry_score = { low = nan, high = 5 }": "low must be a number, found nan",
    "strategy.min_entry_score = { low = -4, high = 5 }": "greater than or equal to 0",
    "strategy.min_entry_score = { low = 4, high = 5, step = 2 }": "step must be above 0",
    "strategy.min_entry_score = { low = 4, high = 5, step = 5e-324 }": "step must leave at most",
    "strategy.min_entry_score = { low = 0, high = 5, log = true }": "low must be above 0",
    "strategy.min_entry_score = { low = 1, high = 5, log = 1 }": "log must be true or false",
    "strategy.min_entry_score = { low = 1, high = 5, log = true, step = 1 }": "do not go together",
    "strategy.min_entry_score = { low = 1, high = 5, stepp = 1 }": "must be { low",
    "strategy.exits.max_bars = { low = 1.5, high = 5 }": "low must be a whole number",
    "strategy.exits.max_bars = { low = 0, high = 5 }": "greater than or equal to 1",
    "strategy.exits.max_bars = { choices = [3, 'none'] }": "a choice must be a number",
    "strategy.exits.unit = { low = 1, high = 2 }": "is not a number",
    "strategy.exits.unit = { choices = ['percent', 'pips'] }": "Input should be 'percent' or 'atr'",
    "strategy.exits.unit = { choices = ['percent'] }": "a list of two or more",
    "strategy.exits.unit = { choices = ['atr', 'atr'] }": "each choice must come once",
    "strategy.exits.unit = { choices = ['atr', 'percent'], step = 1 }": "choices stand alone",
    "search.sampler = 'random'": "sampler: Input should be",
    "search = 3": "search must be a section",
    "strategy.exits.max_bars = { low = 1, high = 99999999999999999999 }": "high must be a number",
    "": "a space must have 1 to 100 keys",
}


@pytest.mark.parametrize("text", SLIPS)
def test_a_slip_is_named_in_one_line(tmp_path: Path, text: str) -> None:
    said = refusal(tmp_path, text)
    assert SLIPS[text] in said
    assert "space.toml" in said


def test_values_that_do_not_go_together_are_refused_as_a_set() -> None:
    with pytest.raises(ConfigError, match="thresholds must fall"):
        applied(SETTINGS, {"strategy.ml_strong_threshold": 0.1})


def test_what_the_settings_have_is_found_in_the_space_or_not_at_all(tmp_path: Path) -> None:
    inside = read(tmp_path, "strategy.min_entry_score = { low = 4, high = 8, step = 0.5 }")
    beside = read(tmp_path, "strategy.min_entry_score = { low = 4.25, high = 8, step = 0.5 }")
    above = read(tmp_path, "strategy.min_entry_score = { low = 6.5, high = 8 }")
    assert configured(SETTINGS, inside) == {"strategy.min_entry_score": 6.0}
    assert configured(SETTINGS, beside) is None
    assert configured(SETTINGS, above) is None


def test_settings_that_the_space_does_not_hold_are_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inside = read(tmp_path, "strategy.min_entry_score = { low = 4, high = 8, step = 0.5 }")
    warn_of_missing(inside, SETTINGS)
    assert caplog.messages == []
    text = """
    strategy.min_entry_score = { low = 6.5, high = 8 }
    strategy.rsi_oversold = { choices = [25, 30, 35] }
    strategy.exits.trailing_stop = { choices = [0.5, 1.0] }
    """
    warn_of_missing(read(tmp_path, text), SETTINGS)
    (said,) = caplog.messages
    assert "not among the sets" in said
    assert "hold strategy.min_entry_score = 6, strategy.exits.trailing_stop = none: widen" in said


def test_a_step_that_floats_cannot_hold_reaches_its_end() -> None:
    tenths = Span(0.1, 0.5, 0.1)
    assert tenths.count == 5
    assert [tenths.at(place) for place in range(5)] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert all(tenths.holds(tenths.at(place)) for place in range(5))


def test_a_step_that_misses_the_end_stops_before_it() -> None:
    uneven = Span(0.0, 1.0, 0.3)
    assert [uneven.at(place) for place in range(uneven.count or 0)] == [0.0, 0.3, 0.6, 0.9]
    assert distribution(uneven) == FloatDistribution(0.0, 0.9, step=0.3)
    odd = Span(3, 10, 2, whole=True)
    assert distribution(odd) == IntDistribution(3, 9, step=2)


WILD = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["low", "high", "step", "log", "choices", "points", "exits", "max_bars", "rsi", ""]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["search", "strategy", "protections", "seed"]), WILD, max_size=3
    )
)
def test_no_file_of_a_space_ends_in_anything_but_a_line(found: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "space.toml"
        path.write_text(tomli_w.dumps(found), encoding="utf-8")
        try:
            space = load_space(path, SETTINGS)
        except ConfigError as error:
            said = str(error)
        else:
            said = str({key: distribution(span) for key, span in space.spans.items()})
        assert said
        assert "\n" not in said
