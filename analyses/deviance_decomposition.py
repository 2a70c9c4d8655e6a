"""
Deviance taken apart: mismatch, prediction error and repetition suppression, layer by layer, beside recorded stations.

`measure` gives iMM = iPE + iRS of every layer: medians over units and tones of the responses to the same tone as a
deviant, as a standard and in a control; whether they rise along the layers; and deviance detection and adaptation as
plain differences. `plot` draws them beside the six stations of the auditory pathway of Parras et al. 2017. Definitions
and sources: `neurofa.measures`.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurofa import figures, measures, references

INDICES = {"i_mm": "Mismatch, iMM", "i_pe": "Prediction error, iPE", "i_rs": "Repetition suppression, iRS"}
#: the same without normalisation
DIFFERENCES = {
    "deviance_detection": "Deviance detection, deviant - control",
    "stimulus_specific_adaptation": "Adaptation, control - standard",
}
#: of every index, its rank correlation with the number of the layer
ALONG = "{}_rank_correlation_with_layer"
CONTROLS = {"cascade": "cascade", "many_standards": "many standards"}
#: what is done to responses that may be negative
RECTIFICATION = {"rate": "half_wave", "somatic": "half_wave", "feedback": "absolute"}
SIGNALS = {"rate": "Rate, no feedback", "somatic": "Soma with feedback", "feedback": "Teaching signal"}
STATIONS = ("inferior colliculus", "medial geniculate", "auditory cortex")
SHORT = ("IC", "MGB", "AC")


def require_controls(shown: Sequence[str]) -> None:
    """Refuse to measure where a control is not among the conditions that are shown."""
    control = [] if set(CONTROLS) & set(shown) else ["cascade"]
    measures.require_conditions(shown, ["deviant", "standard", *control], "i_pe")


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
        `deviance_detection` and `stimulus_specific_adaptation`, a.u., on the same: means over units and tones. With
        several layers, on the same but layer: the rank correlation of each index with the layer, see `ALONG`.
        Gaps: a unit that responds to nothing is left out of indices; NaN where no unit is left.

    Raises
    ------
    RecordingError
        Where there are no events, no deviants, or none of the controls.
    """
    events = measures.events_group(recording)
    shown = measures.shown_conditions(events)
    require_controls(shown)
    controls = [name for name in CONTROLS if name in shown]
    plasticity = measures.plasticities(events)
    conditions = [(control, on) for control in controls for on in plasticity]
    layers = measures.recorded_layers(events)
    n_animals, n_sessions = events.sizes["animal"], events.sizes["session"]
    names = (*INDICES, "common_contrast_index", *DIFFERENCES)
    found = np.full((len(names), n_animals, len(SIGNALS), len(layers), len(conditions), n_sessions), np.nan)
    for animal in range(n_animals):
        for session in range(n_sessions):
            for on in plasticity:
                own = measures.session_events(events, animal, session, on)
                if own.condition.size:
                    places = [number for number, condition in enumerate(conditions) if condition[1] is on]
                    found[:, animal, :, :, places, session] = np.moveaxis(_indices(own, controls, layers), -1, 0)
    dims = ("animal", "variable", "layer", "condition", "step")
    told = [f"{CONTROLS[control]}, plasticity {'on' if on else 'off'}" for control, on in conditions]
    coords = {"animal": events["animal"].values, "variable": list(SIGNALS), "layer": layers, "condition": told}
    measured = xr.Dataset({name: (dims, values) for name, values in zip(names, found, strict=True)}, coords)
    for name, title in (INDICES | {"common_contrast_index": "Common contrast index"} | DIFFERENCES).items():
        measured[name].attrs = {"long_name": title, "units": "a.u." if name in DIFFERENCES else "1"}
    for name, title in INDICES.items() if len(layers) > 1 else ():
        attrs = {"long_name": f"{title}: rank correlation with the layer", "units": "1"}
        measured[ALONG.format(name)] = (tuple(dim for dim in dims if dim != "layer"), _along(measured[name]), attrs)
    return measured.assign_coords(figures.group_coords(events) | {"step": measures.steps_of_learning(recording)})


def _along(index: xr.DataArray) -> np.ndarray:
    """Rank correlation of an index with the number of the layer, of every animal, signal, condition and session."""
    values = index.transpose("animal", "variable", "condition", "step", "layer").values
    flat = values.reshape(-1, values.shape[-1])
    return measures.hierarchy(flat, np.random.default_rng(0), n_resamples=1).spearman.reshape(values.shape[:-1])


def _indices(own: "measures.SessionEvents", controls: list[str], layers: list[str]) -> np.ndarray:
    """Medians, and means of differences, over units and tones, (measure, signal, layer, control)."""
    deviants = set(own.identity[own.condition == "deviant"].tolist())
    tones = sorted(deviants & set(own.identity[own.condition == "standard"].tolist()))
    n_measures = len(INDICES) + 1 + len(DIFFERENCES)
    found = np.full((n_measures, len(SIGNALS), len(layers), len(controls)), np.nan)
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
    """The three indices, the common contrast and the two differences of one layer."""
    rectified = np.abs if rectification == "absolute" else lambda values: np.maximum(values, 0)
    points = [
        measures.deviance_decomposition({name: values[units] for name, values in tone.items()}, control, rectification)
        for tone in by_tone
    ]
    indices = [np.concatenate([getattr(one, name) for one in points]) for name in INDICES]
    medians = [float(np.median(one[np.isfinite(one)])) if np.isfinite(one).any() else np.nan for one in indices]
    roles = [np.array([rectified(tone[role][units]) for tone in by_tone]) for role in ("deviant", "standard")]
    contrast = measures.common_contrast_index(*roles) if len(by_tone) == 2 else np.full(1, np.nan)
    told = contrast[np.isfinite(contrast)]
    differences = [
        measures.deviance_differences({name: rectified(values[units]) for name, values in tone.items()}, control)
        for tone in by_tone
    ]
    means = [measures.mean_of_finite([getattr(one, name) for one in differences]) for name in DIFFERENCES]
    return [*medians, float(np.median(told)) if told.size else np.nan, *means]


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
        Three figures per control: indices, differences, and how indices change along the layers if there are several.
    """
    names = [str(name) for name in measured["condition"].values]
    drawings = {}
    for control, title in CONTROLS.items():
        conditions = [name for name in names if name.startswith(title)]
        if not conditions:
            continue
        drawings[f"deviance_{control}"] = draw_control(measured, conditions, control)
        drawings[f"deviance_differences_{control}"] = draw_differences(measured, conditions, control)
        if measured.sizes["layer"] > 1:
            drawings[f"deviance_hierarchy_{control}"] = draw_hierarchy(measured, conditions, control)
    return drawings


def draw_control(measured: xr.Dataset, conditions: list[str], control: str) -> figures.Drawing:
    """The three indices over layers: rows for rates, and for somata and teaching signals with plasticity off and on."""
    figure, axes, table = _draw_grid(measured, conditions, INDICES)
    published = _published(control)
    for number, ax in enumerate(axes):
        _draw_stations(ax, published[published["measure"] == list(INDICES)[number % len(INDICES)]])
        ax.set_ylim(-1.08, 1.08)
    _legend(figure, figures.styles_of(measured), stations=True)
    caption = (
        f"Control: {CONTROLS[control]}. Medians over units and tones of the indices, layer by layer: mean and 95 % "
        "interval (Student t) over animals after learning. Responses above the rate just before the event, half-wave "
        "rectified; of the teaching signal its size. Black: medians of Parras et al. 2017 "
        "(10.1038/s41467-017-02038-6), rat, in inferior colliculus, medial geniculate and auditory cortex, printed "
        "without intervals; layers stand for stations only by their order. iMM = iPE + iRS holds unit by unit, not of "
        "medians. "
    )
    return figures.Drawing(figure, table, caption + figures.sizes_text(measured) + ".")


def draw_differences(measured: xr.Dataset, conditions: list[str], control: str) -> figures.Drawing:
    """Deviance detection and adaptation as differences of responses, in the rows of `draw_control`."""
    figure, _, table = _draw_grid(measured, conditions, DIFFERENCES)
    _legend(figure, figures.styles_of(measured), stations=False)
    caption = (
        f"Control: {CONTROLS[control]}. Differences of the responses of the figure of indices, not normalised: means "
        "over units and tones, mean and 95 % interval (Student t) over animals after learning. Strong units count more "
        "than weak ones here, where indices count all units alike. "
    )
    return figures.Drawing(figure, table, caption + figures.sizes_text(measured) + ".")


def _rows(conditions: list[str]) -> list[tuple[str, str]]:
    """Signal and condition of every row of a figure."""
    return [("rate", conditions[0]), *((signal, one) for one in conditions for signal in ("somatic", "feedback"))]


def _draw_grid(
    measured: xr.Dataset, conditions: list[str], quantities: dict[str, str]
) -> tuple[Figure, np.ndarray, pd.DataFrame]:
    """Quantities over layers, one column each; the figure, its axes and the numbers."""
    rows, styles, n_columns = _rows(conditions), figures.styles_of(measured), len(quantities)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 14 + 41 * len(rows), len(rows), n_columns)
    last, tables = measured.isel(step=-1), []
    layers = [str(layer).removeprefix("hidden_") for layer in measured["layer"].values]
    stations = [f"\n{name}" for name in SHORT] if len(layers) == len(SHORT) else [""] * len(layers)
    for number, ax in enumerate(axes):
        (signal, condition), name = rows[number // n_columns], list(quantities)[number % n_columns]
        values = last[name].sel(variable=signal, condition=condition)
        tables.append(_draw_layers(ax, values, styles).assign(measure=name, variable=signal, condition=condition))
        ax.set_title(quantities[name] if number < n_columns else "")
        unit = "" if values.attrs["units"] == "1" else f" ({values.attrs['units']})"
        label = f"{SIGNALS[signal]}{unit}\n{condition.rpartition(', ')[2]}"
        ax.set_ylabel(label if number % n_columns == 0 else "")
        bottom = number >= n_columns * (len(rows) - 1)
        ax.set_xticks(range(len(layers)), [f"{a}{b}" for a, b in zip(layers, stations, strict=True)] if bottom else [])
        ax.set_xlabel("Layer" if bottom else "")
    figures.panel_letters(axes)
    return figure, axes, pd.concat(tables, ignore_index=True)


def draw_hierarchy(measured: xr.Dataset, conditions: list[str], control: str) -> figures.Drawing:
    """Change of every index per layer with its interval: the rows of `draw_control` below each other."""
    rows, styles, last = _rows(conditions), figures.styles_of(measured), measured.isel(step=-1)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 34 + (4 + 3 * len(styles)) * len(rows), 1, len(INDICES))
    groups, published, found = measured["group"].values.astype(str), _published(control), []
    for ax, (index, title) in zip(axes, INDICES.items(), strict=True):
        for (row, (signal, condition)), (number, (group, look)) in product(enumerate(rows), enumerate(styles.items())):
            own = last[index].sel(variable=signal, condition=condition).transpose("animal", "layer")
            slope = measures.hierarchy(own.values[groups == group], np.random.default_rng(0))
            at = row + 0.8 * ((number + 0.5) / len(styles) - 0.5)
            ends = np.nan_to_num([[slope.slope - slope.low], [slope.high - slope.slope]])
            ax.errorbar([slope.slope], [at], xerr=ends, fmt="o", markersize=2.5, elinewidth=0.8, color=look.colour)
            place = {"measure": index, "variable": signal, "condition": condition, "group": group}
            numbers = {"slope_per_layer": slope.slope, "lower": slope.low, "upper": slope.high}
            found.append(place | numbers | {"mean_rank_correlation": measures.mean_of_finite(slope.spearman)})
        for lemniscal, stations in published[published["measure"] == index].groupby("lemniscal"):
            slope = measures.hierarchy([stations.sort_values("place")["value"]], np.random.default_rng(0))
            ax.plot([slope.slope], [-1], color="black", markersize=3.5, **_station_look(bool(lemniscal)))
            told = "recorded, lemniscal" if lemniscal else "recorded, non-lemniscal"
            found.append({"measure": index, "group": told, "slope_per_layer": slope.slope})
        ax.axvline(0, color="0.7", linewidth=0.6, zorder=0)
        labels = [f"{SIGNALS[signal]}\n{condition.rpartition(', ')[2]}" for signal, condition in rows]
        ax.set_yticks(range(-1, len(rows)), ["recorded", *labels] if ax is axes[0] else [])
        ax.set_ylim(len(rows) - 0.5, -1.5)
        ax.set_title(title)
        ax.set_xlabel("Change per layer")
    figures.panel_letters(axes)
    _legend(figure, styles, stations=True)
    caption = (
        f"Control: {CONTROLS[control]}. Least-squares slope of the index along the layers, from the lowest up: mean "
        "over animals and 95 % interval (bootstrap over animals). Black: slope of the medians of Parras et al. 2017 "
        "(10.1038/s41467-017-02038-6) along three stations, without intervals. Rank correlations are in the table. "
    )
    return figures.Drawing(figure, pd.DataFrame(found), caption + figures.sizes_text(measured) + ".")


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
        look = _station_look(bool(lemniscal))
        ax.plot(own["place"] + 0.28, own["value"], linestyle=":", linewidth=0.7, color="black", markersize=3, **look)


def _station_look(lemniscal: bool) -> dict[str, str]:
    """Marker of a recorded pathway."""
    return {"marker": "o", "markerfacecolor": "white"} if lemniscal else {"marker": "s"}


def _legend(figure: Figure, styles: dict[str, figures.GroupStyle], stations: bool) -> None:
    """Groups and, where they are drawn, the two recorded pathways."""
    handles = [
        Line2D([], [], label=look.label or name, marker="o", markersize=2.5, **look.line)
        for name, look in styles.items()
    ]
    for label, lemniscal in (("recorded, lemniscal", True), ("recorded, non-lemniscal", False)) if stations else ():
        look = _station_look(lemniscal)
        handles.append(Line2D([], [], label=label, linestyle=":", linewidth=0.7, color="black", markersize=3, **look))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=7, frameon=False)
