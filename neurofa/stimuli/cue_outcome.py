"""Cues that announce a reward more or less reliably, rewards that stay away, and rewards that nothing announced."""

from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from neurofa.errors import ConfigError
from neurofa.stimuli import Stimuli
from neurofa.stimuli.events import Events, refuse_frequent
from neurofa.stimuli.pictures import pictures

BLOCKS = ("conditioning",)


def cue_outcome(
    generator: np.random.Generator,
    *,
    validities: Annotated[
        tuple[float, ...], Field(min_length=2, description="probability of the reward after each cue, rising")
    ] = (0.25, 0.5, 0.75),
    p_uncued: Annotated[float, Field(description="fraction of trials with a reward that no cue announces")] = 0.1,
    trials: Annotated[int, Field(ge=20, description="trials in a session")] = 400,
    delay_s: Annotated[float, Field(gt=0, description="from cue to outcome, s")] = 1.0,
    interval_s: Annotated[float, Field(gt=0, description="from outcome to the end of the trial, s")] = 4.0,
    channels: Annotated[int, Field(ge=8, description="input channels of cues")] = 24,
) -> Stimuli:
    """
    Trials of a cue, an outcome and nothing: what is predicted is the reward alone.

    Every cue has a validity, the probability that a reward follows; in some trials a reward comes in place of the
    cue, so that nothing tells it, and nothing follows. The cue of validity one half is the neutral one: after it
    reward and omission are equally likely. The outcome that is told from the event before is one number, 1 with a
    reward and else 0, so that the signed error is that of the prediction of reward. The position of an event is its
    place in the trial: cue (or the reward that comes in its place), outcome, pause.

    Parameters
    ----------
    generator : numpy.random.Generator
        Of the animal; draws its cues.
    validities, p_uncued, trials, delay_s, interval_s, channels
        See the protocol's table.

    Returns
    -------
    Stimuli
        With a stream of events; the last channel is the reward.

    Raises
    ------
    ConfigError
        Where rewards without a cue are not rare, or validities are no rising probabilities.

    References
    ----------
    Cohen et al. 2012, doi 10.1038/nature10754 (cues, omitted and surprising rewards); Eshel et al. 2016, doi
    10.1038/nn.4239; Kok et al. 2016, doi 10.1038/srep37706 (validity 0.75).
    """
    refuse_frequent("p_uncued", p_uncued, "cues")
    values = np.array(validities)
    if not ((values > 0) & (values < 1)).all() or (np.diff(values) <= 0).any():
        raise ConfigError(
            f"validities must rise and lie between 0 and 1, so that every outcome happens; got {list(validities)}"
        )
    cues = pictures(generator, len(values), channels)
    features = np.zeros((len(values) + 3, channels + 1))
    features[: len(values), :channels] = cues
    features[len(values), channels] = 1
    percent = [f"{100 * value:g}" for value in values]
    identities = (*(f"cue_{one}" for one in percent), "reward", "nothing", "pause")
    conditions = (
        *(f"cue_{one}" for one in percent),
        *(f"reward_{one}" for one in percent),
        *(f"omission_{one}" for one in percent),
        *("surprising_reward", "nothing", "pause"),
    )
    return Stimuli(
        inputs=features,
        targets=np.zeros((len(features), 1)),
        labels={"identity": np.array(identities)},
        events=partial(_session, features, values, p_uncued, trials, (delay_s, interval_s)),
        event_names={"identity": identities, "condition": conditions, "block": BLOCKS},
    )


def _session(
    features: np.ndarray,
    validities: np.ndarray,
    p_uncued: float,
    n_trials: int,
    times: tuple[float, float],
    generator: np.random.Generator,
    session: int,
    evaluated: bool,
) -> Events:
    """Trials in random order; a pause after each."""
    n_cues = len(validities)
    uncued = generator.random(n_trials) < p_uncued
    cue = generator.integers(n_cues, size=n_trials)
    rewarded = (generator.random(n_trials) < validities[cue]) & ~uncued
    reward, nothing, pause = n_cues, n_cues + 1, n_cues + 2
    identity = np.stack(
        [np.where(uncued, reward, cue), np.where(rewarded, reward, nothing), np.full(n_trials, pause)], axis=1
    )
    cued = np.where(rewarded, n_cues + cue, 2 * n_cues + cue)
    condition = np.stack(
        [
            np.where(uncued, 3 * n_cues, cue),
            np.where(uncued, 3 * n_cues + 1, cued),
            np.full(n_trials, 3 * n_cues + 2),
        ],
        axis=1,
    )
    of_cue = np.where(uncued, p_uncued, (1 - p_uncued) / n_cues)
    of_outcome = np.where(uncued, 1.0, np.where(rewarded, validities[cue], 1 - validities[cue]))
    probability = np.stack([of_cue, of_outcome, np.ones(n_trials)], axis=1)
    delay, interval = times
    # cue, outcome, and the pause half way to the next trial
    onset = np.arange(n_trials)[:, None] * (delay + interval) + np.array([0.0, delay, delay + interval / 2])
    shown = identity.ravel()
    return Events(
        features[shown],
        shown,
        condition.ravel(),
        np.zeros(3 * n_trials, dtype=np.int64),
        np.tile(np.arange(3), n_trials),
        probability.ravel(),
        onset.ravel(),
        outcome=features[shown, -1:],
    )
