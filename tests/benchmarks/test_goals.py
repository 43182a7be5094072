"""Goals judge the figures at their limits, and name rows that exist."""

import pytest

from benchmarks import goals


@pytest.mark.parametrize(
    ("goal", "figure", "met"),
    [
        (goals.at_least(10), 10.0, True),
        (goals.at_least(10), 9.9, False),
        (goals.at_most(10), 10.0, True),
        (goals.at_most(10), 10.1, False),
        (goals.at_least_of(0.8, "other"), 80.0, True),
        (goals.at_least_of(0.8, "other"), 79.0, False),
        (goals.at_most_of(1.25, "other"), 125.0, True),
        (goals.at_most_of(1.25, "other"), 126.0, False),
    ],
)
def test_a_goal_judges_at_its_limit(goal: goals.Goal, figure: float, met: bool) -> None:
    assert goal.met(figure, {"other": 100.0}) == met
