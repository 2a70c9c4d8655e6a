"""Does the code change with the days that pass, or with the visits in between: one regression on both."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Floats

#: days and visits that correlate more than this cannot be told apart: their coefficients have tenfold variances
HIGHEST_CORRELATION = 0.9**0.5


@dataclass(frozen=True)
class TimeAndExperience:
    """
    Change = intercept + per_day x days + per_visit x visits.

    Attributes
    ----------
    per_day, per_visit : float
        Partial coefficients: change per day at an equal number of visits, and per visit at an equal number of days.
    per_day_interval, per_visit_interval : (float, float)
        Percentile bootstrap over animals; NaN with fewer than three animals.
    share_of_days, share_of_visits : float
        Partial R^2: the part of the variance that the other of the two leaves, which this one explains.
    correlation : float
        Of days and visits over the pairs.
    identifiable : bool
        Whether days and visits vary apart from each other (variance inflation 1 / (1 - r^2) below 10).
    depends_on : str
        "days", "visits", "both" or "neither", by the intervals; "cannot be told" where the two are not identifiable or
        there is no interval.
    prevails : str
        "days" or "visits", whichever changes the code more over the range of this design (coefficient x standard
        deviation over pairs), where the interval of the difference leaves out 0; else "cannot be told". Where change
        saturates or depends on days and visits otherwise than linearly, a small part of it goes to the wrong one of
        the two, and `depends_on` may say "both"; this does not.
    n_pairs, n_animals : int
        Pairs of sessions, and animals.
    """

    per_day: float
    per_visit: float
    per_day_interval: tuple[float, float]
    per_visit_interval: tuple[float, float]
    share_of_days: float
    share_of_visits: float
    correlation: float
    identifiable: bool
    depends_on: str
    prevails: str
    n_pairs: int
    n_animals: int


def time_and_experience(
    change: ArrayLike,
    days: ArrayLike,
    visits: ArrayLike,
    animal: ArrayLike,
    rng: np.random.Generator,
    *,
    group: ArrayLike | None = None,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> TimeAndExperience:
    """
    Regress the change between sessions on the days and on the visits between them.

    Least squares over all pairs of all animals, every animal weighing the same; intervals resample animals, since pairs
    of one animal share sessions. A pair's change should add up over time, such as -log of a noise-corrected
    correlation, which is linear in both where similarity decays as exp(-k_d days - k_v visits).

    Parameters
    ----------
    change : (pair,)
        How much the code changed between two sessions. Gaps: pairs in which anything is not finite are left out.
    days, visits : (pair,)
        Between the two sessions: days, and visits (sessions, or trials) in units that are the same for all.
    animal : (pair,)
        Labels of animals.
    rng : numpy.random.Generator
        Draws the resamples.
    group : (pair,), optional
        Labels of groups: animals are resampled within their group, so that every resample has all schedules.
    n_resamples : int
        How many.
    level : float
        Coverage of the intervals.

    Returns
    -------
    TimeAndExperience
        Coefficients and what they say; NaN with fewer than four pairs.

    Raises
    ------
    ConfigError
        Unless n_resamples is positive and 0 < level < 1.
    ShapeError
        Unless all lists have the same length.

    References
    ----------
    Geva et al. 2023, Neuron 111:2357, doi 10.1016/j.neuron.2023.05.005; Khatib et al. 2023, Neuron 111:2348,
    doi 10.1016/j.neuron.2023.05.014 (time and experience told apart); Efron and Tibshirani 1986,
    doi 10.1214/ss/1177013815 (the bootstrap).
    """
    if n_resamples < 1 or not 0 < level < 1:
        raise ConfigError(f"n_resamples must be positive and level between 0 and 1, got {n_resamples} and {level}")
    y, d, v = (np.asarray(one, dtype=np.float64) for one in (change, days, visits))
    who = np.unique(np.asarray(animal), return_inverse=True)[1]
    groups = (
        np.zeros(len(who), dtype=np.int64) if group is None else np.unique(np.asarray(group), return_inverse=True)[1]
    )
    if not y.shape == d.shape == v.shape == who.shape == groups.shape or y.ndim != 1:
        raise ShapeError(
            f"change, days, visits, animal and group must have one entry per pair, got {y.shape}, {d.shape}"
        )
    kept = np.isfinite(y) & np.isfinite(d) & np.isfinite(v)
    y, d, v, groups = y[kept], d[kept], v[kept], groups[kept]
    names, who = np.unique(who[kept], return_inverse=True)
    nan, nowhere = float("nan"), (float("nan"), float("nan"))
    if len(y) < 4:
        told = "cannot be told"
        return TimeAndExperience(nan, nan, nowhere, nowhere, nan, nan, nan, False, told, told, len(y), len(names))
    moments = _moments_of_animals(y, d, v, who, len(names))
    total = moments.mean(axis=0)
    correlation = _correlation(total)
    identifiable = bool(abs(correlation) < HIGHEST_CORRELATION)
    coefficients = _coefficients(total[None])[0]
    intervals, prevails = [nowhere, nowhere], "cannot be told"
    if len(names) >= 3 and identifiable:
        of_animal = np.array([groups[who == one][0] for one in range(len(names))])
        drawn = _resampled(of_animal, n_resamples, rng)
        found = _coefficients(moments[drawn].mean(axis=1))
        prevails = _prevails(found, total, level)
        ends = np.nanquantile(found, [0.5 - level / 2, 0.5 + level / 2], axis=0)
        intervals = [(float(ends[0, which]), float(ends[1, which])) for which in (0, 1)]
    shares = [_partial_share(total, which) if identifiable else nan for which in (0, 1)]
    per_day, per_visit = (float(one) for one in coefficients) if identifiable else (nan, nan)
    verdict = _verdict(intervals) if identifiable and len(names) >= 3 else "cannot be told"
    return TimeAndExperience(
        per_day,
        per_visit,
        intervals[0],
        intervals[1],
        shares[0],
        shares[1],
        correlation,
        identifiable,
        verdict,
        prevails,
        len(y),
        len(names),
    )


def _moments_of_animals(y: Floats, d: Floats, v: Floats, who: NDArray[np.int64], n: int) -> Floats:
    """Mean products (animal, 4, 4) of (1, days, visits, change) over the pairs of each animal."""
    columns = np.stack([np.ones_like(y), d, v, y], axis=1)
    return np.stack([columns[who == one].T @ columns[who == one] / (who == one).sum() for one in range(n)])


def _centred(moments: Floats) -> Floats:
    """Covariances (..., 3, 3) of days, visits and change from mean products."""
    means = moments[..., 0, 1:]
    centred: Floats = moments[..., 1:, 1:] - means[..., :, None] * means[..., None, :]
    return centred


def _correlation(moments: Floats) -> float:
    """Of days and visits; 1 where one of them does not vary, for then nothing can be said of it."""
    covariance = _centred(moments)
    power = covariance[0, 0] * covariance[1, 1]
    varies = (np.diag(covariance)[:2] > 1e-12 * np.diag(moments)[1:3]).all()
    return float(np.clip(covariance[0, 1] / np.sqrt(power), -1, 1)) if varies else 1.0


def _coefficients(moments: Floats) -> Floats:
    """Partial coefficients (..., 2) of days and visits; NaN where a resample has them collinear."""
    covariance = _centred(moments)
    a, b, c = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    determinant = a * c - b**2
    told = determinant > 1e-9 * a * c
    below = np.where(told, determinant, np.nan)
    x, y = covariance[..., 0, 2], covariance[..., 1, 2]
    return np.stack([(c * x - b * y) / below, (a * y - b * x) / below], axis=-1)


def _partial_share(moments: Floats, which: int) -> float:
    """Partial R^2 of days (0) or visits (1)."""
    covariance = _centred(moments)
    other = 1 - which
    alone = covariance[2, 2] - covariance[other, 2] ** 2 / covariance[other, other]
    rest = covariance[2, 2] - float(_coefficients(moments[None])[0] @ covariance[:2, 2])
    return float(np.clip(1 - rest / alone, 0, 1)) if alone > 1e-15 else float("nan")


def _prevails(coefficients: Floats, moments: Floats, level: float) -> str:
    """Which of two effects is larger, over the range of the design, by resamples (resample, 2)."""
    effects = np.abs(coefficients) * np.sqrt(np.diag(_centred(moments))[:2])
    low, high = np.nanquantile(effects[:, 0] - effects[:, 1], [0.5 - level / 2, 0.5 + level / 2])
    return "days" if low > 0 else "visits" if high < 0 else "cannot be told"


def _resampled(group: NDArray[np.int64], n_resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Animals (resample, animal) drawn anew within their groups."""
    drawn = np.empty((n_resamples, len(group)), dtype=np.int64)
    for one in np.unique(group):
        members = np.flatnonzero(group == one)
        drawn[:, members] = members[rng.integers(0, len(members), (n_resamples, len(members)))]
    return drawn


def _verdict(intervals: list[tuple[float, float]]) -> str:
    """Which of the two has an interval above 0."""
    days, visits = (low > 0 for low, _ in intervals)
    return {(True, True): "both", (True, False): "days", (False, True): "visits"}.get((days, visits), "neither")
