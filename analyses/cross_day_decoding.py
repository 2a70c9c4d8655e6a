"""
Cross-day decoding: how well the maps of one day tell what happened on another.

`measure` trains a decoder on every session and tests it on single repeats of every session of the same animal (on the
same day: repeats that were left out). `plot` draws accuracy against lag, with the chance level, and matrices of train
against test session. The decoder: `neurofa.measures.cross_day_decoding`.
"""

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import NeurofaError, figures, measures

ACCURACIES = {
    "cross_day_decoding_accuracy": "fraction of stimuli decoded",
    "cross_day_decoding_accuracy_within_one": "fraction of stimuli decoded, or a neighbour in place or time",
}
#: what is in the table and in no panel: the curve of the first accuracy, each tested session divided by its own day
RELATIVE = {"cross_day_decoding_relative_accuracy": "fraction decoded / fraction decoded by maps of the same day"}
#: measure id to the attribute of `neurofa.measures.CrossDayDecoding`
PARTS = {
    "cross_day_decoding_accuracy": "accuracy",
    "cross_day_decoding_accuracy_within_one": "accuracy_within_one",
    "cross_day_decoding_relative_accuracy": "relative_accuracy",
    "cross_day_decoding_chance": "chance",
    "cross_day_decoding_chance_within_one": "chance_within_one",
}
CHANCES = {
    "cross_day_decoding_accuracy": "cross_day_decoding_chance",
    "cross_day_decoding_accuracy_within_one": "cross_day_decoding_chance_within_one",
}
TITLES = {
    "cross_day_decoding_accuracy": "Exact stimulus",
    "cross_day_decoding_accuracy_within_one": "Neighbours count as right",
}


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Decode the repeats of every session with the maps of every session.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated or recorded.

    Returns
    -------
    xarray.Dataset
        Accuracies on (variable, animal, layer, session_a, session_b): trained on `session_a`, tested on `session_b`.
    """
    probe = recording["probe"].to_dataset()
    days = probe["day"].values
    if np.isfinite(days).sum(axis=1).max() < 2:
        raise NeurofaError("decoding across days needs two sessions of one animal; record or import more")
    layers = measures.recorded_layers(probe)
    n_sessions = probe.sizes["session"]
    each = measures.each_animal(
        lambda animal: [measures.cross_day_decoding_of_animal(probe, animal, "rate", layer) for layer in layers],
        probe.sizes["animal"],
        map_size=probe["rate"].isel(animal=0, repeat=0).size,
    )
    numbers = probe["session"].values if "session" in probe.coords else np.arange(n_sessions)
    measured = xr.Dataset(
        coords=figures.group_coords(probe)
        | {
            "variable": ["rate"],
            "animal": probe["animal"].values,
            "layer": layers,
            "session": numbers,
            "session_a": numbers,
            "session_b": numbers,
            "day": (("animal", "session"), days),
        }
    )
    dims = ("variable", "animal", "layer", "session_a", "session_b")
    for name, part in PARTS.items():
        values = np.array([[[getattr(decoded, part) for decoded in of_layers] for of_layers in each]])
        attrs = {
            "long_name": (ACCURACIES | RELATIVE).get(name, "chance level"),
            "units": "1",
            "directed": 1,
            "diagonal": 1,
        }
        measured[name] = (dims, values, attrs)
    for name in CHANCES.values():
        measured[name].attrs["table"] = 0
    return measured


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
    others = figures.with_lags(recorded) if isinstance(recorded, xr.Dataset) else None
    drawings: dict[str, figures.Drawing] = {}
    layers = measured["layer"].values.tolist()
    with figures.style():
        for layer in layers:
            suffix = f"_{layer}" if len(layers) > 1 else ""
            part = measured.sel(variable="rate", layer=layer)
            other = None if others is None else figures.recorded.first_layer(others)
            drawings[f"decoding_decay{suffix}"] = draw_decay(part, other)
            drawings[f"decoding_sessions{suffix}"] = draw_sessions(part, other)
    return drawings


def draw_decay(measured: xr.Dataset, recorded: xr.Dataset | None) -> figures.Drawing:
    """Accuracy against lag with the chance level, groups in colour, recorded points over them."""
    shown = [name for name in ACCURACIES if bool(np.isfinite(measured[name]).any())]
    styles = figures.styles_of(measured)
    width = figures.DOUBLE_COLUMN_MM if len(shown) > 1 else figures.SINGLE_COLUMN_MM
    figure, axes = figures.new_figure(width, 70, 1, len(shown))
    tables = []
    for ax, name in zip(axes, shown, strict=True):
        points = None if recorded is None else recorded[name]
        figures.decay_curve(measured[name], points, ax=ax, styles=styles)
        figures.chance_line(ax, float(measured[CHANCES[name]].mean()))
        ax.set_title(TITLES[name])
        ax.set_ylabel("Fraction decoded")
        ax.set_ylim(bottom=0)
        chance = figures.lag_table(measured[CHANCES[name]])["mean"].mean()
        tables.append(figures.lag_table(measured[name]).assign(measure=name, source="measured", chance=chance))
        tables += figures.recorded.rows_of(points, name)
    figures.panel_letters(axes if len(axes) > 1 else [])
    figures.group_legend(figure, styles, measured, recorded)
    same_day = "; lag 0: repeats left out of the maps of their own session" if _has_same_day(measured) else ""
    caption = (
        "Fraction of single repeats whose stimulus is decoded by the most similar map of another session, against the "
        f"days between the two sessions (trained on the earlier or on the later one{same_day}). Dotted: chance. "
    )
    caption += figures.caption_of_groups(measured[shown[0]]) + figures.recorded.caption_of(recorded)
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def draw_sessions(measured: xr.Dataset, recorded: xr.Dataset | None) -> figures.Drawing:
    """One matrix of train against test session per group, and one per recorded animal."""
    parts = figures.parts_of(measured, recorded)
    matrices = {
        title: part["cross_day_decoding_accuracy"].mean("animal", keep_attrs=True) for title, part in parts.items()
    }
    figure, axes = figures.session_matrices(
        matrices, {title: figures.day_labels(part) for title, part in parts.items()}
    )
    for ax in axes:
        ax.set_ylabel("Trained on day")
        ax.set_xlabel("Tested on day")
    tables = [
        matrix.reset_coords(drop=True).to_dataframe(name="value").reset_index().assign(panel=title)
        for title, matrix in matrices.items()
    ]
    caption = (
        "Fraction of single repeats whose stimulus is decoded, for every pair of sessions, mean over the animals of a "
        f"group ({figures.sizes_text(measured)}; fewer than three: each by itself)."
    )
    if _has_same_day(measured):
        caption += " On the diagonal: repeats left out of the maps of their own session."
    numbers = pd.concat(tables, ignore_index=True)[["panel", "session_a", "session_b", "value"]]
    return figures.Drawing(figure, numbers, caption)


def _has_same_day(measured: xr.Dataset) -> bool:
    """Whether repeats were decoded with the maps of their own session, which takes two repeats."""
    values = measured["cross_day_decoding_accuracy"].transpose(..., "session_a", "session_b").values
    return bool(np.isfinite(np.diagonal(values, axis1=-2, axis2=-1)).any())
