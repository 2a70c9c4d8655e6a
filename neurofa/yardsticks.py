"""What is fed back, held against predictive coding and backpropagation in the same networks, nothing being learned."""

import warnings

import numpy as np
import torch
from torch import Tensor

from neurofa.cohort import Cohort
from neurofa.measures.prediction_error.equilibrium import Inference
from neurofa.measures.prediction_error.feedback import feedback_against_prediction_error, mean_cosine
from neurofa.measures.prediction_error.kinks import relax_exactly
from neurofa.networks import Activity, Network
from neurofa.rules.names import PATHWAYS, Choices
from neurofa.rules.predictive_coding import predicting_layers
from neurofa.rules.rule import Rule

#: draws of fresh random feedback that the null consists of
N_NULL = 20
#: of the inference; cosines are then right to about its square
TOLERANCE = 1e-4


def feedback_agreement(
    cohort: Cohort, network: Network, activity: Activity
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """
    Agreement of feedback with the errors of predictive coding, layer by layer, with null and ceiling.

    What reaches the rates of a layer is compared with pi_l eps_l at the equilibrium of predictive coding for the same
    weights, stimuli and targets, at unit precisions unless the rule has its own. Null: fresh random feedback on the
    rule's pathway; ceiling: exact backpropagation.

    Parameters
    ----------
    cohort : Cohort
        The animals.
    network : Network
        A copy of their networks, which rules may change.
    activity : Activity
        A forward pass of the probe's stimuli.

    Returns
    -------
    dict of str to (dims, array)
        The variables of `neurofa.recording.FEEDBACK_AGREEMENT` on (animal, layer), with the prefix
        ``learning_``; NaN in animals whose inference did not converge, which a warning tells.
    """
    choices = cohort.protocol.rule.choices()
    how = Inference(choices.inference.precisions, tolerance=TOLERANCE)
    found = relax_exactly(predicting_layers(network), activity.rates[0], cohort.report_targets(), how)
    if not bool(found.converged.all()):
        warnings.warn(
            f"the equilibrium of predictive coding was not found in {int((~found.converged).sum())} of "
            f"{len(found.converged)} animals; their agreement with it is NaN",
            stacklevel=2,
        )
    errors = [
        _numpy(torch.where(found.converged.reshape(-1, 1, 1), precision * error, torch.nan))
        for precision, error in zip(how.of_layers(len(network.layers)), found.errors, strict=True)
    ][:-1]
    rule = cohort.build_rule(cohort.rates)
    rule.start_session(network, cohort.draws("probe"))
    own = _sent(rule, cohort, network, activity)
    pathway = choices.pathway if choices.pathway in PATHWAYS else "readout"
    exact = _sent(Rule(Choices("error", "layerwise", "transpose"), cohort.rates), cohort, network, activity)
    null = Rule(Choices("error", pathway, "fixed"), cohort.rates)
    draws = []
    for number in range(N_NULL):
        null.birth(network, cohort.draws("random feedback", number))
        sent = _sent(null, cohort, network, activity)
        draws.append([mean_cosine(one, error) for one, error in zip(sent, errors, strict=True)])
    values: dict[str, list[np.ndarray]] = {}
    for one, error, best in zip(own, errors, exact, strict=True):
        agreement = feedback_against_prediction_error(one, error)
        for name in ("cosine", "explained_variance", "gain", "gain_ratio", "linear_cka", "unit_correlation"):
            values.setdefault(f"feedback_pc_{name}", []).append(getattr(agreement, name))
        values.setdefault("feedback_pc_cosine_ceiling", []).append(mean_cosine(best, error))
        values.setdefault("feedback_bp_cosine", []).append(mean_cosine(one, best))
    by_draw = np.array(draws)
    values["feedback_pc_cosine_null"] = list(by_draw.mean(axis=0))
    values["feedback_pc_cosine_null_sd"] = list(by_draw.std(axis=0, ddof=1))
    return {f"learning_{name}": (("animal", "layer"), np.stack(layers, axis=1)) for name, layers in values.items()}


def _sent(rule: Rule, cohort: Cohort, network: Network, activity: Activity) -> list[np.ndarray]:
    """What reaches the rates of every hidden layer."""
    return [_numpy(one) for one in rule.teaching_signals(network, activity, cohort.report_targets(), 0).sent]


def _numpy(values: Tensor) -> np.ndarray:
    """The same values as double precision numpy."""
    array: np.ndarray = values.cpu().numpy().astype(np.float64)
    return array
