"""Wilson's interval: its own formula, what it covers, edges."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from neurofa import measures
from neurofa.errors import ConfigError


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_is_where_the_score_test_turns(level: float) -> None:
    wins, n = np.array([1, 4, 9, 10]), 10
    found = measures.proportion_and_interval(wins, n, level)
    z = norm.ppf(0.5 + level / 2)
    for edge in (found.low, found.high[:-1]):
        p = edge[: len(edge)]
        score = (wins[: len(edge)] / n - p) / np.sqrt(p * (1 - p) / n)
        np.testing.assert_allclose(np.abs(score), z, rtol=1e-9)
    np.testing.assert_allclose(found.proportion, wins / n)


def test_edges_stay_between_0_and_1() -> None:
    found = measures.proportion_and_interval([0, 5, 0], [5, 5, 0])
    assert found.low[0] == 0 < found.high[0] < 0.6
    assert 0.4 < found.low[1] < 1 and found.high[1] == pytest.approx(1)
    assert np.isnan([found.proportion[2], found.low[2], found.high[2]]).all()
    single = measures.proportion_and_interval(3, 4)
    assert np.shape(single.low) == () and single.proportion == 0.75


@pytest.mark.parametrize("p", [0.1, 0.4, 0.9])
def test_it_covers_the_truth_about_as_often_as_it_says(p: float) -> None:
    n = 60
    wins = np.arange(n + 1)
    found = measures.proportion_and_interval(wins, n)
    covered = binom.pmf(wins, n, p)[(found.low <= p) & (p <= found.high)].sum()
    assert 0.92 < covered < 0.98


@pytest.mark.parametrize(("wins", "n"), [(3, 2), (-1, 2)])
def test_impossible_counts_are_refused(wins: int, n: int) -> None:
    with pytest.raises(ConfigError, match="0 to n successes"):
        measures.proportion_and_interval(wins, n)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        measures.proportion_and_interval(1, 2, 95)
