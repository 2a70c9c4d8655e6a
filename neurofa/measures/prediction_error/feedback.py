"""Fed-back signals held against the errors of predictive coding, with the null of random feedback."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.geometry import linear_cka
from neurofa.measures.kernels import Floats


class FeedbackAgreement(NamedTuple):
    """
    How far a fed-back signal is a predictive-coding error, animal by animal.

    Attributes
    ----------
    cosine : (animal,), -1 to 1
        Mean over stimuli of the cosine between the two vectors of the population.
    cosine_per_stimulus : (animal, stimulus), -1 to 1
        The cosines themselves.
    explained_variance : (animal,), 0 to 1
        1 - |eps - k fb|^2 / |eps|^2 with the gain k that explains most.
    gain : (animal,)
        k; its sign says whether the feedback has the sign of the error.
    linear_cka : (animal,), 0 to 1
        Centred kernel alignment over stimuli.
    gain_ratio : (animal,)
        |fb| / |eps|.
    unit_correlation : (animal,), -1 to 1
        Mean over units of the correlation over stimuli.
    """

    cosine: Floats
    cosine_per_stimulus: Floats
    explained_variance: Floats
    gain: Floats
    linear_cka: Floats
    gain_ratio: Floats
    unit_correlation: Floats


def feedback_against_prediction_error(feedback: ArrayLike, prediction_error: ArrayLike) -> FeedbackAgreement:
    """
    Hold what is fed back to the units of a layer against the errors that predictive coding would give them.

    Parameters
    ----------
    feedback : (animal, stimulus, unit), a.u.
        What reaches the rates of the layer.
    prediction_error : (animal, stimulus, unit), a.u.
        eps_l at the equilibrium of predictive coding for the same weights, stimuli and targets. Gaps, in either:
        stimuli with a missing value are left out of the animal's means.

    Returns
    -------
    FeedbackAgreement
        NaN where one of the two is zero throughout (the cosine: for that stimulus) or does not vary.

    Raises
    ------
    ShapeError
        Where the shapes differ.

    References
    ----------
    Predictive coding: Whittington & Bogacz 2017, Neural Computation 29:1229, doi 10.1162/NECO_a_00949. Linear CKA:
    Kornblith et al. 2019, ICML, doi 10.48550/arXiv.1905.00414.
    """
    sent, error = _three_dimensions(feedback, prediction_error)
    present = np.asarray(np.isfinite(sent).all(axis=2) & np.isfinite(error).all(axis=2))
    cosines = np.where(present, _cosines(sent, error), np.nan)
    a, b = np.where(present[..., None], sent, 0.0), np.where(present[..., None], error, 0.0)
    size_a, size_b = np.linalg.norm(a, axis=(1, 2)), np.linalg.norm(b, axis=(1, 2))
    # unit vectors first: squares of small signals would be zero
    one, other = a / _or_nan(size_a)[:, None, None], b / _or_nan(size_b)[:, None, None]
    overlap = (one * other).sum(axis=(1, 2))
    cka = [
        linear_cka(x[None, kept], y[None, kept])[0, 0] if kept.any() else np.nan
        for x, y, kept in zip(sent, error, present, strict=True)
    ]
    ratio = size_a / _or_nan(size_b)
    gain = overlap / _or_nan(ratio)
    units = [_unit_correlation(x[kept], y[kept]) for x, y, kept in zip(sent, error, present, strict=True)]
    return FeedbackAgreement(
        _mean(cosines), cosines, overlap**2, gain, np.array(cka, dtype=np.float64), ratio, np.array(units)
    )


def mean_cosine(first: ArrayLike, second: ArrayLike) -> Floats:
    """
    Cosine of two signals of a population, mean over stimuli.

    Parameters
    ----------
    first, second : (animal, stimulus, unit), a.u.
        Gaps: stimuli with a missing value, or with a signal of size 0, are left out of the mean.

    Returns
    -------
    (animal,), -1 to 1
        NaN where no stimulus is left.

    Raises
    ------
    ShapeError
        Where the shapes differ.
    """
    a, b = _three_dimensions(first, second)
    return _mean(_cosines(a, b))


def random_feedback_cosine(
    output_error: ArrayLike, prediction_error: ArrayLike, rng: np.random.Generator, n_draws: int = 200
) -> Floats:
    """
    Null of the cosine: the same output errors sent back through fresh random weights that nothing was learned with.

    Weights are normal with mean 0; their size has no effect on a cosine.

    Parameters
    ----------
    output_error : (animal, stimulus, output), a.u.
        Target minus output. Gaps: stimuli with a missing value are left out.
    prediction_error : (animal, stimulus, unit), a.u.
        See `feedback_against_prediction_error`.
    rng : numpy.random.Generator
        Draws the weights.
    n_draws : int
        Draws.

    Returns
    -------
    (animal, draw), -1 to 1
        Mean over stimuli of the cosine; on average 0.

    Raises
    ------
    ConfigError
        Unless there is at least one draw.
    ShapeError
        Where animals or stimuli differ.

    References
    ----------
    Random feedback: Lillicrap et al. 2016, Nature Communications 7:13276, doi 10.1038/ncomms13276.
    """
    source, error = np.asarray(output_error, dtype=np.float64), np.asarray(prediction_error, dtype=np.float64)
    if source.ndim != 3 or error.ndim != 3 or source.shape[:2] != error.shape[:2]:
        raise ShapeError(
            "expected output errors (animal, stimulus, output) and prediction errors (animal, stimulus, unit) of the "
            f"same animals and stimuli, got shapes {source.shape} and {error.shape}"
        )
    if n_draws < 1:
        raise ConfigError(f"n_draws must be at least 1, got {n_draws}")
    present = np.isfinite(source).all(axis=2) & np.isfinite(error).all(axis=2)
    found = np.empty((len(source), n_draws))
    for draw in range(n_draws):
        weights = rng.standard_normal((len(source), source.shape[2], error.shape[2]))
        found[:, draw] = _mean(np.where(present, _cosines(source @ weights, error), np.nan))
    return found


def _three_dimensions(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    """Two arrays (animal, stimulus, unit) of the same shape."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 3:
        raise ShapeError(
            "feedback and prediction errors must have the same dimensions (animal, stimulus, unit), got shapes "
            f"{a.shape} and {b.shape}"
        )
    return a, b


def _cosines(a: Floats, b: Floats) -> Floats:
    """Cosines over the last axis; NaN where one of the two is zero."""
    one, other = a / _or_nan(np.linalg.norm(a, axis=-1))[..., None], b / _or_nan(np.linalg.norm(b, axis=-1))[..., None]
    cosines: Floats = (one * other).sum(axis=-1)
    return cosines


def _or_nan(values: Floats) -> Floats:
    """The values; NaN in place of zeros."""
    return np.where(values > 0, values, np.nan)


def _mean(values: Floats) -> Floats:
    """Mean over the last axis of what is there; NaN where nothing is."""
    present = np.isfinite(values)
    n = present.sum(axis=-1)
    return np.where(n > 0, np.where(present, values, 0.0).sum(axis=-1) / np.maximum(n, 1), np.nan)


def _unit_correlation(a: Floats, b: Floats) -> float:
    """Mean over units of the correlation over stimuli (stimulus, unit); units that do not vary are left out."""
    if len(a) < 2:
        return float("nan")
    one, other = a - a.mean(axis=0), b - b.mean(axis=0)
    return float(_mean(_cosines(one.T, other.T)))
