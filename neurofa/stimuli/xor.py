"""Exclusive or: the smallest task that no network without a hidden layer can do."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from neurofa.stimuli import Stimuli

#: what a bit that is off or on looks like
CODINGS = {"plus_minus_one": (-1.0, 1.0), "zero_one": (0.0, 1.0)}


def xor(
    generator: np.random.Generator,
    *,
    coding: Annotated[
        Literal["plus_minus_one", "zero_one"], Field(description="values of a bit and of the target")
    ] = "plus_minus_one",
) -> Stimuli:
    """
    Two bits, all four patterns; one output is to say whether they differ.

    With bits of -1 and 1 the network needs ``network.biases = true``: opposite patterns have the same target, and a
    network of tanh units without biases answers them with opposite outputs.

    Parameters
    ----------
    generator : numpy.random.Generator
        Not used: all animals see the same.
    coding : str
        ``"plus_minus_one"`` or ``"zero_one"``, of inputs and target alike.

    Returns
    -------
    Stimuli
        Inputs (4, 2), targets (4, 1), threshold half way between the two targets; labels first_bit, second_bit, class.

    References
    ----------
    Rumelhart et al. 1986, 10.1038/323533a0 (networks with hidden layers and the tasks that need them).
    """
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    differ = bits[:, 0] ^ bits[:, 1]
    values = np.array(CODINGS[coding])
    return Stimuli(
        inputs=values[bits],
        targets=values[differ][:, None],
        acceptable=np.eye(2, dtype=bool)[differ],
        labels={"first_bit": bits[:, 0], "second_bit": bits[:, 1], "class": differ},
        threshold=float(values.mean()),
    )
