"""
Deviance taken apart: mismatch, prediction error and repetition suppression, layer by layer, beside recorded stations.

`measure` gives iMM = iPE + iRS of every layer: medians over units and tones of the responses to the same tone as a
deviant, as a standard and in a control. `plot` draws them beside the six stations of the auditory pathway of Parras et
al. 2017. Definitions and sources: `neurofa.measures`.
"""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurofa import figures, measures, references

INDICES = {"i_mm": "Mismatch, iMM", "i_pe": "Prediction error, iPE", "i_rs": "Repetition suppression, iRS"}
CONTROLS = {"cascade": "cascade", "many_standards": "many standards"}
#: what is done to responses that may be negative
RECTIFICATION = {"rate": "half_wave", "somatic": "half_wave", "feedback": "absolute"}
SIGNALS = {"rate": "Rate, no feedback", "somatic": "Soma with feedback", "feedback": "Teaching signal"}
STATIONS = ("inferior colliculus", "medial geniculate", "auditory cortex")
SHORT = ("IC", "MGB", "AC")


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Take the deviance of every layer apart.

    Parameters
    ----------
    recording : xarray.DataTree
        With events of the conditions deviant and standard, and of at least one control of the same tones.

    Returns
    -------
    xarray.Dataset
        `i_mm`, `i_pe`, `i_rs` and `common_contrast_index` on (animal, variable, layer, condition, step): variable is
        the signal; condition names the control and whether plasticity was on; step is the session, by updates so far.
        Medians over units and tones; responses above baseline, half-wave rectified, of the teaching signal absolute.
        Gaps: a unit that responds to nothing is left out; NaN where no unit is left.

    Raises
    ------
    RecordingError
        Where there are no events, no deviants, or none of the controls.
    """
    events = measures.events_group(recording)
    shown = measures.shown_conditions(events)
    controls = [name for name in CONTROLS if name in shown]
    measures.require_conditions(shown, ["deviant", "standard", *([] if controls else ["cascade"])], "i_pe")
    plasticity = measures.plasticities(events)
    conditions = [(control, on) for control in controls for on in plasticity]
    layers = measures.event_layers(events)
    n_animals, n_sessions = events.sizes["animal"], events.sizes["session"]
    found = np.full((4, n_animals, len(SIGNALS), len(layers), len(conditions), n_sessions), np.nan)
    for animal in range(n_animals):
        for session in range(n_sessions):
            for on in plasticity:
                own = measures.session_events(events, animal, session, on)
                if own.condition.size:
                    places = [number for number, condition in enumerate(conditions) if condition[1] is on]
                    found[:, animal, :, :, places, session] = np.moveaxis(_indices(own, controls, layers), -1, 0)
    dims = ("animal", "variable", "layer", "condition", "step")
    names = (*INDICES, "common_contrast_index")
    told = [f"{CONTROLS[control]}, plasticity {'on' if on else 'off'}" for control, on in conditions]
    coords = {"animal": events["animal"].values, "variable": list(SIGNALS), "layer": layers, "condition": told}
    measured = xr.Dataset({name: (dims, values) for name, values in zip(names, found, strict=True)}, coords)
    for name, title in INDICES.items():
        measured[name].attrs = {"long_name": title, "units": "1"}
    measured["common_contrast_index"].attrs = {"long_name": "Common contrast index", "units": "1"}
    return measured.assign_coords(figures.group_coords(events) | {"step": measures.steps_of_learning(recording)})


def _indices(own: "measures.SessionEvents", controls: list[str], layers: list[str]) -> np.ndarray:
    """Medians over units and tones, (index, signal, layer, control)."""
    deviants = set(own.identity[own.condition == "deviant"].tolist())
    tones = sorted(deviants & set(own.identity[own.condition == "standard"].tolist()))
    found = np.full((4, len(SIGNALS), len(layers), len(controls)), np.nan)
    for place, signal in enumerate(SIGNALS):
        by_tone = []
        for tone in tones:
            chosen = {
                name: (own.condition == name) & (own.identity == tone) for name in ("deviant", "standard", *controls)
            }
            by_tone.append(own.means(signal, chosen))
        for number, control in enumerate(controls):
            for depth, layer in enumerate(layers):
                found[:, place, depth, number] = _of_layer(by_tone, control, own.layer == layer, RECTIFICATION[signal])
    return found


def _of_layer(by_tone: list[dict[str, np.ndarray]], control: str, units: np.ndarray, rectification: str) -> list[float]:
    """The three indices and the common contrast of one layer."""
    points = [
        measures.deviance_decomposition({name: values[units] for name, values in tone.items()}, control, rectification)
        for tone in by_tone
    ]
    indices = [np.concatenate([getattr(one, name) for one in points]) for name in INDICES]
    medians = [float(np.median(one[np.isfinite(one)])) if np.isfinite(one).any() else np.nan for one in indices]
    rectified = np.abs if rectification == "absolute" else lambda values: np.maximum(values, 0)
    roles = [np.array([rectified(tone[role][units]) for tone in by_tone]) for role in ("deviant", "standard")]
    contrast = measures.common_contrast_index(*roles) if len(by_tone) == 2 else np.full(1, np.nan)
    told = contrast[np.isfinite(contrast)]
    return [*medians, float(np.median(told)) if told.size else np.nan]


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used: published medians are drawn.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        One figure per control.
    """
    names = [str(name) for name in measured["condition"].values]
    return {
        f"deviance_{control}": draw_control(measured, [name for name in names if name.startswith(title)], control)
        for control, title in CONTROLS.items()
        if any(name.startswith(title) for name in names)
    }


def draw_control(measured: xr.Dataset, conditions: list[str], control: str) -> figures.Drawing:
    """The three indices over layers: rows for rates, and for somata and teaching signals with plasticity off and on."""
    styles = figures.styles_of(measured)
    published = _published(control)
    rows = [("rate", conditions[0]), *((signal, one) for one in conditions for signal in ("somatic", "feedback"))]
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 14 + 41 * len(rows), len(rows), len(INDICES))
    last = measured.isel(step=-1)
    tables = []
    for number, ax in enumerate(axes):
        (signal, condition), index = rows[number // len(INDICES)], list(INDICES)[number % len(INDICES)]
        values = last[index].sel(variable=signal, condition=condition)
        tables.append(_draw_layers(ax, values, styles).assign(measure=index, variable=signal, condition=condition))
        _draw_stations(ax, published[published["measure"] == index])
        if number < len(INDICES):
            ax.set_title(INDICES[index])
        plasticity = condition.rpartition(", ")[2]
        ax.set_ylabel(f"{SIGNALS[signal]}\n{plasticity}" if number % len(INDICES) == 0 else "")
        layers = [str(layer).removeprefix("hidden_") for layer in values["layer"].values]
        stations = [f"\n{name}" for name in SHORT] if len(layers) == len(SHORT) else [""] * len(layers)
        bottom = number >= len(INDICES) * (len(rows) - 1)
        ax.set_xticks(range(len(layers)), [f"{a}{b}" for a, b in zip(layers, stations, strict=True)] if bottom else [])
        ax.set_ylim(-1.08, 1.08)
    figures.panel_letters(axes)
    _legend(figure, styles)
    caption = (
        f"Control: {CONTROLS[control]}. Medians over units and tones of the indices, layer by layer: mean and 95 % "
        "interval (Student t) over animals after learning. Responses above the rate just before the event, half-wave "
        "rectified; of the teaching signal its size. Black: medians of Parras et al. 2017 "
        "(10.1038/s41467-017-02038-6), rat, in inferior colliculus, medial geniculate and auditory cortex, printed "
        "without intervals; layers stand for stations only by their order. iMM = iPE + iRS holds unit by unit, not of "
        "medians. "
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption + figures.sizes_text(measured) + ".")


def _draw_layers(ax: Axes, values: xr.DataArray, styles: dict[str, figures.GroupStyle]) -> pd.DataFrame:
    """Mean and interval of every group over layers."""
    groups, rows = values["group"].values.astype(str), []
    ax.axhline(0, color="0.7", linewidth=0.6, zorder=0)
    for number, (group, look) in enumerate(styles.items()):
        over = measures.mean_and_interval(values.transpose("animal", "layer").values[groups == group])
        place = np.arange(values.sizes["layer"]) + 0.05 * (number - (len(styles) - 1) / 2)
        error = np.nan_to_num(np.stack([over.mean - over.low, over.high - over.mean]))
        ax.errorbar(place, over.mean, error, marker="o", markersize=2.5, elinewidth=0.8, **look.line)
        for layer, mean, low, high in zip(values["layer"].values, over.mean, over.low, over.high, strict=True):
            rows.append({"group": group, "layer": str(layer), "mean": mean, "lower": low, "upper": high})
    return pd.DataFrame(rows)


def _published(control: str) -> pd.DataFrame:
    """Published medians with the place of their station and their pathway."""
    table = references.load_references("prediction_error_statistics")
    table = table[table["definition"] == f"deviance_decomposition_{control}"].copy()
    table["place"] = [next(n for n, name in enumerate(STATIONS) if area.startswith(name)) for area in table["area"]]
    return table.assign(lemniscal=[not area.endswith("non-lemniscal") for area in table["area"]])


def _draw_stations(ax: Axes, table: pd.DataFrame) -> None:
    """Published medians: circles lemniscal, squares non-lemniscal."""
    for lemniscal, own in table.groupby("lemniscal"):
        look = {"marker": "o", "markerfacecolor": "white"} if lemniscal else {"marker": "s"}
        ax.plot(own["place"] + 0.28, own["value"], linestyle=":", linewidth=0.7, color="black", markersize=3, **look)


def _legend(figure: Figure, styles: dict[str, figures.GroupStyle]) -> None:
    """Groups and the two recorded pathways."""
    handles = [
        Line2D([], [], label=look.label or name, marker="o", markersize=2.5, **look.line)
        for name, look in styles.items()
    ]
    for label, look in (
        ("recorded, lemniscal", {"markerfacecolor": "white", "marker": "o"}),
        ("recorded, non-lemniscal", {"marker": "s"}),
    ):
        handles.append(Line2D([], [], label=label, linestyle=":", linewidth=0.7, color="black", markersize=3, **look))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=7, frameon=False)
