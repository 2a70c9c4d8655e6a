"""
Expectation and repetition: suppression of the expected, enhancement of the unexpected, sharpening or dampening.

`measure` compares the same grating expected, unexpected and neutral, and repeated against first, where repetitions are
likely and where they are not. `plot` draws them. Definitions and sources: `neurofa.measures`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import figures, measures

SIGNALS = ("somatic", "rate")
KINDS = ("repetition", "alternation")
VARIABLES = {
    "expectation_suppression": ("Expectation suppression, contrast", "1"),
    "prediction_suppression": ("Neutral minus expected", "a.u."),
    "surprise_enhancement": ("Unexpected minus neutral", "a.u."),
    "dampening_slope": ("Dampening (> 0) or sharpening (< 0)", "a.u."),
    "repetition_suppression": ("Repetition suppression", "1"),
    "repetition_suppression_by_expectation": ("The same, likely minus unlikely", "1"),
}
#: of `VARIABLES`, those that need repetitions
OF_REPETITIONS = ("repetition_suppression", "repetition_suppression_by_expectation")


def require_controls(shown: Sequence[str]) -> None:
    """Refuse to measure where a control is not among the conditions that are shown."""
    needed = ["first", *(f"{kind}_{how}" for kind in KINDS for how in ("expected", "unexpected", "neutral"))]
    measures.require_conditions(shown, needed, "expectation suppression")


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Compare what is expected with what is not, and what repeats with what is new.

    Parameters
    ----------
    recording : xarray.DataTree
        With events of the conditions first, and repetition and alternation, each expected, unexpected and neutral.

    Returns
    -------
    xarray.Dataset
        `VARIABLES` on (variable, animal, layer, condition, session): variable is the rate with (somatic) or without
        feedback, condition the kind of the second grating and whether plasticity was on. Responses are means over
        events
        by grating; the indices are means over gratings and units. Tuning is that of first gratings. Gaps: NaN where a
        grating was not shown in a condition.

    Raises
    ------
    RecordingError
        Where there are no events, or a condition was not recorded.
    """
    events = measures.events_group(recording)
    require_controls(measures.shown_conditions(events))
    measured = measures.measures_of_layers(events, _of_units, SIGNALS, VARIABLES, KINDS)
    return measured.assign_coords(figures.group_coords(events))


def _of_units(
    own: measures.SessionEvents, signal: str, units: np.ndarray, kind: str, _: np.random.Generator
) -> list[float]:
    """Every measure of one kind of pairs, in the order of `VARIABLES`."""
    values = own.units[signal][:, units]
    gratings = sorted(set(own.identity[own.condition == "first"].tolist()))
    by = {how: _by_grating(values, own, f"{kind}_{how}", gratings) for how in ("expected", "unexpected", "neutral")}
    first = _by_grating(values, own, "first", gratings)
    parts = measures.suppression_and_enhancement(by)
    found = [
        measures.mean_of_finite(measures.expectation_suppression(by).contrast),
        measures.mean_of_finite(parts.prediction_suppression),
        measures.mean_of_finite(parts.surprise_enhancement),
        measures.mean_of_finite(measures.dampening_slope(by, first)),
    ]
    if kind != "repetition":
        return [*found, *[float("nan")] * len(OF_REPETITIONS)]
    likely, unlikely = (
        measures.mean_of_finite(measures.repetition_suppression({"first": first, "repeated": by[how]}))
        for how in ("expected", "unexpected")
    )
    return [*found, (likely + unlikely) / 2, likely - unlikely]


def _by_grating(values: np.ndarray, own: measures.SessionEvents, condition: str, gratings: list[str]) -> np.ndarray:
    """Mean responses to every grating in a condition, (grating, unit)."""
    found = np.full((len(gratings), values.shape[1]), np.nan)
    for number, grating in enumerate(gratings):
        chosen = (own.condition == condition) & (own.identity == grating)
        if chosen.any():
            found[number] = values[chosen].mean(axis=0)
    return found


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used: only directions of these effects are published.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure; one for each state of plasticity and layer.
    """
    drawings = {}
    for plasticity in ("off", "on"):
        names = [str(name) for name in measured["condition"].values if str(name).endswith(f"plasticity {plasticity}")]
        for layer in measured["layer"].values.astype(str) if names else []:
            suffix = f"_{layer}" if measured.sizes["layer"] > 1 else ""
            own = measured.sel(variable="somatic", layer=layer, condition=names).isel(session=-1)
            drawings[f"expectation_and_repetition_plasticity_{plasticity}{suffix}"] = draw_effects(own, plasticity)
    return drawings


def draw_effects(measured: xr.Dataset, plasticity: str) -> figures.Drawing:
    """Every measure animal by animal; full dots repetitions, circles alternations."""
    styles, groups = figures.styles_of(measured), measured["group"].values.astype(str)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 116, 2, 3)
    tables = []
    for ax, (name, (title, units)) in zip(axes, VARIABLES.items(), strict=True):
        for shift, kind in ((-0.17, KINDS[0]), (0.17, KINDS[1])):
            values = measured[name].sel(condition=f"{kind}, plasticity {plasticity}").values
            for number, (group, look) in enumerate(styles.items()):
                own = values[groups == group]
                if not np.isfinite(own).any():
                    continue
                over = measures.mean_and_interval(own)
                face = look.colour if kind == KINDS[0] else "white"
                error = np.nan_to_num([[float(over.mean - over.low)], [float(over.high - over.mean)]])
                ax.errorbar(
                    [number + shift], [float(over.mean)], error, color=look.colour, markerfacecolor=face, marker="o"
                )
                columns = {"group": group, "kind": kind, "measure": name}
                columns |= {"mean": float(over.mean), "lower": float(over.low), "upper": float(over.high)}
                tables.append(pd.DataFrame([columns]))
        ax.axhline(0, color="0.7", linewidth=0.6, zorder=0)
        ax.set_xticks([])
        ax.set_title(title)
        ax.set_ylabel(units if units != "1" else "Index")
    figures.panel_letters(axes)
    figures.group_legend(figure, styles)
    caption = (
        f"Last session, plasticity {plasticity}; soma with feedback; mean and 95 % interval (Student t) over "
        f"animals of the "
        "mean over gratings and units. Full dots: the second grating repeats the first; circles: it is the next "
        "orientation. a: (unexpected - expected) / (|unexpected| + |expected|), biased below 0 by units that are "
        "rarely active, for there are fewer unexpected events. b, c: its two parts by the neutral block. "
        "d: slope of unexpected minus expected on preference. e: (first - repeated) / (|first| + |repeated|), mean of "
        "likely and unlikely blocks; f: difference between them (above 0 in Summerfield et al. 2008, 10.1038/nn.2163). "
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption + figures.sizes_text(measured) + ".")
