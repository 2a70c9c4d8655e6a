"""The table of named rules; imports nothing heavy, so that the command line can print it."""

from typing import NamedTuple


class Inference(NamedTuple):
    """
    How predictive coding looks for the equilibrium of its errors, see `neurofa.measures.Inference`.

    Attributes
    ----------
    precisions : tuple of float
        Of every layer from the first hidden one to the output; empty = 1 everywhere.
    step, tolerance : float
        Largest step of the descent, and when it has arrived.
    max_steps : int
        When it is given up, which is told.
    """

    precisions: tuple[float, ...] = ()
    step: float = 0.5
    tolerance: float = 1e-5
    max_steps: int = 10_000


class Matching(NamedTuple):
    """
    Numbers of similarity matching, see `neurofa.rules.similarity_matching`.

    Attributes
    ----------
    offset : float
        What is taken from all similarities of inputs before rates match them.
    threshold, leak : float
        Of every unit; larger ones make rates sparser, and lower.
    lateral_rate : float
        Learning rate of lateral weights, relative to that of the weights from below.
    """

    offset: float = 1.0
    threshold: float = 0.02
    leak: float = 0.05
    lateral_rate: float = 1.0


class Choices(NamedTuple):
    """
    Everything about a rule that is not a number.

    Attributes
    ----------
    teaching_signal, pathway, feedback_weights : str
        The three choices.
    slope : str
        ``"derivative"`` of the activation, or ``"one"``: the nonlinearity is ignored on the way back.
    sign_magnitudes : str
        Of feedback weights ``sign``: ``"unit"``, ``"batch"`` (drawn at every update) or ``"fixed"``.
    learned_by : str
        Of feedback weights ``learned``: ``"kolen_pollack"`` or ``"weight_mirror"``.
    noise_kind : str
        Of feedback weights ``noisy``: ``"uniform"`` from -1/2 to 1/2, or ``"normal"``.
    optimiser : str
        ``"gradient"``, ``"momentum"`` or ``"adam"``.
    network_units : int
        Units of the feedback network, of feedback weights ``network``.
    online : bool
        In recurrent networks: weights change at every time step, not after the trials.
    inference : Inference
        Of the pathways by inference.
    matching : Matching
        Of similarity matching.
    """

    teaching_signal: str
    pathway: str
    feedback_weights: str
    slope: str = "derivative"
    sign_magnitudes: str = "unit"
    learned_by: str = "kolen_pollack"
    noise_kind: str = "uniform"
    optimiser: str = "gradient"
    network_units: int = 50
    online: bool = False
    inference: Inference = Inference()
    matching: Matching = Matching()


class NamedRule(NamedTuple):
    """
    One row of the table.

    Attributes
    ----------
    teaching_signal, pathway, feedback_weights : str
        The three choices.
    equation : str
        What reaches a hidden layer.
    source : str
        Author, year and DOI or arXiv number.
    slope, sign_magnitudes, learned_by : str
        See `Choices`.
    """

    teaching_signal: str
    pathway: str
    feedback_weights: str
    equation: str
    source: str
    slope: str = "derivative"
    sign_magnitudes: str = "unit"
    learned_by: str = "kolen_pollack"


TEACHING_SIGNALS = ("error", "target", "centred_target", "none")
PATHWAYS = ("layerwise", "direct", "readout")
#: of recurrent networks: how a teaching signal reaches earlier moments
PATHWAYS_IN_TIME = ("eligibility", "through_time")
#: of predictive coding: errors of all layers balance before weights change
PATHWAYS_BY_INFERENCE = ("equilibrium", "fixed_prediction")
#: of similarity matching: nothing is fed back, units of a layer inhibit each other
LATERAL, NO_FEEDBACK = "lateral", "none"
FEEDBACK_WEIGHTS = ("transpose", "fixed", "noisy", "network", "walking", "sign", "learned", "informative")
SLOPES = ("derivative", "one")
SIGN_MAGNITUDES = ("unit", "batch", "fixed")
LEARNED_BY = ("kolen_pollack", "weight_mirror")
#: feedback weights that are made of the forward weights of the layer above
FROM_FORWARD_WEIGHTS = ("transpose", "sign", "learned")

_CHENG = "Cheng & Brown 2023, arXiv 2304.01406"
_SIGN = "Liao 2016, arXiv 1510.05067; Moskovitz 2018, arXiv 1812.06488"

NAMED_RULES: dict[str, NamedRule] = {
    "bp": NamedRule(
        "error", "layerwise", "transpose", "s_l = W_(l+1)^T delta_(l+1)", "Rumelhart 1986, 10.1038/323533a0"
    ),
    "fa": NamedRule("error", "layerwise", "fixed", "s_l = F_l delta_(l+1)", "Lillicrap 2016, 10.1038/ncomms13276"),
    "dfa": NamedRule("error", "direct", "fixed", "s_l = F_l e", "Nokland 2016, arXiv 1609.01596"),
    "tf": NamedRule("centred_target", "readout", "fixed", "s_(L-1) = F g (y - mean y)", _CHENG),
    "nf": NamedRule("error", "readout", "network", "s_(L-1) = F2 tanh(F1 e)", _CHENG),
    "nfa": NamedRule("error", "readout", "noisy", "s_(L-1) = (F + amplitude noise) e", _CHENG),
    "drtp": NamedRule("target", "direct", "fixed", "s_l = F_l y", "Frenkel 2021, 10.3389/fnins.2021.629892"),
    "usf": NamedRule("error", "layerwise", "sign", "s_l = c sign(W_(l+1)^T) delta_(l+1)", _SIGN),
    "brsf": NamedRule(
        "error",
        "layerwise",
        "sign",
        "s_l = (|N| sign(W_(l+1)^T)) delta_(l+1), N new at every update",
        _SIGN,
        sign_magnitudes="batch",
    ),
    "frsf": NamedRule(
        "error", "layerwise", "sign", "s_l = (|F_l| sign(W_(l+1)^T)) delta_(l+1)", _SIGN, sign_magnitudes="fixed"
    ),
    "kp": NamedRule(
        "error",
        "layerwise",
        "learned",
        "s_l = F_l delta_(l+1); dF_l = dW_(l+1)^T, both decay",
        "Kolen & Pollack 1994, 10.1109/ICNN.1994.374486; Akrout 2019, arXiv 1904.05391",
    ),
    "wm": NamedRule(
        "error",
        "layerwise",
        "learned",
        "s_l = F_l delta_(l+1); dF_l = rate (noise (W_(l+1) noise)^T - F_l)",
        "Akrout 2019, arXiv 1904.05391",
        learned_by="weight_mirror",
    ),
    "random_walk": NamedRule(
        "error", "layerwise", "walking", "s_l = F_l delta_(l+1), F walks at every update", "this project"
    ),
    "infomax": NamedRule(
        "error", "layerwise", "informative", "s_l = F_l delta_(l+1); F_l climbs log det cov(F_l delta_(l+1))", _CHENG
    ),
    "linbp": NamedRule(
        "error",
        "layerwise",
        "transpose",
        "s_l = W_(l+1)^T delta_(l+1), delta_l = s_l (f' replaced by 1)",
        "Li 2021, arXiv 2112.11018",
        slope="one",
    ),
    "predictive_coding": NamedRule(
        "error",
        "equilibrium",
        "transpose",
        "s_l = pi_l (x_l - f(W_l x_(l-1))), x where s_l = W_(l+1)^T delta_(l+1) in all layers",
        "Whittington & Bogacz 2017, 10.1162/NECO_a_00949",
    ),
    "fixed_prediction": NamedRule(
        "error",
        "fixed_prediction",
        "transpose",
        "the same with predictions and slopes of the forward pass",
        "Millidge 2022, 10.1162/neco_a_01497; Rosenbaum 2022, 10.1371/journal.pone.0266102",
    ),
    "similarity_matching": NamedRule(
        "error",
        LATERAL,
        NO_FEEDBACK,
        "dW = rate (y x^T - W), dL = rate (y y^T + leak I - L), y = max(0, W x - theta - L y); no feedback",
        "Qin 2023, 10.1038/s41593-022-01225-z",
    ),
    "rflo": NamedRule(
        "error",
        "eligibility",
        "fixed",
        "dW_ij = F_i e(t) p_ij(t), p_ij(t) = (1 - dt/tau) p_ij(t-1) + dt/tau f'(a_i(t)) r_j(t-1)",
        "Murray 2019, 10.7554/eLife.43299",
    ),
    "bptt": NamedRule(
        "error",
        "through_time",
        "transpose",
        "z(t) = (1 - dt/tau) z(t+1) + W^T delta(t+1) + W_out^T e(t), delta(t) = dt/tau f'(a(t)) z(t)",
        "Werbos 1990, 10.1109/5.58337",
    ),
}

#: settings of a rule that are noise while learning: what each predicts, and its source
LEARNING_NOISE: dict[str, tuple[str, str]] = {
    "unit_dropout": (
        "drift by change among solutions that tolerate silent units; units that respond drift within what codes",
        "Aitken 2022, 10.1371/journal.pcbi.1010716",
    ),
    "weight_dropout": (
        "the same by change among solutions that tolerate failing synapses",
        "Aitken 2022, 10.1371/journal.pcbi.1010716",
    ),
    "update_noise": (
        "diffusion along solutions of equal error, then fewer and fewer active units",
        "Ratzon 2024, 10.7554/eLife.90069; Pashakhanloo & Koulakov 2023, arXiv 2302.02563",
    ),
    "label_noise": (
        "diffusion that goes on at zero error, in proportion to experience",
        "Ratzon 2024, 10.7554/eLife.90069; Pashakhanloo & Koulakov 2023, arXiv 2302.02563",
    ),
}


def why_illegal(choices: Choices, n_hidden: int, kind: str = "feedforward") -> str:
    """
    Reason why a combination of choices cannot run.

    Parameters
    ----------
    choices : Choices
        The combination.
    n_hidden : int
        Number of hidden layers.
    kind : str, optional
        Of the network: ``"feedforward"`` or ``"recurrent"``.

    Returns
    -------
    str
        What contradicts what and how to mend it; empty where the combination is legal.
    """
    if kind == "recurrent":
        return _why_illegal_in_time(choices)
    if choices.pathway in PATHWAYS_IN_TIME:
        return (
            f"rule.pathway '{choices.pathway}' leads to earlier moments, of which a feedforward network has none; "
            "set network.kind to recurrent, or choose another rule, such as fa"
        )
    if choices.online:
        return "rule.online needs time within a trial; set it to false, or network.kind to recurrent"
    kind = choices.feedback_weights
    if (choices.pathway == LATERAL) != (kind == NO_FEEDBACK) or (
        kind == NO_FEEDBACK and (choices.teaching_signal != "error" or choices.slope != "derivative")
    ):
        return (
            f"rule.pathway '{LATERAL}' and rule.feedback_weights '{NO_FEEDBACK}' are similarity matching, which sends "
            "nothing back; set rule.name to similarity_matching and leave its choices as they are, or choose others"
        )
    if choices.pathway in PATHWAYS_BY_INFERENCE and (
        choices.teaching_signal != "error" or kind != "transpose" or choices.slope != "derivative"
    ):
        return (
            f"rule.pathway '{choices.pathway}' is predictive coding, whose errors come down through the forward "
            "weights; leave rule.teaching_signal, rule.feedback_weights and rule.slope as the name of the rule says"
        )
    if choices.pathway in PATHWAYS_BY_INFERENCE and len(choices.inference.precisions) not in (0, n_hidden + 1):
        return (
            f"rule.precisions lists {len(choices.inference.precisions)} numbers for {n_hidden} hidden layers and the "
            "output; give one for each, or none"
        )
    if n_hidden == 0:
        return (
            "network.hidden is empty, but the rule sends its teaching signal to a hidden layer; "
            "list the units of at least one, for example network.hidden = [100]"
        )
    if choices.pathway == "direct" and kind in FROM_FORWARD_WEIGHTS and n_hidden > 1:
        return (
            f"rule.feedback_weights '{kind}' cannot go with rule.pathway 'direct' and {n_hidden} hidden layers: "
            "no forward weights lead from a lower layer to the output; "
            "set rule.pathway to layerwise, or rule.feedback_weights to fixed"
        )
    return ""


def _why_illegal_in_time(choices: Choices) -> str:
    """Reason why a combination cannot run in a recurrent network; empty where it can."""
    if choices.pathway not in PATHWAYS_IN_TIME:
        return (
            f"rule.pathway '{choices.pathway}' leads from layer to layer, not to earlier moments as recurrent networks "
            "need; set rule.name to rflo or bptt, or network.kind to feedforward"
        )
    if choices.teaching_signal != "error":
        return (
            f"rule.teaching_signal '{choices.teaching_signal}' has no meaning over time yet; "
            "a recurrent network learns from the error: set rule.teaching_signal to error"
        )
    if choices.online and choices.pathway == "through_time":
        return (
            "rule.online cannot go with rule.pathway 'through_time', which needs the whole trial; "
            "set rule.online to false, or rule.pathway to eligibility"
        )
    if choices.online and (choices.optimiser != "gradient" or choices.feedback_weights not in ("fixed", "transpose")):
        return (
            "rule.online takes plain steps with fixed or transposed feedback weights, "
            f"got rule.optimiser '{choices.optimiser}' and rule.feedback_weights '{choices.feedback_weights}'; "
            "set rule.optimiser to gradient and rule.feedback_weights to fixed or transpose, or rule.online to false"
        )
    return ""
