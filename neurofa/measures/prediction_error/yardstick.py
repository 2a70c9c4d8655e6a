"""Errors that predictive coding would give the units of a network: by inference, or in closed form if it is linear."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurofa.catalogue import did_you_mean
from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Bools, Floats
from neurofa.measures.prediction_error.equilibrium import Inference, relax
from neurofa.measures.prediction_error.kinks import Pieces, relax_exactly

if TYPE_CHECKING:
    from torch import Tensor

ACTIVATIONS = ("tanh", "relu", "identity")


class PredictiveCodingErrors(NamedTuple):
    """
    Prediction errors at the equilibrium of predictive coding.

    Attributes
    ----------
    errors : list of (animal, stimulus, unit), a.u.
        eps_l of every hidden layer and of the output.
    rates : list of (animal, stimulus, unit), a.u.
        Rates of the hidden layers at the equilibrium.
    energy : (animal, step)
        Along the descent, summed over stimuli.
    converged : (animal,) bool
        Whether the tolerance was reached.
    """

    errors: list[Floats]
    rates: list[Floats]
    energy: Floats
    converged: Bools


def predictive_coding_errors(
    weights: Sequence[ArrayLike],
    stimuli: ArrayLike,
    targets: ArrayLike,
    biases: Sequence[ArrayLike] | None = None,
    activation: str = "tanh",
    inference: Inference | None = None,
) -> PredictiveCodingErrors:
    """
    Errors that predictive coding would give the units of a network with these weights: the yardstick for feedback.

    Parameters
    ----------
    weights : sequence of (animal, post, pre), a.u.
        From the first hidden layer to the readout, whose output is linear.
    stimuli : (animal, stimulus, input), a.u.
        What is shown.
    targets : (animal, stimulus, output), a.u.
        What should be put out. Gaps: none are allowed, in any of these.
    biases : sequence of (animal, post), optional
        One per layer; without them 0.
    activation : {"tanh", "relu", "identity"}
        Of the hidden layers.
    inference : Inference, optional
        Precisions, step, tolerance; without it unit precisions and a tolerance of 1e-10, in double precision.

    Returns
    -------
    PredictiveCodingErrors
        Errors without precisions. Where the tolerance was not reached a warning says so, and ``converged`` in which
        animals; their errors are those of the last step.

    Raises
    ------
    ConfigError
        Where the activation is unknown, precisions do not fit, or step, tolerance or max_steps are not positive.
    ShapeError
        Where shapes do not fit or values are missing.

    References
    ----------
    Whittington & Bogacz 2017, Neural Computation 29:1229, doi 10.1162/NECO_a_00949.
    """
    import torch

    if activation not in ACTIVATIONS:
        raise ConfigError(f"activation is unknown, got '{activation}'; {did_you_mean(activation, ACTIVATIONS)}")
    matrices, offsets, shown, wanted = _checked(weights, biases, stimuli, targets)
    kinds = [activation] * (len(matrices) - 1) + ["identity"]
    layers = [
        _ArrayLayer(torch.from_numpy(matrix), torch.from_numpy(offset), kind)
        for matrix, offset, kind in zip(matrices, offsets, kinds, strict=True)
    ]
    how = inference or Inference(tolerance=1e-10, max_steps=100_000)
    find = relax_exactly if activation == "relu" else relax
    found = find(layers, torch.from_numpy(shown), torch.from_numpy(wanted), how)
    if not bool(found.converged.all()):
        warnings.warn(
            f"the equilibrium of predictive coding was not found in {int((~found.converged).sum())} of "
            f"{len(found.converged)} animals within {how.max_steps} steps; allow more max_steps, or leave those "
            "animals out by converged",
            stacklevel=2,
        )
    return PredictiveCodingErrors(
        [one.numpy() for one in found.errors],
        [one.numpy() for one in found.rates],
        found.energy.numpy(),
        found.converged.numpy(),
    )


def linear_predictive_coding_errors(
    weights: Sequence[ArrayLike],
    stimuli: ArrayLike,
    targets: ArrayLike,
    biases: Sequence[ArrayLike] | None = None,
    precisions: Sequence[float] = (),
) -> PredictiveCodingErrors:
    """
    Give the same errors in closed form for a linear network (activation identity).

    With r = y - y^ of the forward pass and P_l = W_L ... W_(l+1) (P_L = I): S = sum_l P_l P_l^T / pi_l,
    eps_l = P_l^T S^-1 r / pi_l, and the energy at the equilibrium is r^T S^-1 r / 2.

    Parameters
    ----------
    weights, stimuli, targets, biases
        See `predictive_coding_errors`.
    precisions : sequence of float, optional
        pi of every layer, from the first hidden one to the output; empty = 1.

    Returns
    -------
    PredictiveCodingErrors
        ``energy`` (animal, 1) at the equilibrium.

    Raises
    ------
    ConfigError
        Where precisions do not fit.
    ShapeError
        Where shapes do not fit or values are missing.

    References
    ----------
    Innocenti et al. 2024, doi 10.48550/arXiv.2408.11979 (energy of deep linear networks at equilibrium).
    """
    matrices, offsets, shown, wanted = _checked(weights, biases, stimuli, targets)
    pi = Inference(tuple(precisions)).of_layers(len(matrices))
    n_outputs = wanted.shape[2]
    paths = [np.broadcast_to(np.eye(n_outputs), (len(shown), n_outputs, n_outputs))]
    for matrix in reversed(matrices[1:]):
        paths.append(paths[-1] @ matrix)
    paths.reverse()
    output = shown
    for matrix, offset in zip(matrices, offsets, strict=True):
        output = output @ matrix.swapaxes(1, 2) + offset[:, None]
    total = sum(path @ path.swapaxes(1, 2) / precision for path, precision in zip(paths, pi, strict=True))
    residual = wanted - output
    solved = np.linalg.solve(total, residual.swapaxes(1, 2)).swapaxes(1, 2)
    errors = [solved @ path / precision for path, precision in zip(paths, pi, strict=True)]
    rates, below = [], shown
    for matrix, offset, error in zip(matrices[:-1], offsets, errors, strict=False):
        below = below @ matrix.swapaxes(1, 2) + offset[:, None] + error
        rates.append(below)
    energy = 0.5 * (residual * solved).sum(axis=(1, 2))
    return PredictiveCodingErrors(errors, rates, energy[:, None], np.ones(len(shown), dtype=bool))


@dataclass(frozen=True)
class _ArrayLayer:
    """A layer given by its weights alone."""

    weights: "Tensor"
    bias: "Tensor"
    activation: str

    def predict(self, below: "Tensor") -> "tuple[Tensor, Tensor]":
        """See `PredictingLayer`."""
        given = below @ self.weights.transpose(1, 2) + self.bias[:, None]
        if self.activation == "tanh":
            value = given.tanh()
            return value, 1 - value * value
        return (given.relu(), (given > 0).to(given.dtype)) if self.activation == "relu" else (given, given * 0 + 1)

    def pieces(self) -> Pieces | None:
        """See `neurofa.measures.prediction_error.kinks.PiecewiseLinearLayer`."""
        if self.activation == "tanh":
            return None
        return Pieces(self.weights, self.bias, self.bias * 0 + 1, self.activation == "relu")

    def send_down(self, error: "Tensor") -> "Tensor":
        """See `PredictingLayer`."""
        return error @ self.weights

    def energy(self, rates: "Tensor", prediction: "Tensor") -> "Tensor":
        """See `PredictingLayer`."""
        return 0.5 * (rates - prediction).square().sum((1, 2))


def _checked(
    weights: Sequence[ArrayLike], biases: Sequence[ArrayLike] | None, stimuli: ArrayLike, targets: ArrayLike
) -> tuple[list[Floats], list[Floats], Floats, Floats]:
    """Weights, biases, stimuli and targets in double precision; what does not fit together is refused."""
    shown, wanted = np.asarray(stimuli, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    matrices = [np.asarray(one, dtype=np.float64) for one in weights]
    offsets = [np.zeros(one.shape[:2]) for one in matrices]
    if biases is not None:
        offsets = [np.asarray(one, dtype=np.float64) for one in biases]
    sizes = [shown.shape[-1:], *[one.shape[1:2] for one in matrices]]
    fits = shown.ndim == wanted.ndim == 3 and len(matrices) > 1 and len(offsets) == len(matrices)
    fits = fits and all(
        one.ndim == 3 and one.shape[0] == len(shown) and one.shape[2:] == below and offset.shape == one.shape[:2]
        for one, offset, below in zip(matrices, offsets, sizes, strict=False)
    )
    if not fits or wanted.shape != (*shown.shape[:2], matrices[-1].shape[1]):
        raise ShapeError(
            "expected weights (animal, post, pre) of two or more layers that follow each other, one bias (animal, "
            "post) per layer, stimuli (animal, stimulus, input) and targets (animal, stimulus, output), got weights "
            f"{[one.shape for one in matrices]}, biases {[one.shape for one in offsets]}, stimuli {shown.shape} and "
            f"targets {wanted.shape}"
        )
    if not all(np.isfinite(one).all() for one in (*matrices, *offsets, shown, wanted)):
        raise ShapeError("weights, biases, stimuli and targets must be finite; leave out what is missing")
    return matrices, offsets, shown, wanted
