"""What is recorded of a session while nothing is learned: rates, reports, and what the protocol asks for besides."""

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from neurofa.cohort import Cohort, Monitored
from neurofa.learning import Learned
from neurofa.measures.alignment import angle_deg
from neurofa.measures.information import (
    best_linear_readout,
    target_information_binned,
    target_information_gaussian,
)
from neurofa.measures.parallel import each_animal
from neurofa.members import kept_stimuli
from neurofa.networks import Activity, Network
from neurofa.recurrent_cohort import RecurrentCohort
from neurofa.rules.names import PATHWAYS_BY_INFERENCE, Choices
from neurofa.rules.rule import Rule
from neurofa.rules.teaching_signals import coefficient_of_determination
from neurofa.yardsticks import feedback_agreement


def record(cohort: Cohort, stimuli: Tensor, learned: Learned | None, trials: int) -> xr.Dataset:
    """
    Probe the animals of a batch after a session.

    Parameters
    ----------
    cohort : Cohort
        The animals; nothing is learned.
    stimuli : torch.Tensor
        (animal, stimulus, [time,] input): with the session's input gains.
    learned : Learned or None
        The course of learning in the session; None = nothing was learned.
    trials : int
        Number of updates in the longest session; the course of others ends with NaN.

    Returns
    -------
    xarray.Dataset
        Variables of the groups ``/probe`` and, with the prefix ``learning_``, ``/learning``; NaN in animals that were
        stopped.
    """
    settings = cohort.protocol.record
    kept = kept_stimuli(stimuli.shape[1], settings.stimuli)
    time = ("time",) if stimuli.ndim == 4 else ()
    true_rate, output = cohort.probe(stimuli)
    latent_rate, _ = cohort.probe(cohort.stimuli)
    correct = cohort.performance(stimuli).cpu().numpy()
    found: Monitored = {
        "true_rate": (("animal", "stimulus", "unit", *time), true_rate[:, kept]),
        "latent_rate": (("animal", "stimulus", "unit", *time), latent_rate[:, kept]),
        "output": (("animal", "stimulus", "output_unit", *time), output[:, kept]),
        "correct": (("animal", "stimulus"), correct[:, kept]),
    }
    found |= cohort.besides(stimuli, kept)
    course = {} if learned is None else {"correct": learned.correct, "loss": learned.loss, **learned.course}
    by_inference = cohort.protocol.rule.choices().pathway in PATHWAYS_BY_INFERENCE
    for name in ("correct", "loss", *(COURSE_OF_INFERENCE if by_inference else ())):
        values = np.full((len(true_rate), trials), np.nan, dtype=true_rate.dtype)
        if name in course:
            values[:, : course[name].shape[1]] = course[name].cpu().numpy()
        found[f"learning_{name}"] = (("animal", "trial"), values)
    if "performance" in settings.monitors:
        found |= _performance(cohort, correct)
    if settings.monitors or settings.teaching_signals:
        found |= _monitored(cohort, stimuli, kept)
    dataset = xr.Dataset(found)
    gone = np.zeros(len(true_rate), dtype=bool)
    gone[list(cohort.stopped)] = True
    if gone.any():
        there = xr.DataArray(~gone, dims="animal")
        # whole numbers are those of spikes, where -1 stands for none
        dataset = dataset.map(lambda values: values.where(there, -1 if values.dtype.kind == "i" else np.nan))
    return dataset


def _monitored(cohort: Cohort, stimuli: Tensor, kept: np.ndarray) -> Monitored:
    """What the protocol asks for, measured over all stimuli."""
    settings = cohort.protocol.record
    # rules may change what they use, such as feedback weights that walk: the animals stay as they are
    network = cohort.network.copy()
    activity = cohort.reporting(network, stimuli)
    found: Monitored = {}
    for monitor, measure in _MONITORS.items():
        if monitor in settings.monitors:
            found |= measure(cohort, network, activity)
    if settings.teaching_signals or "alignment" in settings.monitors:
        rule, own, exact = _signals(cohort, network, activity)
        time = ("time",) if own[0].ndim == 4 else ()
        if "alignment" in settings.monitors:
            found |= _alignment(cohort, network, rule, own, exact)
        if settings.teaching_signals:
            for name, deltas in (("teaching_signal", own), ("bp_signal", exact)):
                found[name] = (("animal", "stimulus", "unit", *time), torch.cat(deltas, dim=2).cpu().numpy()[:, kept])
    return found


def _signals(cohort: Cohort, network: Network, activity: Activity) -> tuple[Rule, list[Tensor], list[Tensor]]:
    """The rule, and each hidden layer's teaching signals of the rule and of exact backpropagation, same activity."""
    rule = cohort.build_rule(cohort.rates)
    if isinstance(cohort, RecurrentCohort):
        rule.start_session(network, cohort.draws("probe"))
        return rule, *cohort.signals(activity.rates[0], rule)
    exact = Rule(Choices("error", "layerwise", "transpose"), cohort.rates).teaching_signals(
        network, activity, cohort.report_targets(), 0
    )
    rule.start_session(network, cohort.draws("probe"))
    own = rule.teaching_signals(network, activity, cohort.report_targets(), 0)
    return rule, own.deltas[:-1], exact.deltas[:-1]


def _alignment(cohort: Cohort, network: Network, rule: Rule, own: list[Tensor], exact: list[Tensor]) -> Monitored:
    """Angles to backpropagation, and between forward and feedback weights, layer by layer."""
    to_bp, to_feedback = [], []
    for number in range(len(network.layers) - 1):
        to_bp.append(angle_deg(_numpy(own[number]), _numpy(exact[number])))
        forward_weights = network.layers[number + 1].weights.transpose(1, 2)
        feedback = rule.feedback.matrix(network, number) if number in rule.fed_back_layers(network) else None
        if feedback is None or feedback.shape != forward_weights.shape:
            to_feedback.append(np.full(len(cohort.members), np.nan))
        else:
            to_feedback.append(angle_deg(_numpy(forward_weights), _numpy(feedback)))
    return {
        "learning_angle_to_bp_deg": (("animal", "layer"), np.stack(to_bp, 1)),
        "learning_angle_weights_feedback_deg": (("animal", "layer"), np.stack(to_feedback, 1)),
    }


def _performance(cohort: Cohort, correct: np.ndarray) -> Monitored:
    """Fraction of stimuli reported correctly, learned and held out."""
    correct = correct.astype(np.float64)
    held_out = np.zeros(correct.shape[1], dtype=bool) if cohort.held_out is None else cohort.held_out.cpu().numpy()
    nothing = np.full(len(correct), np.nan)
    return {
        "learning_accuracy": (("animal",), correct[:, ~held_out].mean(1)),
        "learning_held_out_accuracy": (("animal",), correct[:, held_out].mean(1) if held_out.any() else nothing),
    }


def _readout(cohort: Cohort, network: Network, activity: Activity) -> Monitored:
    """The network's own readout, and the best linear one from each layer's rates; judged on what is held out."""
    held_out = None if cohort.held_out is None else cohort.held_out.cpu().numpy()
    fitted_on = None if held_out is None else ~held_out
    targets = _numpy(cohort.report_targets())
    acceptable = None if cohort.acceptable is None else cohort.acceptable.cpu().numpy()

    def best(animal: int, rates: np.ndarray) -> list[float]:
        right = None if acceptable is None else acceptable[animal]
        return list(best_linear_readout(rates, targets[animal], fitted_on, held_out, right, cohort.threshold))

    found = _per_layer(cohort, activity, best)
    tested = slice(None) if cohort.held_out is None else cohort.held_out
    output, target = activity.output[:, tested], cohort.report_targets()[:, tested]
    return {
        "learning_fixed_readout_mse": (("animal",), _numpy((target - output).square().mean((1, 2)))),
        "learning_fixed_readout_r2": (("animal",), _numpy(coefficient_of_determination(output, target)[:, 0, 0])),
        "learning_best_readout_mse": (("animal", "layer"), found[..., 0]),
        "learning_best_readout_r2": (("animal", "layer"), found[..., 1]),
        "learning_best_readout_accuracy": (("animal", "layer"), found[..., 2]),
    }


def _information(cohort: Cohort, network: Network, activity: Activity) -> Monitored:
    """Information about the target in each layer's rates, bits."""
    width = cohort.protocol.record.bin_width
    targets = _numpy(cohort.report_targets())

    def information(animal: int, rates: np.ndarray) -> list[float]:
        target = targets[animal]
        return [target_information_gaussian(rates, target), *target_information_binned(rates, target, width)]

    found = _per_layer(cohort, activity, information)
    names = ("target_information_gaussian", "target_information_binned", "target_information_binned_ceiling")
    return {f"learning_{name}": (("animal", "layer"), found[..., place]) for place, name in enumerate(names)}


def _per_layer(cohort: Cohort, activity: Activity, measure: Callable[[int, np.ndarray], list[float]]) -> np.ndarray:
    """Values of a measure for every animal and hidden layer, (animal, layer, value); NaN where stopped."""

    def of_animal(animal: int) -> np.ndarray:
        values = np.array([measure(animal, _numpy(rates[animal])) for rates in activity.rates[1:]])
        return np.full_like(values, np.nan) if animal in cohort.stopped else values

    size = activity.rates[1].shape[1] * activity.rates[1].shape[2]
    return np.stack(each_animal(of_animal, len(cohort.members), size))


def _numpy(values: Tensor) -> np.ndarray:
    """The same values as double precision numpy."""
    array: np.ndarray = values.cpu().numpy().astype(np.float64)
    return array


#: what predictive coding tells of every update
COURSE_OF_INFERENCE = ("energy", "inference_steps", "inference_converged")

_MONITORS: dict[str, Callable[[Cohort, Network, Activity], Monitored]] = {
    "readout": _readout,
    "information": _information,
    "predictive_coding": feedback_agreement,
}
