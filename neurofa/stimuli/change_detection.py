"""Pictures that repeat until they change, from a familiar set and from novel ones."""

from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from neurofa.stimuli import Stimuli
from neurofa.stimuli.events import Events, refuse_frequent
from neurofa.stimuli.pictures import one_after_another, pictures

BLOCKS = ("familiar", "novel_1", "novel_2", "novel_3")
_KINDS = ("repeat", "catch", "change", "first")
CONDITIONS = tuple(f"{of}_{kind}" for of in ("familiar", "novel") for kind in _KINDS)


def change_detection(
    generator: np.random.Generator,
    *,
    p_change: Annotated[float, Field(description="probability of a change, after enough repeats")] = 0.3,
    min_repeats: Annotated[int, Field(ge=1, description="repeats of a picture before it may change")] = 4,
    pictures_of_set: Annotated[int, Field(ge=2, description="pictures in a set")] = 8,
    block_events: Annotated[int, Field(ge=20, description="flashes in each block")] = 300,
    period_s: Annotated[float, Field(gt=0, description="from one flash to the next, s")] = 0.75,
    channels: Annotated[int, Field(ge=8, description="input channels")] = 40,
) -> Stimuli:
    """
    Flashes of one picture, then of another: a familiar set and three novel ones, each in a block of its own.

    After four repeats every flash may be a change, with one probability (geometric change times), to any of the other
    pictures of the set. Catch flashes are repeats at which nothing changes, drawn with the same probability at the same
    times: as far from the last change as changes are, in the mean. Only the familiar set is learned. The position of an
    event counts the flashes since the last change.

    Parameters
    ----------
    generator : numpy.random.Generator
        Of the animal; draws its pictures.
    p_change, min_repeats, pictures_of_set, block_events, period_s, channels
        See the protocol's table.

    Returns
    -------
    Stimuli
        With a stream of events.

    Raises
    ------
    ConfigError
        Where changes are not rarer than repeats.

    References
    ----------
    Garrett et al. 2020, doi 10.7554/eLife.50340 (8 pictures every 750 ms, familiar and three novel sets).
    """
    refuse_frequent("p_change", p_change, "repeats")
    features = pictures(generator, pictures_of_set * len(BLOCKS), channels)
    names = tuple(f"{block}_{number + 1}" for block in BLOCKS for number in range(pictures_of_set))
    return Stimuli(
        inputs=features,
        targets=np.zeros_like(features),
        labels={"identity": np.array(names)},
        events=partial(_session, features, p_change, min_repeats, pictures_of_set, block_events, period_s),
        event_names={"identity": names, "condition": CONDITIONS, "block": BLOCKS},
    )


def _session(
    features: np.ndarray,
    p_change: float,
    min_repeats: int,
    n_pictures: int,
    n_events: int,
    period_s: float,
    generator: np.random.Generator,
    session: int,
    evaluated: bool,
) -> Events:
    """All four sets in random order; the familiar one, as long, where it is learned."""
    order = generator.permutation(len(BLOCKS)) if evaluated else np.zeros(len(BLOCKS), dtype=np.int64)
    parts = [_block(int(block), p_change, min_repeats, n_pictures, n_events, generator) for block in order]
    events = one_after_another(parts)
    starts = np.arange(len(events["identity"])) % n_events == 0
    onset = np.arange(len(events["identity"])) * period_s
    return Events(features[events["identity"]], onset=onset, starts=starts, **events)


def _block(
    block: int, p_change: float, min_repeats: int, n_pictures: int, n_events: int, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """Flashes of one set."""
    chance, sham = generator.random(n_events), generator.random(n_events)
    others = generator.integers(1, n_pictures, size=n_events)
    identity, position = np.zeros(n_events, dtype=np.int64), np.zeros(n_events, dtype=np.int64)
    kind, probability = np.zeros(n_events, dtype=np.int64), np.ones(n_events)
    now, since = int(generator.integers(n_pictures)), 0
    kind[0], probability[0] = _KINDS.index("first"), 1 / n_pictures
    identity[0] = now
    for number in range(1, n_events):
        since += 1
        if since > min_repeats:
            changes = chance[number] < p_change
            probability[number] = p_change / (n_pictures - 1) if changes else 1 - p_change
            if changes:
                now, since = int((now + others[number]) % n_pictures), 0
                kind[number] = _KINDS.index("change")
            elif sham[number] < p_change:
                kind[number] = _KINDS.index("catch")
        identity[number], position[number] = now, since
    return {
        "identity": identity + block * n_pictures,
        "condition": kind + (len(_KINDS) if block else 0),
        "block": np.full(n_events, block),
        "position": position,
        "probability": probability,
    }
