"""
Units that answer visuomotor mismatch: how many, after which rearing, and whether playback halts drive them.

`measure` classifies units by single events of coupled running (matched), halts while the animal runs (mismatch), flow
while it is still (playback), and neither (baseline), as published, and looks how often chance does. `plot` draws the
fractions beside those of Jordan & Keller 2020. Definitions and sources: `neurofa.measures`.
"""

from collections.abc import Callable, Sequence
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
#: shuffles for the classifiers of means, which are quicker
N_SHUFFLES_OF_MEANS = 20
#: events of a condition that are looked at, evenly chosen
MOST_EVENTS = 200
#: level of each tail
TAIL = 0.025
#: sign of a prediction error to what its units are called
SIGNS = {"negative": "Mismatch units", "positive": "Playback units"}
#: classifier, as it ends the name of a fraction, to what it is called
CLASSIFIERS = {
    "prediction_error": "",
    "by_relative_change": ", by relative change",
    "by_tolerance": ", by tolerance",
}
#: end of the name of what is told of a fraction, to what it is called
ENDS = {
    "": "",
    "_lower": ", lower end of the interval",
    "_upper": ", upper end of the interval",
    "_chance": ", phases shuffled",
}
VARIABLES = {
    f"fraction_{sign}_{classifier}{end}": (units + how + told, "fraction")
    for classifier, how in CLASSIFIERS.items()
    for sign, units in SIGNS.items()
    for end, told in ENDS.items()
} | {
    "fraction_unsigned_prediction_error": ("Units that answer both", "fraction"),
    "fraction_driven_by_playback_halts": ("Of mismatch units, driven by playback halts", "fraction"),
    "fraction_of_coupling_specific_units": ("Mismatch units that playback halts do not drive", "fraction"),
    "mean_negative_error_index": ("Index of negative prediction errors", "1"),
    "mean_positive_error_index": ("Index of positive prediction errors", "1"),
    "response_to_halts": ("Response to halts of coupled flow", "a.u."),
    "response_to_playback_halts": ("Response to halts of playback", "a.u."),
}
#: rates have no unit here, so that the 0.5 per second of the classifier by tolerance means nothing: any response counts
LEAST = 0.0
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
        halts of the playback minus that in its flow, both of the latter standing still. Chance: the same classifier
        where phases of single events are shuffled. NaN where no unit can be told, a condition has fewer than two
        events, or an animal had no session.

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
    if min(len(one) for one in events.values()) < 2:
        return [float("nan")] * len(VARIABLES)
    phases = {name: events[name] for name in PHASES}
    classes = measures.classify_by_permutation(phases, rng, N_PERMUTATIONS)
    coarse = partial(measures.classify_by_permutation, rng=rng, n_permutations=99)
    told = [
        *_told_of_fractions(classes, phases, coarse, rng, N_SHUFFLES),
        *(
            value
            for classify in (_by_relative_change, _by_tolerance)
            for value in _told_of_fractions(classify(phases), phases, classify, rng, N_SHUFFLES_OF_MEANS)
        ),
    ]
    driven = _exceeds(events, HALT, "playback", rng) & _exceeds(events, HALT, "baseline", rng)
    negative, known = classes == "negative", classes != "undefined"
    means, indices = _means(phases), measures.signed_error_indices(_responses(phases))
    return [
        *told,
        float(measures.fractions_of_classes(classes)["unsigned"].proportion),
        _share(driven, negative),
        _share(negative & ~driven, known),
        measures.mean_of_finite(indices.negative),
        measures.mean_of_finite(indices.positive),
        measures.mean_of_finite(means["mismatch"] - means["matched"]),
        measures.mean_of_finite(events[HALT].mean(axis=0) - means["playback"]),
    ]


def _means(phases: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Mean rate of every unit in every phase."""
    return {name: values.mean(axis=0) for name, values in phases.items()}


def _responses(phases: dict[str, np.ndarray]) -> dict[str, Any]:
    """Mean rates above those of the baseline."""
    means = _means(phases)
    return {name: means[name] - means["baseline"] for name in PHASES[1:]}


def _by_relative_change(phases: dict[str, np.ndarray]) -> np.ndarray:
    """Classes of the units by the relative change of their mean rates."""
    return measures.classify_by_relative_change(_means(phases))


def _by_tolerance(phases: dict[str, np.ndarray]) -> np.ndarray:
    """Classes of the units by their mean responses relative to the largest one."""
    return measures.classify_by_tolerance(_responses(phases), least=LEAST)


def _told_of_fractions(
    classes: np.ndarray,
    phases: dict[str, np.ndarray],
    classify: Callable[[dict[str, np.ndarray]], np.ndarray],
    rng: np.random.Generator,
    n_shuffles: int,
) -> list[float]:
    """Of each of `SIGNS` what `ENDS` names: the fraction, Wilson's interval, and the fraction with phases shuffled."""
    fractions = measures.fractions_of_classes(classes)
    chance = measures.shuffled_fractions_of_classes(phases, classify, rng, n_shuffles)
    return [value for sign in SIGNS for value in (*map(float, fractions[sign]), measures.mean_of_finite(chance[sign]))]


def _exceeds(events: dict[str, np.ndarray], one: str, other: str, rng: np.random.Generator) -> np.ndarray:
    """Units that respond more in one condition than in the other."""
    both = np.concatenate([events[one], events[other]])
    label = np.arange(len(both)) < len(events[one])
    above, _ = measures.permutation_p_values(both, label, rng, N_PERMUTATIONS)
    return np.asarray(above <= TAIL)


def _share(chosen: np.ndarray, among: np.ndarray) -> float:
    """Fraction of some units; NaN where there are none."""
    return float(chosen[among].mean()) if among.any() else float("nan")


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
        File name to figure; three for each state of plasticity.
    """
    drawings = {}
    for condition in measured["condition"].values.astype(str):
        own = measured.sel(variable="somatic", condition=condition)
        suffix = "" if condition == "plasticity off" else "_plasticity_on"
        for layer in own["layer"].values.astype(str):
            last = f"_{layer}" if own.sizes["layer"] > 1 else ""
            drawings[f"mismatch_units{suffix}{last}"] = draw_fractions(own.sel(layer=layer), condition)
            drawings[f"published_classifiers{suffix}{last}"] = draw_classifiers(own.sel(layer=layer), condition)
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
    own = [f"fraction_{sign}_prediction_error" for sign in SIGNS]
    names = [name for name, *_ in PANELS] + [name + end for name in own for end in ENDS if end]
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


def draw_classifiers(measured: xr.Dataset, condition: str) -> figures.Drawing:
    """Units of either sign by the published classifiers with their level of chance, and the indices of both."""
    styles, last = figures.styles_of(measured), measured.isel(session=-1)
    columns = [name for name in CLASSIFIERS if name.startswith("by_")]
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 112, len(SIGNS), len(columns) + 1)
    largest = max(float(last[f"fraction_{sign}_{name}_upper"].max()) for sign in SIGNS for name in columns)
    top = 1.05 * largest if largest > 0 else 1.0
    tables = []
    for row, (sign, units) in zip(axes.reshape(len(SIGNS), -1), SIGNS.items(), strict=True):
        for ax, classifier in zip(row, columns, strict=False):
            name = f"fraction_{sign}_{classifier}"
            bounds = (last[f"{name}_lower"], last[f"{name}_upper"])
            figures.animal_points(last[name], bounds=bounds, ax=ax, styles=styles)
            figures.chance_levels(last[f"{name}_chance"], ax=ax, styles=styles)
            ax.set(xticks=[], ylim=(-0.03 * top, top), ylabel="Fraction of units" if ax is row[0] else "")
            ax.set_title(f"{units},\n{classifier.replace('_', ' ')}")
            tables += [_rows(last[name + end]).assign(measure=name + end) for end in ENDS]
        name = f"mean_{sign}_error_index"
        figures.animal_points(last[name], ax=row[-1], styles=styles)
        row[-1].axhline(0, color="0.7", linewidth=0.6, zorder=0)
        row[-1].set(xticks=[], ylabel="Mean over units")
        row[-1].set_title(f"Index of {sign}\nprediction errors")
        tables.append(_rows(last[name]).assign(measure=name))
    figures.panel_letters(axes)
    figures.group_legend(figure, styles)
    caption = (
        f"Last session, {condition}: mean rates over events. Relative change (Hertag & Sprekeler 2020, "
        "10.7554/eLife.57541): a unit changes its rate by more than 20 % of that at baseline in one phase, and by "
        "less than 10 % in the two others. Tolerance (Hertag & Clopath 2022, 10.1073/pnas.2115699119): less than "
        "10 % of its largest response in the two others, and more than 30 % in the one; the published least "
        f"response of 0.5 per second is {LEAST:g} here, since rates have no unit. Both were made for models without "
        "noise. Index: (r - m) / (|r| + |m|), r the response above baseline to mismatch (above) or playback "
        "(below), m the larger of those in the two other phases. Dots: animals; thin lines: Wilson's 95 % interval "
        "over the units of an animal, taken as independent; bars: medians; dotted: the same classifier with phases "
        "of single events shuffled. "
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption + figures.sizes_text(measured) + ".")


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
