"""Distinct patterns to tell apart, such as odours: random or orthogonal input patterns, each with a class to report."""

from typing import Annotated

import numpy as np
from pydantic import Field

from neurofa.errors import ConfigError
from neurofa.stimuli import Stimuli


def patterns(
    generator: np.random.Generator,
    *,
    stimuli: Annotated[int, Field(ge=2, description="number of patterns")] = 8,
    inputs: Annotated[int, Field(ge=1, description="input units")] = 40,
    classes: Annotated[int, Field(ge=2, description="number of classes to report")] = 8,
    orthogonal: Annotated[
        bool, Field(description="patterns share no direction; needs as many inputs as patterns")
    ] = True,
) -> Stimuli:
    """
    Patterns of one animal, each with a class as one-hot target.

    Parameters
    ----------
    generator : numpy.random.Generator
        The animal's random numbers.
    stimuli, inputs, classes : int
        Numbers of patterns, input units and classes; pattern k belongs to class k modulo classes.
    orthogonal : bool
        Orthogonal patterns of norm sqrt(inputs), else independent normal ones.

    Returns
    -------
    Stimuli
        Inputs (stimuli, inputs), targets (stimuli, classes); labels identity and class.

    Raises
    ------
    ConfigError
        Where orthogonal patterns outnumber the inputs, or classes outnumber the patterns.
    """
    if orthogonal and stimuli > inputs:
        raise ConfigError(
            f"{stimuli} orthogonal patterns do not fit into {inputs} inputs; "
            f"set stimuli.inputs to at least {stimuli}, or stimuli.orthogonal to false"
        )
    if classes > stimuli:
        raise ConfigError(f"{classes} classes need at least as many patterns, got {stimuli}; raise stimuli.stimuli")
    drawn = generator.standard_normal((stimuli, inputs))
    if orthogonal:
        basis, _ = np.linalg.qr(drawn.T)
        drawn = basis.T * np.sqrt(inputs)
    identity = np.arange(stimuli)
    target = np.eye(classes)[identity % classes]
    return Stimuli(
        inputs=drawn,
        targets=target,
        acceptable=target.astype(bool),
        labels={"identity": identity, "class": identity % classes},
    )
