"""What a measure of prediction errors needs before it means anything: its control conditions, and repeats."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from neurofa.errors import MissingControlError, ShapeError
from neurofa.measures.kernels import Floats


def require_conditions(given: Iterable[str], needed: Sequence[str], measure: str) -> None:
    """
    Refuse a measure whose control was not recorded.

    Parameters
    ----------
    given : iterable of str
        Conditions that there are.
    needed : sequence of str
        Conditions that the measure compares.
    measure : str
        Its name, for the message.

    Raises
    ------
    MissingControlError
        With the name of what is missing.

    Examples
    --------
    >>> require_conditions(["deviant", "standard"], ["deviant", "standard"], "i_mm")
    """
    there = list(given)
    missing = [name for name in needed if name not in there]
    if missing:
        raise MissingControlError(measure, missing, there)


def require_repeats(n_repeats: int, least: int, measure: str, condition: str) -> None:
    """
    Refuse a measure that needs more repeats of a condition than there are.

    Parameters
    ----------
    n_repeats, least : int
        Repeats that there are, and that are needed.
    measure, condition : str
        Their names, for the message.

    Raises
    ------
    ShapeError
        With what is missing.
    """
    if n_repeats < least:
        raise ShapeError(
            f"{measure} needs at least {least} repeats of the condition '{condition}', got {n_repeats}; "
            "show it more often"
        )


def responses_of(responses: Mapping[str, ArrayLike], needed: Sequence[str], measure: str) -> list[Floats]:
    """
    Responses to the conditions of a measure, checked.

    Parameters
    ----------
    responses : mapping of str to array, any unit
        Condition to responses, all of the same shape; other conditions may stand beside those that are needed.
    needed : sequence of str
        Conditions that the measure compares.
    measure : str
        Its name, for messages.

    Returns
    -------
    list of array
        In the order of `needed`, float64.

    Raises
    ------
    RecordingError
        Where a condition is missing.
    ShapeError
        Where the shapes differ.
    """
    require_conditions(responses, needed, measure)
    found = [np.asarray(responses[name], dtype=np.float64) for name in needed]
    shapes = [one.shape for one in found]
    if len(set(shapes)) > 1:
        told = ", ".join(f"{name} {shape}" for name, shape in zip(needed, shapes, strict=True))
        raise ShapeError(f"{measure} needs one response per unit in every condition, got shapes {told}")
    return found


def relative_difference(first: Floats, second: Floats) -> Floats:
    """
    Contrast (a - b) / (|a| + |b|).

    Parameters
    ----------
    first, second : array, any unit
        Of the same shape.

    Returns
    -------
    array, -1 to 1
        NaN where both are 0 or one is missing.
    """
    largest = np.maximum(np.abs(first), np.abs(second))
    scale = np.where(largest > 0, largest, np.nan)
    a, b = first / scale, second / scale
    contrast: Floats = (a - b) / (np.abs(a) + np.abs(b))
    return contrast


def events_by_units(values: ArrayLike, name: str) -> Floats:
    """
    Responses as an array (event, unit).

    Parameters
    ----------
    values : (event, unit), any unit
        Responses.
    name : str
        What messages call them.

    Returns
    -------
    (event, unit)
        float64.

    Raises
    ------
    ShapeError
        Unless there are two dimensions.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:
        raise ShapeError(f"{name} must have the dimensions (event, unit), got shape {array.shape}")
    return array
