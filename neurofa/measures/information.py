"""What hidden activity tells about the target: the best linear readout, and information in bits by three estimators."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Floats

#: ridge of the linear readout, relative to the variance of a unit: solvable for singular activity, invisible otherwise
RIDGE = 1e-10
#: a variance below this fraction of the largest one is rounding
ROUNDING = 1e-12
#: largest whole number that the label of a joint bin may reach
LARGEST_LABEL = 2**62


class LinearReadout(NamedTuple):
    """
    How well a linear readout does.

    Attributes
    ----------
    mse : float
        Squared error, mean over samples and outputs, (a.u.)^2.
    r2 : float
        1 - (squared errors) / (squared deviations of the target from its mean), both summed over samples and outputs;
        NaN for a constant target.
    accuracy : float
        Fraction of samples whose report is right; NaN for one output without a threshold.
    """

    mse: float
    r2: float
    accuracy: float


class BinnedInformation(NamedTuple):
    """
    Binned estimate of information and what it cannot exceed.

    Attributes
    ----------
    information : float
        I(H;Y), bits.
    ceiling : float
        H(Y) of the binned target, bits.
    """

    information: float
    ceiling: float


def best_linear_readout(
    hidden: ArrayLike,
    target: ArrayLike,
    fitted_on: ArrayLike | None = None,
    tested_on: ArrayLike | None = None,
    acceptable: ArrayLike | None = None,
    threshold: float | None = None,
) -> LinearReadout:
    """
    Linear regression (with intercept) from hidden activity to the target.

    It shows what a layer contains, whatever the network's own readout makes of it. Least squares, with a ridge of
    `RIDGE` times each unit's variance so that singular activity has a solution too.

    Parameters
    ----------
    hidden : (sample, unit), a.u.
        Rates of a layer.
    target : (sample, output) or (sample,), a.u.
        What the network should put out.
    fitted_on : (sample,) bool, optional
        Samples of the fit; by default all.
    tested_on : (sample,) bool, optional
        Samples on which the readout is judged; by default those of the fit.
    acceptable : (sample, report) bool, optional
        Reports that count as right, one column per output; by default the report of the target itself. The report is
        the largest output.
    threshold : float, optional
        For one output: above it the report is 1, else 0, and `acceptable` has these two columns.

    Returns
    -------
    LinearReadout
        NaN where activity or target are not finite, or there are no samples.

    Raises
    ------
    ShapeError
        Where the numbers of samples differ.

    Examples
    --------
    >>> best_linear_readout([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]).r2
    1.0
    """
    rates, wanted = samples_of(hidden, target)
    fitted = _mask(fitted_on, len(rates), "fitted_on")
    tested = fitted if tested_on is None else _mask(tested_on, len(rates), "tested_on")
    known, judged = (array if fitted.all() else array[fitted] for array in (rates, wanted))
    # a sum is finite where every number is, save for overflow, which no regression survives either
    if not known.size or not tested.any() or not np.isfinite(known.sum() + judged.sum()):
        return LinearReadout(np.nan, np.nan, np.nan)
    centre, offset = _mean(known), _mean(judged)
    weights = _regression(known - centre, judged - offset)
    if not tested.all():
        rates, wanted = rates[tested], wanted[tested]
    output = (rates - centre) @ weights + offset
    errors = float(np.square(wanted - output).sum())
    deviations = float(np.square(wanted - _mean(wanted)).sum())
    r2 = 1 - errors / deviations if deviations > ROUNDING * np.square(wanted).sum() else np.nan
    accuracy = np.nan
    if wanted.shape[1] > 1 or threshold is not None:
        right = _acceptable(acceptable, wanted, tested, threshold)
        report = output.argmax(axis=1) if threshold is None else (output[:, 0] > threshold).astype(np.int64)
        accuracy = float(right[np.arange(len(output)), report].mean())
    return LinearReadout(errors / wanted.size, r2, accuracy)


def target_information_gaussian(hidden: ArrayLike, target: ArrayLike) -> float:
    """
    Information between hidden activity and target, as if they were jointly Gaussian.

    I = 1/2 log2(det S_Y / det S_Y|H) = -1/2 sum_i log2(1 - rho_i^2), with S_Y the covariance of the target, S_Y|H that
    of the residuals of its linear regression on hidden activity, rho_i the canonical correlations. For one output this
    is -1/2 log2(1 - R^2). For classes (targets of 0 and 1, or labels) it is -1/2 log2 of Wilks' lambda, the ratio of
    the determinants of the covariance of H within classes and in all. It does not saturate: as it takes both for
    Gaussian it is not bounded by H(Y). It is the same after any invertible linear map of H or of Y.

    Parameters
    ----------
    hidden : (sample, unit), a.u.
        Rates of a layer.
    target : (sample, output) or (sample,)
        Values, or labels of classes: one whole number, bool or text per sample.

    Returns
    -------
    float, bits
        Infinite where a combination of outputs follows from the activity up to rounding; NaN where something is not
        finite, the target is constant, or there are not more samples than units and an intercept: then every target
        would follow. Of unrelated Gaussian samples it is on average
        n_units n_outputs / (2 ln 2 n_samples) too large, for many more samples than units.

    Raises
    ------
    ShapeError
        Where the numbers of samples differ.

    References
    ----------
    Gelfand & Yaglom 1957, Uspekhi Mat. Nauk 12:3 (canonical correlations); Cover & Thomas 2006, Elements of Information
    Theory, 2nd ed., section 8.5, doi 10.1002/047174882X; Wilks 1932, Biometrika 24:471, doi 10.1093/biomet/24.3-4.471.

    Examples
    --------
    >>> noise, signal = np.array([1.0, 1.0, -1.0, -1.0]), np.array([1.0, -1.0, 1.0, -1.0])
    >>> round(target_information_gaussian((signal + noise)[:, None], signal), 6)
    0.5
    """
    labels = labels_of(target)
    rates, wanted = samples_of(hidden, target if labels is None else _one_hot(labels))
    n_samples, n_units = rates.shape
    if not rates.size or n_samples <= n_units + 1 or not np.isfinite(rates.sum() + wanted.sum()):
        return np.nan
    rates, wanted = rates - _mean(rates), wanted - _mean(wanted)
    # outputs of a class code add up to 1: only the directions in which the target varies count
    power, axes = np.linalg.eigh(wanted.T @ wanted)
    varies = power > ROUNDING * max(power[-1], 0.0)
    if not varies.any():
        return np.nan
    white = wanted @ (axes[:, varies] / np.sqrt(power[varies]))
    residuals = white - rates @ _regression(rates, white)
    unexplained = np.clip(np.linalg.eigvalsh(residuals.T @ residuals), 0.0, 1.0)
    return float(np.inf if unexplained[0] <= ROUNDING else -0.5 * np.log2(unexplained).sum())


def target_information_binned(hidden: ArrayLike, target: ArrayLike, width: float = 0.1) -> BinnedInformation:
    """
    Information between hidden activity and target, from counts in joint bins of all units together.

    I(H;Y) = H(Y) + H(H) - H(H,Y), entropies of the counts (no correction for bias). With several units almost every
    sample has a bin of its own: then the estimate is close to its ceiling H(Y) whatever the units code.

    Parameters
    ----------
    hidden : (sample, unit), a.u.
        Rates of a layer.
    target : (sample, output) or (sample,)
        Values, binned too; or labels of classes: one whole number, bool or text per sample.
    width : float
        Of a bin, a.u.; bins begin at multiples of it.

    Returns
    -------
    BinnedInformation
        In bits; NaN where something is not finite.

    Raises
    ------
    ConfigError
        Unless `width` is positive.
    ShapeError
        Where the numbers of samples differ.

    References
    ----------
    Shwartz-Ziv & Tishby 2017, doi 10.48550/arXiv.1703.00810; why it says little: Saxe et al. 2019, J. Stat. Mech.
    124020, doi 10.1088/1742-5468/ab3985.

    Examples
    --------
    >>> target_information_binned([[0.05], [0.05], [0.15], [0.15]], [0, 0, 1, 1])
    BinnedInformation(information=1.0, ceiling=1.0)
    """
    if not width > 0:
        raise ConfigError(f"the width of bins must be positive, got {width}")
    labels = labels_of(target)
    rates, wanted = samples_of(hidden, target if labels is None else labels[:, None])
    if not rates.size or not np.isfinite(rates.sum() + wanted.sum()):
        return BinnedInformation(np.nan, np.nan)
    of_target, n_target = _joint_label(_bins(wanted, width) if labels is None else labels[None])
    of_hidden, n_hidden = _joint_label(_bins(rates, width))
    if n_hidden * n_target > LARGEST_LABEL:
        (of_hidden, _), (of_target, n_target) = _renumbered(of_hidden), _renumbered(of_target)
    both = np.sort(of_hidden * n_target + of_target)
    ceiling = _entropy_bits(np.sort(of_target))
    # differences of entropies carry rounding of either sign
    information = min(max(ceiling + _entropy_bits(both // n_target) - _entropy_bits(both), 0.0), ceiling)
    return BinnedInformation(information, ceiling)


def samples_of(hidden: ArrayLike, target: ArrayLike) -> tuple[Floats, Floats]:
    """
    Arrange activity and target in double precision.

    Parameters
    ----------
    hidden : (sample, unit)
        Activity.
    target : (sample, output) or (sample,)
        Target.

    Returns
    -------
    rates, wanted : (sample, unit), (sample, output)
        Of equally many samples.

    Raises
    ------
    ShapeError
        Where they are not.
    """
    rates, wanted = np.asarray(hidden, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if wanted.ndim == 1:
        wanted = wanted[:, None]
    if rates.ndim != 2 or wanted.ndim != 2 or len(rates) != len(wanted):
        raise ShapeError(
            "expected activity (sample, unit) and target (sample, output) or (sample,) of the same samples, "
            f"got shapes {rates.shape} and {np.shape(target)}"
        )
    return rates, wanted


def _mean(values: Floats) -> Floats:
    """Mean over samples (the first axis); as a product, several times faster than numpy's for few columns."""
    mean: Floats = np.full(len(values), 1 / len(values)) @ values
    return mean


def _mask(mask: ArrayLike | None, n_samples: int, name: str) -> NDArray[np.bool_]:
    """Samples that take part."""
    if mask is None:
        return np.ones(n_samples, dtype=bool)
    chosen = np.asarray(mask)
    if chosen.dtype != bool or chosen.shape != (n_samples,):
        raise ShapeError(
            f"{name} must be one bool per sample ({n_samples}), got {chosen.dtype} of shape {chosen.shape}"
        )
    return chosen


def _acceptable(
    acceptable: ArrayLike | None, wanted: Floats, tested: NDArray[np.bool_], threshold: float | None
) -> NDArray[np.bool_]:
    """Right reports (tested sample, report)."""
    if threshold is not None and wanted.shape[1] != 1:
        raise ShapeError(f"a threshold needs one output, got {wanted.shape[1]}; leave it out")
    if acceptable is None:
        return _reports_of(wanted, threshold)
    right: NDArray[np.bool_] = np.asarray(acceptable, dtype=bool)
    expected = (len(tested), wanted.shape[1] if threshold is None else 2)
    if right.shape != expected:
        raise ShapeError(f"acceptable must be {expected}, one column per report, got {right.shape}")
    return right[tested]


def _reports_of(wanted: Floats, threshold: float | None) -> NDArray[np.bool_]:
    """What the target itself reports (sample, report)."""
    if threshold is None:
        reported: NDArray[np.bool_] = wanted == wanted.max(axis=1, keepdims=True)
        return reported
    return np.hstack([wanted <= threshold, wanted > threshold])


def _regression(rates: Floats, wanted: Floats) -> Floats:
    """Weights (unit, output) of the regression of a centred target on centred rates."""
    gram = rates.T @ rates
    scale = np.sqrt(np.diag(gram))
    # units that do not vary get weight 0
    inverse = np.where(scale > 0, 1.0, 0.0) / np.where(scale > 0, scale, 1.0)
    gram = gram * inverse * inverse[:, None]
    gram[np.diag_indices_from(gram)] += RIDGE + (scale <= 0)
    weights: Floats = inverse[:, None] * np.linalg.solve(gram, inverse[:, None] * (rates.T @ wanted))
    return weights


def labels_of(target: ArrayLike) -> NDArray[np.int64] | None:
    """
    Number the classes of a target of labels.

    Parameters
    ----------
    target : (sample, output) or (sample,)
        Target.

    Returns
    -------
    (sample,) int or None
        Classes from 0 on, where there is one whole number, bool or text per sample; None for values.
    """
    array = np.asarray(target)
    if array.ndim != 1 or array.dtype.kind == "f":
        return None
    return np.unique(array, return_inverse=True)[1].astype(np.int64)


def _one_hot(labels: NDArray[np.int64]) -> Floats:
    """Classes as (sample, class) of 0 and 1."""
    return np.eye(int(labels.max(initial=0)) + 1)[labels]


def _bins(values: Floats, width: float) -> NDArray[np.int64]:
    """Number of the bin of every value (sample, column), as (column, sample)."""
    scaled = np.ascontiguousarray(values.T) / width
    return np.floor(scaled, out=scaled).astype(np.int64)


def _joint_label(columns: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """One whole number per sample of (column, sample), the same where all columns are; and a bound of the numbers."""
    lowest = columns.min(axis=1)
    label, n_labels = np.zeros(columns.shape[1], dtype=np.int64), 1
    for column, least, size in zip(columns, lowest, (columns.max(axis=1) - lowest + 1).tolist(), strict=True):
        column = column - least
        if n_labels * size > LARGEST_LABEL:
            (label, n_labels), (column, size) = _renumbered(label), _renumbered(column)
        label, n_labels = label * size + column, n_labels * size
    return label, n_labels


def _renumbered(label: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Labels without gaps from 0, and their number."""
    values, numbers = np.unique(label, return_inverse=True)
    return numbers.astype(np.int64), len(values)


def _entropy_bits(ordered: NDArray[np.int64]) -> float:
    """Entropy of the counts of sorted labels."""
    edges = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]))
    counts = np.diff(edges).astype(np.float64)
    return float(np.log2(len(ordered)) - (counts @ np.log2(counts)) / len(ordered))
