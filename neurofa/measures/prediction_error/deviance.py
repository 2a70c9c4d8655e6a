"""Oddball responses taken apart: mismatch, prediction error and repetition suppression; adaptation to a stimulus."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.catalogue import did_you_mean
from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Floats
from neurofa.measures.prediction_error.conditions import responses_of

#: what is done to rates that may be negative before they are compared
RECTIFICATIONS = ("none", "half_wave", "absolute")
Rectification = Literal["none", "half_wave", "absolute"]


class DevianceIndices(NamedTuple):
    """
    The decomposition of a deviance response.

    Attributes
    ----------
    i_mm, i_pe, i_rs : array
        Indices of mismatch, prediction error and repetition suppression; -1 to 1 for responses that are not negative.
    n_silent : int
        Units that respond to nothing, so that their indices are NaN.
    n_missing : int
        Units without a value in one of the conditions, so that their indices are NaN.
    """

    i_mm: Floats
    i_pe: Floats
    i_rs: Floats
    n_silent: int
    n_missing: int


class DevianceDifferences(NamedTuple):
    """
    Deviance detection and stimulus-specific adaptation as differences.

    Attributes
    ----------
    deviance_detection, stimulus_specific_adaptation : array
        Deviant minus control, control minus standard; in the unit of the responses.
    """

    deviance_detection: Floats
    stimulus_specific_adaptation: Floats


def deviance_decomposition(
    responses: Mapping[str, ArrayLike], control: str = "many_standards", rectification: Rectification = "none"
) -> DevianceIndices:
    """
    Mismatch of a deviant against a standard, split by a control into prediction error and repetition suppression.

    With N = sqrt(DEV^2 + STD^2 + CTR^2): iMM = (DEV - STD) / N, iPE = (DEV - CTR) / N, iRS = (CTR - STD) / N, so that
    iMM = iPE + iRS. The control shows the same stimulus as rarely as the deviant, in a sequence that no regularity
    makes predictable ("many_standards") or in a regular cascade ("cascade"). Adaptation alone gives iMM > 0 with
    iPE <= 0: iMM is no evidence of a prediction error.

    Parameters
    ----------
    responses : mapping of str to array, spikes, Hz or a.u.
        ``"deviant"``, ``"standard"`` and the control: (unit,) or any shape, baseline-corrected. Gaps: a unit without a
        value in one of the three has NaN indices.
    control : str
        Which condition is the control.
    rectification : {"none", "half_wave", "absolute"}
        What is done first to responses that can be negative (deviations from baseline, rates of tanh units):
        nothing (the indices then reach sqrt(2) in size), max(r, 0), or abs(r). To be stated with the result.

    Returns
    -------
    DevianceIndices
        Shaped like the responses; NaN where a unit is silent in all three.

    Raises
    ------
    ConfigError
        Where `rectification` is unknown.
    RecordingError
        Where the control was not recorded.
    ShapeError
        Where the shapes differ.

    References
    ----------
    Parras et al. 2017, Nature Communications 8:2148, doi 10.1038/s41467-017-02038-6.

    Examples
    --------
    >>> found = deviance_decomposition({"deviant": 0.98, "standard": 0.21, "cascade": 0.59}, control="cascade")
    >>> round(float(found.i_mm), 2), round(float(found.i_pe), 2), round(float(found.i_rs), 2)
    (0.66, 0.34, 0.33)
    """
    if rectification not in RECTIFICATIONS:
        raise ConfigError(
            f"rectification is unknown, got '{rectification}'; {did_you_mean(rectification, RECTIFICATIONS)}"
        )
    found = np.stack(responses_of(responses, ("deviant", "standard", control), "i_pe"))
    if rectification == "half_wave":
        found = np.maximum(found, 0.0)
    elif rectification == "absolute":
        found = np.abs(found)
    missing = ~np.isfinite(found).all(axis=0)
    largest = np.abs(found).max(axis=0)
    silent = (largest == 0) & ~missing
    # in two steps: the size of the responses may be anything
    scaled = found / np.where(missing | silent, np.nan, largest)
    deviant, standard, other = scaled / np.sqrt((scaled**2).sum(axis=0))
    return DevianceIndices(deviant - standard, deviant - other, other - standard, int(silent.sum()), int(missing.sum()))


def deviance_differences(responses: Mapping[str, ArrayLike], control: str = "many_standards") -> DevianceDifferences:
    """
    Deviance detection DEV - CTR and stimulus-specific adaptation CTR - STD, not normalised.

    Parameters
    ----------
    responses : mapping of str to array, spikes, Hz or a.u.
        ``"deviant"``, ``"standard"`` and the control, of one shape. Gaps: NaN where one of the two is missing.
    control : str
        Which condition is the control.

    Returns
    -------
    DevianceDifferences
        In the unit of the responses.

    Raises
    ------
    RecordingError
        Where the control was not recorded.
    ShapeError
        Where the shapes differ.

    References
    ----------
    Hamm & Yuste 2016, Cell Reports 16:604, doi 10.1016/j.celrep.2016.06.037.
    """
    deviant, standard, other = responses_of(responses, ("deviant", "standard", control), "deviance_detection")
    return DevianceDifferences(deviant - other, other - standard)


def stimulus_index(deviant: ArrayLike, standard: ArrayLike) -> Floats:
    """
    Stimulus index SI = (d - s) / (d + s) of the same stimulus as deviant and as standard.

    Parameters
    ----------
    deviant, standard : array, spikes, Hz or a.u.
        Of one shape, not negative. Gaps: NaN where one is missing.

    Returns
    -------
    array, -1 to 1
        NaN where d + s is 0 or negative.

    Raises
    ------
    ShapeError
        Where the shapes differ.

    References
    ----------
    Ulanovsky et al. 2003, Nature Neuroscience 6:391, doi 10.1038/nn1032.
    """
    first, second = np.asarray(deviant, dtype=np.float64), np.asarray(standard, dtype=np.float64)
    if first.shape != second.shape:
        raise ShapeError(f"deviant and standard must have the same shape, got {first.shape} and {second.shape}")
    return _ratio(first - second, first + second)


def common_contrast_index(deviants: ArrayLike, standards: ArrayLike) -> Floats:
    """
    Common contrast of two stimuli that swap roles, CSI = (d1 + d2 - s1 - s2) / (d1 + d2 + s1 + s2).

    The preference of a unit for one of the two stimuli cancels. It grows with adaptation as well as with a prediction
    error: see `deviance_decomposition` for the difference.

    Parameters
    ----------
    deviants, standards : (2, ...), spikes, Hz or a.u.
        Responses to both stimuli in both roles, not negative. Gaps: NaN where one of the four is missing.

    Returns
    -------
    array, -1 to 1
        Without the first axis; NaN where the sum is 0 or negative.

    Raises
    ------
    ShapeError
        Unless there are two stimuli in each role: without the swap preference and role cannot be told apart.

    References
    ----------
    Ulanovsky et al. 2003, Nature Neuroscience 6:391, doi 10.1038/nn1032.

    Examples
    --------
    >>> float(common_contrast_index([3.0, 1.0], [1.0, 1.0]).round(3))
    0.333
    """
    rare, frequent = np.asarray(deviants, dtype=np.float64), np.asarray(standards, dtype=np.float64)
    if rare.shape != frequent.shape or rare.ndim < 1 or len(rare) != 2:
        raise ShapeError(
            "the common contrast needs two stimuli that swap roles: deviants (2, ...) and standards (2, ...), "
            f"got shapes {rare.shape} and {frequent.shape}"
        )
    return _ratio(rare.sum(axis=0) - frequent.sum(axis=0), rare.sum(axis=0) + frequent.sum(axis=0))


def _ratio(above: Floats, below: Floats) -> Floats:
    """Quotient; NaN where what is divided by is not positive."""
    ratio: Floats = above / np.where(below > 0, below, np.nan)
    return ratio
