"""The sparse clock changes nothing: random plans on random markets, by every road."""

import pytest
from hypothesis import given, settings

from tests.engine.clock.actor import Actor, Plan
from tests.engine.clock.cases import crowded_case, params_of, plans, seeded_case, terms
from tests.engine.clock.witness import Terms, check_roads


@given(on=terms(), plan=plans())
@settings(max_examples=60)
def test_every_road_shows_the_same(on: Terms, plan: Plan) -> None:
    check_roads(on, Actor, params_of(plan))


@pytest.mark.slow
@given(on=terms(), plan=plans())
@settings(max_examples=2000)
def test_every_road_shows_the_same_many_times(on: Terms, plan: Plan) -> None:
    check_roads(on, Actor, params_of(plan))


@pytest.mark.parametrize(
    "seeds", [range(40), pytest.param(range(40, 1500), marks=pytest.mark.slow)]
)
def test_busy_plans_show_the_same(seeds: range) -> None:
    moments = run = 0
    for seed in seeds:
        on, plan = seeded_case(seed)
        _, report = check_roads(on, Actor, params_of(plan))
        moments, run = moments + report.moments, run + report.run
    assert run < 0.3 * moments


@pytest.mark.parametrize("seeds", [range(20), pytest.param(range(20, 600), marks=pytest.mark.slow)])
def test_many_orders_that_wait_at_once_show_the_same(seeds: range) -> None:
    for seed in seeds:
        on, plan = crowded_case(seed)
        check_roads(on, Actor, params_of(plan))
