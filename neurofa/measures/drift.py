"""How maps of the same stimuli and units differ between sessions: correlations and overlap of detected cells.

All functions take arrays; every entry [i, j] of a result is session i of the first against session j of the second
argument. Formulas and the recorded values that they reproduce: Sheintuch et al. 2020 (doi 10.1016/j.cub.2020.02.018).
"""

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ShapeError
from neurofa.measures.kernels import (
    Floats,
    Masked,
    centred,
    correlate,
    correlate_rows,
    mask_maps,
    mask_pair,
    mean_correlation,
    mean_over_stimuli,
    pearson_from_sums,
)


def population_vector_correlation(maps: ArrayLike, other: ArrayLike | None = None) -> Floats:
    """
    Correlation of the population's activity for the same stimulus in two sessions.

    PV(s, t) = mean over stimuli c of corr_n(x_s(c), x_t(c)), Pearson over units n.

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Mean rates. Gaps: a pair uses the units finite in both sessions and the stimuli finite in both; a stimulus for
        which the rates of these units are constant in one of the two has no correlation and is left out of the mean.
    other : (session, stimulus, unit), optional
        What `maps` are held against; without it, `maps`.

    Returns
    -------
    (session, session), -1 to 1
        NaN where no stimulus is left.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Rubin et al. 2015, eLife 4:e12247, doi 10.7554/eLife.12247.

    Examples
    --------
    >>> import numpy as np
    >>> maps = np.array([[[1.0, 2, 3, np.nan]], [[1.0, 3, 2, 9]]])
    >>> population_vector_correlation(maps).round(2).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    return mean_correlation(*mask_pair(maps, other), over="unit")


def tuning_curve_correlation(maps: ArrayLike, other: ArrayLike | None = None) -> Floats:
    """
    Correlation of a unit's tuning in two sessions, averaged over units.

    T(s, t) = mean over units n of corr_c(x_s,n(c), x_t,n(c)), Pearson over stimuli c.

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Mean rates. Gaps: a pair uses the units finite in both sessions and the stimuli finite in both; a unit whose
        rates are constant over these stimuli in one of the two has no correlation and is left out of the mean.
    other : (session, stimulus, unit), optional
        What `maps` are held against; without it, `maps`.

    Returns
    -------
    (session, session), -1 to 1
        NaN where no unit is left.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Geva et al. 2023, Neuron 111:2357, doi 10.1016/j.neuron.2023.05.005.
    """
    return mean_correlation(*mask_pair(maps, other), over="stimulus")


def ensemble_rate_correlation(maps: ArrayLike, other: ArrayLike | None = None) -> Floats:
    """
    Correlation over units of their mean rates in two sessions.

    E(s, t) = corr_n(r_s, r_t), r_s,n = mean over stimuli of x_s,n(c), Pearson over units n.

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Mean rates. Gaps: a pair uses the units finite in both sessions and means over the stimuli finite in both.
    other : (session, stimulus, unit), optional
        What `maps` are held against; without it, `maps`.

    Returns
    -------
    (session, session), -1 to 1
        NaN where the mean rates are constant or fewer than two units are left.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Geva et al. 2023, Neuron 111:2357, doi 10.1016/j.neuron.2023.05.005.
    """
    first, second = mask_pair(maps, other)
    if first.stimuli.all() and second.stimuli.all():
        means = mean_over_stimuli(first)
        return mean_correlation(means, means if second is first else mean_over_stimuli(second), over="unit")
    result = np.empty((len(first.values), len(second.values)))
    for session in range(len(first.values)):
        x, y, mask = paired_means(first, second, session)
        result[session] = correlate_rows(x, y, mask)
    return result


def paired_means(first: Masked, second: Masked, session: int) -> tuple[Floats, Floats, np.ndarray]:
    """
    Mean rates of one session and of all others, over the stimuli of each pair.

    Parameters
    ----------
    first, second : Masked
        Maps.
    session : int
        A session of `first`.

    Returns
    -------
    x, y : (session of second, unit)
        Mean rates of the session of `first` and of those of `second`.
    mask : (session of second, unit) bool
        Units of both.
    """
    common = (first.stimuli[session] & second.stimuli).astype(np.float64)
    count = np.maximum(common.sum(axis=1, keepdims=True), 1)
    x = common @ first.values[session] / count
    y = np.einsum("k,jkn->jn", first.stimuli[session].astype(np.float64), second.values) / count
    return x, y, first.units[session] & second.units & common.any(axis=1, keepdims=True)


def representational_similarity_correlation(maps: ArrayLike, other: ArrayLike | None = None) -> Floats:
    """
    Correlation of the similarities between stimuli in two sessions.

    R(s, t) = corr over c < d of RSM_s[c, d] and RSM_t[c, d]; RSM_s[c, d] = corr_n(x_s(c), x_s(d)), Pearson over units.

    Parameters
    ----------
    maps : (session, stimulus, unit), Hz or a.u.
        Mean rates. Gaps: both similarity matrices of a pair use only the units finite in both sessions, and the
        stimuli finite in both; entries of stimuli for which these units' rates are constant are left out.
    other : (session, stimulus, unit), optional
        What `maps` are held against; without it, `maps`.

    Returns
    -------
    (session, session), -1 to 1
        NaN where fewer than two entries are left or they are constant.

    Raises
    ------
    ShapeError
        Where dimensions differ or single values are missing.

    References
    ----------
    Deitch et al. 2021, Current Biology 31:4327, doi 10.1016/j.cub.2021.07.062.
    """
    first, second = mask_pair(maps, other)
    if all(len(one.units) and one.units.all() and one.stimuli.all() for one in (first, second)):
        alike = _similarities(first, second.units[:1])[:, 0]
        likewise = alike if second is first else _similarities(second, first.units[:1])[:, 0]
        if np.isfinite(alike).all() and np.isfinite(likewise).all():
            every = (np.ones(alike.shape, dtype=bool), np.ones(likewise.shape, dtype=bool))
            return np.asarray(correlate(centred(alike[None], *every), centred(likewise[None], *every[::-1]))[0])
    similarities = _similarities(first, second.units)
    others = similarities if second is first else _similarities(second, first.units)
    row, column = np.triu_indices(first.values.shape[1], 1)
    present, present_other = (m.stimuli[:, row] & m.stimuli[:, column] for m in (first, second))
    result = np.empty((len(first.values), len(second.values)))
    for session in range(len(first.values)):
        x, y = similarities[session], others[:, session]
        mask = present[session] & present_other & np.isfinite(x) & np.isfinite(y)
        result[session] = correlate_rows(x, y, mask)
    return result


def _similarities(maps: Masked, units_other: np.ndarray) -> Floats:
    """Upper triangles (session, other session, stimulus pair) of the stimulus correlations over the units of both."""
    n_stimuli = maps.values.shape[1]
    row, column = np.triu_indices(n_stimuli, 1)
    result = np.empty((len(maps.values), len(units_other), len(row)))
    for session, values in enumerate(maps.values):
        units = maps.units[session]
        kept = units_other[:, units].astype(np.float64).T
        x = values[:, units]
        largest = np.abs(x).max(axis=1, keepdims=True, initial=0.0)
        x = x / np.where(largest > 0, largest, 1.0)
        x = x - (x.mean(axis=1, keepdims=True) if x.shape[1] else 0.0)
        if kept.all():
            kept = kept[:, :1]
        total, squares = x @ kept, (x * x) @ kept
        products = (x @ x.T)[row, column][:, None] if kept.all() else (x[row] * x[column]) @ kept
        correlation = pearson_from_sums(
            kept.sum(axis=0), total[row], total[column], squares[row], squares[column], products
        )
        result[session] = correlation.T
    return result


def overlap_of_detected_cells(detected: ArrayLike) -> Floats:
    """
    Cells detected in both of two sessions among those detected in either (Jaccard index).

    Parameters
    ----------
    detected : (session, unit) bool
        Cells detected.

    Returns
    -------
    (session, session), 0 to 1
        NaN where no cell was detected in either.

    Raises
    ------
    ShapeError
        Unless there are two dimensions.

    References
    ----------
    Ziv et al. 2013, Nature Neuroscience 16:264, doi 10.1038/nn.3329.
    """
    both, count = _shared(detected)
    either = count[:, None] + count[None, :] - both
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)


def recurrence_of_detected_cells(detected: ArrayLike) -> Floats:
    """
    Fraction of the cells of one session that are detected in another.

    Parameters
    ----------
    detected : (session, unit) bool
        Cells detected.

    Returns
    -------
    (session, session), 0 to 1
        [i, j] = P(detected in j | detected in i); NaN where no cell was detected in i.

    Raises
    ------
    ShapeError
        Unless there are two dimensions.

    References
    ----------
    Ziv et al. 2013, Nature Neuroscience 16:264, doi 10.1038/nn.3329.
    """
    both, count = _shared(detected)
    return np.where(count[:, None] > 0, both / np.maximum(count[:, None], 1), np.nan)


def _shared(detected: ArrayLike) -> tuple[Floats, Floats]:
    """Cells in both sessions of each pair, and in each session."""
    cells = np.asarray(detected, dtype=np.float64)
    if cells.ndim != 2:
        raise ShapeError(f"detected must have the dimensions (session, unit), got shape {cells.shape}")
    return cells @ cells.T, cells.sum(axis=1)


def split_half_population_vector_correlation(halves: ArrayLike) -> Floats:
    """
    Correlation of the population's activity for the same stimulus in the two halves of a session: the noise ceiling.

    Mean over stimuli of corr_n(x^a(c), x^b(c)), Pearson over units.

    Parameters
    ----------
    halves : (half, session, stimulus, unit), Hz or a.u.
        Maps of the two halves of each session's repeats. Gaps: as in `population_vector_correlation`.

    Returns
    -------
    (session,), -1 to 1
        NaN with fewer than two repeats.

    Raises
    ------
    ShapeError
        Unless there are two halves of three dimensions.

    References
    ----------
    Sheintuch et al. 2020, Current Biology 30, doi 10.1016/j.cub.2020.02.018.
    """
    values = np.asarray(halves, dtype=np.float64)
    if values.ndim != 4 or len(values) != 2:
        raise ShapeError(f"halves must have the dimensions (2, session, stimulus, unit), got shape {values.shape}")
    first, second = mask_maps(values[0], "halves[0]"), mask_maps(values[1], "halves[1]")
    correlations = correlate_rows(first.values, second.values, (first.units & second.units)[:, None, :])
    count = np.isfinite(correlations).sum(axis=1)
    return np.where(count > 0, np.nansum(correlations, axis=1) / np.maximum(count, 1), np.nan)
