"""The animals of a protocol: who is simulated together, and what each of them is shown."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

import numpy as np

from neurofa import seeds
from neurofa.catalogue import blamed_on
from neurofa.checking import is_on as is_on
from neurofa.checking import placed
from neurofa.errors import ConfigError
from neurofa.protocol import Protocol
from neurofa.rules.names import LEARNING_NOISE
from neurofa.settings import stimulus_set
from neurofa.stimuli import Stimuli
from neurofa.stimuli.events import widened


@dataclass(frozen=True)
class Member:
    """
    One animal.

    Attributes
    ----------
    group : str
        Its group.
    index : int
        Its index within the group; with the seed it decides all its random numbers.
    protocol : Protocol
        The protocol of its group.
    """

    group: str
    index: int
    protocol: Protocol

    @property
    def name(self) -> str:
        """Name of the animal, such as ``"fa-3"``."""
        return f"{self.group}-{self.index}"


def batches(protocol: Protocol) -> list[list[Member]]:
    """
    Animals that can be simulated as one tensor: their protocols differ in numbers only.

    Parameters
    ----------
    protocol : Protocol
        With its groups.

    Returns
    -------
    list of list of Member
        Each inner list is one batch; animals of a group stay together, in order.
    """
    found: dict[str, list[Member]] = {}
    for name in protocol.group_names():
        own = protocol.group(name)
        animals = [Member(name, index, own) for index in range(own.cohort.animals)]
        found.setdefault(structure(own), []).extend(animals)
    return list(found.values())


def structure(protocol: Protocol) -> str:
    """
    What must be equal for two animals to share a tensor.

    Parameters
    ----------
    protocol : Protocol
        Of a group.

    Returns
    -------
    str
        Equal where all that is equal.
    """
    settings = protocol.as_dict()
    same: dict[str, Any] = {
        "network": [settings["network"][key] for key in ("hidden", "activation", "loss", "biases", "output_gain")],
        "time": (protocol.network.kind, protocol.network.time_step_ms),
        "thresholds": is_on(protocol.network.active_fraction),
        "gains": is_on(protocol.network.gain_sd),
        "noise": [is_on(getattr(protocol.rule, name)) for name in (*LEARNING_NOISE, "learning_rate_spread")],
        "pretraining_homeostasis": protocol.network.pretraining_homeostasis,
        "choices": protocol.rule.choices(),
        "stimuli": {key: settings["stimuli"][key] for key in ("kind", *protocol.stimuli.parameters())},
        "schedule": settings["schedule"],
        "engine": settings["engine"],
        "prediction": [settings["prediction"][key] for key in ("context", "evaluation", "evaluated", "null")],
        "spiking": settings["spiking"] if protocol.engine.kind == "spiking" else {},
        "seed": protocol.cohort.seed,
        "overnight": [
            (name, [(key, None if is_number(value) else value) for key, value in parameters.items()])
            for name, parameters in protocol.overnight.processes().items()
        ],
    }
    return json.dumps(same, sort_keys=True)


def is_number(value: Any) -> bool:
    """
    Whether a parameter of an overnight process is a number, or one number per animal.

    Parameters
    ----------
    value : object
        As the protocol gives it.

    Returns
    -------
    bool
        False for text, switches and tables.
    """
    return isinstance(value, int | float | list | tuple) and not isinstance(value, bool)


def animal_stimuli(member: Member) -> Stimuli:
    """
    Stimuli of one animal.

    Parameters
    ----------
    member : Member
        The animal.

    Returns
    -------
    Stimuli
        Drawn from the animal's own numbers.

    Raises
    ------
    ConfigError
        Where the stimulus set is not possible.
    """
    own = member.protocol.stimuli
    generator = seeds.generator(member.protocol.cohort.seed, "animal", member.index, "birth", "stimuli")
    with blamed_on(own.kind, "stimulus set"):
        show = stimulus_set(own.kind, own.folder)
        given = placed(show, own.parameters(), own.folder) | _from_engine(show, member.protocol)
        stimuli: Any = show(generator, **given)
    if not isinstance(stimuli, Stimuli):
        raise ConfigError(
            f"stimulus set '{own.kind}' must return neurofa.stimuli.Stimuli, got {type(stimuli).__name__}"
        )
    stimuli.check(own.kind)
    probabilities = (stimuli.targets >= 0).all() and np.allclose(stimuli.targets.sum(-1), 1)
    if member.protocol.network.loss == "cross_entropy" and not probabilities:
        raise ConfigError(
            f"network.loss cross_entropy needs targets that are probabilities and add up to 1, "
            f"which those of stimulus set '{own.kind}' do not; set network.loss to squared_error"
        )
    _check_schedule(member.protocol, stimuli)
    _check_time(member.protocol, stimuli)
    if stimuli.events is None:
        return stimuli
    return replace(stimuli, inputs=widened(stimuli.inputs, member.protocol.prediction.context, stimuli.n_cues))


def _from_engine(show: Callable[..., Any], protocol: Protocol) -> dict[str, Any]:
    """What a stimulus set needs to know of the engine, if it asks."""
    return {"time_step_ms": protocol.network.time_step_ms} if "time_step_ms" in signature(show).parameters else {}


def _check_time(protocol: Protocol, stimuli: Stimuli) -> None:
    """Refuse sequences for networks without time, events for those that predict nothing, and the other way round."""
    kind, sequences = protocol.stimuli.kind, stimuli.inputs.ndim == 3
    if (stimuli.events is not None) != (protocol.network.kind == "predicting"):
        what = "gives no events" if stimuli.events is None else "gives events, of which each is predicted"
        wanted = "a paradigm such as oddball" if stimuli.events is None else "network.kind predicting"
        raise ConfigError(f"stimulus set '{kind}' {what}, but network.kind is {protocol.network.kind}; set {wanted}")
    if sequences and protocol.network.kind == "feedforward":
        raise ConfigError(
            f"stimulus set '{kind}' gives sequences, but a feedforward network has no time; "
            "set network.kind to recurrent and rule.name to rflo or bptt"
        )
    if not sequences and protocol.network.kind == "recurrent":
        raise ConfigError(
            f"stimulus set '{kind}' gives stimuli without time, but network.kind is recurrent; "
            "choose one of sequences, such as delayed_match_to_sample, or set network.kind to feedforward"
        )
    step, bin_ms = protocol.network.time_step_ms, protocol.record.time_bin_ms
    if sequences and 0 < bin_ms < step:
        raise ConfigError(
            f"record.time_bin_ms {bin_ms:g} is less than network.time_step_ms {step:g}; "
            "choose a longer one, or 0 for every step"
        )


def _check_schedule(protocol: Protocol, stimuli: Stimuli) -> None:
    """Refuse batches, gains and noise that do not go with the stimuli."""
    n_learned = stimuli.inputs.shape[0] if stimuli.held_out is None else int((~stimuli.held_out).sum())
    batch = protocol.schedule.batch_size
    if stimuli.renew is None and batch > n_learned:
        raise ConfigError(
            f"schedule.batch_size {batch} is more than the {n_learned} stimuli that are learned; "
            "choose a smaller one, or 0 for all"
        )
    if not stimuli.private:
        return
    kind, units = protocol.stimuli.kind, stimuli.inputs.shape[1]
    if stimuli.held_out is not None:
        raise ConfigError(
            f"stimulus set '{kind}' has synapses of its own for every stimulus, so none can be held out; "
            "leave held_out empty"
        )
    if batch not in (0, n_learned):
        raise ConfigError(
            f"stimulus set '{kind}' has synapses of its own for every stimulus, so all are shown at once; "
            f"set schedule.batch_size to 0, got {batch}"
        )
    if protocol.network.hidden[0] != units:
        raise ConfigError(
            f"stimulus set '{kind}' gives the first rates of {units} units, but network.hidden[0] is "
            f"{protocol.network.hidden[0]}; make them equal"
        )
    if is_on(protocol.stimuli.noise_sd) or is_on(protocol.stimuli.session_gain_sd) or protocol.network.biases:
        raise ConfigError(
            f"stimulus set '{kind}' has synapses of its own for every stimulus, which have no common input; "
            "set stimuli.noise_sd and stimuli.session_gain_sd to 0, and network.biases to false"
        )


def refuse_unequal(kind: str, sets: Sequence[Stimuli]) -> None:
    """
    Refuse stimuli that cannot share a tensor.

    Parameters
    ----------
    kind : str
        Name of the stimulus set, for the message.
    sets : sequence of Stimuli
        One per animal.

    Raises
    ------
    ConfigError
        Where sizes or labels differ between animals.
    """
    first = sets[0]
    for own in sets[1:]:
        sizes = [
            (one.inputs.shape, one.targets.shape, one.acceptable is None, one.private, one.threshold)
            for one in (first, own)
        ]
        same = first.labels.keys() == own.labels.keys() and all(
            np.array_equal(own.labels[name], values) for name, values in first.labels.items()
        )
        same = same and np.array_equal(
            np.zeros(0) if first.held_out is None else first.held_out,
            np.zeros(0) if own.held_out is None else own.held_out,
        )
        if sizes[0] != sizes[1] or not same:
            raise ConfigError(
                f"stimulus set '{kind}' gave animals of one group different sizes, labels or held-out stimuli; "
                "only the values of inputs, targets and acceptable may differ between animals"
            )


def kept_stimuli(n_stimuli: int, wanted: int) -> np.ndarray:
    """
    Stimuli that the recording keeps.

    Parameters
    ----------
    n_stimuli : int
        How many are shown.
    wanted : int
        How many shall be kept; 0 = all.

    Returns
    -------
    numpy.ndarray
        (kept stimulus,): numbers of the stimuli, evenly spaced.
    """
    if wanted == 0 or wanted >= n_stimuli:
        return np.arange(n_stimuli)
    return np.linspace(0, n_stimuli - 1, wanted).round().astype(int)


def time_bins(n_times: int, step_ms: float, bin_ms: float) -> np.ndarray:
    """
    First time step of every recorded bin.

    Parameters
    ----------
    n_times : int
        Time steps of a trial.
    step_ms, bin_ms : float
        Time step, and width of a bin, rounded to time steps; 0 = every step. The last bin may be shorter.

    Returns
    -------
    numpy.ndarray
        (bin,) int.
    """
    return np.arange(0, n_times, max(1, round(bin_ms / step_ms)))
