"""Odours: sparse patterns over glomeruli, each to be told from the others."""

from typing import Annotated

import numpy as np
from pydantic import Field

from neurofa.errors import ConfigError
from neurofa.stimuli import Stimuli


def odors(
    generator: np.random.Generator,
    *,
    odors: Annotated[int, Field(ge=2, description="number of odours")] = 8,
    glomeruli: Annotated[int, Field(ge=2, description="input units")] = 100,
    activated: Annotated[float, Field(gt=0, le=1, description="fraction of the glomeruli that an odour activates")] = (
        0.2
    ),
    shared: Annotated[
        float, Field(ge=0, le=1, description="share of every odour that is the same in all of them")
    ] = 0.0,
    log_sd: Annotated[float, Field(ge=0, description="sd of the log response of activated glomeruli")] = 0.5,
) -> Stimuli:
    """
    Odours of one animal: each activates its own random glomeruli; the animal reports which odour it is.

    Parameters
    ----------
    generator : numpy.random.Generator
        The animal's random numbers.
    odors, glomeruli : int
        Numbers of odours, and of glomeruli, the input units.
    activated : float
        Fraction of the glomeruli that an odour activates, rounded to whole ones.
    shared : float
        0: odours are independent; else each is (1 - shared) times its own pattern plus shared times one that is common
        to all.
    log_sd : float
        Responses of activated glomeruli are exp(log_sd z), z standard normal, before every odour is scaled to the norm
        sqrt(glomeruli).

    Returns
    -------
    Stimuli
        Inputs (odour, glomerulus) from 0 up, one-hot targets (odour, odour); label odour, from 1.

    Raises
    ------
    ConfigError
        Where an odour would activate no glomerulus.

    References
    ----------
    The panel of eight is that of Schoonover et al. 2021, 10.1038/s41586-021-03628-7; the patterns are not theirs.
    """
    n_activated = round(activated * glomeruli)
    if n_activated == 0:
        raise ConfigError(
            f"stimuli.activated {activated:g} of {glomeruli} glomeruli is none; "
            f"raise it to at least {1 / glomeruli:g}, or raise stimuli.glomeruli"
        )
    order = np.argsort(generator.random((odors + 1, glomeruli)), axis=1)
    strength = np.exp(log_sd * generator.standard_normal((odors + 1, glomeruli)))
    patterns = np.where(np.argsort(order, axis=1) < n_activated, strength, 0.0)
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True)
    mixed = (1 - shared) * patterns[1:] + shared * patterns[:1]
    mixed *= np.sqrt(glomeruli) / np.linalg.norm(mixed, axis=1, keepdims=True)
    return Stimuli(
        inputs=mixed,
        targets=np.eye(odors),
        acceptable=np.eye(odors, dtype=bool),
        labels={"odour": np.arange(1, odors + 1)},
    )
