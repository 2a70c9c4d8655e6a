"""
Geometry of drift: is it a rotation, does it lie where trials vary, do stimuli drift together.

`measure` compares single repeats and maps of every pair of sessions: size and direction of drift, angles before and
after the best rotation, variational spaces, coordination between stimuli, drift along principal components, diffusion
and heavy tails of the steps, representational drift index. `plot` draws them against lag, with the level of chance
where there is one. Definitions, sources and limits: `neurofa.measures`.
"""

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import NeurofaError, figures, measures

#: in the unit of rates, squared
SQUARED = ("mean_squared_displacement", "mean_squared_displacement_noise_corrected")
#: measure id to (long name, units)
OF_MAPS = {
    "drift_magnitude_relative": ("size of drift / size of response", "1"),
    "angle_between_population_vectors_deg": ("angle between responses to the same stimulus", "degrees"),
    "angle_unaligned_deg": ("angle between maps, unaligned", "degrees"),
    "angle_shape_deg": ("angle between maps after the best rotation of units", "degrees"),
    "representational_similarity_correlation": ("similarity-matrix correlation", "1"),
    "linear_cka": ("linear centred kernel alignment", "1"),
    "angle_between_drift_vectors": ("angle between the drift of two stimuli", "degrees"),
    "mean_squared_displacement": ("mean squared displacement per unit", "rate^2"),
    "mean_squared_rotation": ("mean squared angle between responses to the same stimulus", "rad^2"),
    "drift_kurtosis": ("excess kurtosis of the units' steps", "1"),
    "drift_share_of_top_units": ("share of drift in the top tenth of units", "1"),
}
OF_HALVES = {
    "drift_magnitude_relative_noise_corrected": ("size of drift / size of response, noise-corrected", "1"),
    "angle_between_drift_vectors_noise_corrected": (
        "angle between the drift of two stimuli, noise-corrected",
        "degrees",
    ),
    "mean_squared_displacement_noise_corrected": ("mean squared displacement per unit, noise-corrected", "rate^2"),
    "drift_dimensions_noise_corrected": ("dimensions of drift, noise-corrected", "1"),
}
OF_REPEATS = {
    "drift_in_variational_space": ("share of drift in the space of trial-to-trial variation", "1"),
    "drift_in_variational_space_chance": ("its level of chance", "1"),
    "variational_space_overlap": ("overlap of the spaces of two sessions", "1"),
    "variational_space_overlap_chance": ("its level of chance", "1"),
    "representational_drift_index": ("representational drift index", "1"),
    "session_classifier_accuracy": ("accuracy of telling two sessions apart by single responses", "1"),
}
OF_SESSIONS = {
    "participation_ratio": ("dimensions of trial-to-trial variation", "1"),
    "participation_ratio_per_cell": ("dimensions of trial-to-trial variation per cell", "1"),
    "variance_in_variational_space": ("variance in the variational space", "1"),
    "session_classifier_accuracy_first_second_half": ("the same of the halves of a session", "1"),
    "session_classifier_accuracy_even_odd": ("the same of every second repeat of a session", "1"),
}
OF_COMPONENTS = {
    "drift_along_component": ("|drift along component| / |drift|", "1"),
    "drift_angle_to_component_deg": ("angle between drift and component", "degrees"),
}
OF_FITS = {
    "diffusion_exponent": ("exponent of the mean squared displacement", "1"),
    "diffusion_constant": ("diffusion constant per unit", "rate^2 / day^exponent"),
    "rotational_diffusion_exponent": ("exponent of the mean squared rotation", "1"),
    "rotational_diffusion_constant": ("constant of rotational diffusion", "rad^2 / day^exponent"),
    "angle_growth_deg_per_day": ("growth of the angle between responses to the same stimulus", "degrees / day"),
}
N_COMPONENTS = 5
#: units with tuning that agrees less than this between halves of the repeats say nothing about its drift
RELIABILITY = 0.2
ROTATION = {
    "angle_unaligned_deg": ("Maps, unaligned", "Angle (degrees)"),
    "angle_shape_deg": ("Maps, units rotated", "Angle (degrees)"),
    "representational_similarity_correlation": ("Representational\nsimilarity", "Correlation"),
    "linear_cka": ("Linear CKA", "Alignment"),
}
SPACES = {
    "drift_in_variational_space": ("Drift in space of\ntrial variation", r"$\gamma$"),
    "variational_space_overlap": ("Overlap of spaces", r"$\Gamma$"),
    "angle_between_drift_vectors": ("Drift of two stimuli", "Angle (degrees)"),
    "angle_between_drift_vectors_noise_corrected": ("Drift of two stimuli,\nnoise-corrected", "Angle (degrees)"),
    "drift_dimensions_noise_corrected": ("Dimensions of drift,\nnoise-corrected", "Participation ratio"),
    "session_classifier_accuracy": ("Two sessions told apart\nby single responses", "Accuracy"),
}
STEPS = {
    "drift_magnitude_relative": ("Size of drift", "|drift| / |response|"),
    "drift_magnitude_relative_noise_corrected": ("Size of drift,\nnoise-corrected", "|drift| / |response|"),
    "angle_between_population_vectors_deg": ("Response to the\nsame stimulus", "Angle (degrees)"),
    "representational_drift_index": ("Drift index", "RDI"),
    "mean_squared_displacement": ("Displacement", "Squared, per unit"),
    "mean_squared_displacement_noise_corrected": ("Displacement,\nnoise-corrected", "Squared, per unit"),
    "drift_kurtosis": ("Tails of units' steps", "Excess kurtosis"),
    "drift_share_of_top_units": ("Top tenth of units", "Share of drift"),
}
CHANCES = {
    "drift_in_variational_space": "drift_in_variational_space_chance",
    "variational_space_overlap": "variational_space_overlap_chance",
    "angle_between_drift_vectors": 90.0,
    "angle_between_drift_vectors_noise_corrected": 90.0,
    "session_classifier_accuracy": 0.5,
}
#: figure to its panels and what its caption says first
FIGURES = {
    "rotation": (
        ROTATION,
        "Is drift a rotation? Angles between the maps of two sessions as they are and after the best rotation of the "
        "units, and what no rotation changes: similarity of stimuli and linear CKA. With more units than stimuli a "
        "rotation fits almost any pair: read its angle beside the similarity of stimuli.",
    ),
    "spaces": (
        SPACES,
        "Where drift goes: its share in the space of trial-to-trial variation of the earlier session (noise of the "
        "means lies there by its nature), overlap of these spaces, coordination, the angle between the drift of two "
        "stimuli (90: none), dimensions of the drift of all stimuli, and how well single responses tell the session.",
    ),
    "steps": (
        STEPS,
        "How large drift is and how it grows, raw and corrected for the noise of trials. Drift index: units whose "
        f"tuning agrees by {RELIABILITY:g} or more within sessions. Lines of chance of the last two panels: normal "
        "steps, alike in all units and independent between stimuli.",
    ),
}


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Measure the geometry of drift of every pair of sessions.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated or recorded.

    Returns
    -------
    xarray.Dataset
        Observed rates: measures of pairs on (variable, animal, layer, session_a, session_b), those along components
        with condition (the component) too; of sessions on (..., session); fits on (variable, animal, layer).
    """
    probe = recording["probe"].to_dataset()
    days = probe["day"].values
    if np.isfinite(days).sum(axis=1).max() < 2:
        raise NeurofaError("drift needs two sessions of one animal at least, not one; record or import more")
    layers = measures.recorded_layers(probe)
    each = measures.each_animal(
        lambda animal: [_of_layer(probe, animal, layer) for layer in layers],
        probe.sizes["animal"],
        map_size=probe["rate"].isel(animal=0).size,
    )
    measured = xr.Dataset(
        coords=figures.group_coords(probe)
        | figures.session_coords(probe)
        | {"variable": ["rate"], "animal": probe["animal"].values, "layer": layers}
        | {"condition": [f"component {number + 1}" for number in range(N_COMPONENTS)]}
        | {"day": (("animal", "session"), days)}
    )
    first, pair = ("variable", "animal", "layer"), ("session_a", "session_b")
    dims = dict.fromkeys((*OF_MAPS, *OF_HALVES, *OF_REPEATS), (*first, *pair)) | dict.fromkeys(OF_FITS, first)
    dims |= dict.fromkeys(OF_SESSIONS, (*first, "session"))
    dims |= dict.fromkeys(OF_COMPONENTS, (*first, "condition", *pair))
    for name, (long_name, units) in (OF_MAPS | OF_HALVES | OF_REPEATS | OF_SESSIONS | OF_COMPONENTS | OF_FITS).items():
        values = np.array([[found[name] for found in of_layers] for of_layers in each])[None]
        measured[name] = (dims[name], values, {"long_name": long_name, "units": units})
    for name in SQUARED:
        measured[name].attrs["units"] = f"{probe['rate'].attrs.get('units', 'rate')}^2"
    measured["drift_share_of_top_units"].attrs["normal"] = measures.top_share_of_normal_drift(
        probe.sizes["stimulus"] * probe.sizes.get("time", 1)
    )
    return measured


def _of_layer(probe: xr.Dataset, animal: int, layer: str) -> dict[str, np.ndarray | float]:
    """Every measure of one layer of one animal, NaN for sessions that it did not have."""
    maps = measures.session_maps(probe, animal, "rate", layer)
    repeats = measures.session_repeats(probe, animal, "rate", layer)
    found: dict[str, np.ndarray] = {
        "drift_magnitude_relative": measures.drift_magnitude(maps.maps),
        "angle_between_population_vectors_deg": measures.angle_between_population_vectors_deg(maps.maps),
        "angle_unaligned_deg": measures.angle_unaligned_deg(maps.maps),
        "angle_shape_deg": measures.angle_procrustes_deg(maps.maps, rotated="unit"),
        "representational_similarity_correlation": measures.representational_similarity_correlation(maps.maps),
        "linear_cka": measures.linear_cka(maps.maps),
        "angle_between_drift_vectors": measures.angle_between_drift_vectors_deg(maps.maps),
        "mean_squared_displacement": measures.mean_squared_displacement(maps.maps),
        "mean_squared_rotation": measures.mean_squared_rotation(maps.maps),
        "drift_kurtosis": measures.drift_kurtosis(maps.maps),
        "drift_share_of_top_units": measures.drift_share_of_top_units(maps.maps),
        "drift_magnitude_relative_noise_corrected": measures.drift_magnitude_noise_corrected(maps.halves),
        "angle_between_drift_vectors_noise_corrected": measures.angle_between_drift_vectors_deg_noise_corrected(
            maps.halves
        ),
        "mean_squared_displacement_noise_corrected": measures.mean_squared_displacement_noise_corrected(maps.halves),
        "drift_dimensions_noise_corrected": measures.drift_dimensions_noise_corrected(maps.halves),
    }
    spaces = measures.compare_variational_spaces(repeats.responses)
    found |= {
        "drift_in_variational_space": spaces.in_space_ratio,
        "drift_in_variational_space_chance": spaces.in_space_chance,
        "variational_space_overlap": spaces.overlap,
        "variational_space_overlap_chance": spaces.overlap_chance,
    }
    found["representational_drift_index"] = measures.representational_drift_index(
        repeats.responses, np.random.default_rng(0), reliability=RELIABILITY, duration=repeats.duration
    ).index
    told = measures.session_classifiers(repeats.responses)
    found["session_classifier_accuracy"] = told.between
    along = measures.drift_along_components(repeats.responses, N_COMPONENTS)
    found["drift_along_component"] = along.size.transpose(2, 0, 1)
    found["drift_angle_to_component_deg"] = along.angle_deg.transpose(2, 0, 1)
    whole = {name: _placed(matrix, maps.session, probe.sizes["session"]) for name, matrix in found.items()}
    within = (*measures.variation_within_sessions(repeats.responses), told.halves, told.even_odd)
    for name, values in zip(OF_SESSIONS, within, strict=True):
        whole[name] = np.full(probe.sizes["session"], np.nan)
        whole[name][maps.session] = values
    curve = measures.mean_by_lag(found["mean_squared_displacement_noise_corrected"], maps.day)
    fit = measures.fit_diffusion(curve.lag, curve.mean)
    turned = measures.mean_by_lag(found["mean_squared_rotation"], maps.day)
    turn = measures.fit_diffusion(turned.lag, turned.mean)
    growth = measures.growth_per_day(found["angle_between_population_vectors_deg"], maps.day)
    fits = (fit.exponent, fit.diffusion_constant, turn.exponent, turn.diffusion_constant, growth)
    return whole | dict(zip(OF_FITS, fits, strict=True))


def _placed(matrix: np.ndarray, sessions: np.ndarray, n_sessions: int) -> np.ndarray:
    """A matrix (..., session, session) of some sessions among all of the recording."""
    whole = np.full((*matrix.shape[:-2], n_sessions, n_sessions), np.nan)
    whole[(..., *np.ix_(sessions, sessions))] = matrix
    return whole


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        The same of a recorded run.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure.
    """
    measured = figures.with_lags(measured)
    others = recorded if isinstance(recorded, xr.Dataset) else None
    layers = measured["layer"].values.tolist()
    normal = float(measured["drift_share_of_top_units"].attrs["normal"])
    chances = CHANCES | {"drift_kurtosis": 0.0, "drift_share_of_top_units": normal}
    drawings: dict[str, figures.Drawing] = {}
    with figures.style():
        for layer in layers:
            suffix = f"_{layer}" if len(layers) > 1 else ""
            part = measured.sel(variable="rate", layer=layer)
            for name, (titles, text) in FIGURES.items():
                units = {one: part[one].attrs["units"].replace("^2", "\N{SUPERSCRIPT TWO}") for one in SQUARED}
                panels = {
                    one: (title, f"{label} ({units[one]})" if one in SQUARED else label)
                    for one, (title, label) in titles.items()
                }
                drawings[f"geometry_{name}{suffix}"] = figures.decay_panels(
                    part, panels, text, recorded=others, chances=chances
                )
            drawings[f"geometry_components{suffix}"] = draw_components(part)
    return drawings


def draw_components(measured: xr.Dataset) -> figures.Drawing:
    """Drift along the first principal components, mean over all pairs of an animal's sessions."""
    styles = figures.styles_of(measured)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 62, 1, 2)
    tables = []
    later = measured["lag_days"] > 0
    for ax, name in zip(axes, OF_COMPONENTS, strict=True):
        values = measured[name].where(later).mean(["session_a", "session_b"], keep_attrs=True)
        rows = values.reset_coords(drop=True).to_dataframe(name="value").reset_index()
        rows["group"] = rows["animal"].map(dict(zip(measured["animal"].values, measured["group"].values, strict=True)))
        table = figures.tables.mean_over_animals(rows, ["group", "condition"]).assign(measure=name)
        for number, (group, own) in enumerate(table.groupby("group", sort=False)):
            beside = np.arange(len(own)) + 0.08 * (number - (len(styles) - 1) / 2)
            error = np.nan_to_num((own["upper"] - own["mean"]).to_numpy())
            ax.errorbar(beside, own["mean"], error, marker="o", markersize=3, elinewidth=0.6, **styles[str(group)].line)
        ax.set_xticks(range(N_COMPONENTS), range(1, N_COMPONENTS + 1))
        ax.set_xlabel("Component of trial-to-trial variation")
        ax.set_ylabel("|drift along it| / |drift|" if name == "drift_along_component" else "Angle to drift (degrees)")
        tables.append(table)
    figures.chance_line(axes[1], 90.0)
    figures.panel_letters(axes)
    figures.group_legend(figure, styles)
    caption = (
        "Drift along the principal components of the repeats in the earlier session, mean over stimuli and pairs of "
        "sessions; components point the way of the mean response, so above 90 degrees responses shrink along them. "
        f"Points: means over animals ({figures.sizes_text(measured)}); bars: 95 % interval (Student t)."
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)
