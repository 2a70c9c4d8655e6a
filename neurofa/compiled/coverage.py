"""What the compiled engine can do; imports nothing that compiles."""

from typing import TYPE_CHECKING

import torch

from neurofa.networks import Network
from neurofa.rules.rule import Rule

if TYPE_CHECKING:
    from neurofa.learning import Session


def reason_not_covered(network: Network, rule: Rule, session: "Session") -> str:
    """
    Why the compiled engine cannot take over a session.

    Parameters
    ----------
    network : Network
        The networks.
    rule : Rule
        How they learn.
    session : Session
        What is shown.

    Returns
    -------
    str
        Empty where it can.
    """
    first = network.layers[0].weights
    if type(rule) is not Rule:
        return f"rule of a class of its own, {type(rule).__name__}"
    if type(network) is not Network:
        return f"networks of a class of their own, {type(network).__name__}"
    if first.device.type != "cpu":
        return f"device {first.device.type}"
    if first.dtype not in (torch.float32, torch.float64):
        return f"precision {first.dtype}"
    if len(network.layers) == 1:
        return "no hidden layer"
    if rule.choices.feedback_weights == "informative":
        return "feedback weights informative"
    frozen = bool(((rule.rates.hidden == 0) | (rule.rates.readout == 0)).any())
    if rule.choices.feedback_weights == "learned" and rule.choices.learned_by == "kolen_pollack" and frozen:
        return "Kolen-Pollack with frozen weights"
    if session.n_updates == 0:
        return "nothing is shown"
    return ""
