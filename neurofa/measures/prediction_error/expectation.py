"""What an expectation does to a response: suppression of what was expected, enhancement of surprise, repetition."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ShapeError
from neurofa.measures.kernels import Floats
from neurofa.measures.prediction_error.conditions import relative_difference, responses_of


class ExpectationSuppression(NamedTuple):
    """
    Responses to the same stimulus, expected and unexpected.

    Attributes
    ----------
    ratio : array
        1 - expected / unexpected; 0 = no suppression, 1 = nothing is left.
    contrast : array, -1 to 1
        (unexpected - expected) / (|unexpected| + |expected|).
    """

    ratio: Floats
    contrast: Floats


class SuppressionAndEnhancement(NamedTuple):
    """
    The two parts of an effect of expectation.

    Attributes
    ----------
    prediction_suppression, surprise_enhancement : array
        Neutral minus expected, unexpected minus neutral; in the unit of the responses.
    """

    prediction_suppression: Floats
    surprise_enhancement: Floats


def expectation_suppression(responses: Mapping[str, ArrayLike]) -> ExpectationSuppression:
    """
    How much weaker the response to a stimulus is where it was expected.

    Parameters
    ----------
    responses : mapping of str to array, Hz or a.u.
        ``"expected"`` and ``"unexpected"``, of one shape. Gaps: NaN where one is missing.

    Returns
    -------
    ExpectationSuppression
        The ratio is NaN where the unexpected response is not above 0, the contrast where both are 0.

    Raises
    ------
    RecordingError
        Where a condition was not recorded.
    ShapeError
        Where the shapes differ.

    References
    ----------
    Kok et al. 2012, Neuron 75:265, doi 10.1016/j.neuron.2012.04.034.

    Examples
    --------
    >>> float(expectation_suppression({"expected": 3.0, "unexpected": 4.0}).ratio)
    0.25
    """
    expected, unexpected = responses_of(responses, ("expected", "unexpected"), "expectation suppression")
    ratio = 1 - expected / np.where(unexpected > 0, unexpected, np.nan)
    return ExpectationSuppression(np.asarray(ratio), relative_difference(unexpected, expected))


def suppression_and_enhancement(responses: Mapping[str, ArrayLike]) -> SuppressionAndEnhancement:
    """
    Tell suppression of the expected from enhancement of the surprising, by a neutral condition.

    Parameters
    ----------
    responses : mapping of str to array, Hz or a.u.
        ``"expected"``, ``"unexpected"`` and ``"neutral"`` (the same stimulus where nothing predicts it), of one shape.
        Gaps: NaN where one of the two that are compared is missing.

    Returns
    -------
    SuppressionAndEnhancement
        In the unit of the responses.

    Raises
    ------
    RecordingError
        Where a condition was not recorded; without a neutral one the two cannot be told apart.
    ShapeError
        Where the shapes differ.

    References
    ----------
    Ramachandran et al. 2017, Journal of Neurophysiology, doi 10.1152/jn.00136.2017.
    """
    needed = ("expected", "unexpected", "neutral")
    expected, unexpected, neutral = responses_of(responses, needed, "prediction suppression")
    return SuppressionAndEnhancement(neutral - expected, unexpected - neutral)


def repetition_suppression(responses: Mapping[str, ArrayLike]) -> Floats:
    """
    How much weaker the response to a repeated stimulus is, RS = (first - repeated) / (|first| + |repeated|).

    Where it is larger in blocks in which repetitions are likely, expectation takes part in it: compare the two.

    Parameters
    ----------
    responses : mapping of str to array, Hz or a.u.
        ``"first"`` and ``"repeated"``, of one shape. Gaps: NaN where one is missing.

    Returns
    -------
    array, -1 to 1
        NaN where both are 0.

    Raises
    ------
    RecordingError
        Where a condition was not recorded.
    ShapeError
        Where the shapes differ.

    References
    ----------
    Summerfield et al. 2008, Nature Neuroscience 11:1004, doi 10.1038/nn.2163.
    """
    first, repeated = responses_of(responses, ("first", "repeated"), "repetition suppression")
    return relative_difference(first, repeated)


def dampening_slope(responses: Mapping[str, ArrayLike], tuning: ArrayLike) -> Floats:
    """
    Whether expectation dampens what a unit prefers, or sharpens its tuning.

    Slope of unexpected minus expected over stimuli on the unit's preference, its tuning scaled from 0 (least) to 1
    (most preferred stimulus). Above 0: most is lost at the preferred stimulus (dampening); below 0: at the others
    (sharpening).

    Parameters
    ----------
    responses : mapping of str to (stimulus, unit), Hz or a.u.
        ``"expected"`` and ``"unexpected"``. Gaps: stimuli that lack one value of a unit are left out for it.
    tuning : (stimulus, unit), Hz or a.u.
        From trials of their own, such as a neutral block: noise that tuning and responses share is no preference.

    Returns
    -------
    (unit,), in the unit of the responses
        NaN where fewer than three stimuli are left or the unit has no preference.

    Raises
    ------
    RecordingError
        Where a condition was not recorded.
    ShapeError
        Where the shapes differ.

    References
    ----------
    Richter et al. 2022, Oxford Open Neuroscience 1:kvac013, doi 10.1093/oons/kvac013.
    """
    expected, unexpected = responses_of(responses, ("expected", "unexpected"), "sharpening against dampening")
    preference = np.asarray(tuning, dtype=np.float64)
    if preference.shape != expected.shape or preference.ndim != 2:
        raise ShapeError(
            f"tuning must have the dimensions (stimulus, unit) of the responses, got {preference.shape} and "
            f"{expected.shape}"
        )
    difference = unexpected - expected
    slopes = np.full(expected.shape[1], np.nan)
    for unit in range(expected.shape[1]):
        kept = np.isfinite(difference[:, unit]) & np.isfinite(preference[:, unit])
        liked = preference[kept, unit]
        if kept.sum() < 3 or np.ptp(liked) <= 1e-12 * np.abs(liked).max():
            continue
        scaled = (liked - liked.min()) / np.ptp(liked)
        centred = scaled - scaled.mean()
        slopes[unit] = centred @ difference[kept, unit] / (centred @ centred)
    return slopes
