"""Sequences of four: xxxY until xxxX comes as a surprise, with random and repeated sequences as controls."""

from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from neurofa.stimuli import Stimuli
from neurofa.stimuli.events import Events, refuse_frequent
from neurofa.stimuli.pictures import one_after_another, pictures

BLOCKS = ("main", "random", "repetition", "habituation")
IDENTITIES = ("picture_1", "picture_2", "pause")
CONDITIONS = (
    *("first", "standard", "local_oddball", "global_oddball"),
    *("random_x", "random_y", "random_earlier", "repetition_x", "repetition_earlier", "pause"),
)
_LENGTH = 4


def global_local(
    generator: np.random.Generator,
    *,
    p_global: Annotated[float, Field(description="probability of xxxX among xxxY")] = 0.2,
    sequences: Annotated[int, Field(ge=10, description="sequences of four in each block")] = 150,
    swapped: Annotated[bool, Field(description="whether the two pictures swap roles")] = False,
    duration_s: Annotated[float, Field(gt=0, description="of a picture, s")] = 0.5,
    interval_s: Annotated[float, Field(gt=0, description="of nothing between the pictures of a sequence, s")] = 0.515,
    pause_s: Annotated[float, Field(gt=0, description="between sequences, s")] = 1.0,
    channels: Annotated[int, Field(ge=8, description="input channels")] = 24,
) -> Stimuli:
    """
    A sequence of four pictures whose last one is locally odd and expected, or locally the same and not expected.

    Learned (habituated) is xxxY alone. A recorded session has a main block with xxxY and rare xxxX (the global
    oddball), one of random sequences of the two pictures and one of xxxx. Between sequences there is a pause, an event
    of its own. The position of an event is its place in the sequence, from 0; 4 is the pause.

    Parameters
    ----------
    generator : numpy.random.Generator
        Of the animal; draws its two pictures.
    p_global, sequences, duration_s, interval_s, pause_s, channels
        See the protocol's table.
    swapped : bool
        The other cohort: the first picture becomes Y.

    Returns
    -------
    Stimuli
        With a stream of events.

    Raises
    ------
    ConfigError
        Where global oddballs are not rare.

    References
    ----------
    Global/local oddball of the OpenScope programme, eLife RP109053, doi 10.7554/eLife.109053.
    """
    refuse_frequent("p_global", p_global, "xxxY")
    features = np.vstack([pictures(generator, 2, channels), np.zeros((1, channels))])
    times = (duration_s + interval_s, pause_s)
    return Stimuli(
        inputs=features,
        targets=np.zeros_like(features),
        labels={"identity": np.array(IDENTITIES)},
        events=partial(_session, features, p_global, sequences, swapped, times),
        event_names={"identity": IDENTITIES, "condition": CONDITIONS, "block": BLOCKS},
    )


def _session(
    features: np.ndarray,
    p_global: float,
    n_sequences: int,
    swapped: bool,
    times: tuple[float, float],
    generator: np.random.Generator,
    session: int,
    evaluated: bool,
) -> Events:
    """The main block and its controls in random order, or habituation for as long."""
    names = generator.permutation(BLOCKS[:3]) if evaluated else np.array([BLOCKS[3]] * 3)
    parts = [_block(str(name), p_global, n_sequences, generator) for name in names]
    events = one_after_another(parts)
    if swapped:
        events["identity"] = np.where(events["identity"] < 2, 1 - events["identity"], events["identity"])
    lasts = np.where(events["position"] == _LENGTH, times[1], times[0])
    onset = np.append(0.0, np.cumsum(lasts)[:-1])
    starts = np.arange(len(onset)) % (n_sequences * (_LENGTH + 1)) == 0
    return Events(features[events["identity"]], onset=onset, starts=starts, **events)


def _block(name: str, p_global: float, n_sequences: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Sequences of one block, with a pause after each; identity 0 is x, 1 is Y, 2 the pause."""
    shown = np.zeros((n_sequences, _LENGTH + 1), dtype=np.int64)
    shown[:, _LENGTH] = 2
    probability = np.ones(shown.shape)
    condition = np.full(shown.shape, CONDITIONS.index("standard"))
    last = _LENGTH - 1
    if name in ("main", "habituation"):
        odd = generator.random(n_sequences) < (p_global if name == "main" else 0.0)
        shown[:, last] = np.where(odd, 0, 1)
        probability[:, last] = 1.0 if name == "habituation" else np.where(odd, p_global, 1 - p_global)
        condition[:, 0] = CONDITIONS.index("first")
        condition[:, last] = np.where(odd, CONDITIONS.index("global_oddball"), CONDITIONS.index("local_oddball"))
    elif name == "random":
        shown[:, :_LENGTH] = generator.integers(2, size=(n_sequences, _LENGTH))
        probability[:, :_LENGTH] = 0.5
        condition[:] = CONDITIONS.index("random_earlier")
        condition[:, last] = np.where(shown[:, last] == 0, CONDITIONS.index("random_x"), CONDITIONS.index("random_y"))
    else:
        condition[:] = CONDITIONS.index("repetition_earlier")
        condition[:, last] = CONDITIONS.index("repetition_x")
    condition[:, _LENGTH] = CONDITIONS.index("pause")
    position = np.broadcast_to(np.arange(_LENGTH + 1), shown.shape)
    return {
        "identity": shown.ravel(),
        "condition": condition.ravel(),
        "block": np.full(shown.size, BLOCKS.index(name)),
        "position": position.ravel().copy(),
        "probability": probability.ravel(),
    }
