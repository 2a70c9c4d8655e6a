"""A teacher to imitate: every animal has its own, and sees new random stimuli in every session."""

from typing import Annotated

import numpy as np
from pydantic import Field

from neurofa.stimuli import Stimuli


def teacher(
    generator: np.random.Generator,
    *,
    inputs: Annotated[int, Field(ge=1, description="input units")] = 10,
    outputs: Annotated[int, Field(ge=1, description="values to put out")] = 5,
    steepness: Annotated[float, Field(gt=0, description="of the teacher: y = tanh(steepness A x)")] = 1.5,
    session_stimuli: Annotated[int, Field(ge=1, description="new stimuli that are learned in every session")] = 12_800,
    probe_stimuli: Annotated[int, Field(ge=2, description="stimuli of the probe, never learned")] = 256,
) -> Stimuli:
    """
    Targets y = tanh(steepness A x) of standard-normal stimuli x, A normal with sd 1 / sqrt(inputs).

    Parameters
    ----------
    generator : numpy.random.Generator
        The animal's random numbers.
    inputs, outputs : int
        Numbers of input units and outputs.
    steepness : float
        Of the teacher.
    session_stimuli, probe_stimuli : int
        Numbers of stimuli.

    Returns
    -------
    Stimuli
        The probe's; those that are learned are renewed in every session.

    References
    ----------
    Teacher and student: Saad & Solla 1995, Physical Review E 52:4225, doi 10.1103/PhysRevE.52.4225.
    """
    weights = generator.standard_normal((outputs, inputs)) / np.sqrt(inputs)

    def shown(numbers: np.random.Generator, n_stimuli: int) -> Stimuli:
        drawn = numbers.standard_normal((n_stimuli, inputs))
        return Stimuli(inputs=drawn, targets=np.tanh(steepness * drawn @ weights.T))

    probe = shown(generator, probe_stimuli)
    return Stimuli(probe.inputs, probe.targets, renew=lambda numbers: shown(numbers, session_stimuli))
