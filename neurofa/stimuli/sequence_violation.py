"""Sequences of visual frames, A B C D G, in which a rare U takes the place of D."""

from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from neurofa.stimuli import Stimuli
from neurofa.stimuli.events import Events, refuse_frequent

#: frames of a regular sequence; U takes the place of D, G is grey
FRAMES = ("A", "B", "C", "D", "G")
#: orientations of regular sequences, deg; U is turned by 90 deg: two orientations are those of D as well as of U
ORIENTATIONS = (0, 45, 90, 135)
TURN = 90
#: expected and unexpected: D and U of the orientations that both have; the same of all others
CONDITIONS = (
    "expected",
    "unexpected",
    "expected_other_orientation",
    "unexpected_other_orientation",
    "regular",
    "grey",
    "random",
)
BLOCKS = ("sequences", "random_order")


def sequence_violation(
    generator: np.random.Generator,
    *,
    p_unexpected: Annotated[float, Field(description="probability that U takes the place of D in a sequence")] = 0.07,
    sequences: Annotated[int, Field(ge=20, description="sequences in a session")] = 240,
    control_sequences: Annotated[
        int, Field(ge=0, description="sequences' worth of the same frames in random order, recorded as a control")
    ] = 40,
    frame_s: Annotated[float, Field(gt=0, description="duration of a frame, s")] = 0.3,
    places: Annotated[int, Field(ge=2, description="places of the visual field, times 8 orientations = inputs")] = 6,
    filled: Annotated[float, Field(gt=0, le=1, description="fraction of the places that a frame fills")] = 0.5,
    learned: Annotated[
        Literal["sequences", "regular", "random_order"],
        Field(description="what animals learn from: sequences with U, without it, or frames in random order"),
    ] = "sequences",
) -> Stimuli:
    """
    Regular sequences and their rare violation, over sessions.

    Every sequence has an orientation of its own, seen from A on; U has places of its own and is turned by 90 deg.
    Before the first recorded session there is no U. Positions count the frames of a sequence from 0. The control shows
    the frames A to D in random order, with random orientations.

    Parameters
    ----------
    generator : numpy.random.Generator
        Draws the places that each frame fills.
    p_unexpected, sequences, control_sequences, frame_s, places, filled, learned
        See the protocol's table.

    Returns
    -------
    Stimuli
        With a stream of events; the probe shows A, B, C, D and U at every orientation without context.

    Raises
    ------
    ConfigError
        Where U is not rare.

    References
    ----------
    Gillon et al. 2024, doi 10.1523/JNEUROSCI.1009-23.2023 (frames, U, orientations, sessions); Gavornik & Bear 2014,
    doi 10.1038/nn.3683 (sequences learned over days).
    """
    refuse_frequent("p_unexpected", p_unexpected, "D")
    letters = ("A", "B", "C", "D", "U")
    n_filled = max(1, round(filled * places))
    masks = np.zeros((len(letters), places))
    for own in masks:
        own[generator.permutation(places)[:n_filled]] = 1.0
    tuning = np.exp(2 * (np.cos(np.deg2rad(np.subtract.outer(_all_orientations(), np.arange(8) * 45))) - 1))
    # (letter, orientation, place, channel)
    frames = masks[:, None, :, None] * tuning[None, :, None, :]
    features = np.vstack([frames.reshape(len(letters) * len(_all_orientations()), -1), np.zeros((1, places * 8))])
    names = (*(f"{letter}{angle}" for letter in letters for angle in _all_orientations()), "G")
    return Stimuli(
        inputs=features,
        targets=np.zeros_like(features),
        labels={"identity": np.array(names)},
        events=partial(_session, features, names, p_unexpected, (sequences, control_sequences), frame_s, learned),
        event_names={"identity": names, "condition": CONDITIONS, "block": BLOCKS},
    )


def _all_orientations() -> tuple[int, ...]:
    """Orientations of D or of U, deg."""
    return tuple(sorted({*ORIENTATIONS, *(angle + TURN for angle in ORIENTATIONS)}))


def _session(
    features: np.ndarray,
    names: tuple[str, ...],
    p_unexpected: float,
    lengths: tuple[int, int],
    frame_s: float,
    learned: str,
    generator: np.random.Generator,
    session: int,
    evaluated: bool,
) -> Events:
    """Sequences, and where they are recorded the control after them."""
    rare = p_unexpected if evaluated or (session >= 0 and learned == "sequences") else 0.0
    if not evaluated and learned == "random_order":
        parts = [_random_order(lengths[0], generator)]
    else:
        parts = [_sequences(lengths[0], rare, generator)]
        parts += [_random_order(lengths[1], generator)] if evaluated and lengths[1] else []
    shown, condition, position, probability, block = (
        [one for part in parts for one in part[number]] for number in range(5)
    )
    identity = np.array([names.index(name) for name in shown])
    return Events(
        sensed=features[identity],
        identity=identity,
        condition=np.array([CONDITIONS.index(name) for name in condition]),
        block=np.array([BLOCKS.index(name) for name in block]),
        position=np.array(position),
        probability=np.array(probability),
        onset=np.arange(len(identity)) * frame_s,
    )


def _sequences(n: int, rare: float, generator: np.random.Generator) -> tuple[list[Any], ...]:
    """Sequences: names, conditions, positions, probabilities and blocks of their frames."""
    shown, condition, probability = [], [], []
    for angle, violated in zip(generator.choice(ORIENTATIONS, n), generator.random(n) < rare, strict=True):
        fourth = f"U{angle + TURN}" if violated else f"D{angle}"
        common = (angle + TURN if violated else angle) in _common()
        shown += [*(f"{letter}{angle}" for letter in FRAMES[:3]), fourth, "G"]
        kind = ("unexpected" if violated else "expected") + ("" if common else "_other_orientation")
        condition += ["regular"] * 3 + [kind, "grey"]
        probability += [1 / len(ORIENTATIONS), 1.0, 1.0, rare if violated else 1 - rare, 1.0]
    return shown, condition, list(range(len(FRAMES))) * n, probability, ["sequences"] * len(shown)


def _random_order(n: int, generator: np.random.Generator) -> tuple[list[Any], ...]:
    """As many frames A to D as sequences have, every one at random."""
    letters = generator.choice(list(FRAMES[:4]), n * len(FRAMES))
    angles = generator.choice(ORIENTATIONS, n * len(FRAMES))
    shown = [f"{letter}{angle}" for letter, angle in zip(letters, angles, strict=True)]
    n_frames = len(shown)
    return shown, ["random"] * n_frames, [0] * n_frames, [1 / 16] * n_frames, ["random_order"] * n_frames


def _common() -> set[int]:
    """Orientations that D and U share, deg."""
    return set(ORIENTATIONS) & {angle + TURN for angle in ORIENTATIONS}
