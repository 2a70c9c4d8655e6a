"""How far what is taught lies from backpropagation, and whether alignment comes before learning."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Floats


def angle_deg(a: ArrayLike, b: ArrayLike) -> Floats:
    """
    Angle between two arrays of every animal, each taken as one long vector.

    theta = 2 atan2(|u - v|, |u + v|) with u = a / |a| and v = b / |b|, which is arccos <u, v> without its loss of
    digits at small angles.

    Parameters
    ----------
    a, b : (animal, ...), any unit
        Of the same shape.

    Returns
    -------
    (animal,), degrees, 0 to 180
        NaN where one of the two is zero throughout or holds a value that is not finite.

    Raises
    ------
    ShapeError
        Where the shapes differ, or there is no axis of animals.

    References
    ----------
    Kahan 2006, "How futile are mindless assessments of roundoff in floating-point computation?", section 12.

    Examples
    --------
    >>> angle_deg([[1.0, 0.0]], [[1.0, 1.0]]).round(6).tolist()
    [45.0]
    """
    first, second = np.asarray(a), np.asarray(b)
    if first.shape != second.shape or first.ndim < 2:
        raise ShapeError(
            f"angles need two arrays of the same shape (animal, ...), got shapes {first.shape} and {second.shape}"
        )
    # one animal at a time: the teaching signals of a whole cohort need not be copied at once
    angles = [_angle(one.ravel(), other.ravel()) for one, other in zip(first, second, strict=True)]
    return np.array(angles, dtype=np.float64)


def angle_to_bp_deg(teaching_signal: ArrayLike, bp_signal: ArrayLike) -> Floats:
    """
    Angle between a layer's teaching signals and those of exact backpropagation, over all stimuli as one vector.

    Parameters
    ----------
    teaching_signal : (animal, stimulus, unit), a.u.
        delta_l of the learning rule.
    bp_signal : (animal, stimulus, unit), a.u.
        delta_l of backpropagation for the same weights and the same error.

    Returns
    -------
    (animal,), degrees, 0 to 180
        90 where they have nothing in common; below 90 the rule descends the loss; NaN where one of the two is zero.

    Raises
    ------
    ShapeError
        Where the shapes differ.

    References
    ----------
    Lillicrap et al. 2016, Nature Communications 7:13276, doi 10.1038/ncomms13276.
    """
    return angle_deg(teaching_signal, bp_signal)


def angle_weights_feedback_deg(weights: ArrayLike, feedback: ArrayLike) -> Floats:
    """
    Angle between the transposed forward weights and the feedback weights of the same layer.

    Parameters
    ----------
    weights : (animal, post, pre), a.u.
        Forward weights of the layer above.
    feedback : (animal, pre, post), a.u.
        Feedback weights with which the layer is taught.

    Returns
    -------
    (animal,), degrees, 0 to 180
        0 for backpropagation; NaN where feedback has another shape than the transposed weights, as direct feedback to
        a layer below the last hidden one.

    Raises
    ------
    ShapeError
        Unless both have three dimensions and as many animals.

    References
    ----------
    Lillicrap et al. 2016, Nature Communications 7:13276, doi 10.1038/ncomms13276.
    """
    forward, backward = np.asarray(weights), np.asarray(feedback)
    if forward.ndim != 3 or backward.ndim != 3 or len(forward) != len(backward):
        raise ShapeError(
            "expected weights (animal, post, pre) and feedback (animal, pre, post) of the same animals, "
            f"got shapes {forward.shape} and {backward.shape}"
        )
    transposed = forward.transpose(0, 2, 1)
    return angle_deg(transposed, backward) if transposed.shape == backward.shape else np.full(len(forward), np.nan)


def half_change_step(
    values: ArrayLike, steps: ArrayLike, direction: Literal["fall", "rise"], least: float = 0.0
) -> Floats:
    """
    Step at which a course has made half of its total fall or rise.

    The total fall is the first value minus the one where the course settles, its median over the last quarter of the
    steps; the step is where the course first passes the middle between the two, interpolated linearly between its
    neighbours. "rise" is the fall of minus the values.

    Parameters
    ----------
    values : (animal, step), any unit
        For example the angle to backpropagation, or accuracy. Gaps: NaN is left out.
    steps : (step,), updates
        Ascending.
    direction : {"fall", "rise"}
        Which change.
    least : float
        Smallest total change that counts, in the unit of `values`: smaller ones are noise.

    Returns
    -------
    (animal,), updates
        NaN where there is no such change.

    Raises
    ------
    ConfigError
        Where `direction` is neither "fall" nor "rise".
    ShapeError
        Where there is not one ascending step per value.

    References
    ----------
    Alignment before memorisation: Refinetti et al. 2021, ICML, doi 10.48550/arXiv.2011.12428.

    Examples
    --------
    >>> half_change_step([[90.0, 80.0, 40.0, 30.0]], [0, 1, 2, 3], "fall").tolist()
    [1.5]
    """
    if direction not in ("fall", "rise"):
        raise ConfigError(f"direction must be 'fall' or 'rise', got {direction!r}")
    courses, at = np.asarray(values, dtype=np.float64), np.asarray(steps, dtype=np.float64)
    if courses.ndim != 2 or at.shape != courses.shape[1:] or (np.diff(at) <= 0).any():
        raise ShapeError(
            f"expected values (animal, step) and ascending steps (step,), got shapes {courses.shape} and {at.shape}"
        )
    sign = 1.0 if direction == "fall" else -1.0
    return np.array([_half_fall(sign * course, at, least) for course in courses])


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    """Angle between two vectors in degrees."""
    u, v = _unit_vector(a), _unit_vector(b)
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))))


def _unit_vector(vector: np.ndarray) -> Floats:
    """A vector divided by its norm, however small or large; NaN for the zero vector."""
    values = vector.astype(np.float64)
    largest = np.abs(values).max(initial=0.0)
    if not 0 < largest < np.inf:
        return np.full(values.shape, np.nan)
    values /= largest
    unit: Floats = values / np.linalg.norm(values)
    return unit


def _half_fall(course: Floats, steps: Floats, least: float) -> float:
    """Step at which one course has made half of its fall; NaN where it does not fall by more than `least`."""
    finite = np.isfinite(course)
    course, steps = course[finite], steps[finite]
    if course.size < 2:
        return np.nan
    settled = float(np.median(course[-max(1, course.size // 4) :]))
    if not course[0] - settled > max(least, 0.0):
        return np.nan
    middle = (course[0] + settled) / 2
    after = int(np.argmax(course <= middle))
    fraction = (course[after - 1] - middle) / (course[after - 1] - course[after])
    return float(steps[after - 1] + fraction * (steps[after] - steps[after - 1]))
