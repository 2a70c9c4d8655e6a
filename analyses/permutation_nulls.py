"""
Permutation nulls of the measures of drift: first against last session of every animal, each claim against its shuffle.

`measure` computes every measure of the two sessions anew with shuffled trials (do sessions differ by more than their
trials?), shuffled units (do units keep what they do?) or shuffled stimuli (do stimuli keep their relations?), whichever
the claim of the measure is about. `plot` draws how far the observed value lies from its null. Definitions and sources:
`neurofa.measures`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import NeurofaError, figures, measures

N_PERMUTATIONS = 100
#: units with tuning that agrees less than this between halves of the repeats say nothing about its drift
RELIABILITY = 0.2
#: what is shuffled to what the null claims
CLAIMS = {
    "trials": "Trials exchanged\nbetween the sessions",
    "units": "Units of the last\nsession permuted",
    "stimuli": "Stimuli of the last\nsession permuted",
}
PARTS = {
    "observed": "{}, first against last session",
    "null_mean": "{}, mean of the null",
    "null_low": "{}, 2.5 % quantile of the null",
    "null_high": "{}, 97.5 % quantile of the null",
    "distance": "{}, distance from the null's mean in its sd",
    "p_value": "{}, two-sided permutation p",
}


class _Measure(NamedTuple):
    """Name in words, unit, what is shuffled, and the measure of responses (session, stimulus, repeat, unit)."""

    words: str
    units: str
    shuffled: tuple[str, ...]
    compute: Callable[[np.ndarray], np.ndarray]


def _of_maps(function: Callable[..., np.ndarray], **options: object) -> Callable[[np.ndarray], np.ndarray]:
    """A measure of mean responses as one of single repeats."""
    return lambda responses: function(np.nanmean(responses, axis=2), **options)


def _of_halves(function: Callable[..., np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """A measure of the means of odd and even repeats as one of single repeats."""
    return lambda responses: function(np.stack([np.nanmean(responses[:, :, start::2], axis=2) for start in (0, 1)]))


def _drift_index(responses: np.ndarray) -> np.ndarray:
    """The representational drift index with the same halves in all permutations."""
    generator = np.random.default_rng(0)
    return measures.representational_drift_index(responses, generator, 10, reliability=RELIABILITY).index


BOTH = ("trials", "units")
MEASURES = {
    "population_vector_correlation": _Measure(
        "population-vector correlation", "1", BOTH, _of_maps(measures.population_vector_correlation)
    ),
    "population_vector_correlation_noise_corrected": _Measure(
        "population-vector correlation, noise-corrected",
        "1",
        BOTH,
        _of_halves(measures.population_vector_correlation_noise_corrected),
    ),
    "ensemble_rate_correlation": _Measure(
        "ensemble-rate correlation", "1", BOTH, _of_maps(measures.ensemble_rate_correlation)
    ),
    "tuning_curve_correlation": _Measure(
        "tuning-curve correlation", "1", (*BOTH, "stimuli"), _of_maps(measures.tuning_curve_correlation)
    ),
    "representational_similarity_correlation": _Measure(
        "similarity-matrix correlation",
        "1",
        ("trials", "stimuli"),
        _of_maps(measures.representational_similarity_correlation),
    ),
    "linear_cka": _Measure("linear CKA", "1", ("trials", "stimuli"), _of_maps(measures.linear_cka)),
    "angle_unaligned_deg": _Measure("angle, unaligned", "degrees", BOTH, _of_maps(measures.angle_unaligned_deg)),
    "angle_shape_deg": _Measure(
        "angle, units rotated",
        "degrees",
        ("trials", "stimuli"),
        _of_maps(measures.angle_procrustes_deg, rotated="unit"),
    ),
    "drift_magnitude_relative": _Measure(
        "size of drift / size of response", "1", BOTH, _of_maps(measures.drift_magnitude)
    ),
    "mean_squared_displacement": _Measure(
        "mean squared displacement", "rate^2", BOTH, _of_maps(measures.mean_squared_displacement)
    ),
    "angle_between_drift_vectors": _Measure(
        "angle between the drift of two stimuli",
        "degrees",
        ("trials",),
        _of_maps(measures.angle_between_drift_vectors_deg),
    ),
    "drift_dimensions": _Measure("dimensions of drift", "1", ("trials",), _of_maps(measures.drift_dimensions)),
    "drift_kurtosis": _Measure("tails of units' steps", "1", ("trials",), _of_maps(measures.drift_kurtosis)),
    "drift_share_of_top_units": _Measure(
        "share of drift in the top tenth", "1", ("trials",), _of_maps(measures.drift_share_of_top_units)
    ),
    "representational_drift_index": _Measure("representational drift index", "1", BOTH, _drift_index),
    "drift_in_variational_space": _Measure(
        "share of drift in the space of trials",
        "1",
        ("trials",),
        lambda responses: measures.compare_variational_spaces(responses).in_space_ratio,
    ),
    "variational_space_overlap": _Measure(
        "overlap of the spaces of trials",
        "1",
        BOTH,
        lambda responses: measures.compare_variational_spaces(responses).overlap,
    ),
    "cross_day_accuracy": _Measure(
        "decoding across the two sessions",
        "1",
        (*BOTH, "stimuli"),
        lambda responses: measures.cross_day_decoding(responses).accuracy,
    ),
    "session_classifier_accuracy": _Measure(
        "accuracy of telling the sessions apart",
        "1",
        ("trials",),
        lambda responses: measures.session_classifiers(responses).between,
    ),
}


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Hold every measure of the first and the last session of every animal against its nulls by permutation.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated or recorded, with single repeats.

    Returns
    -------
    xarray.Dataset
        `PARTS` of every measure on (variable, animal, layer, condition), condition what was shuffled: NaN where the
        claim of the measure is not about it, and for animals with fewer than two sessions. Repeats weigh the same.

    Raises
    ------
    NeurofaError
        Where no animal has two sessions, or responses have no repeats.
    """
    probe = recording["probe"].to_dataset()
    if np.isfinite(probe["day"].values).sum(axis=1).max() < 2:
        raise NeurofaError("nulls of drift need two sessions of one animal at least, not one; record or import more")
    if probe.sizes.get("repeat", 1) < 2:
        raise NeurofaError(
            "nulls of drift shuffle single repeats, and this recording has one of each stimulus; record more "
            "(observation.repeats)"
        )
    layers = measures.recorded_layers(probe)
    each = measures.each_animal(
        lambda animal: [_of_layer(probe, animal, layer) for layer in layers],
        probe.sizes["animal"],
        map_size=probe["rate"].isel(animal=0).size,
    )
    measured = xr.Dataset(
        coords=figures.group_coords(probe)
        | {"variable": ["rate"], "animal": probe["animal"].values, "layer": layers, "condition": list(CLAIMS)}
    )
    # (animal, layer, measure, shuffled, part)
    values = np.array(each)
    for number, (name, one) in enumerate(MEASURES.items()):
        for place, (part, text) in enumerate(PARTS.items()):
            told = {"long_name": text.format(one.words), "units": "1" if part in ("distance", "p_value") else one.units}
            measured[f"{name}_{part}"] = (
                ("variable", "animal", "layer", "condition"),
                values[None, :, :, number, :, place],
                told,
            )
    return measured


def _of_layer(probe: xr.Dataset, animal: int, layer: str) -> np.ndarray:
    """Parts of every measure and shuffle (measure, shuffled, part) of one layer of one animal."""
    found = np.full((len(MEASURES), len(CLAIMS), len(PARTS)), np.nan)
    responses = measures.session_repeats(probe, animal, "rate", layer).responses
    if len(responses) < 2:
        return found
    for number, one in enumerate(MEASURES.values()):
        for place, shuffled in enumerate(CLAIMS):
            if shuffled not in one.shuffled:
                continue
            # the same permutations for all measures
            generator = np.random.default_rng((animal, place))
            null = measures.null_of_pair(
                one.compute, responses[0], responses[-1], generator, shuffled=shuffled, n_permutations=N_PERMUTATIONS
            )
            if len(null.null):
                mean, sd = null.null.mean(), null.null.std(ddof=1)
                distance = (null.observed - mean) / sd if sd > 0 else np.nan
                found[number, place] = null.observed, mean, null.low, null.high, distance, null.p_value
    return found


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used: nulls are those of the recording itself.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure; one per layer.
    """
    several = measured.sizes["layer"] > 1
    return {
        f"permutation_nulls_{layer}" if several else "permutation_nulls": draw_nulls(measured.sel(layer=layer))
        for layer in measured["layer"].values.astype(str)
    }


def draw_nulls(measured: xr.Dataset) -> figures.Drawing:
    """Distance of every measure from its null, animal by animal, one panel per shuffle."""
    styles = figures.styles_of(measured)
    groups = measured["group"].values.astype(str)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 110, 1, len(CLAIMS))
    rows = []
    for ax, (shuffled, title) in zip(axes, CLAIMS.items(), strict=True):
        own = measured.sel(condition=shuffled, variable="rate")
        for place, name in enumerate(MEASURES):
            for number, (group, style) in enumerate(styles.items()):
                there = groups == group
                beside = np.full(there.sum(), place + 0.7 * ((number + 0.5) / len(styles) - 0.5))
                ax.scatter(own[f"{name}_distance"].values[there], beside, 5, color=style.colour, linewidth=0)
            numbers = {part: own[f"{name}_{part}"].values for part in PARTS}
            rows.append(
                pd.DataFrame({"group": groups, "animal": own["animal"].values, **numbers}).assign(
                    measure=name, shuffled=shuffled
                )
            )
        ax.axvspan(-1.96, 1.96, color="0.9", linewidth=0, zorder=0)
        ax.set_xscale("symlog", linthresh=5)
        low, high = ax.get_xlim()
        nearest = 5 if max(-low, high) < 12 else 10
        ticks = [tick for tick in (-100, -30, -nearest, 0, nearest, 30, 100) if low <= tick <= high]
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.set_title(title)
        ax.set_xlabel("Distance (sd of the null)")
        ax.set_yticks(range(len(MEASURES)), [])
        ax.set_ylim(len(MEASURES) - 0.4, -0.6)
    axes[0].set_yticklabels([one.words for one in MEASURES.values()])
    figures.panel_letters(axes)
    figures.group_legend(figure, styles)
    caption = (
        "First against last session, every measure against what it is when its claim is broken, in standard deviations "
        f"of {N_PERMUTATIONS} permutations; dots: animals; grey: the central 95 % of a normal null; linear up to 5, "
        "then logarithmic. a, whole repeats exchanged between the sessions: outside, sessions differ by more than "
        "their trials. b, units permuted: outside, units keep something of what they did. c, stimuli permuted: "
        "outside, stimuli keep something of their relations. Claims that a shuffle says nothing about are left out. "
        f"{figures.sizes_text(measured)}."
    )
    return figures.Drawing(figure, pd.concat(rows, ignore_index=True), caption)
