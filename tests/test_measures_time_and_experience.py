"""Days and visits are told apart where a design allows it, and said not to be where it does not."""

import numpy as np
import pytest

from neurofa import measures
from neurofa.errors import ConfigError, ShapeError


def cohort(
    per_day: float, per_visit: float, seed: int, visits: tuple[int, ...] = (1, 2, 4, 8)
) -> dict[str, np.ndarray]:
    """Pairs of sessions of animals that have sessions on the same days and different numbers of visits between them."""
    rng = np.random.default_rng(seed)
    rows = []
    for animal in range(4 * len(visits)):
        group = animal % len(visits)
        for lag in range(1, 6):
            days, been = 2.0 * lag, float(visits[group] * lag)
            error = 0.05 * rng.standard_normal() + 0.02 * np.sin(animal)
            rows.append((0.1 + per_day * days + per_visit * been + error, days, been, animal, group))
    names = ("change", "days", "visits", "animal", "group")
    return dict(zip(names, np.array(rows).T, strict=True))


@pytest.mark.parametrize(
    ("per_day", "per_visit", "expected"),
    [(0.05, 0.0, "days"), (0.0, 0.03, "visits"), (0.05, 0.03, "both"), (0.0, 0.0, "neither")],
)
def test_the_truth_is_found(per_day: float, per_visit: float, expected: str) -> None:
    found = measures.time_and_experience(**cohort(per_day, per_visit, 1), rng=np.random.default_rng(0))
    assert found.depends_on == expected and found.identifiable
    assert found.prevails == {"both": "visits", "neither": "cannot be told"}.get(expected, expected)
    assert found.per_day == pytest.approx(per_day, abs=0.006)
    assert found.per_visit == pytest.approx(per_visit, abs=0.006)
    low, high = found.per_day_interval
    assert low < found.per_day < high and found.n_animals == 16 and found.n_pairs == 80


def test_coefficients_are_those_of_least_squares_and_shares_partial_r2() -> None:
    given = cohort(0.02, 0.01, 2)
    found = measures.time_and_experience(**given, rng=np.random.default_rng(0))
    columns = np.stack([np.ones(80), given["days"], given["visits"]], axis=1)
    best, rest, *_ = np.linalg.lstsq(columns, given["change"], rcond=None)
    _, without, *_ = np.linalg.lstsq(columns[:, :2], given["change"], rcond=None)
    np.testing.assert_allclose([found.per_day, found.per_visit], best[1:], rtol=1e-9)
    assert found.share_of_visits == pytest.approx(1 - rest[0] / without[0])


def test_false_alarms_are_rare() -> None:
    wrong = [
        measures.time_and_experience(**cohort(0.03, 0.0, seed), rng=np.random.default_rng(seed), n_resamples=200)
        for seed in range(30)
    ]
    assert np.mean([found.depends_on != "days" for found in wrong]) < 0.2


def test_where_change_saturates_the_truth_still_prevails() -> None:
    for per_day, per_visit, truth in ((0.3, 0.0, "days"), (0.0, 0.06, "visits")):
        given = cohort(per_day, per_visit, 5)
        given["change"] = 1 - np.exp(-given["change"])
        assert measures.time_and_experience(**given, rng=np.random.default_rng(0)).prevails == truth


def test_one_visit_per_day_cannot_be_told() -> None:
    found = measures.time_and_experience(**cohort(0.05, 0.0, 3, visits=(2, 2)), rng=np.random.default_rng(0))
    assert found.depends_on == "cannot be told" and not found.identifiable and np.isnan(found.per_day)
    assert found.correlation == pytest.approx(1.0)


def test_few_animals_have_no_interval_and_gaps_are_left_out() -> None:
    given = cohort(0.05, 0.0, 4)
    given["change"][:60] = np.nan
    given["animal"] = given["animal"] % 2
    found = measures.time_and_experience(**given, rng=np.random.default_rng(0))
    assert found.depends_on == "cannot be told" and found.n_pairs == 20 and np.isnan(found.per_day_interval).all()
    with pytest.raises(ShapeError, match="one entry per pair"):
        measures.time_and_experience([1.0], [1.0, 2.0], [1.0], [0], np.random.default_rng(0))
    with pytest.raises(ConfigError, match="level between 0 and 1"):
        measures.time_and_experience(**given, rng=np.random.default_rng(0), level=2)
