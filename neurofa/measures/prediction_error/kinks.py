"""Equilibria of predictive coding in piecewise linear networks (relu, identity), to rounding, in finitely many steps.

Which units are active makes the energy one quadratic function of the rates: its minimum is the solution of one linear
system. Between such regions the energy has kinks, and where a unit is wanted less active than silent (its rate is below
0) the minimum often lies on the kink itself: there the forces jump instead of vanishing, and descent by steps never
comes to rest. Stimulus by stimulus: go straight to the minimum of the region, as far as the first kink; stay on that
kink (drive = 0) until the force across it tells which way the energy falls; stop where nothing lets it fall. This is an
active-set method for quadratic programs, and the energy never rises.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeGuard

from neurofa.measures.prediction_error.equilibrium import Equilibrium, Inference, PredictingLayer, relax

if TYPE_CHECKING:
    from torch import Tensor

#: steps of descent that choose the basin; most kinks are crossed there
DESCENT = 300


class Pieces(NamedTuple):
    """
    A layer as rate = gain * f(W below + offset), f the identity or a half-wave rectification.

    Attributes
    ----------
    weights : torch.Tensor
        (animal, post, pre).
    offset, gain : torch.Tensor
        (animal, post).
    rectified : bool
        Whether f is the rectification.
    """

    weights: "Tensor"
    offset: "Tensor"
    gain: "Tensor"
    rectified: bool


class PiecewiseLinearLayer(PredictingLayer, Protocol):
    """A layer that may be piecewise linear."""

    def pieces(self) -> Pieces | None:
        """Give weights, offset and gain; None where the layer is not piecewise linear."""


def relax_exactly(
    layers: Sequence[PredictingLayer],
    stimuli: "Tensor",
    target: "Tensor",
    inference: Inference,
    descent: int = DESCENT,
) -> Equilibrium:
    """
    Descend the energy for some steps, then go to the equilibrium itself.

    Parameters
    ----------
    layers : sequence of PredictingLayer
        From the first hidden layer to the output. Where one of them has no pieces (tanh, softmax, lateral weights),
        this is `relax`.
    stimuli, target : torch.Tensor
        (animal, trial, input) and (animal, trial, output).
    inference : Inference
        Precisions, step, tolerance. The first steps are descent from the forward pass, as in `relax`; where these
        do not converge the linear systems follow. Animals in which the tolerance is not met in this way are given to
        `relax` with all its steps, and ``converged`` tells what came of it.
    descent : int, optional
        How many first steps.

    Returns
    -------
    Equilibrium
        ``slopes`` of units on a kink are those between 0 and the gain at which forces balance. ``n_steps`` counts both
        kinds of step.

    References
    ----------
    Nocedal & Wright 2006, Numerical Optimization, chapter 16, doi 10.1007/978-0-387-40065-5 (active-set methods).
    """
    if not _all_piecewise(layers):
        return relax(layers, stimuli, target, inference)
    descended = relax(layers, stimuli, target, inference._replace(max_steps=min(descent, inference.max_steps)))
    if bool(descended.converged.all()):
        return descended
    found = _finish(layers, stimuli, target, inference, descended)
    if bool(found.converged.all()):
        return found
    return _either(found, relax(layers, stimuli, target, inference))


def _all_piecewise(layers: Sequence[PredictingLayer]) -> TypeGuard[Sequence[PiecewiseLinearLayer]]:
    """Whether every layer above the first, whose drive does not depend on rates, has pieces."""
    return all(hasattr(layer, "pieces") and layer.pieces() is not None for layer in layers[1:])


def _finish(
    layers: Sequence[PiecewiseLinearLayer],
    stimuli: "Tensor",
    target: "Tensor",
    inference: Inference,
    start: Equilibrium,
) -> Equilibrium:
    """From where descent ended to the equilibrium."""
    import torch

    precisions = inference.of_layers(len(layers))
    n_animals, n_trials = target.shape[:2]
    systems = _systems(layers, stimuli, target, precisions)
    rates = torch.cat([one.double().flatten(0, 1) for one in start.rates], 1)
    on = (systems.drive(rates) > 0) | ~systems.kinked
    state = _State(rates, on, torch.zeros_like(on), torch.zeros_like(on, dtype=rates.dtype))
    energies, steps = [], torch.zeros(len(rates), dtype=torch.int64, device=rates.device)
    open_, solvable = torch.arange(len(rates), device=rates.device), torch.ones_like(steps, dtype=torch.bool)
    for _ in range(inference.max_steps):
        if not len(open_):
            break
        steps[open_] += 1
        at_rest, sound = _step(systems.rows(open_), state, open_)
        solvable[open_] &= sound
        open_ = open_[~at_rest & sound]
        energies.append(systems.energy(state.rates, state.on).reshape(n_animals, n_trials).sum(1))
    solvable[open_] = False
    errors, slopes, unrest = systems.account(state)
    largest = torch.cat([error.abs() * pi for error, pi in zip(errors, precisions, strict=True)], 1).amax(1)
    balanced = solvable & (unrest <= inference.tolerance * largest + 1e-12)

    def shaped(values: "Tensor") -> "Tensor":
        return values.reshape(n_animals, n_trials, -1).to(target.dtype)

    converged = balanced.reshape(n_animals, n_trials).all(1)
    course = torch.cat([start.energy.double(), torch.stack(energies, 1)], 1).to(target.dtype)
    taken = start.n_steps + steps.reshape(n_animals, n_trials).amax(1)
    rates_by_layer = [shaped(one) for one in _split(state.rates, systems.sizes)]
    slopes = [start.slopes[0].double().flatten(0, 1), *slopes]
    return Equilibrium(
        rates_by_layer, [shaped(one) for one in errors], [shaped(one) for one in slopes], course, taken, converged
    )


@dataclass
class _State:
    """Rates of all hidden layers (trial, unit), and which units above the first layer are on, or on their kink."""

    rates: "Tensor"
    on: "Tensor"
    pinned: "Tensor"
    multiplier: "Tensor"


@dataclass
class _Systems:
    """
    The quadratic energies of all trials.

    `up` (trial, unit above the first layer, hidden unit) maps rates to drives, `offset` (trial, unit) is added; `own`
    are the columns of these units, `gain` and `precision` (trial, unit) theirs, `kinked` (unit,) those with a kink;
    `first` are predicted rates of the first layer, `out` (trial, output, hidden unit) and `wanted` give the output's
    error.
    """

    up: "Tensor"
    offset: "Tensor"
    gain: "Tensor"
    kinked: "Tensor"
    first: "Tensor"
    out: "Tensor"
    wanted: "Tensor"
    precisions: tuple[float, ...]
    sizes: list[int]

    def rows(self, chosen: "Tensor") -> "_Systems":
        """Those of some trials."""
        of_trials = ("up", "offset", "gain", "first", "out", "wanted")
        return replace(self, **{name: getattr(self, name)[chosen] for name in of_trials})

    def drive(self, rates: "Tensor") -> "Tensor":
        """Argument of f of all units above the first layer."""
        return (self.up @ rates.unsqueeze(2)).squeeze(2) + self.offset

    def weights_of_errors(self) -> "Tensor":
        """Precision of every error: hidden units, then outputs."""
        sizes = [*self.sizes, self.out.shape[1]]
        return self.up.new_tensor([pi for pi, size in zip(self.precisions, sizes, strict=True) for _ in range(size)])

    def residuals(self, on: "Tensor") -> "tuple[Tensor, Tensor]":
        """Matrix (trial, error, hidden unit) and constant of all errors, which are matrix rates - constant."""
        import torch

        slope = on * self.gain
        hidden = self.up.shape[2]
        lower = torch.cat([self.up.new_zeros(len(self.up), self.sizes[0], hidden), slope.unsqueeze(2) * self.up], 1)
        eye = torch.eye(hidden, dtype=self.up.dtype, device=self.up.device)
        return torch.cat([eye - lower, -self.out], 1), torch.cat([self.first, slope * self.offset, -self.wanted], 1)

    def errors(self, rates: "Tensor", on: "Tensor") -> "Tensor":
        """Errors of hidden units and outputs, (trial, error)."""
        matrix, constant = self.residuals(on)
        return (matrix @ rates.unsqueeze(2)).squeeze(2) - constant

    def energy(self, rates: "Tensor", on: "Tensor") -> "Tensor":
        """Energy of every trial."""
        return 0.5 * (self.weights_of_errors() * self.errors(rates, on).square()).sum(1)

    def across(self, rates: "Tensor") -> "Tensor":
        """What a unit on its kink adds to the gradient by its drive if it is on: -pi gain x."""
        n_first = self.sizes[0]
        return -self.weights_of_errors()[n_first : rates.shape[1]] * self.gain * rates[:, n_first:]

    def account(self, state: _State) -> "tuple[list[Tensor], list[Tensor], Tensor]":
        """Errors and slopes layer by layer, the latter above the first one, and the largest force."""
        import torch

        weighted = self.weights_of_errors() * (errors := self.errors(state.rates, state.on))
        across = self.across(state.rates)
        share = (state.multiplier / across).nan_to_num(0).clamp(0, 1)
        slopes = torch.where(state.pinned, share * self.gain, state.on * self.gain)
        hidden, n_first = state.rates.shape[1], self.sizes[0]
        down = (slopes * weighted[:, n_first:hidden]).unsqueeze(1) @ self.up + weighted[:, hidden:].unsqueeze(
            1
        ) @ self.out
        unrest = (down.squeeze(1) - weighted[:, :hidden]).abs().amax(1)
        outputs = torch.ones_like(self.wanted)
        return _split(errors, [*self.sizes, self.out.shape[1]]), [*_split(slopes, self.sizes[1:]), outputs], unrest


def _systems(
    layers: Sequence[PiecewiseLinearLayer], stimuli: "Tensor", target: "Tensor", precisions: tuple[float, ...]
) -> _Systems:
    """Put the layers of all trials into one system each."""
    import torch

    n_trials = target.shape[1]
    found = [layer.pieces() for layer in layers[1:]]
    pieces = [
        Pieces(one.weights.double(), one.offset.double(), one.gain.double(), one.rectified)
        for one in found
        if one is not None
    ]
    first = layers[0].predict(stimuli)[0].double().flatten(0, 1)
    sizes = [first.shape[1], *[one.weights.shape[1] for one in pieces[:-1]]]
    total = sum(sizes)

    def per_trial(values: "Tensor") -> "Tensor":
        return values.repeat_interleave(n_trials, 0)

    def placed(one: Pieces, number: int) -> "Tensor":
        """Weights in the columns of the layer below."""
        before = sum(sizes[:number])
        return torch.nn.functional.pad(one.weights, (before, total - before - sizes[number]))

    up = [placed(one, number) for number, one in enumerate(pieces[:-1])]
    nothing = first.new_zeros(len(target), 0)
    top = pieces[-1]
    return _Systems(
        per_trial(torch.cat([*up, first.new_zeros(len(target), 0, total)], 1)),
        per_trial(torch.cat([*[one.offset for one in pieces[:-1]], nothing], 1)),
        per_trial(torch.cat([*[one.gain for one in pieces[:-1]], nothing], 1)),
        torch.tensor(
            [one.rectified for one in pieces[:-1] for _ in range(one.weights.shape[1])],
            dtype=torch.bool,
            device=first.device,
        ),
        first,
        per_trial(placed(top, len(pieces) - 1)),
        target.double().flatten(0, 1) - per_trial(top.offset),
        precisions,
        sizes,
    )


def _step(systems: _Systems, state: _State, rows: "Tensor") -> "tuple[Tensor, Tensor]":
    """
    Go towards the minimum of the region as far as the first kink; there stay, or leave a kink.

    Returns for the trials `rows`, whose `systems` are given, whether they are at the equilibrium, and whether their
    linear system could be solved.
    """
    import torch

    rates, on, pinned = state.rates[rows], state.on[rows], state.pinned[rows]
    goal, multiplier, sound = _minimum(systems, on, pinned)
    goal = torch.where(sound.unsqueeze(1), goal, rates)
    drive, change = systems.drive(rates), systems.drive(goal) - systems.drive(rates)
    free = systems.kinked & ~pinned
    towards = free & torch.where(on, change < 0, change > 0)
    # a drive that rounding has put on the other side of its kink is on it
    distance = torch.where(on, drive, -drive).clamp_min(0)
    part = torch.where(towards, distance / change.abs(), torch.inf)
    # last column: no kink on the way
    length, unit = torch.cat([part, torch.ones_like(goal[:, :1])], 1).min(1)
    rates = rates + length.unsqueeze(1) * (goal - rates)
    met = sound & (length < 1)
    pinned[met, unit[met]] = True
    on[met, unit[met]] = False
    across = systems.across(rates)
    # off: the energy falls to the silent side of the kink, onward: to the active one
    off, onward = (torch.where(pinned, side, -torch.inf) for side in (-multiplier, multiplier - across))
    wish = off.maximum(onward)
    scale = (systems.weights_of_errors() * systems.errors(rates, on)).abs().amax(1, keepdim=True)
    at_rest = ~met & ~(wish > 1e-9 * scale).any(1)
    leaves = ~met & ~at_rest & sound
    if bool(leaves.any()):
        which = wish[leaves].argmax(1)
        on[leaves, which] = (onward > off)[leaves, which]
        pinned[leaves, which] = False
    state.rates[rows], state.on[rows], state.pinned[rows] = rates, on, pinned
    state.multiplier[rows] = multiplier
    return at_rest, sound


def _minimum(systems: _Systems, on: "Tensor", pinned: "Tensor") -> "tuple[Tensor, Tensor, Tensor]":
    """Rates of least energy within the region, multipliers of the kinks kept, and whether the system had a solution."""
    import torch

    matrix, constant = systems.residuals(on)
    weighted = (systems.weights_of_errors().unsqueeze(1) * matrix).transpose(1, 2)
    kept = pinned.unsqueeze(2) * systems.up
    rest = torch.diag_embed((~pinned).to(matrix.dtype))
    system = torch.cat(
        [torch.cat([weighted @ matrix, kept.transpose(1, 2)], 2), torch.cat([kept, rest], 2)],
        1,
    )
    given = torch.cat([(weighted @ constant.unsqueeze(2)).squeeze(2), pinned * -systems.offset], 1)
    solved, info = torch.linalg.solve_ex(system, given)
    sound = (info == 0) & solved.isfinite().all(1)
    hidden = matrix.shape[2]
    return solved[:, :hidden], solved[:, hidden:], sound


def _either(first: Equilibrium, second: Equilibrium) -> Equilibrium:
    """Animals that converged as in the first equilibrium, all others as in the second."""
    import torch

    longest = max(first.energy.shape[1], second.energy.shape[1])
    courses = [
        torch.cat([one.energy, one.energy[:, -1:].expand(-1, longest - one.energy.shape[1])], 1)
        for one in (first, second)
    ]
    chosen = first.converged.reshape(-1, 1, 1)

    def each(these: "list[Tensor]", those: "list[Tensor]") -> "list[Tensor]":
        return [torch.where(chosen, one, other) for one, other in zip(these, those, strict=True)]

    return Equilibrium(
        each(first.rates, second.rates),
        each(first.errors, second.errors),
        each(first.slopes, second.slopes),
        torch.where(first.converged.unsqueeze(1), courses[0], courses[1]),
        torch.where(first.converged, first.n_steps, second.n_steps),
        first.converged | second.converged,
    )


def _split(values: "Tensor", sizes: list[int]) -> "list[Tensor]":
    """Columns of every layer."""
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    return [values[:, end - size : end] for size, end in zip(sizes, ends, strict=True)]
