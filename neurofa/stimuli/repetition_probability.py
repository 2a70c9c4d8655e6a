"""Pairs of gratings, repeated or not, in blocks in which repetitions are likely, unlikely, or neither."""

from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from neurofa.errors import ConfigError
from neurofa.stimuli import Stimuli
from neurofa.stimuli.events import Events
from neurofa.stimuli.pictures import one_after_another

BLOCKS = ("repetitions_likely", "repetitions_unlikely", "neutral")
CONDITIONS = (
    "first",
    *("repetition_expected", "repetition_unexpected", "repetition_neutral"),
    *("alternation_expected", "alternation_unexpected", "alternation_neutral"),
    "pause",
)
#: sd of the tuning of the input channels to orientation, degrees
_TUNING = 20.0


def repetition_probability(
    generator: np.random.Generator,
    *,
    p_likely: Annotated[
        float, Field(description="probability of a repetition where it is likely; of an alternation where it is not")
    ] = 0.75,
    orientations: Annotated[int, Field(ge=4, description="gratings, evenly spaced")] = 6,
    pairs: Annotated[int, Field(ge=12, description="pairs in each of the three blocks")] = 240,
    announced: Annotated[bool, Field(description="whether a cue tells the block")] = True,
    duration_s: Annotated[float, Field(gt=0, description="of a grating, s")] = 0.25,
    interval_s: Annotated[float, Field(gt=0, description="between the gratings of a pair, s")] = 0.5,
    pause_s: Annotated[float, Field(gt=0, description="between pairs, s")] = 2.0,
    channels: Annotated[int, Field(ge=6, description="input channels, evenly spaced over orientations")] = 18,
) -> Stimuli:
    """
    A grating, then the same or the next one clockwise: the second is expected, unexpected or neither, block by block.

    Where repetitions are likely three pairs of four are repetitions, where they are unlikely one of four; in the
    neutral block one half. The alternative to a repetition is one grating only (the next orientation), so that either
    can be expected. A cue, there during the first grating, tells the block; without it the block has to be told from
    the pairs before. The position of an event is its place in the pair: first, second, pause.

    Parameters
    ----------
    generator : numpy.random.Generator
        Of the animal; not used: all animals see the same gratings.
    p_likely, orientations, pairs, announced, duration_s, interval_s, pause_s, channels
        See the protocol's table.

    Returns
    -------
    Stimuli
        With a stream of events.

    Raises
    ------
    ConfigError
        Where what is likely is not more frequent than what is not.

    References
    ----------
    Summerfield et al. 2008, doi 10.1038/nn.2163 (blocks of 75 % and 25 % repetitions); Kok et al. 2012, doi
    10.1016/j.neuron.2012.04.034; Richter et al. 2022, doi 10.1093/oons/kvac013 (sharpening against dampening).
    """
    if not 0.5 < p_likely < 1:
        raise ConfigError(
            f"p_likely must be above 0.5 and below 1, got {p_likely:g}: violations as frequent as what they violate "
            "violate nothing; choose for example 0.75"
        )
    angles, places = np.arange(orientations) * 180 / orientations, np.arange(channels) * 180 / channels
    apart = np.abs(angles[:, None] - places)
    apart = np.minimum(apart, 180 - apart)
    features = np.vstack([np.exp(-0.5 * (apart / _TUNING) ** 2), np.zeros((1, channels))])
    names = (*(f"{angle:g} deg" for angle in angles), "pause")
    times = (duration_s + interval_s, pause_s)
    return Stimuli(
        inputs=features,
        targets=np.zeros_like(features),
        labels={"identity": np.array(names)},
        events=partial(_session, features, p_likely, pairs, announced, times),
        event_names={"identity": names, "condition": CONDITIONS, "block": BLOCKS},
        n_cues=len(BLOCKS),
    )


def _session(
    features: np.ndarray,
    p_likely: float,
    n_pairs: int,
    announced: bool,
    times: tuple[float, float],
    generator: np.random.Generator,
    session: int,
    evaluated: bool,
) -> Events:
    """The three blocks in random order; those that are learned short, round after round."""
    n_own = n_pairs if evaluated else min(n_pairs, 12)
    order = [block for _ in range(n_pairs // n_own) for block in generator.permutation(len(BLOCKS))]
    parts = [_block(int(block), p_likely, n_own, len(features) - 1, generator) for block in order]
    events = one_after_another(parts)
    place = events["position"]
    lasts = np.array([times[0], times[0], times[1]])[place]
    cue = np.zeros((len(place), len(BLOCKS)))
    first = (place == 0) & announced
    cue[first, events["block"][first]] = 1.0
    return Events(
        features[events["identity"]],
        onset=np.append(0.0, np.cumsum(lasts)[:-1]),
        starts=np.arange(len(place)) % (3 * n_own) == 0,
        cue=cue,
        **events,
    )


def _block(
    block: int, p_likely: float, n_pairs: int, n_gratings: int, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """Pairs of one block, with a pause after each."""
    p_repeat = (p_likely, 1 - p_likely, 0.5)[block]
    first = generator.integers(n_gratings, size=n_pairs)
    repeats = generator.random(n_pairs) < p_repeat
    shown = np.stack([first, np.where(repeats, first, (first + 1) % n_gratings), np.full(n_pairs, n_gratings)], axis=1)
    expected = ("expected", "unexpected", "neutral")[block], ("unexpected", "expected", "neutral")[block]
    condition = np.stack(
        [
            np.full(n_pairs, CONDITIONS.index("first")),
            np.where(
                repeats,
                CONDITIONS.index(f"repetition_{expected[0]}"),
                CONDITIONS.index(f"alternation_{expected[1]}"),
            ),
            np.full(n_pairs, CONDITIONS.index("pause")),
        ],
        axis=1,
    )
    probability = np.ones(shown.shape)
    probability[:, 0] = 1 / n_gratings
    probability[:, 1] = np.where(repeats, p_repeat, 1 - p_repeat)
    return {
        "identity": shown.ravel(),
        "condition": condition.ravel(),
        "block": np.full(shown.size, block),
        "position": np.tile(np.arange(3), n_pairs),
        "probability": probability.ravel(),
    }
