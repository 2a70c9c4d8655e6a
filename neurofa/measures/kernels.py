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
#: numbers held at once in a block of a long computation (2 MB)
BLOCK = 250_000


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
    return Masked(values if finite.all() else np.where(finite, values, 0.0), units, stimuli)


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
    complete = bool(mask.all())
    count = np.maximum(mask.sum(axis=-1, keepdims=True), 1)
    masked = values if complete else np.where(mask, values, 0.0)
    largest = np.maximum(
        masked.max(axis=-1, keepdims=True, initial=0.0), -masked.min(axis=-1, keepdims=True, initial=0.0)
    )
    deviations: Floats = masked / np.where(largest > 0, largest, 1.0)
    deviations -= deviations.sum(axis=-1, keepdims=True) / count
    if not complete:
        deviations *= mask
    return deviations


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


@dataclass(frozen=True)
class Centred:
    """
    Centred vectors with their sums over the samples that each shares with every session of another set.

    Attributes
    ----------
    values : (batch, session, sample)
        Vectors; 0 where there is no sample. A vector of zeros is constant and correlates with nothing.
    count : (session, other session)
        Samples that both have.
    sums, squares : (batch, session, other session)
        Sums of the values, and of their squares, over these samples.
    """

    values: Floats
    count: Floats
    sums: Floats
    squares: Floats


def centred(values: Floats, mask: Bools, mask_other: Bools) -> Centred:
    """
    Centre vectors once for all correlations in which they take part.

    Parameters
    ----------
    values : (batch, session, sample)
        Vectors.
    mask, mask_other : (session, sample), (other session, sample) bool
        Samples that exist in the sessions, and in those that they are held against.

    Returns
    -------
    Centred
        Vectors and sums.
    """
    x, other = centre(values, mask), mask_other.astype(np.float64).T
    return Centred(x, mask.astype(np.float64) @ other, x @ other, (x * x) @ other)


def correlate(x: Centred, y: Centred) -> Floats:
    """
    Pearson correlation of every vector of one set with every vector of another, over the samples that both have.

    Parameters
    ----------
    x, y : Centred
        (batch, a, sample) and (batch, b, sample), each made with the mask of the other.

    Returns
    -------
    (batch, a, b)
        Correlations.
    """
    products = x.values @ y.values.swapaxes(1, 2)
    return pearson_from_sums(x.count, x.sums, y.sums.swapaxes(1, 2), x.squares, y.squares.swapaxes(1, 2), products)


def correlate_within(x: Centred, y: Centred, mask_other: Bools) -> Floats:
    """
    Pearson correlation of matching vectors, over the samples that their session shares with every other session.

    Parameters
    ----------
    x, y : Centred
        Two measurements (batch, session, sample) of the same sessions.
    mask_other : (session, sample) bool
        Samples that exist in the sessions they are paired with.

    Returns
    -------
    (batch, session, session)
        [b, i, j]: correlation of x[b, i] with y[b, i] over the samples of both i and j.
    """
    products = (x.values * y.values) @ mask_other.astype(np.float64).T
    return pearson_from_sums(x.count, x.sums, y.sums, x.squares, y.squares, products)


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
        A copy in this order.
    """
    order = (1, 0, 2) if over == "unit" else (2, 0, 1)
    chosen = maps.values[:, block] if over == "unit" else maps.values[:, :, block]
    return np.ascontiguousarray(chosen.transpose(order))


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
    mask, mask_other = (first.units, second.units) if over == "unit" else (first.stimuli, second.stimuli)
    mean = RunningMean((len(first.values), len(second.values)))
    for block in batches(first, over):
        x = centred(vectors(first, over, block), mask, mask_other)
        y = x if second is first else centred(vectors(second, over, block), mask_other, mask)
        mean.add(correlate(x, y))
    return mean.mean()


def mean_over_stimuli(maps: Masked) -> Masked:
    """
    Average maps over stimuli, where all were recorded in all sessions.

    Parameters
    ----------
    maps : Masked
        Maps without gaps in stimuli.

    Returns
    -------
    Masked
        Maps of one stimulus.
    """
    return Masked(maps.values.mean(axis=1, keepdims=True), maps.units, maps.stimuli[:, :1])
