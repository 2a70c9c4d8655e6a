"""Independent samples of hidden activity and target, for learning dynamics without a stimulus."""

from typing import Annotated

import numpy as np
from pydantic import Field

from neurofa.stimuli import Stimuli


def uniform_samples(
    generator: np.random.Generator,
    *,
    samples: Annotated[int, Field(ge=2, description="number of samples")] = 20_000,
    units: Annotated[int, Field(ge=1, description="hidden units; network.hidden must have as many")] = 6,
    outputs: Annotated[int, Field(ge=1, description="values to put out")] = 1,
) -> Stimuli:
    """
    Draw hidden activity and targets, both uniform from -1/2 to 1/2 and independent of each other.

    The samples are private: learning moves the hidden activity of each on its own, as far as the teaching signal says,
    and whatever the activity knows of the target afterwards came through feedback.

    Parameters
    ----------
    generator : numpy.random.Generator
        The animal's random numbers.
    samples, units, outputs : int
        Numbers of samples, hidden units and outputs.

    Returns
    -------
    Stimuli
        Inputs (samples, units), targets (samples, outputs), private; no labels, no report.

    References
    ----------
    Cheng & Brown 2023, arXiv 2304.01406 (idealised dynamics).
    """
    return Stimuli(
        inputs=generator.uniform(-0.5, 0.5, (samples, units)),
        targets=generator.uniform(-0.5, 0.5, (samples, outputs)),
        private=True,
    )
