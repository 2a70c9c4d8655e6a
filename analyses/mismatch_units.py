"""
Units that answer visuomotor mismatch: how many, after which rearing, and whether playback halts drive them.

`measure` classifies units by single events of coupled running (matched), halts while the animal runs (mismatch), flow
while it is still (playback), and neither (baseline), as published, and looks how often chance does. `plot` draws the
fractions beside those of Jordan & Keller 2020. Definitions and sources: `neurofa.measures`.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from neurofa import figures, measures, references

PHASES = ("baseline", "matched", "mismatch", "playback")
HALT = "playback_halt"
#: rates that units are classified by
SIGNALS = ("somatic", "rate")
N_PERMUTATIONS, N_SHUFFLES = 199, 10
#: events of a condition that are looked at, evenly chosen
MOST_EVENTS = 200
#: level of each tail
TAIL = 0.025
VARIABLES = {
    "fraction_negative_prediction_error": ("Mismatch units", "fraction"),
    "fraction_negative_prediction_error_lower": ("Mismatch units, lower end of the interval", "fraction"),
    "fraction_negative_prediction_error_upper": ("Mismatch units, upper end of the interval", "fraction"),
    "fraction_negative_prediction_error_chance": ("Mismatch units, phases shuffled", "fraction"),
    "fraction_positive_prediction_error": ("Playback units", "fraction"),
    "fraction_positive_prediction_error_lower": ("Playback units, lower end of the interval", "fraction"),
    "fraction_positive_prediction_error_upper": ("Playback units, upper end of the interval", "fraction"),
    "fraction_positive_prediction_error_chance": ("Playback units, phases shuffled", "fraction"),
    "fraction_unsigned_prediction_error": ("Units that answer both", "fraction"),
    "fraction_driven_by_playback_halts": ("Of mismatch units, driven by playback halts", "fraction"),
    "fraction_of_coupling_specific_units": ("Mismatch units that playback halts do not drive", "fraction"),
    "fraction_negative_by_relative_change": ("Mismatch units, by relative change", "fraction"),
    "fraction_negative_by_tolerance": ("Mismatch units, by tolerance", "fraction"),
    "mean_negative_error_index": ("Index of negative prediction errors", "1"),
    "response_to_halts": ("Response to halts of coupled flow", "a.u."),
    "response_to_playback_halts": ("Response to halts of playback", "a.u."),
}
#: panels of the first figure: measure, title, id of the published fraction, its name
PANELS = (
    ("fraction_negative_prediction_error", "Mismatch units", "jordan2020_frac_dMM", "recorded: 14 of 27"),
    ("fraction_positive_prediction_error", "Playback units", "jordan2020_frac_hMM", "recorded: 5 of 27"),
    ("fraction_driven_by_playback_halts", "Mismatch units that\nplayback halts drive", "", ""),
    ("fraction_of_coupling_specific_units", "Mismatch units that\nplayback halts do not drive", "", ""),
)


def require_controls(shown: Sequence[str]) -> None:
    """Refuse to measure where a control is not among the conditions that are shown."""
    measures.require_conditions(shown, (*PHASES, HALT), "the fraction of mismatch units")


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Count the units of every class.

    Parameters
    ----------
    recording : xarray.DataTree
        With events of the conditions baseline, matched, mismatch, playback and playback_halt.

    Returns
    -------
    xarray.Dataset
        `VARIABLES` on (variable, animal, layer, condition, session): variable is the rate with (somatic) or without
        feedback, condition whether plasticity was on. Intervals are Wilson's, 95 %, over the units of an animal.
        Responses to halts: mean over units of the rate at halts during running minus that in coupled running, and at
        halts of the playback minus that in its flow, both of the latter standing still. NaN where no unit can be told,
        or an animal had no session.

    Raises
    ------
    RecordingError
        Where there are no events, or a condition was not recorded.
    """
    events = measures.events_group(recording)
    require_controls(measures.shown_conditions(events))
    measured = measures.measures_of_layers(events, _of_units, SIGNALS, VARIABLES)
    return measured.assign_coords(figures.group_coords(events))


def _of_units(
    own: measures.SessionEvents, signal: str, units: np.ndarray, _: str, rng: np.random.Generator
) -> list[float]:
    """Every measure of some units by single events, in the order of `VARIABLES`."""
    values = own.units[signal][:, units]
    there = np.isfinite(own.units["feedback"]).all(axis=1)
    events = {
        name: measures.evenly_chosen(values[there & (own.condition == name)], MOST_EVENTS) for name in (*PHASES, HALT)
    }
    phases = {name: events[name] for name in PHASES}
    classify = partial(measures.classify_by_permutation, rng=rng, n_permutations=N_PERMUTATIONS)
    classes = classify(phases)
    coarse = partial(measures.classify_by_permutation, rng=rng, n_permutations=99)
    chance = measures.shuffled_fractions_of_classes(phases, coarse, rng, N_SHUFFLES)
    negative, told = classes == "negative", classes != "undefined"
    driven = _exceeds(events, HALT, "playback", rng) & _exceeds(events, HALT, "baseline", rng)
    means = {name: values.mean(axis=0) for name, values in phases.items()}
    responses: dict[str, Any] = {name: means[name] - means["baseline"] for name in PHASES[1:]}
    fractions = measures.fractions_of_classes(classes)
    found = [
        value
        for name in ("negative", "positive")
        for value in (*map(float, fractions[name]), measures.mean_of_finite(chance[name]))
    ]
    return [
        *found,
        float(fractions["unsigned"].proportion),
        _share(driven, negative),
        _share(negative & ~driven, told),
        _negative(measures.classify_by_relative_change(means)),
        # rates have no unit here: any response counts
        _negative(measures.classify_by_tolerance(responses, least=0.0)),
        measures.mean_of_finite(measures.signed_error_indices(responses).negative),
        measures.mean_of_finite(means["mismatch"] - means["matched"]),
        measures.mean_of_finite(events[HALT].mean(axis=0) - means["playback"]),
    ]


def _exceeds(events: dict[str, np.ndarray], one: str, other: str, rng: np.random.Generator) -> np.ndarray:
    """Units that respond more in one condition than in the other."""
    both = np.concatenate([events[one], events[other]])
    label = np.arange(len(both)) < len(events[one])
    above, _ = measures.permutation_p_values(both, label, rng, N_PERMUTATIONS)
    return np.asarray(above <= TAIL)


def _share(chosen: np.ndarray, among: np.ndarray) -> float:
    """Fraction of some units; NaN where there are none."""
    return float(chosen[among].mean()) if among.any() else float("nan")


def _negative(classes: np.ndarray) -> float:
    """Fraction of units with a negative prediction error."""
    return float(measures.fractions_of_classes(classes)["negative"].proportion)


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used: published fractions are drawn.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure; one for each state of plasticity.
    """
    drawings = {}
    for condition in measured["condition"].values.astype(str):
        own = measured.sel(variable="somatic", condition=condition)
        suffix = "" if condition == "plasticity off" else "_plasticity_on"
        for layer in own["layer"].values.astype(str):
            last = f"_{layer}" if own.sizes["layer"] > 1 else ""
            drawings[f"mismatch_units{suffix}{last}"] = draw_fractions(own.sel(layer=layer), condition)
            drawings[f"mismatch_units_over_days{suffix}{last}"] = draw_days(own.sel(layer=layer), condition)
    return drawings


def draw_fractions(measured: xr.Dataset, condition: str) -> figures.Drawing:
    """Fractions of the last session, animal by animal, beside the published ones."""
    styles, last = figures.styles_of(measured), measured.isel(session=-1)
    published = references.load_references("prediction_error_statistics").set_index("id")
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 72, 1, len(PANELS))
    for ax, (name, title, row, told) in zip(axes, PANELS, strict=True):
        bounds = (last[f"{name}_lower"], last[f"{name}_upper"]) if f"{name}_lower" in last else None
        figures.animal_points(last[name], bounds=bounds, ax=ax, styles=styles)
        ax.set_xticks([])
        ax.set_title(title)
        ax.set_ylabel("Fraction of units" if name != "fraction_driven_by_playback_halts" else "Fraction of these")
        ax.set_ylim(-0.03, 1.03)
        if row:
            _draw_published(ax, published.loc[row], told)
        if f"{name}_chance" in last:
            figures.chance_levels(last[f"{name}_chance"], ax=ax, styles=styles)
    figures.panel_letters(axes)
    figures.group_legend(figure, styles)
    ends = ("_lower", "_upper", "_chance")
    names = [name for name, *_ in PANELS] + [name for name in VARIABLES if name.endswith(ends)]
    numbers = pd.concat([_rows(last[name]).assign(measure=name) for name in names], ignore_index=True)
    caption = (
        f"Last session, {condition}. Dots: animals, of controls hollow; thin lines: Wilson's 95 % interval over the "
        "units of an animal, taken as independent; bars: medians. Classes by permutation of single events (2.5 % in "
        "each tail): mismatch units answer halts of the flow during running more than coupled running and standing "
        "still, and do not answer playback (flow while still); playback units the other way round. Dotted: the same "
        "with phases shuffled. Grey: neurons that depolarise, or hyperpolarise, to mismatch in Jordan & Keller 2020 "
        "(10.1016/j.neuron.2020.09.024) with Wilson's 95 % interval: membrane potentials of 27 neurons, by another "
        "criterion, so that being inside claims no more than the same order. "
    )
    return figures.Drawing(figure, numbers, caption + _differences(last) + figures.sizes_text(measured) + ".")


def draw_days(measured: xr.Dataset, condition: str) -> figures.Drawing:
    """Mismatch units that playback halts do not drive, and all of them, over days of rearing."""
    styles = figures.styles_of(measured)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 66, 1, 2)
    tables = []
    for ax, name in zip(
        axes, ("fraction_negative_prediction_error", "fraction_of_coupling_specific_units"), strict=True
    ):
        figures.performance_over_days(measured[name], ax=ax, styles=styles)
        ax.set_title(VARIABLES[name][0])
        ax.set_ylabel("Fraction of units")
        ax.set_ylim(0, 1.1 * max(0.1, float(measured[name].max())))
        tables.append(figures.day_table(measured[name]).assign(measure=name))
    figures.panel_letters(axes)
    figures.group_legend(figure, styles, measured)
    caption = (
        f"Mismatch units over days of rearing, {condition}; on day 0 nothing was learned. "
        f"{figures.caption_of_groups(measured['fraction_negative_prediction_error'])}"
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def _draw_published(ax: Axes, row: pd.Series, told: str) -> None:
    """A published fraction with its interval, behind the dots."""
    ax.axhspan(row["lower"], row["upper"], color="0.9", linewidth=0, zorder=0)
    ax.axhline(row["value"], color="0.55", linewidth=0.8, zorder=0)
    ax.annotate(told, (0.98, 0.985), xycoords="axes fraction", ha="right", va="top", fontsize=6, color="0.35")


def _rows(values: xr.DataArray) -> pd.DataFrame:
    """One row per animal."""
    return pd.DataFrame(
        {"group": values["group"].values.astype(str), "animal": values["animal"].values, "value": values.values}
    )


def _differences(last: xr.Dataset) -> str:
    """Every group against its control, paired by animal: mean difference with its interval."""
    if "control_of" not in last.coords:
        return ""
    groups, texts = last["group"].values.astype(str), []
    labels = {group: look.label or group for group, look in figures.styles_of(last).items()}
    for control in dict.fromkeys(groups.tolist()):
        group = str(last["control_of"].values[groups == control][0])
        one, other = groups == group, groups == control
        if not group or one.sum() != other.sum():
            continue
        told = []
        for name in ("fraction_negative_prediction_error", "fraction_of_coupling_specific_units"):
            over = measures.mean_and_interval(last[name].values[one] - last[name].values[other])
            told.append(f"{float(over.mean):.3f} ({float(over.low):.3f} to {float(over.high):.3f})")
        texts.append(f"{labels[group]} minus {labels[control]}: {told[0]}, of those not driven by halts {told[1]}")
    return (
        f"Mismatch units, paired by animal, mean and 95 % interval (Student t): {'; '.join(texts)}. " if texts else ""
    )
