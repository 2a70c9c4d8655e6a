"""A picture in a steady rhythm that now and then does not come, and a slower rhythm with equally long silence."""

from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from neurofa.errors import ConfigError
from neurofa.stimuli import Stimuli
from neurofa.stimuli.events import Events, refuse_frequent
from neurofa.stimuli.pictures import one_after_another, pictures

BLOCKS = ("fast", "slow")
CONDITIONS = ("stimulus", "gap", "omission", "after_omission", "same_silence", "slow_omission", "after_slow_omission")
IDENTITIES = ("nothing", "picture")


def omission(
    generator: np.random.Generator,
    *,
    p_omission: Annotated[float, Field(description="probability that a picture is left out")] = 0.05,
    bin_s: Annotated[float, Field(gt=0, description="of an event, and of a picture, s")] = 0.25,
    period_bins: Annotated[int, Field(ge=2, description="events from one picture to the next, fast")] = 3,
    block_periods: Annotated[int, Field(ge=20, description="pictures, shown or left out, in a fast block")] = 400,
    rhythm: Annotated[
        Literal["regular", "jittered"],
        Field(description="of what is learned: regular, or intervals of 1 bin to twice as many as the rhythm has"),
    ] = "regular",
    channels: Annotated[int, Field(ge=4, description="input channels")] = 24,
) -> Stimuli:
    """
    Pictures in a fast and in a slow rhythm, some of which are left out.

    Time goes in bins as long as a picture. Fast, a picture comes every 3 bins (250 ms, then 500 ms of nothing); slow,
    every 6: the silence between two pictures is there as long as that which an omission makes in the fast rhythm
    (same_silence is the bin of the slow rhythm in which the fast one would have had a picture). No two pictures in a
    row are left out, nor the first two of a block. What is learned has no omissions. The position of an event counts
    the bins since the last picture.

    Parameters
    ----------
    generator : numpy.random.Generator
        Of the animal; draws its picture.
    p_omission, bin_s, period_bins, block_periods, channels
        See the protocol's table.
    rhythm : {"regular", "jittered"}
        Jittered intervals make nothing predictable: the control of what regularity does.

    Returns
    -------
    Stimuli
        With a stream of events.

    Raises
    ------
    ConfigError
        Where omissions are not rare.

    References
    ----------
    Garrett et al. 2020, doi 10.7554/eLife.50340 (5 % omissions, 250 ms every 750 ms); Auksztulewicz et al. 2023, doi
    10.1186/s12915-023-01592-4 (omitted sounds).
    """
    refuse_frequent("p_omission", p_omission, "the rhythm")
    if p_omission > 0.3:
        raise ConfigError(f"p_omission must be at most 0.3 where no two in a row are left out, got {p_omission:g}")
    features = np.vstack([np.zeros(channels), pictures(generator, 1, channels)])
    return Stimuli(
        inputs=features,
        targets=np.zeros_like(features),
        labels={"identity": np.array(IDENTITIES)},
        events=partial(_session, features, p_omission, bin_s, period_bins, block_periods, rhythm == "jittered"),
        event_names={"identity": IDENTITIES, "condition": CONDITIONS, "block": BLOCKS},
    )


def _session(
    features: np.ndarray,
    p_omission: float,
    bin_s: float,
    period: int,
    n_periods: int,
    jittered: bool,
    generator: np.random.Generator,
    session: int,
    evaluated: bool,
) -> Events:
    """Both rhythms; those that are learned in short blocks, one after the other."""
    n_learned = min(n_periods, 20)
    parts, starts = [], []
    for _ in range(1 if evaluated else n_periods // n_learned):
        for name, own in (("fast", period), ("slow", 2 * period)):
            # equally many bins of either
            pictures_of_block = (n_periods if evaluated else n_learned) * period // own
            if evaluated:
                parts.append(_rhythm(name, own, pictures_of_block, p_omission, period, generator))
            else:
                parts.append(_learned(name, own, pictures_of_block, jittered, generator))
            starts.append(np.arange(len(parts[-1]["identity"])) == 0)
    events = one_after_another(parts)
    onset = np.arange(len(events["identity"])) * bin_s
    return Events(features[events["identity"]], onset=onset, starts=np.concatenate(starts), **events)


def _rhythm(
    name: str, period: int, n_periods: int, p_omission: float, fast: int, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """A regular block with omissions."""
    # as many as asked for, though none follows another: what is left out is p of all that are not excluded
    hazard = p_omission / (1 - p_omission)
    left_out, chance = np.zeros(n_periods, dtype=bool), generator.random(n_periods)
    for number in range(2, n_periods):
        left_out[number] = not left_out[number - 1] and chance[number] < hazard
    place = np.tile(np.arange(period), n_periods)
    omitted = np.repeat(left_out, period)
    due, slow = place == 0, name == "slow"
    condition = np.full(len(place), CONDITIONS.index("gap"))
    condition[slow & (place == fast) & ~omitted] = CONDITIONS.index("same_silence")
    condition[omitted] = CONDITIONS.index("after_slow_omission" if slow else "after_omission")
    condition[omitted & due] = CONDITIONS.index("slow_omission" if slow else "omission")
    condition[due & ~omitted] = CONDITIONS.index("stimulus")
    after = np.append(False, left_out[:-1])
    free = ~after & (np.arange(n_periods) >= 2)
    of_period = np.where(left_out, hazard, np.where(free, 1 - hazard, 1.0))
    return {
        "identity": (due & ~omitted).astype(np.int64),
        "condition": condition,
        "block": np.full(len(place), BLOCKS.index(name)),
        "position": np.where(omitted, place + period, place),
        "probability": np.where(due, np.repeat(of_period, period), 1.0),
    }


def _learned(
    name: str, period: int, n_periods: int, jittered: bool, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """A block without omissions, regular or jittered, of the same number of bins."""
    n_bins = period * n_periods
    shown, probability = np.arange(n_bins) % period == 0, np.ones(n_bins)
    if jittered:
        # every number of bins from 1 to twice the period less one: the mean stays
        ends = np.cumsum(generator.integers(1, 2 * period, size=n_bins))
        shown = np.isin(np.arange(n_bins), np.append(0, ends))
    position = np.arange(n_bins) - np.maximum.accumulate(np.where(shown, np.arange(n_bins), 0))
    if jittered:
        waited = np.append(0, position[:-1] + 1)
        hazard = 1 / np.maximum(2 * period - waited, 1)
        probability = np.where(np.arange(n_bins) == 0, 1.0, np.where(shown, hazard, 1 - hazard))
    return {
        "identity": shown.astype(np.int64),
        "condition": np.where(shown, CONDITIONS.index("stimulus"), CONDITIONS.index("gap")),
        "block": np.full(n_bins, BLOCKS.index(name)),
        "position": position,
        "probability": probability,
    }
