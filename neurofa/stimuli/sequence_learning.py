"""Four gratings, A B C D, always in this order, trained over days; then in reverse, slowly, and without B."""

from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from neurofa.stimuli import Stimuli
from neurofa.stimuli.events import Events
from neurofa.stimuli.pictures import one_after_another

ELEMENTS = ("A", "B", "C", "D")
IDENTITIES = (*ELEMENTS, "grey")
#: orientations that the four gratings have, deg; which of them is A is each animal's own
ORIENTATIONS = (0, 45, 90, 135)
#: trained order, reversed order, the first bin of an element that lasts twice as long and the rest of it, an element
#: where B is left out, grey in its place, any order, and grey between sequences: the first after the D that ends a
#: trained sequence (grey after one grating where it is expected, as the omission is where it is not), and all other
CONDITIONS = ("trained", "reversed", "slow", "slow_rest", "with_omission", "omission", "random", "grey_after_d", "grey")
BLOCKS = ("trained_order", "reversed_order", "slow_order", "omission_order", "random_order")


def sequence_learning(
    generator: np.random.Generator,
    *,
    presentations: Annotated[int, Field(ge=20, description="sequences that are learned in a day")] = 200,
    test_presentations: Annotated[int, Field(ge=4, description="sequences of each kind that are recorded")] = 20,
    element_s: Annotated[float, Field(gt=0, description="duration of a grating, s; of an event")] = 0.15,
    gap_bins: Annotated[int, Field(ge=2, description="events of grey between sequences")] = 10,
    channels: Annotated[int, Field(ge=4, description="channels for orientation = inputs")] = 16,
    learned: Annotated[
        Literal["sequence", "random_order"], Field(description="order of the gratings in what animals learn from")
    ] = "sequence",
) -> Stimuli:
    """
    A sequence of gratings that is learned over days, and what differs from it in order, time or number.

    Time goes in bins as long as a grating. Recorded are the trained sequence, the reversed one, the trained one with
    gratings twice as long, and the trained one with grey in the place of B: blocks of their own, in this order, with
    equally many sequences. The position of an event counts the bins since the onset of its sequence.

    Parameters
    ----------
    generator : numpy.random.Generator
        Of the animal; draws which orientation each element has.
    presentations, test_presentations, element_s, gap_bins, channels
        See the protocol's table.
    learned : {"sequence", "random_order"}
        In random order every sequence has the four gratings, each once: what is seen is the same, what can be
        predicted is not.

    Returns
    -------
    Stimuli
        With a stream of events; the probe shows the four gratings and grey without context.

    References
    ----------
    Gavornik & Bear 2014, doi 10.1038/nn.3683 (four gratings of 150 ms, 1.5 s of grey, 200 a day for four days; tests).
    """
    angles = generator.permutation(ORIENTATIONS)
    preferred = np.arange(channels) * 180 / channels
    tuning = np.exp(2 * (np.cos(np.deg2rad(2 * np.subtract.outer(angles, preferred))) - 1))
    features = np.vstack([tuning, np.zeros((1, channels))])
    return Stimuli(
        inputs=features,
        targets=np.zeros_like(features),
        labels={"identity": np.array(IDENTITIES)},
        events=partial(_session, features, (presentations, test_presentations), element_s, gap_bins, learned),
        event_names={"identity": IDENTITIES, "condition": CONDITIONS, "block": BLOCKS},
    )


def _session(
    features: np.ndarray,
    lengths: tuple[int, int],
    element_s: float,
    gap: int,
    learned: str,
    generator: np.random.Generator,
    session: int,
    evaluated: bool,
) -> Events:
    """What is learned in a day, or the four tests."""
    blocks: tuple[str, ...] = BLOCKS[:4]
    if not evaluated:
        blocks = ("trained_order",) if learned == "sequence" else ("random_order",)
    events = one_after_another([_block(name, lengths[evaluated], gap, generator) for name in blocks])
    onset = np.arange(len(events["identity"])) * element_s
    return Events(features[events["identity"]], onset=onset, **events)


def _block(name: str, n_sequences: int, gap: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Sequences of one kind, each with grey after it."""
    if name == "random_order":
        parts = [_sequence(generator.permutation(len(ELEMENTS)), name, gap) for _ in range(n_sequences)]
        return one_after_another(parts)
    order = np.arange(len(ELEMENTS))
    one = _sequence(order[::-1] if name == "reversed_order" else order, name, gap)
    return {key: np.tile(values, n_sequences) for key, values in one.items()}


def _sequence(order: np.ndarray, name: str, gap: int) -> dict[str, np.ndarray]:
    """One sequence with the grey after it."""
    grey = len(ELEMENTS)
    kind = {"trained_order": "trained", "reversed_order": "reversed", "slow_order": "slow", "random_order": "random"}
    names = [kind.get(name, "with_omission")] * len(order)
    identity = order.copy()
    if name == "omission_order":
        identity[1], names[1] = grey, "omission"
    if name == "slow_order":
        identity, names = np.repeat(identity, 2), ["slow", "slow_rest"] * len(order)
    names += ["grey_after_d" if name == "trained_order" else "grey", *["grey"] * (gap - 1)]
    # elements of a sequence in random order are drawn without putting any back; all else is certain within its block
    left = np.arange(len(order), 0, -1)
    certain = np.ones(len(names))
    if name == "random_order":
        certain[: len(order)] = 1 / left
    return {
        "identity": np.append(identity, np.full(gap, grey)),
        "condition": np.array([CONDITIONS.index(one) for one in names]),
        "block": np.full(len(names), BLOCKS.index(name)),
        "position": np.arange(len(names)),
        "probability": certain,
    }
