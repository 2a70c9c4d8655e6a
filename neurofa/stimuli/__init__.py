"""What an animal senses and what it should report; one file per stimulus set.

A stimulus set is a function ``name(generator, *, parameters...) -> Stimuli``, called once per animal with the animal's
own random numbers. Users name their own as ``package.module:function`` or ``file.py:function``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from neurofa.errors import ConfigError
from neurofa.stimuli.events import NAMED, EventStream


@dataclass(frozen=True)
class Stimuli:
    """
    The stimuli of one animal.

    Attributes
    ----------
    inputs : numpy.ndarray
        (stimulus, input): rates of the input units, a.u.; of sequences (stimulus, time, input).
    targets : numpy.ndarray
        (stimulus, output): what the network should put out, a.u.; of sequences (stimulus, time, output).
    acceptable : numpy.ndarray or None
        (stimulus, report) bool: the report is correct where this is True; None = no report. The report is the largest
        output, of sequences that of the mean output over the time that counts; with a threshold see there.
    labels : dict of str to numpy.ndarray
        (stimulus,): coordinates of the stimuli, the same in every animal.
    held_out : numpy.ndarray or None
        (stimulus,) bool: shown in the probe only, never learned; None = all are learned.
    private : bool
        Every stimulus reaches the first hidden layer through synapses of its own: ``inputs`` (stimulus, unit) are then
        these synapses at birth, and so the drives of the hidden units.
    counts : numpy.ndarray or None
        (stimulus, time) bool: when the output of a sequence counts; None = always.
    threshold : float or None
        For a single output: above it the report is 1, else 0, and ``acceptable`` has these two columns.
    time_labels : dict of str to numpy.ndarray
        (time,): coordinates of the time of sequences, the same in every animal.
    renew : callable or None
        What is learned is new in every session: called with the animal's random numbers of the session, it gives the
        `Stimuli` of that session, always as many. All others are then shown in the probe only. One pass of them is a
        stream of stimuli none of which comes twice.
    events : callable or None
        What happens is a stream of events, each of which is to be told from those before; see
        `neurofa.stimuli.events`. All others are then shown in the probe only.
    event_names : dict of str to tuple of str
        Names of the identities, conditions and blocks of events.
    n_cues : int
        Width of the cue of events.
    """

    inputs: np.ndarray
    targets: np.ndarray
    acceptable: np.ndarray | None = None
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    held_out: np.ndarray | None = None
    private: bool = False
    counts: np.ndarray | None = None
    threshold: float | None = None
    time_labels: dict[str, np.ndarray] = field(default_factory=dict)
    renew: Callable[[np.random.Generator], "Stimuli"] | None = None
    events: EventStream | None = None
    event_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    n_cues: int = 0

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
        for name in ("inputs", "targets", "acceptable", "held_out", "counts"):
            value: object = getattr(self, name)
            if not isinstance(value, np.ndarray) and (name in ("inputs", "targets") or value is not None):
                raise ConfigError(
                    f"stimulus set '{kind}' must give {name} as a numpy array, got {type(value).__name__}"
                )
        n_stimuli = len(self.inputs) if self.inputs.ndim else 0
        dimensions = self.inputs.ndim
        same = dimensions in (2, 3) and self.targets.shape[:-1] == self.inputs.shape[:-1]
        if n_stimuli < 1 or self.targets.ndim != dimensions or not same or not self.inputs.size:
            raise ConfigError(
                f"stimulus set '{kind}' gave inputs {self.inputs.shape} and targets {self.targets.shape}; "
                "expected (stimulus, input) and (stimulus, output) with the same number of stimuli, "
                "or (stimulus, time, input) and (stimulus, time, output)"
            )
        if not (np.isfinite(self.inputs).all() and np.isfinite(self.targets).all()):
            raise ConfigError(f"stimulus set '{kind}' gave values that are not finite numbers; check its parameters")
        self._check_reports(kind, n_stimuli)
        self._check_masks(kind, n_stimuli)
        for name, values in self.labels.items():
            if np.shape(values) != (n_stimuli,):
                raise ConfigError(
                    f"stimulus set '{kind}' gave label '{name}' {np.shape(values)}, expected ({n_stimuli},)"
                )
        n_times = self.inputs.shape[1:-1]
        for name, values in self.time_labels.items():
            if np.shape(values) != n_times:
                raise ConfigError(
                    f"stimulus set '{kind}' gave time label '{name}' {np.shape(values)}, expected {n_times}"
                )

    def _check_reports(self, kind: str, n_stimuli: int) -> None:
        """Check what can be reported."""
        n_outputs = self.targets.shape[-1]
        if self.threshold is not None and n_outputs != 1:
            raise ConfigError(
                f"stimulus set '{kind}' gave a threshold and {n_outputs} outputs; a threshold needs a single output"
            )
        if self.threshold is not None and not np.isfinite(self.threshold):
            raise ConfigError(f"stimulus set '{kind}' gave the threshold {self.threshold}, expected a finite number")
        expected = (n_stimuli, n_outputs if self.threshold is None else 2)
        if self.acceptable is not None and self.acceptable.shape != expected:
            raise ConfigError(f"stimulus set '{kind}' gave 'acceptable' {self.acceptable.shape}, expected {expected}")

    def _check_masks(self, kind: str, n_stimuli: int) -> None:
        """Check what is held out, what is private, and when outputs count."""
        sequences = self.inputs.ndim == 3
        if self.private and sequences:
            raise ConfigError(
                f"stimulus set '{kind}' gave private sequences; private stimuli need inputs (stimulus, unit)"
            )
        if self.counts is not None and not sequences:
            raise ConfigError(f"stimulus set '{kind}' gave 'counts' without time; leave it out, or give sequences")
        for name, value, shape in (
            ("held_out", self.held_out, (n_stimuli,)),
            ("counts", self.counts, self.inputs.shape[:-1]),
        ):
            if value is not None and (value.shape != shape or value.dtype != np.bool_):
                raise ConfigError(
                    f"stimulus set '{kind}' gave '{name}' {value.shape} of {value.dtype}, expected {shape} of bool"
                )
        if self.held_out is not None and self.held_out.all():
            raise ConfigError(f"stimulus set '{kind}' holds all stimuli out; leave at least one to learn")
        if self.renew is not None and (sequences or self.private or self.held_out is not None):
            raise ConfigError(
                f"stimulus set '{kind}' renews its stimuli, which sequences, private and held-out stimuli cannot; "
                "leave 'renew' out, or the other: of renewed stimuli those of the probe are never learned"
            )
        if self.events is not None and (sequences or self.private or self.held_out is not None or self.renew):
            raise ConfigError(
                f"stimulus set '{kind}' is a stream of events, which cannot go with sequences, private, held-out or "
                "renewed stimuli; leave them out"
            )
        if self.events is not None and set(self.event_names) != set(NAMED):
            raise ConfigError(f"stimulus set '{kind}' gave event_names of {sorted(self.event_names)}, expected {NAMED}")
        if self.counts is not None and not self.counts.any(1).all():
            raise ConfigError(f"stimulus set '{kind}' gave a sequence whose output never counts; see 'counts'")


StimulusSet = Callable[..., Stimuli]


def stimulus_sets() -> dict[str, StimulusSet]:
    """
    The stimulus sets that ship with the package.

    Returns
    -------
    dict of str to callable
        By name.
    """
    from neurofa.stimuli.change_detection import change_detection
    from neurofa.stimuli.cue_outcome import cue_outcome
    from neurofa.stimuli.delayed_match_to_sample import delayed_match_to_sample
    from neurofa.stimuli.digits import digits
    from neurofa.stimuli.global_local import global_local
    from neurofa.stimuli.linear_track import linear_track
    from neurofa.stimuli.natural_movie_and_gratings import natural_movie_and_gratings
    from neurofa.stimuli.oddball import oddball
    from neurofa.stimuli.odors import odors
    from neurofa.stimuli.omission import omission
    from neurofa.stimuli.patterns import patterns
    from neurofa.stimuli.repetition_probability import repetition_probability
    from neurofa.stimuli.sequence_learning import sequence_learning
    from neurofa.stimuli.sequence_violation import sequence_violation
    from neurofa.stimuli.t_maze import t_maze
    from neurofa.stimuli.teacher import teacher
    from neurofa.stimuli.twelve_bits import twelve_bits
    from neurofa.stimuli.uniform_samples import uniform_samples
    from neurofa.stimuli.visuomotor import visuomotor
    from neurofa.stimuli.xor import xor

    return {
        "linear_track": linear_track,
        "odors": odors,
        "natural_movie_and_gratings": natural_movie_and_gratings,
        "t_maze": t_maze,
        "patterns": patterns,
        "xor": xor,
        "twelve_bits": twelve_bits,
        "digits": digits,
        "uniform_samples": uniform_samples,
        "teacher": teacher,
        "delayed_match_to_sample": delayed_match_to_sample,
        "oddball": oddball,
        "visuomotor": visuomotor,
        "change_detection": change_detection,
        "cue_outcome": cue_outcome,
        "global_local": global_local,
        "omission": omission,
        "repetition_probability": repetition_probability,
        "sequence_learning": sequence_learning,
        "sequence_violation": sequence_violation,
    }
