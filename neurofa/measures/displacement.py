"""How fast the population's activity diffuses with the lag between sessions, and how unevenly over units.

Every entry [i, j] of a matrix is session i of the first against session j of the second argument.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import ROUNDING, Floats, mask_pair
from neurofa.measures.pairs import Pairs, angles_of_pairs, mean_of_defined, pairs, pairs_of_halves

#: what is this far below a whole number is rounding
NEARLY = 1e-9


def mean_squared_displacement(maps: ArrayLike, other: ArrayLike | None = None) -> Floats:
    """
    Squared distance between the population vectors of two sessions, per unit.

    MSD(s, t) = mean over stimuli c of |x_t(c) - x_s(c)|^2 / N, N the units of the pair: per unit, so that pairs with
    different cells can be compared. The noise of the trials adds the same amount at every lag and makes a walk look
    slower than it is; without that part: `mean_squared_displacement_noise_corrected`.

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Mean rates. Gaps: a pair uses the units finite in both sessions and the stimuli finite in both.
    other : (session, stimulus, unit), optional
        What `maps` are held against; without it, `maps`.

    Returns
    -------
    (session, session), squares of the unit of `maps`
        NaN where nothing is left. `mean_by_lag` makes the curve over lags that `fit_diffusion` takes.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Qin et al. 2023, Nature Neuroscience 26:339, doi 10.1038/s41593-022-01225-z.
    """
    first, second = mask_pair(maps, other)
    return np.stack([_mean_product(pair, pair) for pair in pairs(first, second)])


def mean_squared_displacement_noise_corrected(halves: ArrayLike) -> Floats:
    """
    Squared distance between the population vectors of two sessions, per unit, without the noise of the trials.

    Mean over stimuli c of d^a(c) . d^b(c) / N, d^h = x_t^h - x_s^h of the halves h = a, b: no bias when the noise of
    the two halves is independent.

    Measured to hold (mean error of four animals below 0.03 of the variance of the signal, drift of six known kinds and
    none, 40 stimuli): 50 to 1,000 cells, signal to noise (variances, one repeat) x repeats from 2.5 on.

    Parameters
    ----------
    halves : (half, session, stimulus, unit), Hz or a.u.
        Maps of the two halves of each session's repeats. Gaps: as in `mean_squared_displacement`.

    Returns
    -------
    (session, session), squares of the unit of `halves`
        Negative by chance where there is little drift; NaN where nothing is left.

    Raises
    ------
    ShapeError
        Unless there are two halves of three dimensions, or where single values are missing.

    References
    ----------
    Qin et al. 2023, Nature Neuroscience 26:339, doi 10.1038/s41593-022-01225-z (the measure); Walther et al. 2016,
    NeuroImage 137:188, doi 10.1016/j.neuroimage.2015.12.012 (distances without bias).
    """
    return np.stack([_mean_product(a, b) for a, b in pairs_of_halves(halves)])


def mean_squared_rotation(maps: ArrayLike, other: ArrayLike | None = None) -> Floats:
    """
    Mean squared angle by which the population vectors turn between two sessions.

    MSR(s, t) = mean over stimuli c of theta(c)^2, theta the angle between x_s(c) and x_t(c) in radians: unlike
    `mean_squared_displacement` it does not see gains, and it is bounded by pi^2 ((pi / 2)^2 for rates), so that
    diffusion on the sphere looks sub-diffusive where angles are large. Noise of the trials turns vectors too and is
    not corrected: it adds a step at the shortest lag. `mean_by_lag` and `fit_diffusion` (MSR = 2 D lag^alpha) give the
    constant of rotational diffusion D, rad^2 per day^alpha.

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Mean rates, not centred. Gaps: a pair uses the units finite in both sessions and the stimuli finite in both; a
        stimulus for which these units are silent in one of the two is left out of the mean.
    other : (session, stimulus, unit), optional
        What `maps` are held against; without it, `maps`.

    Returns
    -------
    (session, session), rad^2, 0 to pi^2
        NaN where no stimulus is left.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Qin et al. 2023, Nature Neuroscience 26:339, doi 10.1038/s41593-022-01225-z.
    """
    rows = []
    for angle, defined in angles_of_pairs(*mask_pair(maps, other)):
        rows.append(mean_of_defined(angle**2, defined))
    return np.stack(rows)


@dataclass(frozen=True)
class DiffusionFit:
    """
    MSD = 2 D lag^alpha, per dimension.

    Attributes
    ----------
    exponent : float
        alpha: 1 for a random walk, below 1 sub-diffusive, 2 for motion at constant speed.
    diffusion_constant : float
        D, in squares of the unit of the maps per day^alpha, per unit (dimension).
    r2 : float
        Of the logarithms; NaN where they do not vary.
    n_points, n_left_out : int
        Lags used, and lags above 0 with a displacement that is not above 0, which has no logarithm: with many of
        them the fit is biased to fast diffusion.
    """

    exponent: float
    diffusion_constant: float
    r2: float
    n_points: int
    n_left_out: int


def fit_diffusion(lag: ArrayLike, displacement: ArrayLike, exponent: float | None = None) -> DiffusionFit:
    """
    Fit MSD(lag) = 2 D lag^alpha by least squares on logarithms.

    The displacement is per dimension; of the sum over k dimensions it is MSD = 2 k D lag^alpha.

    Parameters
    ----------
    lag : (point,), days
        Lags; 0 is left out.
    displacement : (point,), squares of the unit of the maps
        Of `mean_squared_displacement`. Gaps: points that are not finite are left out.
    exponent : float, optional
        A fixed alpha, for example 1 where D of ordinary diffusion is wanted; without it, alpha is fitted.

    Returns
    -------
    DiffusionFit
        NaN with fewer than two different lags (with one `exponent`, fewer than one).

    Raises
    ------
    ShapeError
        Unless there is one displacement per lag.

    References
    ----------
    Qin et al. 2023, Nature Neuroscience 26:339, doi 10.1038/s41593-022-01225-z.

    Examples
    --------
    >>> fit = fit_diffusion([1, 4, 9], [2.0, 4.0, 6.0])
    >>> round(fit.exponent, 6), round(fit.diffusion_constant, 6)
    (0.5, 1.0)
    """
    days, values = np.asarray(lag, dtype=np.float64), np.asarray(displacement, dtype=np.float64)
    if days.shape != values.shape or days.ndim != 1:
        raise ShapeError(
            f"lag and displacement must be lists of equal length, got shapes {days.shape} and {values.shape}"
        )
    usable = np.isfinite(days) & np.isfinite(values) & (days > 0)
    kept = usable & (values > 0)
    n_points, n_left_out = int(kept.sum()), int((usable & ~kept).sum())
    x, y = np.log(days[kept]), np.log(values[kept])
    if n_points < 1 or (exponent is None and np.ptp(x) == 0):
        return DiffusionFit(np.nan, np.nan, np.nan, n_points, n_left_out)
    deviation = x - x.mean()
    slope = float(deviation @ y / (deviation @ deviation)) if exponent is None else float(exponent)
    intercept = float(y.mean() - slope * x.mean())
    residual, total = ((y - intercept - slope * x) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    r2 = float(1 - residual / total) if total > ROUNDING * (y**2).sum() else np.nan
    return DiffusionFit(slope, float(np.exp(intercept) / 2), r2, n_points, n_left_out)


def drift_kurtosis(maps: ArrayLike, other: ArrayLike | None = None) -> Floats:
    """
    Excess kurtosis over units of their steps between two sessions, averaged over stimuli: heavy tails of drift.

    Steps d_n = x_t,n(c) - x_s,n(c) of one stimulus, g = m4 / m2^2 - 3 with the central moments over the N units, and
    G = (N - 1) / ((N - 2) (N - 3)) ((N + 1) g + 6), which is 0 on average for normal steps at any N. Steps of
    selectivities or of logarithms of rates: give these as maps of one or several stimuli.

    Parameters
    ----------
    maps : (session, stimulus, unit), any unit
        Gaps: a pair uses the units finite in both sessions and the stimuli finite in both; a stimulus for which all
        these units make the same step is left out of the mean.
    other : (session, stimulus, unit), optional
        What `maps` are held against; without it, `maps`.

    Returns
    -------
    (session, session), -2 or more
        0 for normal steps, 3 for Laplace steps; NaN with fewer than four units, and of a session with itself.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Micou and O'Leary 2026, PLoS Computational Biology, doi 10.1371/journal.pcbi.1014297 (heavy tails); Joanes and
    Gill 1998, The Statistician 47:183, doi 10.1111/1467-9884.00122 (the estimate).
    """
    rows = []
    for pair in pairs(*mask_pair(maps, other)):
        steps, n = pair.y - pair.x, pair.units.sum(axis=1)[:, None]
        size = np.maximum(n, 1)
        deviation = (steps - (steps.sum(axis=2) / size)[:, :, None]) * pair.units[:, None, :]
        square = deviation**2
        second, fourth = square.sum(axis=2) / size, (square**2).sum(axis=2) / size
        defined = pair.stimuli & (n >= 4) & (second > ROUNDING * (steps**2).sum(axis=2) / size)
        excess = fourth / np.where(defined, second, 1.0) ** 2 - 3
        large = np.maximum(n, 4)
        estimate = (large - 1) / ((large - 2) * (large - 3)) * ((large + 1) * excess + 6)
        rows.append(mean_of_defined(estimate, defined))
    return np.stack(rows)


def drift_share_of_top_units(maps: ArrayLike, other: ArrayLike | None = None, fraction: float = 0.1) -> Floats:
    """
    Share of the drift's energy that the units that drift most hold.

    Energy of unit n: e_n = sum over stimuli of (x_t,n(c) - x_s,n(c))^2. The share is the sum of e_n over the
    ceil(fraction N) units with the largest e_n, divided by the sum over all N units.

    Parameters
    ----------
    maps : (session, stimulus, unit), any unit
        Gaps: a pair uses the units finite in both sessions and the stimuli finite in both.
    other : (session, stimulus, unit), optional
        What `maps` are held against; without it, `maps`.
    fraction : float
        Of the units; 0.1 is the top decile.

    Returns
    -------
    (session, session), `fraction` to 1
        `fraction` where all units drift alike; the level of normal drift is `top_share_of_normal_drift`. NaN where
        nothing moved.

    Raises
    ------
    ConfigError
        Unless 0 < fraction < 1.
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Micou and O'Leary 2026, PLoS Computational Biology, doi 10.1371/journal.pcbi.1014297 (drift in few units at a time).
    """
    _check_fraction(fraction)
    rows = []
    for pair in pairs(*mask_pair(maps, other)):
        energy = -np.sort(-((pair.y - pair.x) ** 2).sum(axis=1), axis=1)
        number = np.maximum(np.ceil(fraction * pair.units.sum(axis=1) - NEARLY), 1).astype(np.int64)
        top = (energy * (np.arange(energy.shape[1]) < number[:, None])).sum(axis=1)
        total = energy.sum(axis=1)
        rows.append(np.where(total > 0, top / np.where(total > 0, total, 1.0), np.nan))
    return np.stack(rows)


def top_share_of_normal_drift(n_stimuli: int, fraction: float = 0.1) -> float:
    """
    Share of the drift's energy that the top units hold when all drift alike: the level of chance.

    1 - F_{k+2}(F_k^{-1}(1 - fraction)), F_k the distribution of chi^2 with k = n_stimuli degrees of freedom: normal
    steps of equal variance, independent between units and stimuli, of many units.

    Parameters
    ----------
    n_stimuli : int
        Independent stimuli; neighbouring places of a track are not, and count for fewer.
    fraction : float
        Of the units.

    Returns
    -------
    float
        0.439 for the top decile and one stimulus; towards `fraction` with many stimuli.

    Raises
    ------
    ConfigError
        Unless n_stimuli >= 1 and 0 < fraction < 1.

    Examples
    --------
    >>> round(top_share_of_normal_drift(1), 3)
    0.439
    """
    from scipy.special import chdtrc, chdtri

    _check_fraction(fraction)
    if n_stimuli < 1:
        raise ConfigError(f"n_stimuli must be 1 or more, got {n_stimuli}")
    return float(chdtrc(n_stimuli + 2, chdtri(n_stimuli, fraction)))


def _check_fraction(fraction: float) -> None:
    """Refuse fractions that are none."""
    if not 0 < fraction < 1:
        raise ConfigError(f"fraction must lie between 0 and 1, got {fraction}")


def _mean_product(a: Pairs, b: Pairs) -> Floats:
    """Mean over the stimuli and units of every pair of the product of the drift in two measurements."""
    count = a.units.sum(axis=1) * a.stimuli.sum(axis=1)
    total = np.einsum("jkn,jkn->j", a.y - a.x, b.y - b.x)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
