"""Synthetic animals whose drift is known, and how far every measure is from the truth.

``python -m tests.recovery docs/recovery_of_drift.png`` measures the whole grid and draws the figure: the bias of the
measures that are corrected for the noise of the trials, and of the raw ones beside them.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from neurofa import measures

DAY = 2.0 * np.arange(6)
N_STIMULI = 40
SIGNAL_TO_NOISE = (0.5, 1.0, 3.0, 10.0)
CELLS = (50, 200, 1000)
REPEATS = (3, 5, 10, 50)


@dataclass(frozen=True)
class Animal:
    """True maps (session, stimulus, unit), NaN where a cell was not detected, and maps of the halves of the repeats."""

    true: np.ndarray
    halves: np.ndarray
    whole: np.ndarray
    day: np.ndarray = field(default_factory=lambda: DAY)


def still(rng: np.random.Generator, n_units: int) -> np.ndarray:
    """No drift at all: rates of mean 3 with variance 1 over stimuli, units of different mean rates."""
    first = rng.standard_normal((N_STIMULI, n_units))
    means = 3 + 0.7 * rng.standard_normal(n_units)
    return np.broadcast_to(means + first, (len(DAY), N_STIMULI, n_units)).copy()


def rotation(rng: np.random.Generator, n_units: int, degrees_per_day: float = 6.0) -> np.ndarray:
    """Signal and mean rates turn by a known angle per day."""
    start, end = rng.standard_normal((2, N_STIMULI, n_units))
    mean, later = 0.7 * rng.standard_normal((2, n_units))
    angle = np.radians(degrees_per_day * DAY)[:, None, None]
    return 3 + np.cos(angle) * (mean + start) + np.sin(angle) * (later + end)


def random_walk(rng: np.random.Generator, n_units: int, memory_per_day: float = 0.93) -> np.ndarray:
    """Tuning walks about a mean that stays: correlation memory^lag."""
    values = [rng.standard_normal((N_STIMULI, n_units))]
    for gap in np.diff(DAY):
        kept = memory_per_day**gap
        values.append(kept * values[-1] + np.sqrt(1 - kept**2) * rng.standard_normal((N_STIMULI, n_units)))
    return 3 + 0.7 * rng.standard_normal(n_units) + np.stack(values)


def in_subspace(rng: np.random.Generator, n_units: int, n_axes: int = 5) -> np.ndarray:
    """Steps of the population vectors within a few known directions only."""
    axes = np.linalg.qr(rng.standard_normal((n_units, n_axes)))[0]
    steps = rng.standard_normal((len(DAY), N_STIMULI, n_axes)) * 0.4 * np.sqrt(n_units / n_axes)
    steps[0] = 0
    return still(rng, n_units) + np.cumsum(steps, axis=0) @ axes.T


def global_gain(rng: np.random.Generator, n_units: int) -> np.ndarray:
    """Only the gain of the whole population changes from session to session."""
    return still(rng, n_units) * np.array([1.0, 1.5, 0.7, 1.2, 2.0, 0.8])[: len(DAY), None, None]


def turnover(rng: np.random.Generator, n_units: int, lost_per_session: float = 0.2) -> np.ndarray:
    """Cells come and go at a known rate, half of them detected at any time; those that are there do not change."""
    maps, there = still(rng, n_units), rng.random(n_units) < 0.5
    for session in range(len(DAY)):
        maps[session][:, ~there] = np.nan
        there = np.where(rng.random(n_units) < lost_per_session, ~there, there)
    return maps


def misregistered(rng: np.random.Generator, n_units: int, fraction: float = 0.1) -> np.ndarray:
    """A fraction of cells confused in every session anew, without any neural drift."""
    maps = still(rng, n_units)
    for session in range(1, len(DAY)):
        chosen = rng.permutation(n_units)[: round(fraction * n_units)]
        maps[session][:, chosen] = maps[session][:, np.roll(chosen, 1)]
    return maps


SCENARIOS: dict[str, Callable[..., np.ndarray]] = {
    "no drift": still,
    "rotation": rotation,
    "random walk": random_walk,
    "drift in a subspace": in_subspace,
    "global gain": global_gain,
    "cell turnover": turnover,
    "registration errors": misregistered,
}


def observe(rng: np.random.Generator, true: np.ndarray, signal_to_noise: float, n_repeats: int) -> Animal:
    """
    See maps through independent noise of single repeats.

    `signal_to_noise` is the ratio of the variances of the signal (over stimuli, 1 here) and of the noise in one repeat.
    The mean of the noise of k repeats is drawn at once.
    """
    first, second = n_repeats - n_repeats // 2, n_repeats // 2
    sd = np.sqrt(1 / (signal_to_noise * np.array([first, second])))
    halves = true + sd[:, None, None, None] * rng.standard_normal((2, *true.shape))
    whole = (first * halves[0] + second * halves[1]) / n_repeats
    return Animal(true, halves, whole)


#: corrected measure to (of the truth, corrected, raw); all give (session, session)
Measure = Callable[[np.ndarray], np.ndarray]
MEASURES: dict[str, tuple[Measure, Measure]] = {
    "population-vector correlation": (
        measures.population_vector_correlation,
        measures.population_vector_correlation_noise_corrected,
    ),
    "tuning-curve correlation": (
        measures.tuning_curve_correlation,
        measures.tuning_curve_correlation_noise_corrected,
    ),
    "ensemble-rate correlation": (
        measures.ensemble_rate_correlation,
        measures.ensemble_rate_correlation_noise_corrected,
    ),
    "similarity-matrix correlation": (
        measures.representational_similarity_correlation,
        lambda halves: measures.correct_for_noise(measures.representational_similarity_correlation, halves),
    ),
    "linear CKA": (
        measures.linear_cka,
        lambda halves: measures.correct_for_noise(measures.linear_cka, halves),
    ),
    "drift magnitude": (measures.drift_magnitude, measures.drift_magnitude_noise_corrected),
    "mean squared displacement": (
        measures.mean_squared_displacement,
        measures.mean_squared_displacement_noise_corrected,
    ),
    "gain": (
        lambda maps: measures.gain_and_turn(maps).gain,
        lambda halves: measures.gain_and_turn_noise_corrected(halves).gain,
    ),
    "energy of turning": (
        lambda maps: measures.gain_and_turn(maps).energy_of_turn,
        lambda halves: measures.gain_and_turn_noise_corrected(halves).energy_of_turn,
    ),
}


def biases(
    scenario: str, signal_to_noise: float, n_units: int, n_repeats: int, n_animals: int = 4, seed: int = 0
) -> Iterator[dict[str, object]]:
    """Mean error over pairs of sessions and animals of each measure, corrected and raw."""
    errors: dict[str, list[tuple[float, float, int]]] = {name: [] for name in MEASURES}
    pairs = np.triu_indices(len(DAY), 1)
    for animal in range(n_animals):
        rng = np.random.default_rng([seed, animal, n_units, n_repeats, int(10 * signal_to_noise)])
        seen = observe(rng, SCENARIOS[scenario](rng, n_units), signal_to_noise, n_repeats)
        for name, (measure, corrected) in MEASURES.items():
            truth, found, raw = (
                each[pairs] for each in (measure(seen.true), corrected(seen.halves), measure(seen.whole))
            )
            errors[name].append(
                (float(np.nanmean(found - truth)), float(np.nanmean(raw - truth)), int(np.isnan(found).sum()))
            )
    for name, found in errors.items():
        corrected_bias, raw_bias, undefined = np.array(found).T
        yield {
            "scenario": scenario,
            "signal_to_noise": signal_to_noise,
            "n_units": n_units,
            "n_repeats": n_repeats,
            "measure": name,
            "corrected": corrected_bias.mean(),
            "corrected_sem": corrected_bias.std(ddof=1) / np.sqrt(len(found)),
            "raw": raw_bias.mean(),
            "undefined": int(undefined.sum()),
        }


def grid(
    scenarios: tuple[str, ...] = tuple(SCENARIOS), n_animals: int = 4, cells: tuple[int, ...] = CELLS
) -> pd.DataFrame:
    """Biases of all measures over scenarios, signal to noise, cells and repeats."""
    conditions = product(scenarios, SIGNAL_TO_NOISE, cells, REPEATS)
    return pd.DataFrame([row for condition in conditions for row in biases(*condition, n_animals=n_animals)])


if __name__ == "__main__":
    target = Path(sys.argv[1])
    table = grid()
    table.to_csv(target.with_suffix(".csv"), index=False, float_format="%.5f")
