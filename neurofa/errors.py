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


class RunFolderError(NeurofaError, OSError):
    """A run folder cannot be created, is in use, or is not a run folder."""


class DivergenceError(NeurofaError, ArithmeticError):
    """Weights or rates of some animals became infinite or not a number while learning."""
