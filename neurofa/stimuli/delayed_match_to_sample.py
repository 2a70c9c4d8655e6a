"""Delayed match to sample: a sample, a delay without it, a test; the report is whether both are the same."""

from typing import Annotated

import numpy as np
from pydantic import Field

from neurofa.errors import ConfigError
from neurofa.stimuli import Stimuli


def delayed_match_to_sample(
    generator: np.random.Generator,
    *,
    time_step_ms: Annotated[float, Field(gt=0, description="of the network, ms")] = 20.0,
    samples: Annotated[int, Field(ge=2, description="number of samples")] = 2,
    non_matches: Annotated[
        int, Field(ge=1, description="non-matching tests per sample; above 1 non-matches are more frequent")
    ] = 1,
    inputs: Annotated[int, Field(ge=1, description="input units")] = 16,
    amplitude: Annotated[float, Field(gt=0, description="sd over input units of the response to a sample")] = 1.0,
    baseline_ms: Annotated[float, Field(ge=0, description="before the sample, ms")] = 100.0,
    sample_ms: Annotated[float, Field(gt=0, description="duration of the sample, ms")] = 300.0,
    delay_ms: Annotated[float, Field(ge=0, description="between sample and test, ms")] = 500.0,
    test_ms: Annotated[float, Field(gt=0, description="duration of the test, ms")] = 300.0,
    response_ms: Annotated[float, Field(gt=0, description="after the test, when the report counts, ms")] = 200.0,
) -> Stimuli:
    """
    Trials of one animal: every sample is followed by itself and by other samples.

    Sample and test alone say nothing about the answer: each is followed, or preceded, by as many matches as the others.

    Parameters
    ----------
    generator : numpy.random.Generator
        The animal's random numbers: its inputs respond to each sample with a normal pattern of their own.
    time_step_ms : float
        Time step of the network.
    samples, non_matches : int
        Number of samples, and how many of the others follow each of them; at most samples - 1.
    inputs : int
        Input units.
    amplitude : float
        Standard deviation over input units of the response to a sample; 0 without a sample.
    baseline_ms, sample_ms, delay_ms, test_ms, response_ms : float
        The trial, rounded to time steps.

    Returns
    -------
    Stimuli
        Inputs (stimulus, time, inputs), targets (stimulus, time, 2): match, non-match; labels sample, test, match;
        time label epoch.

    Raises
    ------
    ConfigError
        Where a part of the trial is shorter than a time step, or there are too few samples.
    """
    if non_matches >= samples:
        raise ConfigError(
            f"stimuli.non_matches {non_matches} needs more than {samples} samples; "
            f"set it to at most {samples - 1}, or raise stimuli.samples"
        )
    parts = {
        "baseline": baseline_ms,
        "sample": sample_ms,
        "delay": delay_ms,
        "test": test_ms,
        "response": response_ms,
    }
    steps = {name: round(duration / time_step_ms) for name, duration in parts.items()}
    for name, duration in parts.items():
        if duration > 0 and steps[name] == 0:
            raise ConfigError(
                f"stimuli.{name}_ms {duration:g} is less than half a time step of {time_step_ms:g} ms; "
                f"make it longer, 0 where that is possible, or network.time_step_ms shorter"
            )
    sample = np.repeat(np.arange(samples), 1 + non_matches)
    test = (sample + np.tile(np.arange(1 + non_matches), samples)) % samples
    epoch = np.repeat(np.array(list(steps)), list(steps.values()))
    patterns = amplitude * generator.standard_normal((samples, inputs))
    shown = np.zeros((len(sample), len(epoch), inputs))
    shown[:, epoch == "sample"] = patterns[sample][:, None]
    shown[:, epoch == "test"] = patterns[test][:, None]
    match = np.where(sample == test, "match", "non-match")
    acceptable = np.stack([sample == test, sample != test], axis=1)
    return Stimuli(
        inputs=shown,
        targets=np.repeat(acceptable[:, None].astype(float), len(epoch), axis=1),
        acceptable=acceptable,
        labels={"sample": sample, "test": test, "match": match},
        counts=np.tile(epoch == "response", (len(sample), 1)),
        time_labels={"epoch": epoch},
    )
