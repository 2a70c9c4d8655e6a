"""
Cell turnover: which cells come and go, and which keep, lose, gain or switch what they prefer.

`measure` follows three things over days: detection (seen at all), tuning (halves of the repeats agree) and selectivity
for one of two groups of stimuli (choice, or direction); how many units keep each, with what chance expects, how many
have it in every session, how fast it is lost, and which form the loss has. `plot` draws them beside recorded animals
and published values. Definitions, sources and limits: `neurofa.measures`.
"""

import re
import tomllib

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import NeurofaError, figures, measures, references

#: measure id to (long name, units)
OF_PAIRS = {
    "overlap_of_detected_cells": ("cells detected in both sessions of those in either", "1"),
    "overlap_of_detected_cells_chance": ("the same for cells drawn at random", "1"),
    "recurrence_of_detected_cells": ("recurrence of detected cells", "1"),
    "recurrence_of_detected_cells_chance": ("the same for cells drawn at random", "1"),
    "turnover_of_detected_cells": ("detected cells that are not detected later", "1"),
    "recurrence_of_tuned_units": ("tuned units that are still tuned", "1"),
    "recurrence_of_tuned_units_chance": ("the same for units drawn at random", "1"),
    "gain_of_tuned_units": ("untuned units that are tuned later", "1"),
    "overlap_of_tuned_units": ("units tuned in both sessions of those in either", "1"),
    "overlap_of_tuned_units_chance": ("the same for units drawn at random", "1"),
    "selectivity_consistent": ("selective units with the same preference later", "1"),
    "selectivity_lost": ("selective units that are no longer selective", "1"),
    "selectivity_switched": ("selective units that prefer the other group", "1"),
    "selectivity_gained": ("unselective units that become selective", "1"),
    "selectivity_correlation": ("correlation of selectivity", "1"),
    "selectivity_consistent_chance": ("level of chance", "1"),
    "selectivity_lost_chance": ("level of chance", "1"),
    "selectivity_switched_chance": ("level of chance", "1"),
    "selectivity_gained_chance": ("level of chance", "1"),
    "kurtosis_of_selectivity_change": ("excess kurtosis of the change of selectivity", "1"),
}
OF_SESSIONS = {
    "number_of_detected_cells": ("detected cells", "1"),
    "fraction_of_tuned_units": ("tuned units of the detected", "1"),
    "fraction_of_selective_units": ("selective units of the detected", "1"),
}
#: coordinates of stimuli with two values that units may prefer, the first that is there
PREFERENCES = ("choice", "direction")
SELECTIVE, TUNED = 0.25, 0.05
CELLS = {
    "overlap_of_detected_cells": ("Detected, overlap", "Both / either"),
    "recurrence_of_detected_cells": ("Detected again", "Fraction of detected"),
    "overlap_of_tuned_units": ("Tuned, overlap", "Both / either"),
    "recurrence_of_tuned_units": ("Tuned again", "Fraction of tuned"),
    "gain_of_tuned_units": ("Newly tuned", "Fraction of untuned"),
}
SELECTIVITY = {
    "selectivity_consistent": ("Same preference", "Fraction of selective"),
    "selectivity_lost": ("Lost", "Fraction of selective"),
    "selectivity_switched": ("Switched", "Fraction of selective"),
    "selectivity_gained": ("Gained", "Fraction of unselective"),
    "selectivity_correlation": ("Selectivity", "Correlation"),
    "kurtosis_of_selectivity_change": ("Change of selectivity", "Excess kurtosis"),
}
CHANCES: dict[str, str | float] = {
    name: f"{name}_chance" for name in (*CELLS, *SELECTIVITY) if f"{name}_chance" in OF_PAIRS
}
CHANCES |= {"gain_of_tuned_units": "recurrence_of_tuned_units_chance"}
CHANCES |= {"kurtosis_of_selectivity_change": 0.0, "selectivity_correlation": 0.0}
#: published measure to the panel that shows it; where the two differ, the caption says how
PUBLISHED = {"recurrence_of_place_cells": "recurrence_of_tuned_units"} | {name: name for name in SELECTIVITY}
#: measures whose decay is fitted
FITTED = ("overlap_of_detected_cells", "recurrence_of_tuned_units", "selectivity_consistent")
FORMS = ("linear", "exponential", "power law", "asymptotic")
TEXTS = {
    "cells": f"Cells that come and go. Tuned: the halves of a session's repeats agree better than in all but "
    f"{100 * TUNED:g} % of the orders of stimuli that chance gives. Detection includes what registration loses; its "
    "chance counts the cells seen at least once.",
    "selectivity": f"What becomes of units that prefer one of two groups of stimuli (selectivity beyond {SELECTIVE:g}"
    "). Noise of trials adds to lost and gained units.",
}


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Measure which cells are detected, tuned and selective again.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated or recorded.

    Returns
    -------
    xarray.Dataset
        Observed rates: measures of pairs on (variable, animal, layer, session_a, session_b), of sessions on (...,
        session), rates of loss on (variable, animal, layer, condition), where condition is what is lost.
    """
    probe = recording["probe"].to_dataset()
    days = probe["day"].values
    if np.isfinite(days).sum(axis=1).max() < 2:
        raise NeurofaError("turnover needs two sessions of one animal at least, not one; record or import more")
    layers = measures.recorded_layers(probe)
    each = measures.each_animal(
        lambda animal: [_of_layer(probe, animal, layer) for layer in layers],
        probe.sizes["animal"],
        map_size=probe["rate"].isel(animal=0, repeat=0).size,
    )
    measured = xr.Dataset(
        coords=figures.group_coords(probe)
        | figures.session_coords(probe)
        | {"variable": ["rate"], "animal": probe["animal"].values, "layer": layers}
        | {"day": (("animal", "session"), days)}
    )
    first = ("variable", "animal", "layer")
    for name, (long_name, units) in (OF_PAIRS | OF_SESSIONS).items():
        values = np.array([[found[name] for found in of_layers] for of_layers in each])[None]
        dims = (*first, "session") if name in OF_SESSIONS else (*first, "session_a", "session_b")
        measured[name] = (dims, values, {"long_name": long_name, "units": units})
    measured = measured.merge(_decay(measured))
    measured.attrs = {"published_area": _area(recording)}
    return measured


def _of_layer(probe: xr.Dataset, animal: int, layer: str) -> dict[str, np.ndarray]:
    """Every measure of one layer of one animal, NaN for sessions that it did not have."""
    maps = measures.session_maps(probe, animal, "rate", layer)
    seen = maps.detected[:, maps.detected.any(axis=0)]
    cells = measures.recurrence_of_units(seen)
    found: dict[str, np.ndarray] = {
        "overlap_of_detected_cells": cells.overlap,
        "overlap_of_detected_cells_chance": cells.overlap_chance,
        "recurrence_of_detected_cells": cells.recurrence,
        "recurrence_of_detected_cells_chance": cells.chance,
        "turnover_of_detected_cells": 1 - cells.recurrence,
    }
    found |= _tuned(probe, maps) | _selectivity(probe, maps.maps)
    n_detected = maps.detected.sum(axis=1).astype(float)
    found["number_of_detected_cells"] = n_detected
    return {name: _placed(values, maps.session, probe.sizes["session"]) for name, values in found.items()}


def _tuned(probe: xr.Dataset, maps: measures.SessionMaps) -> dict[str, np.ndarray]:
    """Tuned units, and whether they are tuned again."""
    ordered = "position" in probe.coords or "time" in probe["rate"].dims
    tuned = measures.tuned_units(maps.halves, np.random.default_rng(0), level=TUNED, circular=ordered)
    again = measures.recurrence_of_units(tuned.tuned, maps.detected)
    known = np.isfinite(tuned.reliability).any()
    found = {
        "recurrence_of_tuned_units": again.recurrence,
        "recurrence_of_tuned_units_chance": again.chance,
        "gain_of_tuned_units": again.gained,
        "overlap_of_tuned_units": again.overlap,
        "overlap_of_tuned_units_chance": again.overlap_chance,
        "fraction_of_tuned_units": tuned.tuned.sum(axis=1) / np.maximum(maps.detected.sum(axis=1), 1),
    }
    return {name: values if known else np.full(values.shape, np.nan) for name, values in found.items()}


def _selectivity(probe: xr.Dataset, maps: np.ndarray) -> dict[str, np.ndarray]:
    """Changes of the preference for one of two groups of stimuli; NaN where stimuli have no such groups."""
    names = [name for name in OF_PAIRS if "selectivity" in name]
    coordinate = next((name for name in PREFERENCES if name in probe.coords), None)
    labels = np.array([]) if coordinate is None else probe[coordinate].values.astype(str)
    if len(np.unique(labels)) != 2 or np.nanmin(maps, initial=0.0) < 0:
        nothing = dict.fromkeys(names, np.full((len(maps), len(maps)), np.nan))
        return nothing | {"fraction_of_selective_units": np.full(len(maps), np.nan)}
    preferred = np.repeat(labels == np.unique(labels)[0], maps.shape[1] // len(labels))
    index = measures.selectivity(maps, preferred)
    changes = measures.selectivity_changes(index, SELECTIVE)
    found = {name: getattr(changes, name.removeprefix("selectivity_")) for name in names if name.startswith("sel")}
    known, selective = np.isfinite(index).sum(axis=1), (np.abs(np.nan_to_num(index)) > SELECTIVE).sum(axis=1)
    found["fraction_of_selective_units"] = np.where(known > 0, selective / np.maximum(known, 1), np.nan)
    return found | {"kurtosis_of_selectivity_change": measures.drift_kurtosis(index[:, None])}


def _placed(values: np.ndarray, sessions: np.ndarray, n_sessions: int) -> np.ndarray:
    """Values of some sessions (or pairs of them) among all of the recording."""
    whole = np.full((n_sessions,) * values.ndim, np.nan)
    whole[np.ix_(*[sessions] * values.ndim)] = values
    return whole


def _decay(measured: xr.Dataset) -> xr.Dataset:
    """Loss per day of every animal, and forms of decay of every group (of fewer than three: every animal)."""
    sizes, days = [measured.sizes[dim] for dim in ("variable", "animal", "layer")], measured["day"].values
    rates = np.full((3, *sizes, len(FITTED)), np.nan)
    parts = figures.parts_of(measured)
    score = np.full((len(parts), sizes[2], len(FITTED), len(FORMS)), np.nan)
    supported = np.zeros(score.shape, dtype=bool)
    for condition, name in enumerate(FITTED):
        for layer in range(sizes[2]):
            lag, curves = measures.curves_of_animals(measured[name].values[0, :, layer], days)
            for animal, curve in enumerate(curves):
                rates[0, 0, animal, layer, condition] = -measures.fit_decay(lag, curve, "linear").parameters[
                    "slope_per_day"
                ]
                rates[2, 0, animal, layer, condition] = measures.two_stage_decay(lag, curve).first_day_drop
            rates[1, 0, :, layer, condition] = measures.decay_time_constants(lag, curves)
            for number, part in enumerate(parts.values()):
                own = curves[np.isin(measured["animal"].values, part["animal"].values)]
                compared = measures.compare_decay_forms(lag, own)
                score[number, layer, condition] = [compared.score[form] for form in FORMS]
                supported[number, layer, condition] = [form in compared.supported for form in FORMS]
    dims, of_forms = ("variable", "animal", "layer", "condition"), ("fitted_group", "layer", "condition", "form")
    return xr.Dataset(
        {
            "loss_per_day": (dims, rates[0], {"long_name": "loss per day", "units": "1 / day"}),
            "loss_time_constant_days": (dims, rates[1], {"long_name": "time constant of loss", "units": "days"}),
            "first_day_drop": (dims, rates[2], {"long_name": "loss by the first day (two stages)", "units": "1"}),
            "score_of_form": (of_forms, score, {"long_name": "score of a form of decay (less: better)", "table": 0}),
            "supported_form": (of_forms, supported, {"long_name": "not told from the best form", "table": 0}),
        },
        coords={"condition": list(FITTED), "fitted_group": list(parts), "form": list(FORMS)},
    )


def _area(recording: xr.DataTree) -> str:
    """The brain area to compare with: of the protocol, where it names published values; of what was recorded."""
    text = str(recording.attrs.get("protocol", ""))
    if not text:
        return str(recording["probe"]["layer"].values[0])
    named = tomllib.loads(text).get("references", {})
    return str(named.get("area", "")) if "drift_statistics" in named.get("tables", []) else ""


def published_values(measured: xr.Dataset) -> pd.DataFrame:
    """
    Published values of the area that the protocol names, to be drawn beside the measured ones.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.

    Returns
    -------
    pandas.DataFrame
        Columns measure (the panel), lag_days, value, lower, upper, source. Values that are published by the number of
        sessions in between stand at that number times the median days between neighbouring sessions here.
    """
    columns = ["measure", "lag_days", "value", "lower", "upper", "source"]
    table = references.load_references()
    table = table[(table["area"] == measured.attrs.get("published_area", "")) & table["measure"].isin(list(PUBLISHED))]
    gaps = np.diff(measured["day"].values, axis=1)
    gap = float(np.median(gaps[np.isfinite(gaps)])) if np.isfinite(gaps).any() else float("nan")
    found = [re.search(r"(\d+) sessions? apart", text) for text in table["condition"]]
    apart = pd.Series([float(one[1]) * gap if one else np.nan for one in found], index=table.index, dtype=float)
    table = table.assign(lag_days=table["lag_days"].fillna(apart), measure=table["measure"].map(PUBLISHED))
    what = table["condition"].str.replace(r",? ?\d+ sessions? apart", "", regex=True)
    return table.assign(source=table["citation"] + ", " + what + " (" + table["definition"] + ")").dropna(
        subset=["lag_days"]
    )[columns]


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
    published = published_values(measured)
    drawings: dict[str, figures.Drawing] = {}
    layers = measured["layer"].values.tolist()
    with figures.style():
        for layer in layers:
            suffix = f"_{layer}" if len(layers) > 1 else ""
            part = measured.sel(variable="rate", layer=layer)
            for name, panels in (("cells", CELLS), ("selectivity", SELECTIVITY)):
                if any(bool(part[one].notnull().any()) for one in panels):
                    drawings[f"turnover_{name}{suffix}"] = figures.decay_panels(
                        part, panels, TEXTS[name], recorded=others, chances=CHANCES, published=published, columns=3
                    )
            drawings[f"turnover_sessions{suffix}"] = draw_sessions(part)
            drawings[f"turnover_forms{suffix}"] = draw_forms(part)
    return drawings


def draw_sessions(measured: xr.Dataset) -> figures.Drawing:
    """How many cells are detected, tuned and selective in every session."""
    styles = figures.styles_of(measured)
    shown = [name for name in OF_SESSIONS if bool(measured[name].notnull().any())]
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 62, 1, 3, len(shown))
    tables = []
    for ax, name in zip(axes, shown, strict=True):
        figures.performance_over_days(measured[name], ax=ax, styles=styles)
        ax.set_ylim(0, 1.05 * ax.get_ylim()[1])
        ax.set_ylabel(measured[name].attrs["long_name"].capitalize())
        tables.append(figures.day_table(measured[name]).assign(measure=name))
    figures.panel_letters(axes)
    figures.group_legend(figure, styles, measured)
    caption = (
        f"Cells of each session: detected, tuned (p at most {TUNED:g}: so many pass without tuning) and selective "
        f"(beyond {SELECTIVE:g}). {figures.caption_of_groups(measured[shown[0]])}"
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def draw_forms(measured: xr.Dataset) -> figures.Drawing:
    """Mean curve of every group with the best form of decay, and which forms cannot be told from it."""
    styles = figures.styles_of(measured)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 66, 1, 3)
    tables, words = [], []
    for ax, name in zip(axes, FITTED, strict=True):
        lag, curves = measures.curves_of_animals(measured[name].values, measured["day"].values)
        dense = np.linspace(lag[lag > 0].min(), lag.max(), 100) if (lag > 0).any() else lag
        for number, (group, part) in enumerate(figures.parts_of(measured).items()):
            look = styles[str(part["group"].values[0])]
            marker = figures.marker_of(number) if part.sizes["animal"] == 1 else "o"
            scores = measured["score_of_form"].sel(fitted_group=group, condition=name)
            supported = measured["supported_form"].sel(fitted_group=group, condition=name).values
            animals = np.isin(measured["animal"].values, part["animal"].values)
            own = measures.mean_and_interval(curves[animals]).mean
            ax.plot(lag, own, marker, markersize=2.5, color=look.colour)
            if not supported.any():
                continue
            best = str(scores["form"].values[np.nanargmin(scores.values)])
            if not _rises(lag, own):
                ax.plot(dense, measures.fit_decay(lag, own, best).curve(dense), **look.line)
            told = " or ".join(
                [best, *(form for form, yes in zip(FORMS, supported, strict=True) if yes and form != best)]
            )
            if _rises(lag, own):
                told = "rises: no decay"
                ax.annotate(told, (0.98, 0.98), xycoords="axes fraction", ha="right", va="top", color=look.colour)
            words.append(f"{_title(name).lower()}, {group}: {told}")
            tables.append(
                pd.DataFrame({"measure": name, "group": group, "form": FORMS, "score": scores, "supported": supported})
            )
        ax.set_title(_title(name))
        ax.locator_params(axis="x", integer=True)
        ax.set_xlabel("Lag (days)")
        ax.set_ylabel((CELLS | SELECTIVITY)[name][1])
    figures.panel_letters(axes)
    figures.group_legend(figure, styles, measured)
    caption = (
        "Forms of decay. Points: mean over animals (of fewer than three: each by itself); lines: the form that "
        "predicts animals left out best (with fewer than four animals: lowest AICc). Best form, and those that cannot "
        "be told from it: "
        f"{'; '.join(words) or 'no curve could be fitted'}."
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(), caption)


def _rises(lag: np.ndarray, mean: np.ndarray) -> bool:
    """Whether a mean curve goes up over lags (least squares): no form of decay describes it."""
    known = np.isfinite(mean) & (lag > 0)
    return bool(known.sum() > 1 and np.polyfit(lag[known], mean[known], 1)[0] > 0)


def _title(name: str) -> str:
    """Title of the panel of a measure."""
    return (CELLS | SELECTIVITY)[name][0]
