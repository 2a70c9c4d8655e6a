"""Synthetic animals whose drift is known, and how far every measure is from the truth.

``python -m tests.recovery docs/recovery_of_drift.png`` measures the whole grid and draws the figure: the bias of the
measures that are corrected for the noise of the trials, and of the raw ones beside them, in natural units (rho, the
cosine of an angle, dimensions as a part of the true ones). A table that is named after the figure takes up the numbers;
where it is there, it is drawn and nothing is measured.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurofa import figures, measures

DAY = 2.0 * np.arange(6)
N_STIMULI = 40
SIGNAL_TO_NOISE = (0.5, 1.0, 3.0, 10.0)
CELLS = (50, 200, 1000)
REPEATS = (3, 5, 10, 50)


@dataclass(frozen=True)
class Animal:
    """
    An animal whose drift is known.

    True maps (session, stimulus, unit), NaN where a cell was not detected; maps of the halves of the repeats, and of
    all; directions (direction, unit) of the space that drift in a subspace is confined to. Standard deviation of the
    noise of a single repeat, their number, and the seed of their noise.
    """

    true: np.ndarray
    halves: np.ndarray
    whole: np.ndarray
    axes: np.ndarray
    sd: float
    n_repeats: int
    seed: int
    day: np.ndarray = field(default_factory=lambda: DAY)

    @cached_property
    def repeats(self) -> np.ndarray:
        """Single repeats (session, stimulus, repeat, unit), the halves of which (even, odd) have the means `halves`."""
        rng = np.random.default_rng(self.seed)
        shape = (*self.true.shape[:2], self.n_repeats, self.true.shape[2])
        noise = self.sd * rng.standard_normal(shape, dtype=np.float32).astype(np.float64)
        for start, half in enumerate(self.halves):
            own = noise[:, :, start::2]
            own += (half - own.mean(axis=2))[:, :, None]
        return noise

    @cached_property
    def deviations(self) -> np.ndarray:
        """Repeats (session, stimulus, repeat, unit) minus their mean."""
        return self.repeats - self.repeats.mean(axis=2, keepdims=True)

    @cached_property
    def along_noise(self) -> measures.DriftAlignment:
        """Alignment of the drift with directions of noise."""
        return measures.alignment_with_noise_directions(self.repeats)

    @cached_property
    def along_coding(self) -> measures.DriftAlignment:
        """Alignment of the drift with directions that code the stimulus."""
        return measures.alignment_with_coding_directions(self.repeats)


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


def known_axes(n_units: int, n_axes: int = 5) -> np.ndarray:
    """Orthonormal directions (direction, unit), the same for all animals of a size."""
    return np.linalg.qr(np.random.default_rng(n_units).standard_normal((n_units, n_axes)))[0].T


def in_subspace(rng: np.random.Generator, n_units: int) -> np.ndarray:
    """Steps of the population vectors within a few known directions only."""
    axes = known_axes(n_units)
    steps = rng.standard_normal((len(DAY), N_STIMULI, len(axes))) * 0.4 * np.sqrt(n_units / len(axes))
    steps[0] = 0
    return still(rng, n_units) + np.cumsum(steps, axis=0) @ axes


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
    axes, sd_of_one = known_axes(true.shape[2]), float(1 / np.sqrt(signal_to_noise))
    return Animal(true, halves, whole, axes, sd_of_one, n_repeats, int(rng.integers(2**32)))


#: what a measure is without noise, what is found corrected, and raw: each of an animal, and gives (session, session)
Measure = tuple[Callable[[Animal], np.ndarray], Callable[[Animal], np.ndarray], Callable[[Animal], np.ndarray]]


def of_maps(measure: Callable[[np.ndarray], np.ndarray], corrected: Callable[[np.ndarray], np.ndarray]) -> Measure:
    """A measure of maps, and its correction that takes halves."""
    return (lambda one: measure(one.true)), (lambda one: corrected(one.halves)), (lambda one: measure(one.whole))


def similarity(name: str) -> Measure:
    """A measure with a correction of its own, or a similarity that is corrected by its ceiling."""
    measure = getattr(measures, name)
    own = getattr(measures, f"{name}_noise_corrected", None)
    return of_maps(measure, own or (lambda halves: measures.correct_for_noise(measure, halves)))


def part_of(name: str) -> Measure:
    """One part of the split into gain and turn."""
    return of_maps(
        lambda maps: getattr(measures.gain_and_turn(maps), name),
        lambda halves: getattr(measures.gain_and_turn_noise_corrected(halves), name),
    )


def relative_dimensions(found: Callable[[Animal], np.ndarray]) -> Callable[[Animal], np.ndarray]:
    """Dimensions of drift as a part of the true ones."""
    return lambda one: found(one) / measures.drift_dimensions(one.true)


def cosine(angles: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Cosine of an angle, which noise takes towards 0 and which has the scale 1."""
    return lambda maps: np.cos(np.radians(angles(maps)))


MEASURES: dict[str, Measure] = {
    "population vector": similarity("population_vector_correlation"),
    "tuning curve": similarity("tuning_curve_correlation"),
    "ensemble rate": similarity("ensemble_rate_correlation"),
    "similarity matrix": similarity("representational_similarity_correlation"),
    "linear CKA": similarity("linear_cka"),
    "drift magnitude": similarity("drift_magnitude"),
    "mean squared displacement": similarity("mean_squared_displacement"),
    "gain": part_of("gain"),
    "energy of gain": part_of("energy_of_gain"),
    "energy of turning": part_of("energy_of_turn"),
    "share in a known space": (
        lambda one: measures.readout_fraction(one.true, one.axes).readout,
        lambda one: measures.readout_fraction(one.halves.mean(axis=0), one.axes, one.halves).readout,
        lambda one: measures.readout_fraction(one.whole, one.axes).readout,
    ),
    "cosine between drifts": of_maps(
        cosine(measures.angle_between_drift_vectors_deg),
        cosine(measures.angle_between_drift_vectors_deg_noise_corrected),
    ),
    "relative dimensions": (
        relative_dimensions(lambda one: measures.drift_dimensions(one.true)),
        relative_dimensions(lambda one: measures.drift_dimensions_noise_corrected(one.halves)),
        relative_dimensions(lambda one: measures.drift_dimensions(one.whole)),
    ),
    "along noise": (
        lambda one: measures.alignment_with_noise_directions(one.true[:, :, None] + one.deviations).rho,
        lambda one: one.along_noise.rho_noise_corrected,
        lambda one: one.along_noise.rho,
    ),
    "along coding": (
        lambda one: measures.alignment_with_coding_directions(one.true[:, :, None]).rho,
        lambda one: one.along_coding.rho_noise_corrected,
        lambda one: one.along_coding.rho,
    ),
}
#: measures of the drift's direction have no value where nothing drifts: noise over noise
NEEDS_DRIFT = dict.fromkeys(
    ("share in a known space", "cosine between drifts", "relative dimensions", "along noise", "along coding"),
    ("no drift", "cell turnover"),
)


def mean(values: np.ndarray) -> float:
    """Mean of what is finite; NaN where nothing is."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


def biases(
    scenario: str,
    signal_to_noise: float,
    n_units: int,
    n_repeats: int,
    n_animals: int = 4,
    seed: int = 0,
    names: Sequence[str] = tuple(MEASURES),
) -> Iterator[dict[str, object]]:
    """Mean error over pairs of sessions and animals of each measure, corrected and raw."""
    errors: dict[str, list[tuple[float, float, int]]] = {name: [] for name in names}
    pairs = np.triu_indices(len(DAY), 1)
    for animal in range(n_animals):
        rng = np.random.default_rng([seed, animal, n_units, n_repeats, int(10 * signal_to_noise)])
        seen = observe(rng, SCENARIOS[scenario](rng, n_units), signal_to_noise, n_repeats)
        for name in names:
            if scenario in NEEDS_DRIFT.get(name, ()):
                continue
            truth, found, raw = (each(seen)[pairs] for each in MEASURES[name])
            errors[name].append((mean(found - truth), mean(raw - truth), int(np.isnan(found).sum())))
    for name, found in errors.items():
        if not found:
            continue
        corrected_bias, raw_bias, undefined = np.array(found).T
        yield {
            "scenario": scenario,
            "signal_to_noise": signal_to_noise,
            "n_units": n_units,
            "n_repeats": n_repeats,
            "measure": name,
            "corrected": mean(corrected_bias),
            "corrected_sem": float(np.nanstd(corrected_bias, ddof=1) / np.sqrt(len(found))),
            "raw": mean(raw_bias),
            "undefined": int(undefined.sum()),
        }


def grid(
    scenarios: tuple[str, ...] = tuple(SCENARIOS),
    n_animals: int = 4,
    cells: tuple[int, ...] = CELLS,
    names: Sequence[str] = tuple(MEASURES),
) -> pd.DataFrame:
    """Biases of measures over scenarios, signal to noise, cells and repeats."""
    conditions = product(scenarios, SIGNAL_TO_NOISE, cells, REPEATS)
    rows = (row for condition in conditions for row in biases(*condition, n_animals=n_animals, names=names))
    return pd.DataFrame(rows)


#: bias that a corrected measure may have in its range of validity
ALLOWED = 0.03
#: least signal to noise x repeats of that range, as the docstrings say; others hold in the whole grid
LEAST = {
    "mean squared displacement": 2.5,
    "drift magnitude": 5.0,
    "similarity matrix": 5.0,
    "share in a known space": 5.0,
    "linear CKA": 25.0,
    "cosine between drifts": 10.0,
    "relative dimensions": 25.0,
    "along noise": 10.0,
    "along coding": 25.0,
}
#: least repeats of that range: two halves with two repeats each, for directions of noise in both
FEWEST = {"along noise": 5}
LOOKS = {
    "raw": figures.GroupStyle("0.55", label="raw"),
    "corrected": figures.GroupStyle(figures.PALETTE[0], label="corrected, within its range of validity"),
    "outside": figures.GroupStyle(figures.paler(figures.PALETTE[0], 0.6), label="corrected, outside of it"),
}


def within(table: pd.DataFrame) -> pd.Series:
    """Which rows lie in the range of validity of their measure."""
    clear = table["signal_to_noise"] * table["n_repeats"] >= table["measure"].map(LEAST).fillna(0.0) - 1e-9
    return clear & (table["n_repeats"] >= table["measure"].map(FEWEST).fillna(0))


def draw(table: pd.DataFrame) -> Figure:
    """Biases of all conditions: one panel per kind of drift, raw beside corrected, one dot per condition."""
    names, rng = list(MEASURES), np.random.default_rng(0)
    with figures.style():
        figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 170, 4, 2, len(SCENARIOS) + 1)
        for number, (ax, scenario) in enumerate(zip(axes, SCENARIOS, strict=False)):
            rows = table[table["scenario"] == scenario]
            ax.axhspan(-ALLOWED, ALLOWED, color="0.9", linewidth=0)
            for kind, shift in (("raw", -0.18), ("outside", 0.18), ("corrected", 0.18)):
                part = rows if kind == "raw" else rows[within(rows) == (kind == "corrected")]
                place = part["measure"].map(names.index) + shift + rng.uniform(-0.1, 0.1, len(part))
                values = part["raw" if kind == "raw" else "corrected"]
                ax.plot(place, values, ".", markersize=2, color=LOOKS[kind].colour)
            ax.set_yscale("symlog", linthresh=ALLOWED, linscale=1.0)
            ax.set_ylim(-2, 60)
            ticks = (-1, -ALLOWED, 0, ALLOWED, 1, 10)
            ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.minorticks_off()
            ax.set_xlim(-0.6, len(names) - 0.4)
            bottom = number >= len(SCENARIOS) - 1
            ax.set_xticks(range(len(names)), names if bottom else [""] * len(names), rotation=90)
            ax.set_title(scenario.capitalize())
            ax.set_ylabel("Bias")
        _draw_noise(axes[-1], table)
        figures.panel_letters(axes)
        figures.group_legend(figure, LOOKS)
    return figure


def _draw_noise(ax: Axes, table: pd.DataFrame) -> None:
    """Bias of the population-vector correlation of rotating animals against the noise of the mean of all repeats."""
    rows = table[(table["scenario"] == "rotation") & (table["measure"] == "population vector")]
    ax.axhspan(-ALLOWED, ALLOWED, color="0.9", linewidth=0)
    for kind in ("raw", "corrected"):
        ax.plot(rows["signal_to_noise"] * rows["n_repeats"], rows[kind], "o", markersize=2.5, color=LOOKS[kind].colour)
    ax.set_xscale("log")
    ax.set_xlabel("Signal to noise x repeats")
    ax.set_ylabel("Bias")
    ax.set_title("Rotation: population vector")


def main(figure: Path, numbers: Path | None = None) -> None:
    """Measure the grid, or read what was measured, and draw it."""
    if numbers is not None and numbers.is_file():
        table = pd.read_csv(numbers)
    else:
        table = grid()
        if numbers is not None:
            table.to_csv(numbers, index=False, float_format="%.5f")
    draw(table).savefig(figure, dpi=170)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
