"""A linear track, run in both directions: place-tuned inputs, and bumps of position and direction to report."""

from typing import Annotated

import numpy as np
from pydantic import Field

from neurofa.stimuli import Stimuli

#: this close to an end of the track (fraction of its length) inputs are more often the same in both directions
_END = 0.08


def linear_track(
    generator: np.random.Generator,
    *,
    bins: Annotated[int, Field(ge=2, description="position bins per direction")] = 20,
    inputs: Annotated[int, Field(ge=2, description="input units")] = 120,
    field_width: Annotated[float, Field(gt=0, description="sd of input fields, fraction of the track")] = 0.05,
    field_width_spread: Annotated[float, Field(ge=0, description="sd over input units of the log field width")] = 0.3,
    non_directional: Annotated[
        float, Field(ge=0, le=1, description="fraction of inputs tuned in both directions")
    ] = 0.05,
    non_directional_ends: Annotated[
        float, Field(ge=0, le=1, description="added to that fraction near the ends of the track")
    ] = 0.25,
    target_width: Annotated[float, Field(gt=0, description="sd of the bump to report, fraction of the track")] = 0.07,
    tolerance_bins: Annotated[int, Field(ge=0, description="a report this many bins off is still correct")] = 1,
) -> Stimuli:
    """
    Stimuli of one animal on a linear track: 2 directions x `bins` positions.

    Parameters
    ----------
    generator : numpy.random.Generator
        The animal's random numbers.
    bins : int
        Position bins per direction.
    inputs : int
        Input units, with Gaussian fields at random places.
    field_width : float
        Standard deviation of the fields, in fractions of the track.
    field_width_spread : float
        Standard deviation over units of the logarithm of the field width.
    non_directional, non_directional_ends : float
        Fraction of units with the same field in both directions, and what is added to it near the ends.
    target_width : float
        Standard deviation of the bump to report, in fractions of the track.
    tolerance_bins : int
        A report in the right direction and at most this many bins off is correct.

    Returns
    -------
    Stimuli
        Inputs (2 * bins, inputs), targets (2 * bins, 2 * bins); labels position (of 1), bin, direction.

    References
    ----------
    Modelled on Sheintuch et al. 2020, 10.1016/j.cub.2020.02.018.
    """
    position = (np.arange(bins) + 0.5) / bins
    centre = generator.uniform(-0.05, 1.05, inputs)
    width = field_width * np.exp(field_width_spread * generator.standard_normal(inputs))
    preferred = generator.integers(0, 2, inputs)
    near_end = (centre < _END) | (centre > 1 - _END)
    both = generator.random(inputs) < non_directional + non_directional_ends * near_end
    bump = np.exp(-0.5 * ((position[:, None] - centre) / width) ** 2)
    tuned = [bump * (both | (preferred == direction)) for direction in (0, 1)]
    target = np.exp(-0.5 * ((position[:, None] - position) / target_width) ** 2)
    near = np.abs(np.arange(bins)[:, None] - np.arange(bins)) <= tolerance_bins
    same_direction = np.eye(2)
    return Stimuli(
        inputs=np.concatenate(tuned),
        targets=np.kron(same_direction, target),
        acceptable=np.kron(same_direction, near).astype(bool),
        labels={
            "position": np.tile(position, 2),
            "bin": np.tile(np.arange(bins), 2),
            "direction": np.repeat(["rightward", "leftward"], bins),
        },
    )
