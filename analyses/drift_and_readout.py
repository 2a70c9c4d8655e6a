"""
Drift and readout: does drift move along directions of noise or of the code, and what does it take to keep reading.

`measure` fits linear decoders to single repeats of every session and asks how much of the drift they see, how one
decoder for all days compares with those of the day, and how much the weights of a slowly changing and of an online
learning readout must change. What is decoded: position, and direction or choice, where stimuli have them, else which
stimulus it is. `plot` draws all with their levels of chance. Definitions, sources and limits: `neurofa.measures`.
"""

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import NeurofaError, figures, measures

#: measure id to (long name, units)
OF_PAIRS = {
    "alignment_with_noise_directions": ("alignment of drift with noise directions", "1"),
    "alignment_with_noise_directions_noise_corrected": ("the same, noise-corrected", "1"),
    "alignment_with_noise_directions_chance": ("its 95th percentile for random drift", "1"),
    "alignment_with_coding_directions": ("alignment of drift with coding directions", "1"),
    "alignment_with_coding_directions_noise_corrected": ("the same, noise-corrected", "1"),
    "alignment_with_coding_directions_chance": ("its 95th percentile for random drift", "1"),
    "readout_fraction": ("share of drift that the decoder of the earlier session sees", "1"),
    "readout_fraction_chance": ("its level of chance", "1"),
    "null_space_fraction": ("share of drift in the null space of the decoder", "1"),
    "linear_decoding_error": ("error of a linear decoder / error of guessing the mean", "1"),
}
OF_ANIMALS = {
    "same_day_decoding_error": ("error of decoders of the same day / of guessing the mean", "1"),
    "concatenated_decoding_error": ("error of one decoder for all days / of guessing the mean", "1"),
    "readout_weight_change_per_session": ("weight change that a slowly changing readout needs", "1 / session"),
    "readout_weight_change_per_day": ("weight change that an online learning readout needs", "1 / day"),
    "readout_weight_change_per_day_null": ("the same for random drift of equal size", "1 / day"),
    "adapting_decoding_error": ("error of the online learning readout / of guessing the mean", "1"),
    "adapting_decoding_error_null": ("the same for random drift of equal size", "1"),
    "cells_in_all_sessions": ("cells detected in all sessions", "1"),
    "fraction_always_in_top_10_percent": ("cells among the tenth most important for the decoder in every session", "1"),
    "fraction_always_in_top_10_percent_chance": ("the same by chance", "1"),
    "fraction_always_in_top_50_percent": ("cells among the half most important for the decoder in every session", "1"),
    "fraction_always_in_top_50_percent_chance": ("the same by chance", "1"),
}
#: coordinates of stimuli that say on which way a position lies, the first that is there
WAYS = ("choice", "direction")
N_NULL = 10
ALIGNMENT = {
    "alignment_with_noise_directions": ("Noise directions", r"$\rho_{noise}$"),
    "alignment_with_noise_directions_noise_corrected": ("Noise directions,\nnoise-corrected", r"$\rho_{noise}$"),
    "alignment_with_coding_directions": ("Coding directions", r"$\rho_{coding}$"),
    "alignment_with_coding_directions_noise_corrected": ("Coding directions,\nnoise-corrected", r"$\rho_{coding}$"),
    "readout_fraction": ("Seen by the decoder", "Share of drift"),
    "linear_decoding_error": ("Decoder of another day", "Error / guessing"),
}
CHANCES: dict[str, str | float] = {
    name: f"{name.removesuffix('_noise_corrected')}_chance"
    for name in ALIGNMENT
    if f"{name.removesuffix('_noise_corrected')}_chance" in OF_PAIRS
}
CHANCES |= {"linear_decoding_error": 1.0}
TEXT = (
    "Where drift goes for those who read it (units standardised): alignment with the directions of trial-to-trial "
    "noise and with those along which responses code the stimulus (0: none, 1: along the largest), share of drift that "
    "the linear decoder of the earlier session sees, and error of that decoder in another session (lag 0: of its own, "
    "repeats that were left out; cells detected in all sessions)."
)


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Measure how drift and linear readouts lie to each other.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated or recorded.

    Returns
    -------
    xarray.Dataset
        Observed rates: measures of pairs on (variable, animal, layer, session_a, session_b), of animals on (variable,
        animal, layer). Errors are parts of the error of guessing the mean target.
    """
    probe = recording["probe"].to_dataset()
    days = probe["day"].values
    if np.isfinite(days).sum(axis=1).max() < 2:
        raise NeurofaError("readouts over days need two sessions of one animal; record or import more")
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
        | {"day": (("animal", "session"), days)}
    )
    first = ("variable", "animal", "layer")
    for name, (long_name, units) in (OF_PAIRS | OF_ANIMALS).items():
        values = np.array([[found[name] for found in of_layers] for of_layers in each])[None]
        dims = (*first, "session_a", "session_b") if name in OF_PAIRS else first
        measured[name] = (dims, values, {"long_name": long_name, "units": units})
    measured["linear_decoding_error"].attrs["diagonal"] = 1
    return measured


def _of_layer(probe: xr.Dataset, animal: int, layer: str) -> dict[str, np.ndarray | float]:
    """Every measure of one layer of one animal, NaN for sessions that it did not have."""
    maps = measures.session_maps(probe, animal, "rate", layer)
    repeats = measures.session_repeats(probe, animal, "rate", layer)
    rng = np.random.default_rng(0)
    targets, group, order = _targets(probe)
    scaled = measures.standardise(repeats.responses)
    found: dict[str, np.ndarray | float] = {}
    noise = measures.alignment_with_noise_directions(scaled, rng)
    coding = measures.alignment_with_coding_directions(scaled, group, order, rng)
    for name, alignment in (("noise", noise), ("coding", coding)):
        for suffix, matrix in zip(("", "_noise_corrected", "_chance"), alignment, strict=True):
            found[f"alignment_with_{name}_directions{suffix}"] = matrix
    fraction = measures.readout_fraction(_means(scaled), measures.decoder_weights(scaled, targets))
    found |= {"readout_fraction": fraction.readout, "readout_fraction_chance": fraction.chance}
    found["null_space_fraction"] = 1 - fraction.readout
    decoders = measures.session_decoders(scaled, targets)
    guess = decoders.error_of_mean
    found["linear_decoding_error"] = decoders.error / guess
    whole = {name: _placed(np.asarray(each), maps.session, probe.sizes["session"]) for name, each in found.items()}
    adapting = measures.adapting_readout(scaled, targets, maps.day, rng, N_NULL)
    level, importance = measures.mean_of_finite(guess), measures.decoder_importance(scaled, targets)
    numbers = (
        measures.mean_of_finite(np.diag(decoders.error)) / level,
        measures.mean_of_finite(decoders.error_concatenated) / level,
        measures.constrained_decoders(scaled, targets).weight_change_needed,
        adapting.weight_change_needed_per_day,
        measures.mean_of_finite(adapting.weight_change_needed_per_day_null),
        _least(adapting.error) / level,
        measures.mean_of_finite(adapting.error_null) / level,
        float(decoders.n_units),
        *(number for part in (0.1, 0.5) for number in measures.always_important(importance, part)[:2]),
    )
    return whole | dict(zip(OF_ANIMALS, numbers, strict=True))


def _targets(probe: xr.Dataset) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """What is decoded (stimulus, output), and group and order of the stimuli where they have positions."""
    n_times = probe.sizes["time"] if "time" in probe["rate"].dims else 1
    n_stimuli = probe.sizes["stimulus"]
    if "position" not in probe.coords or n_times > 1:
        one_hot = np.eye(n_stimuli) - 1 / n_stimuli
        return np.repeat(one_hot, n_times, axis=0), None, None
    position = probe["position"].values.astype(float)
    columns, group = [(position - position.mean()) / (position.std() or 1.0)], None
    coordinate = next((name for name in WAYS if name in probe.coords), None)
    if coordinate is not None:
        group = np.unique(probe[coordinate].values.astype(str), return_inverse=True)[1]
        columns += [np.where(group == place, 1.0, -1.0) for place in range(1, int(group.max()) + 1)]
    return np.stack(columns, axis=1), group, position


def _means(responses: np.ndarray) -> np.ndarray:
    """Mean over repeats of (session, stimulus, repeat, unit); NaN where there is none."""
    shown = np.isfinite(responses)
    count = shown.sum(axis=2)
    return np.where(count > 0, np.where(shown, responses, 0.0).sum(axis=2) / np.maximum(count, 1), np.nan)


def _least(values: np.ndarray) -> float:
    """Smallest finite value; NaN where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.min()) if finite.size else float("nan")


def _placed(matrix: np.ndarray, sessions: np.ndarray, n_sessions: int) -> np.ndarray:
    """A matrix of some sessions among all of the recording."""
    whole = np.full((n_sessions, n_sessions), np.nan)
    whole[np.ix_(sessions, sessions)] = matrix
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
    drawings: dict[str, figures.Drawing] = {}
    layers = measured["layer"].values.tolist()
    with figures.style():
        for layer in layers:
            suffix = f"_{layer}" if len(layers) > 1 else ""
            part = measured.sel(variable="rate", layer=layer)
            if any(bool(part[one].notnull().any()) for one in ALIGNMENT):
                drawings[f"readout_alignment{suffix}"] = figures.decay_panels(
                    part, ALIGNMENT, TEXT, recorded=others, chances=CHANCES, columns=3
                )
            drawings[f"readout_change{suffix}"] = draw_change(part)
    return drawings


def draw_change(measured: xr.Dataset) -> figures.Drawing:
    """Errors of readouts, and the change of their weights that keeps them reading, one dot per animal."""
    panels = {
        "Error": {
            "same_day_decoding_error": "same day",
            "concatenated_decoding_error": "all days",
            "adapting_decoding_error": "online",
            "adapting_decoding_error_null": "online,\nrandom drift",
        },
        "Weight change": {
            "readout_weight_change_per_session": "slow,\nper session",
            "readout_weight_change_per_day": "online,\nper day",
            "readout_weight_change_per_day_null": "random drift,\nper day",
        },
    }
    labels = {
        "Error": "Error / guessing the mean",
        "Weight change": "Weight change / weights,\nper session or per day (below)",
    }
    styles, groups = figures.styles_of(measured), measured["group"].values.astype(str)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 72, 1, 2)
    tables = []
    for ax, (title, names) in zip(axes, panels.items(), strict=True):
        for number, (group, look) in enumerate(styles.items()):
            for place, name in enumerate(names):
                values = measured[name].values[groups == group]
                at = place + 0.7 * ((number + 0.5) / len(styles) - 0.5)
                ax.scatter(np.full(len(values), at), values, 8, **look.dots)
                animals = measured["animal"].values[groups == group]
                tables.append(pd.DataFrame({"measure": name, "group": group, "animal": animals, "value": values}))
        ax.set_xticks(range(len(names)), list(names.values()))
        ax.set_xlim(-0.5, len(names) - 0.5)
        ax.set_ylim(bottom=0)
        ax.set_title(title)
        ax.set_ylabel(labels[title])
    figures.panel_letters(axes)
    figures.group_legend(figure, styles)
    cells = measured["cells_in_all_sessions"].values
    caption = (
        "Linear readouts of the cells detected in all sessions "
        f"({_least(cells):g} to {-_least(-cells):g} per animal), tested on repeats that they were not fitted to. "
        "Error: decoders of the same day, one decoder for all days, a readout that learns online from repeat to "
        "repeat, and the same where drift is replaced by random drift of equal size (which only adds fields, and so "
        "can even be read better). Weight change: what a decoder that changes slowly needs to read as well as those "
        "of the day (5 % more error allowed), and what the online readout changes at the smallest step size that "
        f"reads nearly as well as the best. Dots: animals ({figures.sizes_text(measured)})."
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)
