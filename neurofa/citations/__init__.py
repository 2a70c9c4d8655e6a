"""What a run rests on, as BibTeX: the rules, mechanisms, measures and data that it really used, and the software."""

from neurofa.citations.of_run import bibliography as bibliography
from neurofa.citations.of_run import used_in as used_in
from neurofa.citations.publications import identifiers as identifiers
from neurofa.citations.publications import publications as publications

__all__ = ["bibliography", "identifiers", "publications", "used_in"]
