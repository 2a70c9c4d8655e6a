"""Paradigms: streams of events, of which a predicting network tells each from those before.

How a paradigm is added
-----------------------
A paradigm is a stimulus set like any other, one file in `neurofa.stimuli` with a function
``name(generator, *, parameters...) -> Stimuli`` (and one row in `neurofa.stimuli.stimulus_sets`), or a user's own
``file.py:function``. Besides the usual fields of `neurofa.stimuli.Stimuli` it gives two:

``event_names``
    What identities, conditions and blocks are called: ``{"identity": (...), "condition": (...), "block": (...)}``. The
    arrays of `Events` hold places in these lists.
``events``
    A function ``stream(generator, session, evaluated) -> Events`` that draws the events of one session: ``session`` is
    its number, -1 before the first recorded session (pretraining, burn-in); ``evaluated`` says whether the events are
    those that are recorded, or those that the animal learns from. Both have the same length in every session.

``Stimuli.inputs`` (identity, feature) are the features of each identity alone, as the probe shows them without any
context, ``Stimuli.targets`` (identity, outcome) zeros of the width of the outcome, ``labels`` at least ``identity``.

At event t the network senses ``sensed[t]``, the ``context`` events before it and ``cue[t]`` (what announces the event
to come: an efference copy, for example), and puts out a prediction of ``outcome[t + 1]``. At event t the error of the
prediction made at t - 1 comes back through the rule's feedback weights. Where the block changes, the context is empty,
what has adapted has recovered, and there is no prediction of the first event.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurofa.errors import ConfigError

#: mean bout of running, s, and standard deviation of the speed, where running has nothing to do with the events
_BOUT_S, _SPEED_SD = 10.0, 0.2
#: names that a paradigm gives: what `Events` holds places of
NAMED = ("identity", "condition", "block")


@dataclass(frozen=True)
class Events:
    """
    The events of one animal in one session, in their order.

    Attributes
    ----------
    sensed : numpy.ndarray
        (event, feature): what is sensed, a.u.
    identity, condition, block : numpy.ndarray
        (event,) int: places in the paradigm's ``event_names``. Where the block changes, nothing is carried over.
    position : numpy.ndarray
        (event,) int: place within its sequence, or events since something happened; the paradigm says which.
    probability : numpy.ndarray
        (event,), above 0 to 1: of this event given those before it, under the process that generates them.
    onset : numpy.ndarray
        (event,) s: rises within a block.
    outcome : numpy.ndarray or None
        (event, outcome): what is predicted of an event; None = what is sensed.
    cue : numpy.ndarray or None
        (event, cue): what is known at this event of the next one besides the context; None = nothing.
    speed : numpy.ndarray or None
        (event,): running speed, a.u.; None = there is no running.
    exposure : numpy.ndarray or None
        (event,) int: how often it has been met, this time included; None = counted by identity within the session.
    starts : numpy.ndarray or None
        (event,) bool: first events of blocks, where two blocks of one name may follow each other; None = where the
        block changes.
    """

    sensed: np.ndarray
    identity: np.ndarray
    condition: np.ndarray
    block: np.ndarray
    position: np.ndarray
    probability: np.ndarray
    onset: np.ndarray
    outcome: np.ndarray | None = None
    cue: np.ndarray | None = None
    speed: np.ndarray | None = None
    exposure: np.ndarray | None = None
    starts: np.ndarray | None = None

    @property
    def targets(self) -> np.ndarray:
        """What is predicted of every event, (event, outcome)."""
        return self.sensed if self.outcome is None else self.outcome

    @property
    def first(self) -> np.ndarray:
        """Events without a predecessor, (event,) bool: the first of every block."""
        if self.starts is not None:
            return self.starts
        changes = np.ones(len(self.block), dtype=bool)
        changes[1:] = self.block[1:] != self.block[:-1]
        return changes

    def exposures(self) -> np.ndarray:
        """How often each event has been met in the session, (event,) int, from 1."""
        if self.exposure is not None:
            return self.exposure
        counts = np.zeros(len(self.identity), dtype=np.int64)
        for identity in np.unique(self.identity):
            same = self.identity == identity
            counts[same] = np.arange(1, same.sum() + 1)
        return counts

    def check(self, kind: str, names: Mapping[str, Sequence[str]], features: int, outcomes: int) -> None:
        """
        Check shapes and values.

        Parameters
        ----------
        kind : str
            Name of the paradigm, for messages.
        names : mapping
            Its ``event_names``.
        features, outcomes : int
            Width of what is sensed and of what is predicted.

        Raises
        ------
        ConfigError
            Where arrays do not fit each other or hold impossible values.
        """
        n_events = len(self.sensed)
        for name in (
            "identity",
            "condition",
            "block",
            "position",
            "probability",
            "onset",
            "speed",
            "exposure",
            "starts",
        ):
            value = getattr(self, name)
            if value is not None and value.shape != (n_events,):
                raise ConfigError(f"paradigm '{kind}' gave '{name}' {value.shape}, expected ({n_events},)")
        for name, value, width in (("sensed", self.sensed, features), ("outcome", self.targets, outcomes)):
            if value.shape != (n_events, width):
                raise ConfigError(f"paradigm '{kind}' gave '{name}' {value.shape}, expected ({n_events}, {width})")
        for name in NAMED:
            if n_events and not 0 <= getattr(self, name).min() <= getattr(self, name).max() < len(names[name]):
                raise ConfigError(
                    f"paradigm '{kind}' gave '{name}' that are no places among its {len(names[name])} names"
                )
        values = [self.sensed, self.targets, *(one for one in (self.cue, self.speed) if one is not None)]
        if not all(np.isfinite(one).all() for one in values):
            raise ConfigError(f"paradigm '{kind}' gave values that are not finite numbers; check its parameters")
        if not ((self.probability > 0) & (self.probability <= 1)).all():
            raise ConfigError(f"paradigm '{kind}' gave a probability outside 0 to 1, or of an event that cannot happen")
        if (np.diff(self.onset)[~self.first[1:]] <= 0).any():
            raise ConfigError(f"paradigm '{kind}' gave onsets that do not rise; durations must be above 0")


#: draws the events of one session: (generator, number of the session, whether they are recorded)
EventStream = Callable[[np.random.Generator, int, bool], Events]


def widened(inputs: np.ndarray, context: int, n_cues: int) -> np.ndarray:
    """
    Features as a predicting network senses them where there is neither context nor cue.

    Parameters
    ----------
    inputs : numpy.ndarray
        (event, feature).
    context : int
        Events before the current one that the network senses.
    n_cues : int
        Cues.

    Returns
    -------
    numpy.ndarray
        (event, feature * (1 + context) + cue).
    """
    return np.pad(inputs, ((0, 0), (0, inputs.shape[1] * context + n_cues)))


def network_inputs(
    events: Events,
    *,
    context: int,
    strength: float = 1.0,
    adaptation: float = 0.0,
    recovery_s: float = 1.0,
    alone: bool = False,
) -> np.ndarray:
    """
    What a predicting network senses at every event: the event, those before it, and the cue.

    Every feature adapts by itself: an event leaves the fraction (1 - adaptation * feature) of what was available of
    it, which recovers with ``recovery_s``; context and cues do not adapt.

    Parameters
    ----------
    events : Events
        In their order.
    context : int
        Events before the current one that the network senses.
    strength : float
        Of these earlier events as inputs.
    adaptation : float
        Fraction of the response to a feature of strength 1 that is lost by one event, 0 to 1.
    recovery_s : float
        Time constant of the recovery, s.
    alone : bool
        Context and cues are left empty: what a network without any prediction senses.

    Returns
    -------
    numpy.ndarray
        (event, feature * (1 + context) + cue).

    Examples
    --------
    >>> ones, codes = np.ones((3, 1)), np.zeros(3, dtype=int)
    >>> stream = Events(ones, codes, codes, codes, codes, np.ones(3), np.arange(3.0))
    >>> network_inputs(stream, context=1, adaptation=0.5, recovery_s=1e9).round(3).tolist()
    [[1.0, 0.0], [0.5, 1.0], [0.25, 1.0]]
    """
    n_events, n_features = events.sensed.shape
    n_cues = 0 if events.cue is None else events.cue.shape[1]
    inputs = widened(events.sensed * availability(events, adaptation, recovery_s), context, n_cues)
    if alone:
        return inputs
    started = np.maximum.accumulate(np.where(events.first, np.arange(n_events), 0))
    for back in range(1, context + 1):
        before = np.arange(n_events) - back
        there = before >= started
        inputs[there, back * n_features : (back + 1) * n_features] = strength * events.sensed[before[there]]
    if events.cue is not None:
        inputs[:, n_features * (1 + context) :] = events.cue
    return inputs


def availability(events: Events, adaptation: float, recovery_s: float) -> np.ndarray:
    """
    Fraction of every feature's response that is left by the events before.

    Parameters
    ----------
    events : Events
        In their order.
    adaptation, recovery_s : float
        See `network_inputs`.

    Returns
    -------
    numpy.ndarray
        (event, feature), 0 to 1; 1 at the start of a block.
    """
    available = np.ones(events.sensed.shape)
    if adaptation == 0:
        return available
    recovery = np.exp(-np.diff(events.onset, prepend=events.onset[:1]) / recovery_s)
    used = 1 - adaptation * np.clip(events.sensed, 0, 1)
    for number in np.flatnonzero(~events.first):
        left = available[number - 1] * used[number - 1]
        available[number] = 1 - (1 - left) * recovery[number]
    return available


def spontaneous_running(onset: np.ndarray, first: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """
    Running that has nothing to do with what is shown: bouts of 10 s on average, at mean speed 1, half of the time.

    Parameters
    ----------
    onset : numpy.ndarray
        (event,), s: rises within a block.
    first : numpy.ndarray
        (event,) bool: first events of blocks.
    generator : numpy.random.Generator
        Draws bouts and speeds.

    Returns
    -------
    numpy.ndarray
        (event,): speed, a.u., 0 where the animal is still.
    """
    interval = np.where(first, np.inf, np.diff(onset, prepend=0.0))
    # what is left of the state of the event before; a new state is running or not with equal chance
    renewed = generator.random(len(onset)) > np.exp(-2 * np.maximum(interval, 0) / _BOUT_S)
    begins = np.maximum.accumulate(np.where(renewed | first, np.arange(len(onset)), 0))
    runs = (generator.random(len(onset)) < 0.5)[begins]
    speed = 1 + _SPEED_SD * np.clip(generator.standard_normal(len(onset)), -3, 3)
    return np.where(runs, speed, 0.0)


def refuse_frequent(name: str, probability: float, what: str, example: str = "0.1") -> None:
    """
    Refuse violations that are more frequent than what they violate.

    Parameters
    ----------
    name : str
        Of the parameter.
    probability : float
        Of a violation.
    what : str
        What it violates, for the message.
    example : str
        A value that works, for the message.

    Raises
    ------
    ConfigError
        Unless it is above 0 and below one half.
    """
    if not 0 < probability < 0.5:
        raise ConfigError(
            f"{name} must be above 0 and below 0.5, got {probability:g}: violations as frequent as {what} violate "
            f"nothing; choose for example {example}"
        )
