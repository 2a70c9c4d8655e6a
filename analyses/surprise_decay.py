"""
Decay of surprise: how the response to a violation changes as it is met again and again within a session.

`measure` follows the mean response of a layer from the first violation of a session to the last, and fits an
exponential to the mean over the animals of a group, or says that no time constant can be told. `plot` draws both.
Definitions and sources: `neurofa.measures`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from neurofa import figures, measures

SIGNALS = {"somatic": "Somata", "feedback": "Teaching signals"}
#: violations that are followed: the first of these of which there are events
VIOLATIONS = (("unexpected", "unexpected_other_orientation"), ("deviant",), ("omission",))
#: what is told of every fit
FIT = (
    "amplitude",
    "amplitude_lower",
    "amplitude_upper",
    "settled",
    "time_constant_exposures",
    "time_constant_exposures_lower",
    "time_constant_exposures_upper",
    "time_constant_s",
    "identifiable",
)
#: fewest that a decay can be fitted to
FEWEST_ANIMALS, FEWEST_EXPOSURES = 2, 4
#: most sessions that are drawn: the first, the last, and some between
MOST_SESSIONS = 3


def require_controls(shown: Sequence[str]) -> None:
    """Refuse to measure where a control is not among the conditions that are shown."""
    if not any(one[0] in shown for one in VIOLATIONS):
        measures.require_conditions(shown, VIOLATIONS[0][:1], "the decay of surprise")


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Follow the response to violations over exposures.

    Parameters
    ----------
    recording : xarray.DataTree
        With events of one of `VIOLATIONS`.

    Returns
    -------
    xarray.Dataset
        `response_to_violations` on (exposure, variable, animal, layer, condition, session), a.u.: mean over units of
        the response to the k-th violation of the session (somata above baseline, half-wave rectified, of the teaching
        signal the size), condition is whether plasticity was on. `surprise_decay` on (fitted_group, variable, layer,
        condition, session, fit): see `FIT`; over the exposures that all animals of the group have; NaN where
        `surprise_decay_reason`, on the same but fit, says why not. `surprise_change` on (variable, animal, layer,
        condition, session), a.u.: mean response in the first half of the exposures minus that in the second half. Only
        this one has rows in tables of measures; figures have the rest.

    Raises
    ------
    RecordingError
        Where there are no events, or no violations.
    """
    events = measures.events_group(recording)
    shown = measures.shown_conditions(events)
    require_controls(shown)
    followed = next(one for one in VIOLATIONS if one[0] in shown)
    codes = [number for number, name in enumerate(measures.event_names(events, "condition")) if name in followed]
    most = int(np.isin(events["condition"].values, codes).sum(axis=-1).max())

    def of_units(own: measures.SessionEvents, signal: str, units: np.ndarray, *_: object) -> np.ndarray:
        """Mean responses of some units to the violations of a session, and the mean time from one to the next."""
        chosen = np.isin(own.condition, followed)
        values = own.response(signal)[chosen][:, units]
        size = np.abs(values) if signal == "feedback" else np.maximum(values, 0)
        curve = np.pad(size.mean(axis=1), (0, most - len(size)), constant_values=np.nan)
        return np.append(curve, measures.mean_of_finite(np.diff(own.numbers["onset"][chosen])))

    found = measures.values_of_layers(events, of_units, tuple(SIGNALS), (most + 1,))
    curves, attrs = found[:most], {"long_name": "Response to violations", "units": "a.u.", "table": 0}
    change = np.apply_along_axis(_change, 0, curves)
    told = {"long_name": "Surprise, first minus second half", "units": "a.u."}
    measured = xr.Dataset(
        {
            "surprise_change": (measures.LAYER_DIMS, change, told),
            "response_to_violations": (("exposure", *measures.LAYER_DIMS), curves, attrs),
        },
        measures.layer_coords(events, tuple(SIGNALS)) | {"exposure": np.arange(1, most + 1)},
    ).assign_coords(figures.group_coords(events))
    return measured.merge(_fits(measured, measures.mean_of_finite(found[most])), combine_attrs="override")


def _change(curve: np.ndarray) -> float:
    """Mean of the first half of the exposures that are there minus that of the second half."""
    early, late = np.array_split(curve[np.isfinite(curve)], 2)
    return measures.mean_of_finite(early) - measures.mean_of_finite(late)


def _fits(measured: xr.Dataset, interval_s: float) -> xr.Dataset:
    """The decay of every group, signal, layer, state of plasticity and session."""
    curves = measured["response_to_violations"].transpose(
        "variable", "layer", "condition", "session", "animal", "exposure"
    )
    groups = measured["group"].values.astype(str)
    names = list(dict.fromkeys(groups.tolist()))
    found = np.full((len(names), *curves.shape[:4], len(FIT)), np.nan)
    reasons = np.full(found.shape[:-1], "", dtype=object)
    for place in np.ndindex(*found.shape[:-1]):
        own = curves.values[place[1:]][groups == names[place[0]]]
        found[place], reasons[place] = _fit(own[:, np.isfinite(own).all(axis=0)], interval_s)
    dims = ("fitted_group", "variable", "layer", "condition", "session")
    return xr.Dataset(
        {
            "surprise_decay": ((*dims, "fit"), found, {"table": 0}),
            "surprise_decay_reason": (dims, reasons, {"table": 0}),
        },
        coords={"fitted_group": names, "fit": list(FIT)},
    )


def _fit(curves: np.ndarray, interval_s: float) -> tuple[list[float], str]:
    """What `FIT` names, of the mean over animals (animal, exposure), and why it cannot be told."""
    if curves.shape[0] < FEWEST_ANIMALS or curves.shape[1] < FEWEST_EXPOSURES:
        few = (
            f"{curves.shape[0]} of at least {FEWEST_ANIMALS} animals, {curves.shape[1]} of {FEWEST_EXPOSURES} exposures"
        )
        return [np.nan] * (len(FIT) - 1) + [0.0], f"not identifiable: {few}"
    told = measures.surprise_decay(curves, np.random.default_rng(0), interval_s)
    numbers = [told.amplitude, *told.amplitude_interval, told.settled, told.time_constant_exposures]
    numbers += [*told.time_constant_interval, told.time_constant_s, float(told.identifiable)]
    return numbers, told.reason


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used: only time constants in s are published.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        One figure of the top layer per state of plasticity.
    """
    top = measured.isel(layer=-1)
    return {
        f"surprise_decay_{str(condition).replace(' ', '_')}": draw_decay(top.sel(condition=condition))
        for condition in measured["condition"].values
    }


def draw_decay(measured: xr.Dataset) -> figures.Drawing:
    """Responses to violations over exposures: signals below each other, sessions side by side."""
    styles = figures.styles_of(measured)
    places = measures.evenly_chosen(np.arange(measured.sizes["session"]), MOST_SESSIONS)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 112, len(SIGNALS), len(places))
    tables = []
    for number, ax in enumerate(axes):
        signal, session = list(SIGNALS)[number // len(places)], places[number % len(places)]
        own = measured.sel(variable=signal).isel(session=session)
        table = _draw_session(ax, own, styles)
        tables.append(table.assign(variable=signal, session=measured["session"].values[session]))
        ax.set_title(f"Session {session + 1}" if number < len(places) else "")
        ax.set_xlabel("Violation of the session" if number >= len(places) else "")
        ax.set_ylabel(f"{SIGNALS[signal]}: response (a.u.)" if number % len(places) == 0 else "")
    figures.panel_letters(axes)
    figures.group_legend(figure, styles)
    table = pd.concat(tables, ignore_index=True)
    fits = table[table["measure"] == "surprise_decay"]
    caption = (
        f"{figures.layer_name(measured['layer'].item())}, {measured['condition'].item()}: response to the k-th "
        "violation of a session, mean over units and animals. Lines: r_inf + (r_1 - r_inf) exp(-(k - 1) / tau), only "
        "where tau can be told; numbers: tau in violations with its 95 % interval (bootstrap over animals). "
        f"n.i.: not identifiable, {int((fits['identifiable'] == 0).sum())} of {len(fits)}: the interval of the "
        "amplitude covers 0, or tau or its interval reaches a bound of the fit (reasons stand in the table). "
        "With plasticity off nothing is learned between violations, so that whatever decays there is no learning. "
    )
    return figures.Drawing(figure, table, caption + figures.sizes_text(measured) + ".")


def _draw_session(ax: Axes, own: xr.Dataset, styles: dict[str, figures.GroupStyle]) -> pd.DataFrame:
    """Mean curve, fit and time constant of every group; the same numbers as rows."""
    groups, tables = own["group"].values.astype(str), []
    curves = own["response_to_violations"].transpose("animal", "exposure").values
    exposure = own["exposure"].values
    for number, (group, look) in enumerate(styles.items()):
        mine = curves[groups == group]
        common = np.isfinite(mine).all(axis=0)
        over = measures.mean_and_interval(mine[:, common])
        ax.plot(exposure[common], over.mean, marker=".", linestyle="none", markersize=3, color=look.colour)
        columns = {"exposure": exposure[common], "mean": over.mean, "lower": over.low, "upper": over.high}
        tables.append(pd.DataFrame(columns).assign(group=group, measure="response_to_violations"))
        fit = dict(zip(FIT, own["surprise_decay"].sel(fitted_group=group).values.tolist(), strict=True))
        reason = str(own["surprise_decay_reason"].sel(fitted_group=group).item())
        tables.append(pd.DataFrame([fit | {"reason": reason, "group": group, "measure": "surprise_decay"}]))
        text = "n.i."
        if fit["identifiable"]:
            shape = np.exp(-(exposure[common] - 1) / fit["time_constant_exposures"])
            ax.plot(exposure[common], fit["settled"] + fit["amplitude"] * shape, linewidth=1.0, **look.line)
            low, high = (fit[f"time_constant_exposures_{end}"] for end in ("lower", "upper"))
            text = f"{fit['time_constant_exposures']:.2g} ({low:.2g} to {high:.2g})"
        where = {"xycoords": "axes fraction", "ha": "right", "va": "top", "fontsize": 6}
        ax.annotate(text, (0.98, 0.99 - 0.075 * number), color=look.colour, **where)
    top = ax.get_ylim()[1]
    ax.set_ylim(0, top * (1 + 0.09 * len(styles)))
    return pd.concat(tables, ignore_index=True)
