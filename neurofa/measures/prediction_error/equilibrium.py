"""Predictive coding: the rates at which prediction errors of all layers balance, found to a stated tolerance.

Energy E = sum_l pi_l |eps_l|^2 / 2 with eps_l = x_l - f(W_l x_(l-1) + b_l); stimulus and target are held fixed, all
else descends it: dx_l/dt = -pi_l eps_l + W_(l+1)^T f'(a_(l+1)) pi_(l+1) eps_(l+1). The same code serves the learning
rule and, by `neurofa.measures.predictive_coding_errors`, as the yardstick for what other rules feed back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from neurofa.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


class Inference(NamedTuple):
    """
    How an equilibrium is looked for.

    Attributes
    ----------
    precisions : tuple of float
        pi of every layer from the first hidden one to the output; empty = 1 everywhere.
    step : float
        Largest step of the descent; an animal's step is halved whenever its energy would rise, and grows again
        by a tenth with every step that it takes.
    tolerance : float
        Found when no dx/dt exceeds this part of the largest precision-weighted error, and the energy no longer falls by
        more than this part of itself.
    max_steps : int
        After so many steps an animal has not converged, which is told.
    """

    precisions: tuple[float, ...] = ()
    step: float = 0.5
    tolerance: float = 1e-5
    max_steps: int = 10_000

    def of_layers(self, n_layers: int) -> tuple[float, ...]:
        """
        Precisions, one per layer.

        Parameters
        ----------
        n_layers : int
            Hidden layers and output.

        Returns
        -------
        tuple of float
            As set, or 1 everywhere.

        Raises
        ------
        ConfigError
            Where there are not as many precisions as layers, or one of them, the step, the tolerance or max_steps is
            not positive.
        """
        for name, value in (("step", self.step), ("tolerance", self.tolerance), ("max_steps", self.max_steps)):
            if not 0 < value < float("inf"):
                usual = Inference._field_defaults[name]
                raise ConfigError(f"{name} of inference must be above 0 and finite, got {value:g}; take {usual:g}")
        precisions = self.precisions or (1.0,) * n_layers
        if len(precisions) != n_layers or not all(0 < value < float("inf") for value in precisions):
            raise ConfigError(
                f"precisions must be {n_layers} positive numbers, from the first hidden layer to the output, "
                f"got {list(precisions)}"
            )
        return precisions


class PredictingLayer(Protocol):
    """What inference needs to know of a layer."""

    def predict(self, below: "Tensor") -> "tuple[Tensor, Tensor]":
        """Give the predicted rates (animal, trial, unit) and their slope, from the rates below."""

    def send_down(self, error: "Tensor") -> "Tensor":
        """Send errors (animal, trial, unit) through the transposed weights."""

    def energy(self, rates: "Tensor", prediction: "Tensor") -> "Tensor":
        """Give half the squared error of an animal's trials or, of a softmax output, the cross-entropy, (animal,)."""


@dataclass(frozen=True)
class Equilibrium:
    """
    Where inference ended.

    Attributes
    ----------
    rates : list of torch.Tensor
        (animal, trial, unit) of the hidden layers.
    errors, slopes : list of torch.Tensor
        eps_l and f'(a_l) of the hidden layers and of the output, without precisions.
    energy : torch.Tensor
        (animal, step): from the forward pass on, summed over trials; it stays where it is once an animal has converged.
    n_steps : torch.Tensor
        (animal,): steps that were taken.
    converged : torch.Tensor
        (animal,) bool.
    """

    rates: "list[Tensor]"
    errors: "list[Tensor]"
    slopes: "list[Tensor]"
    energy: "Tensor"
    n_steps: "Tensor"
    converged: "Tensor"


def relax(layers: Sequence[PredictingLayer], stimuli: "Tensor", target: "Tensor", inference: Inference) -> Equilibrium:
    """
    Descend the energy from the forward pass to an equilibrium.

    Parameters
    ----------
    layers : sequence of PredictingLayer
        From the first hidden layer to the output.
    stimuli, target : torch.Tensor
        (animal, trial, input) and (animal, trial, output).
    inference : Inference
        Precisions, step, tolerance.

    Returns
    -------
    Equilibrium
        Animals do not depend on each other: each stops when it has converged.

    References
    ----------
    Whittington & Bogacz 2017, Neural Computation 29:1229, doi 10.1162/NECO_a_00949.
    """
    import torch

    precisions = inference.of_layers(len(layers))
    rates = _forward(layers, stimuli)
    found = _look(layers, stimuli, rates, target, precisions)
    n_animals = target.shape[0]
    step = torch.full((n_animals, 1, 1), inference.step, dtype=target.dtype, device=target.device)
    steps = torch.zeros(n_animals, dtype=torch.int64, device=target.device)
    slack = 512 * torch.finfo(target.dtype).eps
    # forces below the rounding of the rates themselves are none
    floor = 16 * torch.finfo(target.dtype).eps * max(precisions) * _largest([*rates, target], target)
    course, energy = [found.energy], found.energy
    done = found.unrest <= inference.tolerance * found.largest + floor
    for _ in range(inference.max_steps):
        if bool(done.all()):
            break
        moved = [one + step * force for one, force in zip(rates, found.forces, strict=True)]
        there = _look(layers, stimuli, moved, target, precisions)
        # where rounding hides what the energy does, the forces must not grow
        calmer = ((there.energy - energy).abs() <= slack * energy) & (there.power <= found.power)
        fell = ((there.energy < (1 - slack) * energy) | calmer) & ~done
        goes = fell.reshape(-1, 1, 1)
        step = torch.where(goes, (1.1 * step).clamp_max(inference.step), step / 2)
        rates = [torch.where(goes, new, old) for new, old in zip(moved, rates, strict=True)]
        settled = (energy - there.energy).abs() <= inference.tolerance * energy
        found = _choose(goes, there, found)
        energy = found.energy
        steps += (~done).to(steps.dtype)
        done = done | (fell & settled & (found.unrest <= inference.tolerance * found.largest + floor))
        course.append(energy)
    return Equilibrium(rates, found.errors, found.slopes, torch.stack(course, 1), steps, done)


def relax_fixed_prediction(
    layers: Sequence[PredictingLayer], stimuli: "Tensor", target: "Tensor", inference: Inference
) -> Equilibrium:
    """
    Find the errors that balance while predictions and slopes stay those of the forward pass.

    eps_l <- eps_l + step (W_(l+1)^T f'(a_(l+1)) pi_(l+1) eps_(l+1) / pi_l - eps_l). With unit precisions the
    equilibrium is backpropagation's error of every layer; with step 1 it takes as many steps as there are hidden
    layers.

    Parameters
    ----------
    layers : sequence of PredictingLayer
        From the first hidden layer to the output.
    stimuli, target : torch.Tensor
        (animal, trial, input) and (animal, trial, output).
    inference : Inference
        Precisions, step, tolerance.

    Returns
    -------
    Equilibrium
        ``rates`` are prediction plus error; the energy is not what is descended here, and may rise.

    References
    ----------
    Millidge et al. 2022, Neural Computation 34:1329, doi 10.1162/neco_a_01497; Rosenbaum 2022, PLoS ONE 17:e0266102,
    doi 10.1371/journal.pone.0266102.
    """
    import torch

    precisions = inference.of_layers(len(layers))
    predicted, slopes, below = [], [], stimuli
    for layer in layers:
        below, slope = layer.predict(below)
        predicted.append(below)
        slopes.append(slope)
    errors = [*[torch.zeros_like(one) for one in predicted[:-1]], target - predicted[-1]]
    outer = layers[-1].energy(target, predicted[-1]) * precisions[-1]
    n_animals = target.shape[0]
    done = torch.zeros(n_animals, dtype=torch.bool, device=target.device)
    steps = torch.zeros(n_animals, dtype=torch.int64, device=target.device)
    course = []
    for _ in range(inference.max_steps):
        inner = [0.5 * pi * e.square().sum((1, 2)) for pi, e in zip(precisions[:-1], errors[:-1], strict=True)]
        course.append(outer + sum(inner))
        forces = _forces(layers, errors, slopes, precisions)
        unrest, largest = _largest(forces, target), _largest(_weighted(errors, precisions), target)
        done = done | (unrest <= inference.tolerance * largest)
        if bool(done.all()):
            break
        moves = (~done).reshape(-1, 1, 1) * inference.step
        errors = [*[e + moves * f / pi for e, f, pi in zip(errors, forces, precisions, strict=False)], errors[-1]]
        steps += (~done).to(steps.dtype)
    rates = [one + error for one, error in zip(predicted[:-1], errors, strict=False)]
    return Equilibrium(rates, errors, slopes, torch.stack(course, 1), steps, done)


class _Look(NamedTuple):
    """What can be said of a state: errors, slopes, forces, energy, summed squared and largest force, largest error."""

    errors: "list[Tensor]"
    slopes: "list[Tensor]"
    forces: "list[Tensor]"
    energy: "Tensor"
    power: "Tensor"
    unrest: "Tensor"
    largest: "Tensor"


def _forward(layers: Sequence[PredictingLayer], stimuli: "Tensor") -> "list[Tensor]":
    """Rates of the hidden layers in a forward pass: no errors but the output's."""
    rates = [stimuli]
    for layer in layers[:-1]:
        rates.append(layer.predict(rates[-1])[0])
    return rates[1:]


def _look(
    layers: Sequence[PredictingLayer],
    stimuli: "Tensor",
    rates: "list[Tensor]",
    target: "Tensor",
    precisions: tuple[float, ...],
) -> _Look:
    """Errors, forces and energy at given rates."""
    errors, slopes = [], []
    energy = target.new_zeros(target.shape[0])
    for layer, below, own, precision in zip(layers, [stimuli, *rates], [*rates, target], precisions, strict=True):
        prediction, slope = layer.predict(below)
        errors.append(own - prediction)
        slopes.append(slope)
        energy = energy + precision * layer.energy(own, prediction)
    forces = _forces(layers, errors, slopes, precisions)
    power = target.new_zeros(target.shape[0])
    for force in forces:
        power = power + force.square().sum((1, 2))
    largest = _largest(_weighted(errors, precisions), target)
    return _Look(errors, slopes, forces, energy, power, _largest(forces, target), largest)


def _forces(
    layers: Sequence[PredictingLayer], errors: "list[Tensor]", slopes: "list[Tensor]", precisions: tuple[float, ...]
) -> "list[Tensor]":
    """Rates of change dx_l/dt of the hidden layers."""
    weighted = _weighted(errors, precisions)
    return [
        layers[number + 1].send_down(slopes[number + 1] * weighted[number + 1]) - weighted[number]
        for number in range(len(layers) - 1)
    ]


def _weighted(errors: "list[Tensor]", precisions: tuple[float, ...]) -> "list[Tensor]":
    """Errors times precisions."""
    return [precision * error for precision, error in zip(precisions, errors, strict=True)]


def _largest(values: "list[Tensor]", like: "Tensor") -> "Tensor":
    """Largest absolute value of every animal, (animal,)."""
    largest = like.new_zeros(like.shape[0])
    for one in values:
        largest = largest.maximum(one.abs().amax((1, 2)))
    return largest


def _choose(goes: "Tensor", there: _Look, here: _Look) -> _Look:
    """The new look of animals that move, the old one of all others."""
    flat = goes.flatten()
    errors, slopes, forces = (
        [new.where(goes, old) for new, old in zip(one, other, strict=True)]
        for one, other in ((there.errors, here.errors), (there.slopes, here.slopes), (there.forces, here.forces))
    )
    energy, power, unrest, largest = (new.where(flat, old) for new, old in zip(there[3:], here[3:], strict=True))
    return _Look(errors, slopes, forces, energy, power, unrest, largest)
