"""
Surprise over days: how somata and teaching signals respond to violations from session to session, beside recordings.

`measure` gives responses to unexpected and expected events relative to the first session, the index of unexpected
events with its permutation test, and how much of the pattern of indices over units stays from session to session.
`plot` draws them beside the recorded somata and apical dendrites of Gillon et al. 2024. Definitions and sources:
`neurofa.measures`.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from neurofa import figures, measures, references

SIGNALS = {"somatic": "Somata", "feedback": "Teaching signals"}
#: recorded compartment that each signal is drawn beside
COMPARTMENTS = {"somatic": "somata", "feedback": "distal apical dendrites"}
PERMUTATIONS, TAIL = 999, 0.025
#: what is drawn of every session: measure to label and published value of no effect
PANELS = {
    "relative_response_to_unexpected_events": ("Response to unexpected\n(session-1 expected = 1)", 1.0),
    "unexpected_event_index_magnitude": ("Size of the index", np.nan),
    "fraction_unexpected_above_expected": ("Units above, fraction", TAIL),
    "fraction_unexpected_below_expected": ("Units below, fraction", TAIL),
}
#: of the monitor predictive_coding: cosine of feedback to its errors, of random feedback (and its sd), of exact BP
AGREEMENT = (
    "feedback_pc_cosine",
    "feedback_pc_cosine_null",
    "feedback_pc_cosine_null_sd",
    "feedback_pc_cosine_ceiling",
)
#: how many events of either kind were compared, and of each the fewest that can be
COUNTS = {"n_unexpected_events": "Unexpected events", "n_expected_events": "Expected events"}
FEWEST_EVENTS = 2
NAMES = (*PANELS, "relative_response_to_expected_events", "unexpected_event_index_magnitude_corrected", *COUNTS)


def require_controls(shown: Sequence[str]) -> None:
    """Refuse to measure where a control is not among the conditions that are shown."""
    measures.require_conditions(shown, ["unexpected", "expected"], "the index of unexpected events")


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Follow responses to unexpected and expected events over sessions.

    Parameters
    ----------
    recording : xarray.DataTree
        With events of the conditions expected and unexpected.

    Returns
    -------
    xarray.Dataset
        On (animal, variable, layer, condition, step), step = session from 1: responses relative to those to expected
        events in the first session with the same state of plasticity (means over units; somata above baseline,
        half-wave rectified, of the teaching signal the size), the mean size of the index of unexpected events without
        and with its small-sample bias corrected, and fractions of units that pass its permutation test on either side
        (2.5 % each by chance). On (animal, variable, layer, condition, session_a, session_b):
        `unexpected_event_index_correlation`, of the indices
        of units in two sessions. With the monitor predictive_coding, on (animal, layer, step): its cosines, see
        `AGREEMENT`. Gaps: NaN where an animal has no such session, or fewer than two events of either kind in it:
        `COUNTS` says how many there are.

    Raises
    ------
    RecordingError
        Where there are no events, or no unexpected or expected ones.
    """
    events = measures.events_group(recording)
    require_controls(measures.shown_conditions(events))
    plasticity = measures.plasticities(events)
    layers = measures.recorded_layers(events)
    n_animals, n_sessions = events.sizes["animal"], events.sizes["session"]
    shape = (n_animals, len(SIGNALS), len(layers), len(plasticity), n_sessions)
    found = {name: np.full(shape, np.nan) for name in NAMES}
    alike = np.full((*shape, n_sessions), np.nan)
    for animal in range(n_animals):
        draws = partial(measures.generator_of_animal, events, animal)
        for state, on in enumerate(plasticity):
            sessions = [measures.session_events(events, animal, session, on) for session in range(n_sessions)]
            for place, signal in enumerate(SIGNALS):
                _follow(found, alike, sessions, signal, layers, (animal, place, state), draws)
    dims = ("animal", "variable", "layer", "condition", "step")
    pairs = (*dims[:-1], "session_a", "session_b")
    measured = xr.Dataset(
        {name: (dims, values) for name, values in found.items()}
        | {"unexpected_event_index_correlation": (pairs, alike)},
        coords={
            "animal": events["animal"].values,
            "variable": list(SIGNALS),
            "layer": layers,
            "condition": [f"plasticity {'on' if on else 'off'}" for on in plasticity],
            "step": np.arange(1, n_sessions + 1),
            "day": (("animal", "session"), events["day"].values),
        },
    )
    for name, (label, _) in PANELS.items():
        measured[name].attrs = {"long_name": label.replace("\n", " "), "units": "1"}
    for name, label in COUNTS.items():
        measured[name].attrs = {"long_name": label, "units": "events"}
    measured["unexpected_event_index_correlation"].attrs = {"long_name": "Correlation of indices", "units": "1"}
    if "learning" in recording.children and "feedback_pc_cosine" in recording["learning"].data_vars:
        course = measures.courses_of_learning(recording, ("predictive_coding",))
        for name in AGREEMENT:
            measured[name] = (("animal", "layer", "step"), course[name].transpose("animal", "layer", "step").values)
            measured[name].attrs = {"long_name": recording["learning"][name].attrs["long_name"], "units": "1"}
    return measured.assign_coords(figures.group_coords(events))


def _follow(
    found: dict[str, np.ndarray],
    alike: np.ndarray,
    sessions: list["measures.SessionEvents"],
    signal: str,
    layers: list[str],
    place: tuple[int, int, int],
    draws: Callable[[int], np.random.Generator],
) -> None:
    """All measures of one animal, signal and state of plasticity, session by session, into `found` and `alike`."""
    animal, variable, state = place
    indices: list[np.ndarray | None] = []
    first: dict[str, float] = {}
    for session, own in enumerate(sessions):
        if not own.condition.size:
            indices.append(None)
            continue
        response = own.response(signal)
        kept = np.isin(own.condition, ("unexpected", "expected")) & np.isfinite(response).all(axis=1)
        rare = own.condition[kept] == "unexpected"
        size = np.abs(response[kept]) if signal == "feedback" else np.maximum(response[kept], 0)
        for layer in layers:
            first.setdefault(layer, measures.mean_of_finite(size[~rare][:, own.layer == layer]))
        numbers = int(rare.sum()), int((~rare).sum())
        for name, number in zip(COUNTS, numbers, strict=True):
            found[name][animal, variable, :, state, session] = number
        if min(numbers) < FEWEST_EVENTS:
            indices.append(None)
            continue
        index = measures.unexpected_event_index(response[kept], rare, draws(session), PERMUTATIONS)
        indices.append(index.d_prime)
        for depth, layer in enumerate(layers):
            units = own.layer == layer
            at = (animal, variable, depth, state, session)
            # a group without feedback has none to compare with
            expected = first[layer] if first[layer] > 0 else np.nan
            found["relative_response_to_unexpected_events"][at] = size[rare][:, units].mean() / expected
            found["relative_response_to_expected_events"][at] = size[~rare][:, units].mean() / expected
            told = units & np.isfinite(index.d_prime)
            if not told.any():
                continue
            found["unexpected_event_index_magnitude"][at] = index.magnitude[told].mean()
            found["unexpected_event_index_magnitude_corrected"][at] = index.magnitude_corrected[told].mean()
            found["fraction_unexpected_above_expected"][at] = (index.p_above[told] <= TAIL).mean()
            found["fraction_unexpected_below_expected"][at] = (index.p_below[told] <= TAIL).mean()
    for a, one in enumerate(indices):
        for b, other in enumerate(indices):
            if a < b and one is not None and other is not None:
                for depth, layer in enumerate(layers):
                    both = (sessions[a].layer == layer) & np.isfinite(one) & np.isfinite(other)
                    alike[animal, variable, depth, state, a, b] = _correlation(one[both], other[both])


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation; NaN where there are fewer than three units, or one side does not vary."""
    if first.size < 3 or first.std() == 0 or second.std() == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used: published values are drawn.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        One figure per state of plasticity.
    """
    drawings = {
        f"surprise_{str(condition).replace(' ', '_')}": draw_state(measured.sel(condition=condition))
        for condition in measured["condition"].values
    }
    if AGREEMENT[0] in measured:
        drawings["surprise_predictive_coding"] = draw_agreement(measured)
    return drawings


def draw_agreement(measured: xr.Dataset) -> figures.Drawing:
    """Cosine of teaching signals to the errors of predictive coding over sessions, top layer first."""
    styles = figures.styles_of(measured)
    layers = [str(layer) for layer in measured["layer"].values][::-1]
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 74, 1, len(layers))
    tables = []
    for ax, layer in zip(axes, layers, strict=True):
        own = measured.sel(layer=layer)
        null, spread, ceiling = (own[name].mean("animal").values for name in AGREEMENT[1:])
        steps = own["step"].values
        ax.fill_between(steps, null - 2 * spread, null + 2 * spread, color="0.85", linewidth=0, zorder=0)
        ax.plot(steps, ceiling, color="0.3", linestyle="--", linewidth=0.9, zorder=1)
        figures.course_over_steps(own[AGREEMENT[0]], ax=ax, styles=styles)
        ax.set(
            xlabel="Session",
            ylabel="Cosine to predictive coding" if layer == layers[0] else "",
            ylim=(-0.3, 1.04),
            xticks=steps,
        )
        ax.set_title(figures.layer_name(layer))
        tables += [figures.step_table(own[name]).assign(measure=name, layer=layer) for name in AGREEMENT]
    figures.panel_letters(axes if len(axes) > 1 else [])
    figures.group_legend(figure, styles, measured)
    caption = (
        "Cosine between teaching signals and the errors of predictive coding at equilibrium (same weights, events and "
        "targets), mean over events, then mean and 95 % interval (Student t) over animals. Grey band: fresh random "
        "feedback, mean plus and minus two standard deviations over draws. Dashed: exact backpropagation. "
        f"{figures.layer_name(layers[0])}, change from the first session to the last: "
        f"{_change_text(measured, layers[0])}. "
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption + figures.sizes_text(measured) + ".")


def _change_text(measured: xr.Dataset, layer: str) -> str:
    """Cosines of every group in the first and last session, and the change within animals with its interval."""
    labels = {group: look.label or group for group, look in figures.styles_of(measured).items()}
    groups = measured["group"].values.astype(str)
    values = measured[AGREEMENT[0]].sel(layer=layer).transpose("animal", "step").values
    texts = []
    for group in dict.fromkeys(groups.tolist()):
        ends = values[groups == group][:, [0, -1]]
        over = measures.mean_and_interval(np.column_stack([ends, ends[:, 1] - ends[:, 0]]))
        change = f"{over.mean[2]:+.2f}"
        if np.isfinite(over.low[2]):
            change += f" ({over.low[2]:+.2f} to {over.high[2]:+.2f})"
        texts.append(f"{labels[group]} {over.mean[0]:.2f} to {over.mean[1]:.2f}, {change}")
    return "; ".join(texts)


def draw_state(measured: xr.Dataset) -> figures.Drawing:
    """Somata above, teaching signals below: responses, sizes, fractions over sessions, and what stays of the code."""
    styles, layer = figures.styles_of(measured), str(measured["layer"].values[-1])
    top = measured.sel(layer=layer)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 104, 2, len(PANELS) + 1)
    published, tables = _published(), []
    for row, (signal, title) in enumerate(SIGNALS.items()):
        own = top.sel(variable=signal)
        panels = axes[row * (len(PANELS) + 1) :]
        for ax, (name, (label, level)) in zip(panels, PANELS.items(), strict=False):
            figures.course_over_steps(own[name], ax=ax, styles=styles)
            table = published[(published["measure"] == name) & (published["compartment"] == COMPARTMENTS[signal])]
            for depth, line in table.groupby("layer"):
                ax.plot(
                    line["session"],
                    line["value"],
                    "o" if depth == "2/3" else "s",
                    color="black",
                    markersize=3,
                    ls=":",
                    lw=0.7,
                )
            if np.isfinite(level):
                ax.axhline(level, color="0.6", linewidth=0.6, zorder=0)
            ax.set(xlabel="Session", ylabel=label, xticks=measured["step"].values)
            tables.append(figures.step_table(own[name]).assign(measure=name, variable=signal))
        panels[0].set_title(title, loc="left")
        tables.append(_draw_alike(panels[len(PANELS)], own, styles).assign(variable=signal))
    figures.panel_letters(axes)
    handles = [Line2D([], [], label=look.label or name, **look.line) for name, look in styles.items()]
    for marker, depth in (("o", "2/3"), ("s", "5")):
        handles.append(
            Line2D([], [], label=f"recorded, layer {depth}", marker=marker, color="black", markersize=3, ls=":", lw=0.7)
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=7, frameon=False)
    caption = (
        f"{figures.layer_name(layer)}, {measured['condition'].item()}: mean and 95 % interval "
        "(Student t) over animals. Black: somata (above) and distal apical dendrites (below) of Gillon et al. 2024 "
        "(10.1523/JNEUROSCI.1009-23.2023), Gabor sequences; that teaching signals stand for dendrites is "
        "an assumption. "
        "Grey: no effect, or chance. Sessions with fewer than two events of either kind are left out (numbers in the "
        "table of measures). Last column: correlation over units of the index in the first session and later. "
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption + figures.sizes_text(measured) + ".")


def _draw_alike(ax: Axes, own: xr.Dataset, styles: dict[str, figures.GroupStyle]) -> pd.DataFrame:
    """Correlation of the indices of the first session with those of later ones."""
    values = own["unexpected_event_index_correlation"].isel(session_a=0, session_b=slice(1, None))
    course = values.rename(session_b="step").assign_coords(step=own["step"].values[1:])
    figures.course_over_steps(course, ax=ax, styles=styles)
    ax.set(
        xlabel="Session", ylabel="Code: correlation with\nsession 1", xticks=course["step"].values, ylim=(-0.3, 1.05)
    )
    return figures.step_table(course).assign(measure="unexpected_event_index_correlation")


def _published() -> pd.DataFrame:
    """Published values of Gabor sequences with their session, layer and compartment."""
    table = references.load_references("prediction_error_statistics")
    table = table[table["id"].str.startswith("gillon2024_gabor")].copy()
    table["session"] = table["id"].str.extract(r"_s(\d)$", expand=False).astype(int)
    table["layer"] = table["area"].str.extract(r"layer (2/3|5)", expand=False)
    table["compartment"] = table["area"].str.replace(r"^V1 layer (2/3|5) ", "", regex=True)
    return table
