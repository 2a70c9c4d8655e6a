"""Learning rules: a teaching signal, a pathway and feedback weights, composed; one file per choice, one table."""

from neurofa.rules.names import FEEDBACK_WEIGHTS as FEEDBACK_WEIGHTS
from neurofa.rules.names import NAMED_RULES as NAMED_RULES
from neurofa.rules.names import PATHWAYS as PATHWAYS
from neurofa.rules.names import PATHWAYS_IN_TIME as PATHWAYS_IN_TIME
from neurofa.rules.names import TEACHING_SIGNALS as TEACHING_SIGNALS
from neurofa.rules.names import Choices as Choices
from neurofa.rules.names import NamedRule as NamedRule
