"""Responses to what does not come: ramps through the omitted interval, latencies, and what they are locked to."""

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Floats

#: part of the largest rate that rounding in single precision may make of nothing
_ROUNDING = 1e-6


def omission_ramp(rates: ArrayLike, time: ArrayLike, start: float, stop: float) -> Floats:
    """
    Slope of the response through the omitted interval, by least squares.

    Parameters
    ----------
    rates : (..., time), Hz or a.u.
        Responses around omissions. Gaps: NaN times are left out.
    time : (time,), s
        When.
    start, stop : float, s
        From the moment at which the omitted stimulus was due to the next stimulus; both ends included.

    Returns
    -------
    (...,), unit of the rates per s
        NaN where fewer than two times are left.

    Raises
    ------
    ConfigError
        Unless start lies before stop.
    ShapeError
        Where there is not one time per rate.

    References
    ----------
    Garrett et al. 2020, eLife 9:e50340, doi 10.7554/eLife.50340.

    Examples
    --------
    >>> float(omission_ramp([0.0, 1.0, 2.0, 3.0], [0.0, 0.1, 0.2, 0.3], 0.1, 0.3).round(6))
    10.0
    """
    values, at = _in_time(rates, time)
    if not start < stop:
        raise ConfigError(f"start must lie before stop, got {start:g} and {stop:g}; durations are positive")
    inside = (at >= start) & (at <= stop)
    values, at = values[..., inside], at[inside]
    present = np.isfinite(values)
    n = present.sum(axis=-1)
    moments = np.where(present, at, 0.0)
    centred = np.where(present, at - (moments.sum(axis=-1) / np.maximum(n, 1))[..., None], 0.0)
    power = (centred**2).sum(axis=-1)
    slope: Floats = (centred * np.where(present, values, 0.0)).sum(axis=-1) / np.where(power > 0, power, np.nan)
    return slope


def response_latency(
    rates: ArrayLike, time: ArrayLike, onset: float, threshold_sd: float = 3.0, n_in_a_row: int = 2
) -> Floats:
    """
    First moment after an onset at which the response stays above baseline.

    Above: mean + 3 sd of the times before the onset, at so many times in a row. What exceeds that by less than a
    millionth of the largest rate is rounding (rates are recorded in single precision), and no response, also where
    there is no noise before the onset (sd 0).

    Parameters
    ----------
    rates : (..., time), Hz or a.u.
        Mean responses. Gaps: NaN before the onset is left out; after it, it is no response.
    time : (time,), s
        When, ascending; at least two of them before the onset.
    onset : float, s
        From when on a response counts.
    threshold_sd : float
        Standard deviations above baseline.
    n_in_a_row : int
        Times in a row.

    Returns
    -------
    (...,), s
        Since the onset; NaN without a response.

    Raises
    ------
    ConfigError
        Unless threshold_sd is at least 0 and n_in_a_row at least 1.
    ShapeError
        Where there is not one time per rate, or there is no baseline.

    References
    ----------
    Threshold crossing as for omissions in Auksztulewicz et al. 2023, BMC Biology, doi
    10.1186/s12915-023-01592-4.
    """
    values, at = _in_time(rates, time)
    if threshold_sd < 0 or n_in_a_row < 1:
        raise ConfigError(
            f"threshold_sd must be at least 0 and n_in_a_row at least 1, got {threshold_sd:g} and {n_in_a_row}"
        )
    if (np.diff(at) <= 0).any() or (at < onset).sum() < 2:
        raise ShapeError("time must ascend, with at least two moments before the onset for the baseline")
    before = values[..., at < onset]
    present = np.isfinite(before)
    n = present.sum(axis=-1)
    mean = np.where(present, before, 0.0).sum(axis=-1) / np.maximum(n, 1)
    sd = np.sqrt(np.where(present, (before - mean[..., None]) ** 2, 0.0).sum(axis=-1) / np.maximum(n - 1, 1))
    bound = np.where(n >= 2, mean + threshold_sd * sd, np.inf)
    after, moments = values[..., at >= onset], at[at >= onset]
    slack = _ROUNDING * np.where(np.isfinite(values), np.abs(values), 0.0).max(axis=-1)
    above = after > (bound + slack)[..., None]
    if above.shape[-1] < n_in_a_row:
        return np.full(values.shape[:-1], np.nan)
    runs = np.lib.stride_tricks.sliding_window_view(above, n_in_a_row, axis=-1).all(axis=-1)
    return np.where(runs.any(axis=-1), moments[runs.argmax(axis=-1)] - onset, np.nan)


def omission_locking(latency: ArrayLike, interval: ArrayLike) -> Floats:
    """
    Whether a response belongs to the omitted stimulus or to the end of the last one.

    Slope of the latency since the last stimulus on the interval between stimulus onsets, from at least two rhythms: 1
    for a response to the omission (it comes later where the omitted stimulus was due later), 0 for an offset response
    to the last stimulus.

    Parameters
    ----------
    latency : (rhythm, ...), s
        Since the onset of the last stimulus. Gaps: NaN rhythms are left out.
    interval : (rhythm,), s
        Between onsets of stimuli.

    Returns
    -------
    (...,)
        NaN where fewer than two rhythms with a response are left.

    Raises
    ------
    ShapeError
        Where there are fewer than two different intervals: with one rhythm the two cannot be told apart.

    Examples
    --------
    >>> float(omission_locking([0.8, 1.3], [0.75, 1.25]).round(6)), float(omission_locking([0.3, 0.3], [0.75, 1.25]))
    (1.0, 0.0)
    """
    values, periods = np.asarray(latency, dtype=np.float64), np.asarray(interval, dtype=np.float64)
    if periods.ndim != 1 or values.shape[:1] != periods.shape or len(np.unique(periods)) < 2:
        raise ShapeError(
            "omission locking needs latencies (rhythm, ...) at two or more different intervals (the control with a "
            f"slower rhythm), got shapes {values.shape} and {periods.shape}"
        )
    return omission_ramp(np.moveaxis(values, 0, -1), periods, float(periods.min()), float(periods.max()))


def _in_time(rates: ArrayLike, time: ArrayLike) -> tuple[Floats, Floats]:
    """Rates (..., time) and times, checked."""
    values, at = np.asarray(rates, dtype=np.float64), np.asarray(time, dtype=np.float64)
    if at.ndim != 1 or values.shape[-1:] != at.shape:
        raise ShapeError(f"expected rates (..., time) and time (time,), got shapes {values.shape} and {at.shape}")
    return values, at
