"""Twelve bits on a sphere: all their patterns, and a class that does not change when the sphere is turned."""

from itertools import product
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from neurofa.stimuli import Stimuli
from neurofa.stimuli.xor import CODINGS

#: weights of the powers of degree 0 to 4; with these exactly half of the patterns lie above the median, none on it
POWER_WEIGHTS = (1.0, 2.0, 4.0, 1.0, 1.0)


def twelve_bits(
    generator: np.random.Generator,
    *,
    coding: Annotated[
        Literal["plus_minus_one", "zero_one"], Field(description="values of a bit as input; the class is the same")
    ] = "plus_minus_one",
) -> Stimuli:
    """
    Show all 4096 patterns of 12 bits on an icosahedron; the class is the same for patterns turned into each other.

    The class says whether sum_l a_l sum_ij x_i x_j P_l(u_i . u_j), l = 0 to 4, lies above its median over patterns,
    with x = -1 or 1, Legendre polynomials P_l, vertices u_i and a = `POWER_WEIGHTS`. 2048 patterns lie above, 2048
    below; the nearest values are 0.63 from the median. Opposite patterns (all bits turned) have the same class, so that
    bits of -1 and 1 need ``network.biases = true``.

    Parameters
    ----------
    generator : numpy.random.Generator
        Not used: all animals see the same.
    coding : str
        ``"plus_minus_one"`` or ``"zero_one"``: values of the bits as inputs.

    Returns
    -------
    Stimuli
        Inputs (4096, 12), bit i on row i of `icosahedron`; targets (4096, 2) one-hot; labels power, active_bits, class.

    References
    ----------
    In the manner of Shwartz-Ziv & Tishby 2017, arXiv 1703.00810, with weights of our own.
    """
    bits = np.array(list(product((0, 1), repeat=12)))
    power = spherical_power(bits)
    above = (power > np.median(power)).astype(int)
    target = np.eye(2)[above]
    return Stimuli(
        inputs=np.array(CODINGS[coding])[bits],
        targets=target,
        acceptable=target.astype(bool),
        labels={"power": power, "active_bits": bits.sum(1), "class": above},
    )


def icosahedron() -> np.ndarray:
    """
    Vertices of an icosahedron, where the bits sit.

    Returns
    -------
    numpy.ndarray
        (12, 3), of norm 1; row i and row 11 - i are opposite.

    Examples
    --------
    >>> vertices = icosahedron()
    >>> bool(np.allclose(vertices, -vertices[::-1])), vertices.shape
    (True, (12, 3))
    """
    golden = (1 + np.sqrt(5)) / 2
    half = [(0, 1, golden), (0, -1, golden), (1, golden, 0), (-1, golden, 0), (golden, 0, 1), (golden, 0, -1)]
    upper = np.array(half) / np.hypot(1, golden)
    return np.concatenate([upper, -upper[::-1]])


def spherical_power(bits: np.ndarray) -> np.ndarray:
    """
    Weighted power of patterns over the spherical harmonics of degree 0 to 4.

    Parameters
    ----------
    bits : numpy.ndarray
        (pattern, 12): 0 or 1.

    Returns
    -------
    numpy.ndarray
        (pattern,): rounded to nine digits, so that patterns that are turned into each other have equal values.
    """
    vertices = icosahedron()
    kernel = np.polynomial.legendre.legval(vertices @ vertices.T, POWER_WEIGHTS)
    signs = 2.0 * bits - 1
    power: np.ndarray = ((signs @ kernel) * signs).sum(1)
    return power.round(9)
