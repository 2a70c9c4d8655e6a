"""
Drift over days: how much the representation changes with the days between two sessions.

`measure` compares the maps of every pair of sessions of every animal: observed rates and, of simulated animals, true
rates and rates without the session's input gains. `plot` draws decay curves with recorded points over them, matrices of
sessions, cells across days, performance, and what the observation adds. Definitions and sources: `neurofa.measures`.
"""

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import NeurofaError, figures, measures, references

#: measure id to (long name, units), in the order of the panels
OF_MAPS = {
    "population_vector_correlation": ("population-vector correlation", "1"),
    "ensemble_rate_correlation": ("ensemble-rate correlation", "1"),
    "tuning_curve_correlation": ("tuning-curve correlation", "1"),
    "representational_similarity_correlation": ("similarity-matrix correlation", "1"),
    "angle_unaligned_deg": ("angle, unaligned", "degrees"),
    "angle_procrustes_deg": ("angle, Procrustes", "degrees"),
}
OF_HALVES = {
    "population_vector_correlation_noise_corrected": ("population-vector correlation, noise-corrected", "1"),
    "ensemble_rate_correlation_noise_corrected": ("ensemble-rate correlation, noise-corrected", "1"),
    "tuning_curve_correlation_noise_corrected": ("tuning-curve correlation, noise-corrected", "1"),
}
OF_DETECTION = {
    "overlap_of_detected_cells": ("overlap of detected cells", "1"),
    "recurrence_of_detected_cells": ("recurrence of detected cells", "1"),
}
SPLIT_HALF = "split_half_population_vector_correlation"
OF_SPLIT_HALF = ("population-vector correlation of halves of a session", "1")
LABELS = OF_MAPS | OF_HALVES | OF_DETECTION
VARIABLES = {"rate": "observed", "true_rate": "true rates", "latent_rate": "true rates without input gains"}
#: measure id to (title of the panel, label of its axis)
PANELS = {
    "population_vector_correlation": ("Population vector", "Correlation"),
    "population_vector_correlation_noise_corrected": ("Population vector,\nnoise-corrected", "Correlation"),
    "ensemble_rate_correlation": ("Ensemble rate", "Correlation"),
    "tuning_curve_correlation": ("Tuning curves", "Correlation"),
    "representational_similarity_correlation": ("Representational\nsimilarity", "Correlation"),
    "overlap_of_detected_cells": ("Detected cells", "Overlap"),
    "angle_unaligned_deg": ("Maps, unaligned", "Angle (degrees)"),
    "angle_procrustes_deg": ("Maps, Procrustes-aligned", "Angle (degrees)"),
}
#: measures to whose decay with lag an exponential is fitted
FITTED = ("population_vector_correlation", "population_vector_correlation_noise_corrected")
FITTED += ("ensemble_rate_correlation", "tuning_curve_correlation")
N_EXAMPLE_CELLS = 24
# its half-life gets a bootstrap interval over the animals of a group
BOOTSTRAPPED = "population_vector_correlation_noise_corrected"
OF_HALF_LIVES = {"variable": "rate", "condition": BOOTSTRAPPED}
N_RESAMPLES, FEWEST_RESAMPLED = 2000, 3


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Compare the maps of every pair of sessions.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated or recorded.

    Returns
    -------
    xarray.Dataset
        Measures of pairs on (variable, animal, layer, session_a, session_b), of sessions on (..., session), fits of
        decay on (variable, animal, layer, condition), where condition is the measure that was fitted.
    """
    probe = recording["probe"].to_dataset()
    days = probe["day"].values
    if np.isfinite(days).sum(axis=1).max() < 2:
        raise NeurofaError("drift needs two sessions of one animal at least, not one; record or import more")
    variables = [name for name in VARIABLES if name in probe.data_vars]
    layers = measures.recorded_layers(probe)
    groups = probe["group"].values.astype(str).tolist()
    recorded = [place for place in range(len(groups)) if np.isfinite(days[place]).any()]
    # of every group one animal, the first that was recorded at all
    shown = dict(reversed({groups[place]: place for place in reversed(recorded)}.items()))
    each = measures.each_animal(
        lambda animal: _of_animal(probe, animal, variables, layers, animal in shown.values()),
        len(groups),
        map_size=probe["rate"].isel(animal=0, repeat=0).size,
    )
    measured = xr.Dataset(coords=_coords(probe, variables, layers))
    dims = ("variable", "animal", "layer", "session_a", "session_b")
    for name, (long_name, units) in (LABELS | {SPLIT_HALF: OF_SPLIT_HALF}).items():
        values = np.stack([matrices[name] for matrices, _ in each], axis=1)
        measured[name] = ((*dims[:3], "session") if name == SPLIT_HALF else dims, values)
        measured[name].attrs = {"long_name": long_name, "units": units}
    measured["switches_maps"] = (("animal", "layer"), measures.animals_that_switch_maps(probe, layers))
    measured["switches_maps"].attrs = {"long_name": "trials show several maps: no plain drift", "units": "1"}
    if "correct" in probe:
        performance = probe["correct"].astype(float).mean("stimulus").transpose("animal", "session")
        measured["performance"] = (("animal", "session"), np.where(np.isfinite(days), performance.values, np.nan))
        measured["performance"].attrs = {"long_name": "stimuli reported correctly", "units": "1"}
    measured = measured.merge(_decay(measured))
    measured["example_maps"] = _example_maps({group: each[place][1] for group, place in shown.items()}, shown, probe)
    measured.attrs = {"curves": figures.recorded.curves_named(recording)}
    return measured


def _coords(probe: xr.Dataset, variables: list[str], layers: list[str]) -> dict[str, object]:
    """Coordinates of what is measured."""
    of_sessions = figures.session_coords(probe)
    named = {"variable": variables, "animal": probe["animal"].values, "layer": layers}
    return figures.group_coords(probe) | named | of_sessions | {"day": (("animal", "session"), probe["day"].values)}


def _of_animal(
    probe: xr.Dataset, animal: int, variables: list[str], layers: list[str], example: bool
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """All matrices (variable, layer, ...) of one animal, NaN where it had no session; and example cells if wanted."""
    n_sessions = probe.sizes["session"]
    shape = (len(variables), len(layers), n_sessions, n_sessions)
    results = {name: np.full(shape[:3] if name == SPLIT_HALF else shape, np.nan) for name in (*LABELS, SPLIT_HALF)}
    cells = None
    for variable, layer in np.ndindex(*shape[:2]):
        observed = variables[variable] == "rate"
        maps = measures.session_maps(probe, animal, variables[variable], layers[layer])
        for name, matrix in _of_maps(maps, observed).items():
            results[name][(variable, layer, *np.ix_(maps.session, maps.session))] = matrix
        if observed:
            halves = measures.split_half_population_vector_correlation(maps.halves)
            results[SPLIT_HALF][variable, layer, maps.session] = halves
        if observed and layer == 0 and example:
            cells = _example_cells(maps, n_sessions)
    return results, cells


def _of_maps(maps: measures.SessionMaps, observed: bool) -> dict[str, np.ndarray]:
    """All matrices of one animal; those of halves and of detection only where the rates were observed."""
    matrices = {name: getattr(measures, name)(maps.maps) for name in OF_MAPS}
    if observed:
        matrices |= {name: getattr(measures, name)(maps.halves) for name in OF_HALVES}
        matrices |= {name: getattr(measures, name)(maps.detected) for name in OF_DETECTION}
    return matrices


def _decay(measured: xr.Dataset) -> xr.Dataset:
    """Fit A exp(-lag / tau) to every animal's curves, and to the mean curve of every group with bootstrap intervals."""
    sizes = [measured.sizes[dim] for dim in ("variable", "animal", "layer")]
    time_constant = np.full((*sizes, len(FITTED)), np.nan)
    days, groups = measured["day"].values, list(dict.fromkeys(measured["group"].values.tolist()))
    half_lives = np.full((len(groups), sizes[2], 3), np.nan)
    rate = measured["variable"].values.tolist().index("rate")
    for condition, name in enumerate(FITTED):
        for variable, layer in np.ndindex(sizes[0], sizes[2]):
            matrices = measured[name].values[variable, :, layer]
            lag, curves = measures.curves_of_animals(matrices, days)
            time_constant[variable, :, layer, condition] = measures.decay_time_constants(lag, curves)
            for number, group in enumerate(groups if (variable, name) == (rate, BOOTSTRAPPED) else []):
                chosen = curves[measured["group"].values == group]
                resamples = N_RESAMPLES if len(chosen) >= FEWEST_RESAMPLED else 1
                decay = measures.bootstrap_exponential(lag, chosen, np.random.default_rng(0), resamples)
                half_lives[number, layer, 0] = decay.fit.decay_half_life_days
                if resamples > 1:
                    half_lives[number, layer, 1:] = decay.decay_half_life_days
    dims, days_attrs = ("variable", "animal", "layer", "condition"), {"units": "days"}
    return xr.Dataset(
        {
            "decay_time_constant_days": (dims, time_constant, days_attrs | {"long_name": "time constant of decay"}),
            "decay_half_life_days": (dims, np.log(2) * time_constant, days_attrs | {"long_name": "half-life of decay"}),
            "half_life_of_groups": (
                ("fitted_group", "layer", "bound"),
                half_lives,
                days_attrs | {"long_name": "half-life of the group's mean curve", "table": 0},
            ),
        },
        coords={"condition": list(FITTED), "fitted_group": groups, "bound": ["fit", "lower", "upper"]},
    )


def _example_cells(maps: measures.SessionMaps, n_sessions: int) -> np.ndarray:
    """Maps of the cells with the highest peak rates among those seen in the first and most other sessions."""
    seen = np.isfinite(maps.maps).any(axis=1)
    peak = np.where(np.isfinite(maps.maps), maps.maps, 0.0).max(axis=1).mean(axis=0)
    best = np.lexsort((-peak, -seen.sum(axis=0), ~seen[0]))[:N_EXAMPLE_CELLS]
    examples = np.full((n_sessions, maps.maps.shape[1], len(best)), np.nan)
    examples[maps.session] = maps.maps[:, :, best]
    return examples


def _example_maps(examples: dict[str, np.ndarray], animals: dict[str, int], probe: xr.Dataset) -> xr.DataArray:
    """Example cells of one animal per group, labelled; kept for the figure, not for the table."""
    coords = {name: ("stimulus", probe[name].values) for name in ("position", "direction") if name in probe.coords}
    names = [str(probe["animal"].values[animals[group]]) for group in examples]
    coords |= {"example_group": list(examples), "example_animal": ("example_group", names)}
    return xr.DataArray(
        np.stack(list(examples.values())),
        dims=("example_group", "session", "stimulus", "cell"),
        coords=coords,
        attrs={"long_name": "observed rate", "units": probe["rate"].attrs.get("units", "Hz"), "table": 0},
    )


def plot(measured: xr.Dataset, recorded: xr.Dataset | pd.DataFrame | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset or pandas.DataFrame, optional
        The same of a recorded run, or a table of curves with columns measure, lag_days, mean, sd_over_session_pairs.
        By default the curves that ship with the package, where the protocol names them and the rates were observed.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure.
    """
    if recorded is None and measured.attrs.get("curves") and bool(np.isfinite(measured[SPLIT_HALF]).any()):
        recorded = references.load_curves(measured.attrs["curves"])
    measured = figures.with_lags(measured)
    drawings: dict[str, figures.Drawing] = {}
    layers = measured["layer"].values.tolist()
    with figures.style():
        for layer in layers:
            suffix = f"_{layer}" if len(layers) > 1 else ""
            drawings[f"drift_decay{suffix}"] = draw_decay(measured.sel(layer=layer), recorded)
            drawings[f"drift_sessions{suffix}"] = draw_sessions(measured.sel(layer=layer), recorded)
            if measured.sizes["variable"] > 1:
                drawings[f"drift_latent_and_observed{suffix}"] = draw_latent(measured.sel(layer=layer))
        if bool(measured["decay_half_life_days"].isel(layer=0).sel(OF_HALF_LIVES).notnull().any()):
            drawings["drift_half_lives"] = draw_half_lives(measured.isel(layer=0))
        drawings["drift_cells"] = draw_cells(measured, recorded)
        if "performance" in measured:
            drawings["drift_performance"] = draw_performance(measured)
    return drawings


def draw_decay(measured: xr.Dataset, recorded: xr.Dataset | pd.DataFrame | None) -> figures.Drawing:
    """Decay curves, one panel per measure, groups in colour, recorded points over them."""
    observed = measured.sel(variable="rate")
    styles = figures.styles_of(measured)
    shown = [name for name in PANELS if bool(np.isfinite(observed[name]).any())]
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 100, 2, 4, len(shown))
    tables = []
    for ax, name in zip(axes, shown, strict=True):
        (title, label), points = PANELS[name], figures.recorded.values_of(recorded, name)
        figures.decay_curve(observed[name], points, ax=ax, styles=styles)
        ax.set_title(title)
        ax.set_ylabel(label)
        tables.append(figures.lag_table(observed[name]).assign(measure=name, source="measured"))
        tables += figures.recorded.rows_of(points, name)
    figures.panel_letters(axes)
    figures.group_legend(figure, styles, measured, recorded)
    caption = "Similarity of the maps of two sessions against the days between them. "
    caption += figures.caption_of_groups(observed["population_vector_correlation"])
    caption += figures.recorded.caption_of(recorded)
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def draw_sessions(measured: xr.Dataset, recorded: xr.Dataset | pd.DataFrame | None) -> figures.Drawing:
    """One matrix of session against session per group, and one per recorded animal."""
    parts = figures.parts_of(measured, recorded if isinstance(recorded, xr.Dataset) else None)
    matrices = {title: _matrix_with_split_half(part) for title, part in parts.items()}
    figure, _ = figures.session_matrices(matrices, {title: figures.day_labels(part) for title, part in parts.items()})
    tables = [matrix.to_dataframe(name="value").reset_index().assign(panel=title) for title, matrix in matrices.items()]
    numbers = pd.concat(tables, ignore_index=True)[["panel", "session_a", "session_b", "value"]]
    caption = (
        "Population-vector correlation of the observed maps of every pair of sessions, mean over the animals of a "
        f"group ({figures.sizes_text(measured)}; fewer than three: each by itself)."
    )
    if bool(np.isfinite(measured[SPLIT_HALF]).any()):
        caption += " On the diagonal: the correlation of the halves of a session, which have half the repeats each."
    return figures.Drawing(figure, numbers, caption)


def draw_cells(measured: xr.Dataset, recorded: xr.Dataset | pd.DataFrame | None) -> figures.Drawing:
    """Maps of example cells in every session, one panel per group, and one of a recorded animal."""
    styles = figures.styles_of(measured)
    panels = [(styles[str(group)].label, _example(measured, group)) for group in measured["example_group"].values]
    if isinstance(recorded, xr.Dataset) and "example_maps" in recorded:
        panels += [("recorded", _example(recorded, group)) for group in recorded["example_group"].values]
    columns = 1 if len(panels) == 1 else 2
    rows = -(-len(panels) // columns)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 8 + 44 * rows, rows, columns, len(panels))
    tables = []
    for ax, (title, maps) in zip(axes, panels, strict=True):
        figures.tuning_across_days(maps, ax=ax)
        ax.set_title(f"{title} ({maps['example_animal'].item()}), day", pad=12)
        table = maps.reset_coords(drop=True).to_dataframe(name="rate").dropna().reset_index()
        tables.append(table.assign(group=maps["example_group"].item(), animal=maps["example_animal"].item()))
    figures.shared_colourbar(figure, axes, "Rate / largest rate of the cell")
    figures.panel_letters(axes if len(axes) > 1 else [], left=15)
    numbers = pd.concat(tables, ignore_index=True)[["group", "animal", "cell", "session", "stimulus", "rate"]]
    direction = panels[0][1].coords.get("direction")
    order = (
        "stimuli in their order"
        if direction is None
        else f"positions {', then '.join(pd.unique(direction.values.astype(str)))}"
    )
    caption = (
        f"Observed maps of {panels[0][1].sizes['cell']} cells of one animal (n = 1) per panel in every session, from "
        f"left to right (within a session: {order}): the cells with the highest peak rates among those detected in the "
        "first and in most other sessions, sorted by their peak in the first session. Each cell is divided by its "
        "largest rate over all sessions; grey: not detected."
    )
    return figures.Drawing(figure, numbers, caption)


def _example(measured: xr.Dataset, group: str) -> xr.DataArray:
    """Example maps of one group, sessions that took place, with their days."""
    maps = measured["example_maps"].sel(example_group=group)
    days = measured["day"].sel(animal=maps["example_animal"].item()).values
    kept = np.isfinite(days)
    return maps.isel(session=kept).assign_coords(day=("session", days[kept]))


def draw_performance(measured: xr.Dataset) -> figures.Drawing:
    """Task performance against day."""
    styles = figures.styles_of(measured)
    figure, axes = figures.new_figure(figures.SINGLE_COLUMN_MM, 62)
    figures.performance_over_days(measured["performance"], ax=axes[0], styles=styles)
    axes[0].set_ylim(min(0.8, axes[0].get_ylim()[0]), 1.01)
    figures.group_legend(figure, styles, measured)
    caption = (
        "Fraction of stimuli that the animal's own output reports correctly in the probe of each session: the largest "
        "output within the tolerance of the stimulus set (linear track: direction, and tolerance_bins, by default 1). "
    )
    table = figures.day_table(measured["performance"])
    return figures.Drawing(figure, table, caption + figures.caption_of_groups(measured["performance"]))


def draw_half_lives(measured: xr.Dataset) -> figures.Drawing:
    """Half-life of the decay of every animal, beside the fit to the group's mean curve."""
    times = measured["decay_half_life_days"].sel(OF_HALF_LIVES)
    groups = measured["fitted_group"].values.tolist()
    fitted = dict(zip(groups, measured["half_life_of_groups"].values.tolist(), strict=True))
    longest = 10 * float(measured["day"].max())
    figure, axes = figures.new_figure(figures.SINGLE_COLUMN_MM, 62)
    figures.half_life_points(times, fitted, longest=longest, ax=axes[0], styles=figures.styles_of(measured))
    animals = times.to_dataframe(name="fit").reset_index()[["group", "animal", "fit"]]
    of_groups = pd.DataFrame(list(fitted.values()), columns=["fit", "lower", "upper"]).assign(group=groups)
    caption = (
        "Half-life of the noise-corrected population-vector correlation, exponential fit A exp(-lag / tau). Dots: "
        f"animals ({figures.sizes_text(times)}); black: fit to the group's mean curve, "
        f"with the 95 % bootstrap interval over animals ({N_RESAMPLES} resamples; {FEWEST_RESAMPLED} animals at "
        f"least). Triangles with their number: animals without decay, or above {longest:g} days."
    )
    return figures.Drawing(figure, pd.concat([animals, of_groups], ignore_index=True), caption)


def draw_latent(measured: xr.Dataset) -> figures.Drawing:
    """What the observation adds: population-vector correlation of observed and of true rates, control beside group."""
    name = "population_vector_correlation"
    curves = {"observed": measured[name].sel(variable="rate")}
    curves["observed, noise-corrected"] = measured[f"{name}_noise_corrected"].sel(variable="rate")
    curves |= {VARIABLES[v]: measured[name].sel(variable=v) for v in measured["variable"].values if v != "rate"}
    curves = {what: values for what, values in curves.items() if bool(np.isfinite(values).any())}
    styles = figures.styles_of(measured)
    families = [group for group, look in styles.items() if look.control_of not in styles]
    columns = min(3, len(families))
    rows = -(-len(families) // columns)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 14 + 55 * rows, rows, columns, len(families))
    tables, colours = [], dict(zip(curves, figures.PALETTE, strict=False))
    for ax, family in zip(axes, families, strict=True):
        control = [group for group, look in styles.items() if look.control_of == family]
        for what, values in curves.items():
            part = values.isel(animal=np.isin(values["group"].values, [family, *control]))
            looks = {family: figures.GroupStyle(colours[what])}
            looks |= {group: figures.GroupStyle(figures.paler(colours[what], 0.35), "--") for group in control}
            figures.decay_curve(part, ax=ax, styles=looks)
            tables.append(figures.lag_table(part).assign(rates=what))
        ax.set_title("\n".join([styles[family].label, *(f"dashed: {styles[group].label}" for group in control)]))
        ax.set_ylabel("Population-vector correlation")
    lowest = min(ax.get_ylim()[0] for ax in axes)
    for ax in axes:
        ax.set_ylim(lowest, 1.03)
    figures.panel_letters(axes if len(families) > 1 else [])
    figures.group_legend(figure, {what: figures.GroupStyle(colour, label=what) for what, colour in colours.items()})
    corrected = (
        "of observed rates corrected for noise by split halves, " if "observed, noise-corrected" in curves else ""
    )
    caption = (
        f"What observation adds to drift: population-vector correlation of observed rates, {corrected}and of the true "
        "rates behind them, with and without the session's input gains. Solid: the group named first; dashed: its "
        f"control. {figures.caption_of_groups(curves['observed'])}"
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def _matrix_with_split_half(part: xr.Dataset) -> xr.DataArray:
    """Mean matrix over animals, with the correlation of halves on the diagonal."""
    observed = figures.recorded.first_layer(part)
    matrix = observed["population_vector_correlation"].mean("animal", keep_attrs=True).copy()
    halves = observed[SPLIT_HALF].mean("animal").values
    if np.isfinite(halves).any():
        matrix.values[np.diag_indices(len(halves))] = halves
    return matrix.reset_coords(drop=True)
