"""The shared arithmetic of the measures: masks and Pearson correlations of many session pairs by matrix products."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurofa.errors import ShapeError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: a sum of squared deviations below this fraction of the sum of squares is rounding: the vector is constant
ROUNDING = 1e-12
#: the same for the deviations of a vector that was divided by its largest value, squared
ROUNDING_SQUARED = 1e-26
#: numbers held at once in a block of a long computation (about 50 MB)
BLOCK = 6_000_000


@dataclass(frozen=True)
class Masked:
    """
    Maps with their gaps apart: what is missing is 0 in the values and False in a mask.

    Attributes
    ----------
    values : (session, stimulus, unit)
        Rates; 0 where missing.
    units : (session, unit) bool
        Units detected in the session.
    stimuli : (session, stimulus) bool
        Stimuli recorded in the session.
    """

    values: Floats
    units: Bools
    stimuli: Bools


def mask_maps(maps: ArrayLike, name: str = "maps") -> Masked:
    """
    Separate maps from their gaps.

    Parameters
    ----------
    maps : (session, stimulus, unit), any unit
        NaN for every stimulus of a unit that was not detected and for every unit of a stimulus that was not shown.
    name : str
        What the error calls the array.

    Returns
    -------
    Masked
        Values and masks.

    Raises
    ------
    ShapeError
        Unless there are three dimensions, and gaps are whole units or whole stimuli of a session.
    """
    values = np.asarray(maps, dtype=np.float64)
    if values.ndim != 3:
        raise ShapeError(f"{name} must have the dimensions (session, stimulus, unit), got shape {values.shape}")
    finite = np.isfinite(values)
    units, stimuli = np.asarray(finite.any(axis=1)), np.asarray(finite.any(axis=2))
    ragged = (finite != (stimuli[:, :, None] & units[:, None, :])).any(axis=(1, 2))
    if ragged.any():
        raise ShapeError(
            f"{name} of session {int(np.argmax(ragged))} lack single values; a gap must be a whole unit (not detected) "
            "or a whole stimulus (not shown) of a session: set the rest of that unit or stimulus to NaN as well"
        )
    return Masked(np.where(finite, values, 0.0), units, stimuli)


def mask_pair(maps: ArrayLike, other: ArrayLike | None) -> tuple[Masked, Masked]:
    """
    Mask maps and what they are held against.

    Parameters
    ----------
    maps : (session, stimulus, unit)
        Maps.
    other : (session, stimulus, unit), optional
        Maps of the same stimuli and units; without it, `maps`.

    Returns
    -------
    first, second : Masked
        Both; the same object where `other` is None.

    Raises
    ------
    ShapeError
        Where stimuli or units differ in number.
    """
    first = mask_maps(maps)
    if other is None:
        return first, first
    second = mask_maps(other, "other")
    if first.values.shape[1:] != second.values.shape[1:]:
        raise ShapeError(
            "maps and other must have the same stimuli and units, "
            f"got shapes {first.values.shape} and {second.values.shape}"
        )
    return first, second


def pearson_from_sums(n: Any, sx: Any, sy: Any, sxx: Any, syy: Any, sxy: Any) -> Floats:
    """
    Pearson correlation from sums over samples; NaN for fewer than two samples and for constant vectors.

    Parameters
    ----------
    n, sx, sy, sxx, syy, sxy : array, broadcast against each other
        Number of samples and sums of x, y, x x, y y and x y; x and y roughly centred and at most about 1 in size.

    Returns
    -------
    array
        Correlations, -1 to 1.
    """
    size = np.maximum(n, 1)
    variance_x, variance_y = sxx - sx * sx / size, syy - sy * sy / size
    defined = (
        (n >= 2)
        & (variance_x > ROUNDING * sxx + ROUNDING_SQUARED * size)
        & (variance_y > ROUNDING * syy + ROUNDING_SQUARED * size)
    )
    norm = np.sqrt(np.where(defined, variance_x, 1.0)) * np.sqrt(np.where(defined, variance_y, 1.0))
    return np.where(defined, np.clip((sxy - sx * sy / size) / norm, -1.0, 1.0), np.nan)


def centre(values: Floats, mask: Any) -> Floats:
    """
    Subtract the mean over the masked samples (last axis) and divide by the largest value: correlations stay the same.

    Parameters
    ----------
    values : (..., sample)
        Vectors.
    mask : bool, broadcast against `values`
        Samples that exist.

    Returns
    -------
    (..., sample)
        0 where there is no sample.
    """
    count = np.maximum(mask.sum(axis=-1, keepdims=True), 1)
    masked = np.where(mask, values, 0.0)
    largest = np.abs(masked).max(axis=-1, keepdims=True, initial=0.0)
    masked = masked / np.where(largest > 0, largest, 1.0)
    return np.where(mask, masked - masked.sum(axis=-1, keepdims=True) / count, 0.0)


def correlate_rows(x: Floats, y: Floats, mask: Any) -> Floats:
    """
    Pearson correlation of matching rows over the masked samples.

    Parameters
    ----------
    x, y : (..., sample)
        Vectors.
    mask : (..., sample) bool
        Samples that both have.

    Returns
    -------
    (...)
        Correlations.
    """
    x, y = centre(x, mask), centre(y, mask)
    count = np.broadcast_to(mask, x.shape).sum(axis=-1)
    sxy = np.einsum("...n,...n->...", x, y)
    return pearson_from_sums(count, x.sum(-1), y.sum(-1), (x * x).sum(-1), (y * y).sum(-1), sxy)


def correlate(x: Floats, y: Floats, mask_x: Bools, mask_y: Bools) -> Floats:
    """
    Pearson correlation of every vector of one set with every vector of another, over the samples that both have.

    Parameters
    ----------
    x : (batch, a, sample)
        Vectors; a vector of zeros is constant and correlates with nothing.
    y : (batch, b, sample)
        Vectors.
    mask_x, mask_y : (a, sample), (b, sample) bool
        Samples that exist.

    Returns
    -------
    (batch, a, b)
        Correlations.
    """
    x, y = centre(x, mask_x), centre(y, mask_y)
    in_x, in_y = mask_x.astype(np.float64), mask_y.astype(np.float64)
    y_t = y.swapaxes(1, 2)
    return pearson_from_sums(in_x @ in_y.T, x @ in_y.T, in_x @ y_t, (x * x) @ in_y.T, in_x @ (y_t * y_t), x @ y_t)


def correlate_within(x: Floats, y: Floats, mask: Bools, mask_other: Bools) -> Floats:
    """
    Pearson correlation of matching vectors, over the samples that their session shares with every other session.

    Parameters
    ----------
    x, y : (batch, session, sample)
        Two measurements of the same session.
    mask, mask_other : (session, sample) bool
        Samples that exist in the session, and in the sessions it is paired with.

    Returns
    -------
    (batch, session, session)
        [b, i, j]: correlation of x[b, i] with y[b, i] over the samples of both i and j.
    """
    x, y = centre(x, mask), centre(y, mask)
    other = mask_other.astype(np.float64).T
    count = mask.astype(np.float64) @ other
    return pearson_from_sums(count, x @ other, y @ other, (x * x) @ other, (y * y) @ other, (x * y) @ other)


class RunningMean:
    """Mean over batches of what is not NaN."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._sum, self._count = np.zeros(shape), np.zeros(shape)

    def add(self, values: Floats) -> None:
        """
        Take in a batch.

        Parameters
        ----------
        values : (batch, ...)
            NaN where undefined.
        """
        self._sum += np.nansum(values, axis=0)
        self._count += np.isfinite(values).sum(axis=0)

    def mean(self) -> Floats:
        """
        Return the mean so far.

        Returns
        -------
        array
            NaN where nothing was defined.
        """
        return np.where(self._count > 0, self._sum / np.maximum(self._count, 1), np.nan)


Over = Literal["unit", "stimulus"]


def batches(first: Masked, over: Over) -> list[slice]:
    """
    Cut the axis that is averaged into blocks of bounded memory.

    Parameters
    ----------
    first : Masked
        Maps.
    over : {"unit", "stimulus"}
        The samples of the correlation; the other of the two is averaged.

    Returns
    -------
    list of slice
        Blocks of stimuli (over units) or of units (over stimuli).
    """
    session, stimulus, unit = first.values.shape
    total, samples = (stimulus, unit) if over == "unit" else (unit, stimulus)
    step = max(1, BLOCK // max(1, session * (samples + session)))
    return [slice(start, start + step) for start in range(0, total, step)]


def vectors(maps: Masked, over: Over, block: slice) -> Floats:
    """
    Arrange a block of maps as (what is averaged, session, sample).

    Parameters
    ----------
    maps : Masked
        Maps.
    over : {"unit", "stimulus"}
        The samples.
    block : slice
        One of `batches`.

    Returns
    -------
    (batch, session, sample)
        A view.
    """
    if over == "unit":
        return maps.values[:, block].transpose(1, 0, 2)
    return maps.values[:, :, block].transpose(2, 0, 1)


def mean_correlation(first: Masked, second: Masked, over: Over) -> Floats:
    """
    Correlation over units averaged over stimuli, or over stimuli averaged over units, of all session pairs.

    Parameters
    ----------
    first, second : Masked
        Maps of the same stimuli and units.
    over : {"unit", "stimulus"}
        The samples of the correlation; the other of the two is averaged, undefined correlations left out.

    Returns
    -------
    (session, session)
        [i, j]: first[i] against second[j].
    """
    masks = (first.units, second.units) if over == "unit" else (first.stimuli, second.stimuli)
    mean = RunningMean((len(first.values), len(second.values)))
    for block in batches(first, over):
        mean.add(correlate(vectors(first, over, block), vectors(second, over, block), *masks))
    return mean.mean()
