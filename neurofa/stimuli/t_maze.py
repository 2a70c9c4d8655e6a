"""A T-maze: a cue on the stem says to which side to turn; places of the stem look alike on the way to both sides."""

from typing import Annotated

import numpy as np
from pydantic import Field

from neurofa.errors import ConfigError
from neurofa.stimuli import Stimuli


def t_maze(
    generator: np.random.Generator,
    *,
    bins: Annotated[int, Field(ge=3, description="position bins from the start to the end of an arm")] = 20,
    arm: Annotated[float, Field(gt=0, lt=1, description="part of the way that lies in the arms")] = 0.25,
    inputs: Annotated[int, Field(ge=2, description="input units")] = 120,
    field_width: Annotated[float, Field(gt=0, description="sd of input fields, fraction of the way")] = 0.05,
    field_width_spread: Annotated[float, Field(ge=0, description="sd over input units of the log field width")] = 0.3,
    cue_selective: Annotated[
        float, Field(gt=0, le=1, description="fraction of the inputs on the stem that see one cue only")
    ] = 0.4,
    target_width: Annotated[float, Field(gt=0, description="sd of the bump to report, fraction of the way")] = 0.07,
    tolerance_bins: Annotated[int, Field(ge=0, description="a report this many bins off is still correct")] = 1,
) -> Stimuli:
    """
    Stimuli of one animal in a T-maze: trials to the left and to the right x `bins` positions.

    The animal reports where it is and to which side it is going, along the whole way.

    Parameters
    ----------
    generator : numpy.random.Generator
        The animal's random numbers.
    bins : int
        Position bins from the start of the stem to the end of an arm.
    arm : float
        Last part of the way, which lies in the left or right arm: inputs there are active on one side only.
    inputs : int
        Input units, with Gaussian fields at random places.
    field_width : float
        Standard deviation of the fields, in fractions of the way.
    field_width_spread : float
        Standard deviation over units of the logarithm of the field width.
    cue_selective : float
        Fraction of the units with fields on the stem that are active with one of the two cues only; the others are
        active with both.
    target_width : float
        Standard deviation of the bump to report, in fractions of the way.
    tolerance_bins : int
        A report of the right side and at most this many bins off is correct.

    Returns
    -------
    Stimuli
        Inputs (2 * bins, inputs), targets (2 * bins, 2 * bins); labels choice, position (of 1), bin, part (stem or
        arm).

    Raises
    ------
    ConfigError
        Where no bin lies in the arms, or none on the stem.

    References
    ----------
    Modelled on Driscoll et al. 2017, 10.1016/j.cell.2017.07.021.
    """
    position = (np.arange(bins) + 0.5) / bins
    in_arm = position > 1 - arm
    if in_arm.all() or not in_arm.any():
        raise ConfigError(
            f"stimuli.arm {arm:g} of {bins} bins leaves no bin {'on the stem' if in_arm.all() else 'in the arms'}; "
            f"choose it between {0.5 / bins:g} and {1 - 0.5 / bins:g}"
        )
    centre = generator.uniform(-0.05, 1.05, inputs)
    width = field_width * np.exp(field_width_spread * generator.standard_normal(inputs))
    preferred = generator.integers(0, 2, inputs)
    both = (generator.random(inputs) >= cue_selective) & (centre <= 1 - arm)
    bump = np.exp(-0.5 * ((position[:, None] - centre) / width) ** 2)
    tuned = [bump * (both | (preferred == side)) for side in (0, 1)]
    target = np.exp(-0.5 * ((position[:, None] - position) / target_width) ** 2)
    near = np.abs(np.arange(bins)[:, None] - np.arange(bins)) <= tolerance_bins
    same_side = np.eye(2)
    return Stimuli(
        inputs=np.concatenate(tuned),
        targets=np.kron(same_side, target),
        acceptable=np.kron(same_side, near).astype(bool),
        labels={
            "choice": np.repeat(["left", "right"], bins),
            "position": np.tile(position, 2),
            "bin": np.tile(np.arange(bins), 2),
            "part": np.tile(np.where(in_arm, "arm", "stem"), 2),
        },
    )
