"""The errors that neurofa raises on purpose: each says what was given, what was expected, and how to mend it."""


class NeurofaError(Exception):
    """Base of every error that neurofa raises on purpose."""


class ConfigError(NeurofaError, ValueError):
    """A value that the user set is not possible."""


class ProtocolError(ConfigError):
    """A protocol cannot be found or read, or says something impossible."""


class ShapeError(NeurofaError, ValueError):
    """An array does not have the dimensions that a function expects."""


class RecordingError(NeurofaError, ValueError):
    """A recording or an NWB file lacks something, or contradicts itself."""


class MissingControlError(RecordingError):
    """
    A measure of prediction errors lacks a control condition.

    Parameters
    ----------
    measure : str
        Its name.
    missing, there : list of str
        Conditions that it lacks, and those that there are.

    Attributes
    ----------
    needs : str
        What is needed by what.
    missing : list of str
        Conditions that are lacking.
    """

    def __init__(self, measure: str, missing: list[str], there: list[str]) -> None:
        self.needs = f"{measure} needs the control condition {' and '.join(repr(name) for name in missing)}"
        self.missing = missing
        recorded = ", ".join(repr(name) for name in there) or "nothing"
        super().__init__(f"{self.needs}, which was not recorded (there is {recorded}); add a block that shows it")


class RunFolderError(NeurofaError, OSError):
    """A run folder cannot be created, is in use, or is not a run folder."""


class DivergenceError(NeurofaError, ArithmeticError):
    """Weights or rates of some animals became infinite or not a number while learning."""
