"""Oddball sequences of tones with their controls: many standards, cascades and the deviant alone."""

from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from neurofa.errors import ConfigError
from neurofa.stimuli import Stimuli
from neurofa.stimuli.events import Events, refuse_frequent

#: what is shown in a block: an oddball with either tone as the deviant, its controls
BLOCKS = (
    "oddball_low_deviant",
    "oddball_high_deviant",
    "many_standards",
    "cascade_ascending",
    "cascade_descending",
    "alone_low",
    "alone_high",
)
CONDITIONS = ("standard", "deviant", "many_standards", "cascade", "deviant_alone", "other_tone", "silence")


def oddball(
    generator: np.random.Generator,
    *,
    p_deviant: Annotated[float, Field(description="probability of the deviant")] = 0.1,
    block_events: Annotated[int, Field(ge=40, description="tones in a block")] = 400,
    learned_block_events: Annotated[
        int, Field(ge=10, description="tones in a block of the stream that is learned from: short blocks, more of them")
    ] = 20,
    control_tones: Annotated[int, Field(ge=4, description="tones of the controls, equally likely")] = 10,
    separation_octaves: Annotated[
        float, Field(gt=0, description="between neighbouring tones, and between the two tones")
    ] = 0.5,
    tuning_octaves: Annotated[float, Field(gt=0, description="sd of the tuning of the input channels")] = 0.5,
    channels: Annotated[int, Field(ge=4, description="input channels, evenly spaced over the tones")] = 24,
    min_standards: Annotated[int, Field(ge=0, description="standards before a deviant, at least")] = 3,
    interval_s: Annotated[float, Field(gt=0, description="between onsets, s")] = 0.25,
    controls: Annotated[bool, Field(description="whether the control blocks are shown too")] = True,
) -> Stimuli:
    """
    Two tones in both roles, rare and frequent, and the same tones in sequences that no standard makes predictable.

    Every session shows all blocks in random order: the oddball with either tone as the deviant, many standards (all
    control tones at random), the cascade up and down, and each tone alone, silence in place of the standards. The
    position of an event counts the tones since the last deviant, in cascades the place in the cascade.

    Parameters
    ----------
    generator : numpy.random.Generator
        Of the animal; not used: all animals hear the same tones, in an order of their own.
    p_deviant, block_events, control_tones, separation_octaves, tuning_octaves, channels, min_standards, interval_s
        See the protocol's table.
    controls : bool
        False leaves the control blocks out, and with them every measure that needs them.

    Returns
    -------
    Stimuli
        With a stream of events; the probe shows every tone without context.

    Raises
    ------
    ConfigError
        Where deviants are not rare, or the standards between them leave no room for so many.

    References
    ----------
    Parras et al. 2017, doi 10.1038/s41467-017-02038-6 (oddball, many standards, cascades); Ulanovsky et al. 2003, doi
    10.1038/nn1032 (roles swapped).
    """
    refuse_frequent("p_deviant", p_deviant, "the standards")
    if min_standards >= 1 / p_deviant - 1:
        raise ConfigError(
            f"min_standards {min_standards} leaves no room for deviants with p_deviant {p_deviant:g}; "
            f"choose fewer than {1 / p_deviant - 1:g}"
        )
    tones = np.arange(control_tones) * separation_octaves
    places = np.linspace(tones[0] - separation_octaves, tones[-1] + separation_octaves, channels)
    features = np.exp(-0.5 * ((tones[:, None] - places) / tuning_octaves) ** 2)
    features = np.vstack([features, np.zeros(channels)])
    shown = BLOCKS if controls else BLOCKS[:2]
    lengths = (block_events, min(learned_block_events, block_events))
    make = partial(_session, features, shown, lengths, p_deviant, min_standards, interval_s)
    names = (*(f"tone_{number + 1}" for number in range(control_tones)), "silence")
    return Stimuli(
        inputs=features,
        targets=np.zeros_like(features),
        labels={"identity": np.array(names)},
        events=make,
        event_names={"identity": names, "condition": CONDITIONS, "block": BLOCKS},
    )


def _session(
    features: np.ndarray,
    shown: tuple[str, ...],
    lengths: tuple[int, int],
    p_deviant: float,
    min_standards: int,
    interval_s: float,
    generator: np.random.Generator,
    session: int,
    evaluated: bool,
) -> Events:
    """All blocks of one session in random order, round after round where they are short."""
    n_tones, n_events = len(features) - 1, lengths[0] if evaluated else lengths[1]
    order = [name for _ in range(lengths[0] // n_events) for name in generator.permutation(shown)]
    parts = []
    for name in order:
        kind = str(name).split("_")[0]
        if kind in ("oddball", "alone"):
            found = _rare(str(name), n_tones, n_events, p_deviant, min_standards, generator)
        elif kind == "many":
            found = _many_standards(n_tones, n_events, generator)
        else:
            found = _cascade(str(name), n_tones, n_events, generator)
        parts.append((*found, np.full(n_events, BLOCKS.index(str(name)))))
    identity, condition, position, probability, block = (
        np.concatenate([part[number] for part in parts]) for number in range(5)
    )
    onset = np.arange(len(identity)) * interval_s
    starts = np.arange(len(identity)) % n_events == 0
    return Events(features[identity], identity, condition, block, position, probability, onset, starts=starts)


def _pair(n_tones: int) -> tuple[int, int]:
    """The two tones that swap roles: the middle ones of all."""
    return n_tones // 2 - 1, n_tones // 2


def _rare(
    name: str, n_tones: int, n_events: int, p_deviant: float, min_standards: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Deviants among standards, or among silence."""
    low, high = _pair(n_tones)
    deviant, standard = (low, high) if "low" in name else (high, low)
    alone = name.startswith("alone")
    # a cycle is the obligatory standards and as many more as chance wants: 1 / p events in the mean
    hazard = 1 / (1 / p_deviant - min_standards)
    chance = generator.random(n_events) < hazard
    rare, since = np.zeros(n_events, dtype=bool), np.zeros(n_events, dtype=np.int64)
    waited = 0
    for number in range(n_events):
        since[number] = waited
        rare[number] = waited >= min_standards and chance[number]
        waited = 0 if rare[number] else waited + 1
    identity = np.where(rare, deviant, n_tones if alone else standard)
    kinds = ("deviant_alone", "silence") if alone else ("deviant", "standard")
    condition = np.where(rare, CONDITIONS.index(kinds[0]), CONDITIONS.index(kinds[1]))
    free = since >= min_standards
    probability = np.where(rare, hazard, np.where(free, 1 - hazard, 1.0))
    return identity, condition, since, probability


def _many_standards(
    n_tones: int, n_events: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All tones at random, equally likely."""
    identity = generator.integers(n_tones, size=n_events)
    return identity, _control(identity, n_tones, "many_standards"), np.arange(n_events), np.full(n_events, 1 / n_tones)


def _cascade(
    name: str, n_tones: int, n_events: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All tones in a regular order, up or down, over and over again, from any tone on."""
    steps = np.arange(n_events) + int(generator.integers(n_tones))
    identity = steps % n_tones if name.endswith("ascending") else n_tones - 1 - steps % n_tones
    probability = np.ones(n_events)
    probability[0] = 1 / n_tones
    return identity, _control(identity, n_tones, "cascade"), steps % n_tones, probability


def _control(identity: np.ndarray, n_tones: int, name: str) -> np.ndarray:
    """The condition of a control for the two tones, that of another tone for all others."""
    both = np.isin(identity, _pair(n_tones))
    return np.where(both, CONDITIONS.index(name), CONDITIONS.index("other_tone"))
