"""What an animal senses and what it should report; one file per stimulus set.

A stimulus set is a function ``name(generator, *, parameters...) -> Stimuli``, called once per animal with the animal's
own random numbers. Users name their own as ``package.module:function`` or ``file.py:function``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from neurofa.errors import ConfigError


@dataclass(frozen=True)
class Stimuli:
    """
    The stimuli of one animal.

    Attributes
    ----------
    inputs : numpy.ndarray
        (stimulus, input): rates of the input units, a.u.
    targets : numpy.ndarray
        (stimulus, output): what the network should put out.
    acceptable : numpy.ndarray or None
        (stimulus, output) bool: the report, the largest output, is correct where this is True; None = no report.
    labels : dict of str to numpy.ndarray
        (stimulus,): coordinates of the stimuli, the same in every animal.
    """

    inputs: np.ndarray
    targets: np.ndarray
    acceptable: np.ndarray | None = None
    labels: dict[str, np.ndarray] = field(default_factory=dict)

    def check(self, kind: str) -> None:
        """
        Check shapes and values.

        Parameters
        ----------
        kind : str
            Name of the stimulus set, for messages.

        Raises
        ------
        ConfigError
            Where arrays do not fit each other or hold NaN.
        """
        for name in ("inputs", "targets", "acceptable"):
            value: object = getattr(self, name)
            if not isinstance(value, np.ndarray) and not (name == "acceptable" and value is None):
                raise ConfigError(
                    f"stimulus set '{kind}' must give {name} as a numpy array, got {type(value).__name__}"
                )
        n_stimuli = len(self.inputs) if self.inputs.ndim else 0
        if n_stimuli < 1 or self.inputs.ndim != 2 or self.targets.ndim != 2 or self.targets.shape[0] != n_stimuli:
            raise ConfigError(
                f"stimulus set '{kind}' gave inputs {self.inputs.shape} and targets {self.targets.shape}; "
                "expected (stimulus, input) and (stimulus, output) with the same number of stimuli"
            )
        if not (np.isfinite(self.inputs).all() and np.isfinite(self.targets).all()):
            raise ConfigError(f"stimulus set '{kind}' gave values that are not finite numbers; check its parameters")
        if self.acceptable is not None and self.acceptable.shape != self.targets.shape:
            raise ConfigError(
                f"stimulus set '{kind}' gave 'acceptable' {self.acceptable.shape}, expected {self.targets.shape}"
            )
        for name, values in self.labels.items():
            if np.shape(values) != (n_stimuli,):
                raise ConfigError(
                    f"stimulus set '{kind}' gave label '{name}' {np.shape(values)}, expected ({n_stimuli},)"
                )


StimulusSet = Callable[..., Stimuli]


def stimulus_sets() -> dict[str, StimulusSet]:
    """
    The stimulus sets that ship with the package.

    Returns
    -------
    dict of str to callable
        By name.
    """
    from neurofa.stimuli.linear_track import linear_track
    from neurofa.stimuli.patterns import patterns

    return {"linear_track": linear_track, "patterns": patterns}
