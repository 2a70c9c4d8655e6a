"""
Drift by kind of stimulus: do the same cells drift less for one kind of stimuli than for another.

`measure` compares the sessions of every animal separately for each kind of stimuli that the recording knows (its
coordinate ``stimulus_kind``, such as movie and grating). `plot` draws a row of panels for each kind. Kinds differ in
the number of stimuli and in how much these resemble each other, which raw correlations see: what is noise-corrected
compares better. Definitions, sources and limits: `neurofa.measures`.
"""

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import NeurofaError, figures, measures

#: measure id to (long name, units)
OF_PAIRS = {
    "population_vector_correlation_by_kind": ("population-vector correlation, noise-corrected", "1"),
    "tuning_curve_correlation_by_kind": ("tuning-curve correlation, noise-corrected", "1"),
    "representational_similarity_correlation_by_kind": ("similarity-matrix correlation", "1"),
    "representational_drift_index_by_kind": ("representational drift index", "1"),
}
PANELS = {
    "population_vector_correlation_by_kind": ("Population vector,\nnoise-corrected", "Correlation"),
    "tuning_curve_correlation_by_kind": ("Tuning curves,\nnoise-corrected", "Correlation"),
    "representational_similarity_correlation_by_kind": ("Representational\nsimilarity", "Correlation"),
    "representational_drift_index_by_kind": ("Drift index", "RDI"),
}
#: units with tuning that agrees less than this between halves of the repeats say nothing about its drift
RELIABILITY = 0.2
FEWEST = 3


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Compare the maps of every pair of sessions, kind of stimuli by kind.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated or recorded, with a coordinate ``stimulus_kind`` of the stimuli.

    Returns
    -------
    xarray.Dataset
        Observed rates: measures of pairs on (variable, animal, layer, condition, session_a, session_b), where condition
        is the kind of stimuli.

    Raises
    ------
    NeurofaError
        Where stimuli have no kinds, one has fewer than three stimuli, or no animal has two sessions.
    """
    probe = recording["probe"].to_dataset()
    days = probe["day"].values
    if "stimulus_kind" not in probe.coords:
        raise NeurofaError(
            "the stimuli of this recording have no coordinate stimulus_kind; leave drift_by_stimulus_kind out, or "
            "choose stimuli of several kinds, such as natural_movie_and_gratings"
        )
    if np.isfinite(days).sum(axis=1).max() < 2:
        raise NeurofaError("drift needs two sessions of one animal at least, not one; record or import more")
    of_stimuli = probe["stimulus_kind"].values.astype(str)
    kinds = list(dict.fromkeys(of_stimuli.tolist()))
    for kind in kinds:
        if (of_stimuli == kind).sum() < FEWEST:
            raise NeurofaError(f"there are fewer than {FEWEST} stimuli of kind '{kind}'; tuning needs more")
    layers = measures.recorded_layers(probe)
    parts = {kind: probe.isel(stimulus=np.flatnonzero(of_stimuli == kind)) for kind in kinds}
    each = measures.each_animal(
        lambda animal: [[_of_kind(parts[kind], animal, layer) for kind in kinds] for layer in layers],
        probe.sizes["animal"],
        map_size=probe["rate"].isel(animal=0).size,
    )
    measured = xr.Dataset(
        coords=figures.group_coords(probe)
        | figures.session_coords(probe)
        | {"variable": ["rate"], "animal": probe["animal"].values, "layer": layers, "condition": kinds}
        | {"day": (("animal", "session"), days)}
    )
    dims = ("variable", "animal", "layer", "condition", "session_a", "session_b")
    for name, (long_name, units) in OF_PAIRS.items():
        values = np.array([[[found[name] for found in of_kinds] for of_kinds in layer] for layer in each])[None]
        measured[name] = (dims, values, {"long_name": long_name, "units": units})
    return measured


def _of_kind(probe: xr.Dataset, animal: int, layer: str) -> dict[str, np.ndarray]:
    """Every measure of one layer of one animal over stimuli of one kind, NaN for sessions that it did not have."""
    maps = measures.session_maps(probe, animal, "rate", layer)
    repeats = measures.session_repeats(probe, animal, "rate", layer)
    drift = measures.representational_drift_index(
        repeats.responses, np.random.default_rng(0), reliability=RELIABILITY, duration=repeats.duration
    )
    found = {
        "population_vector_correlation_by_kind": measures.population_vector_correlation_noise_corrected(maps.halves),
        "tuning_curve_correlation_by_kind": measures.tuning_curve_correlation_noise_corrected(maps.halves),
        "representational_similarity_correlation_by_kind": measures.representational_similarity_correlation(maps.maps),
        "representational_drift_index_by_kind": drift.index,
    }
    size = probe.sizes["session"]
    whole = {name: np.full((size, size), np.nan) for name in found}
    for name, matrix in found.items():
        whole[name][np.ix_(maps.session, maps.session)] = matrix
    return whole


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        The same of a recorded run; drawn as points.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure.
    """
    measured = figures.with_lags(measured)
    others = figures.with_lags(recorded) if isinstance(recorded, xr.Dataset) else None
    layers = measured["layer"].values.tolist()
    drawings: dict[str, figures.Drawing] = {}
    with figures.style():
        for layer in layers:
            suffix = f"_{layer}" if len(layers) > 1 else ""
            drawings[f"drift_by_kind{suffix}"] = draw_kinds(measured.sel(variable="rate", layer=layer), others)
    return drawings


def draw_kinds(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> figures.Drawing:
    """Draw a row of panels per kind of stimuli; the panels of a measure share their axis."""
    kinds = measured["condition"].values.tolist()
    styles = figures.styles_of(measured)
    columns = len(PANELS)
    figure, axes = figures.new_figure(
        figures.DOUBLE_COLUMN_MM, 12 + 46 * len(kinds), len(kinds), columns, columns * len(kinds)
    )
    tables = []
    for row, kind in enumerate(kinds):
        for column, (name, (title, label)) in enumerate(PANELS.items()):
            ax = axes[row * columns + column]
            part = measured[name].sel(condition=kind)
            points = None if recorded is None else recorded[name].sel(condition=kind, variable="rate").isel(layer=0)
            figures.decay_curve(part, points, ax=ax, styles=styles)
            ax.set_title(f"{kind.capitalize()}: {title[0].lower()}{title[1:]}")
            ax.set_ylabel(label)
            tables.append(figures.lag_table(part).assign(measure=name, stimulus_kind=kind))
    for column in range(columns):
        own = axes[column::columns]
        limits = np.array([ax.get_ylim() for ax in own])
        for ax in own:
            ax.set_ylim(limits[:, 0].min(), limits[:, 1].max())
    figures.panel_letters(axes)
    figures.group_legend(figure, styles)
    caption = (
        "Similarity of two sessions against the days between them, a row for each kind of stimuli, seen by the same "
        f"cells. Drift index: units whose tuning agrees by {RELIABILITY:g} or more within sessions. "
    )
    caption += figures.caption_of_groups(measured["representational_drift_index_by_kind"].isel(condition=0))
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)
