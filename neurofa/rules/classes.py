"""Which class carries out a rule for feedforward networks."""

from neurofa.rules.names import LATERAL, PATHWAYS_BY_INFERENCE, Choices
from neurofa.rules.predictive_coding import PredictiveCoding
from neurofa.rules.rule import Rule
from neurofa.rules.similarity_matching import SimilarityMatching


def rule_class(choices: Choices) -> type[Rule]:
    """
    Class of a rule for feedforward networks.

    Parameters
    ----------
    choices : Choices
        Of the rule.

    Returns
    -------
    type
        `PredictiveCoding` on the pathways by inference, `SimilarityMatching` without any feedback, else `Rule`.
    """
    if choices.pathway == LATERAL:
        return SimilarityMatching
    return PredictiveCoding if choices.pathway in PATHWAYS_BY_INFERENCE else Rule
