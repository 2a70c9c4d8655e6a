"""The table of named rules; imports nothing heavy, so that the command line can print it."""

from typing import NamedTuple


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
    """

    teaching_signal: str
    pathway: str
    feedback_weights: str
    equation: str
    source: str


TEACHING_SIGNALS = ("error", "target", "centred_target")
PATHWAYS = ("layerwise", "direct", "readout")
FEEDBACK_WEIGHTS = ("transpose", "fixed", "noisy", "network", "walking")

NAMED_RULES: dict[str, NamedRule] = {
    "bp": NamedRule(
        "error", "layerwise", "transpose", "s_l = W_(l+1)^T delta_(l+1)", "Rumelhart 1986, 10.1038/323533a0"
    ),
    "fa": NamedRule("error", "layerwise", "fixed", "s_l = F_(l+1) delta_(l+1)", "Lillicrap 2016, 10.1038/ncomms13276"),
    "dfa": NamedRule("error", "direct", "fixed", "s_l = F_l e", "Nokland 2016, arXiv 1609.01596"),
    "tf": NamedRule(
        "centred_target", "readout", "fixed", "s_L-1 = F g (y - mean y)", "Cheng & Brown 2023, arXiv 2304.01406"
    ),
    "nf": NamedRule("error", "readout", "network", "s_L-1 = F2 tanh(F1 e)", "Cheng & Brown 2023, arXiv 2304.01406"),
    "nfa": NamedRule(
        "error", "readout", "noisy", "s_L-1 = (F + amplitude noise) e", "Cheng & Brown 2023, arXiv 2304.01406"
    ),
    "random_walk": NamedRule(
        "error", "layerwise", "walking", "s_l = F_l delta_(l+1), F walks at every update", "this project"
    ),
}
