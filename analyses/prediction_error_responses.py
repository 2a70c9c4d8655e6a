"""
Responses around events: averages of every condition with its controls, and how many units tell violations apart.

`measure` averages rates and teaching signals from two events before an event to three after it, condition by condition,
and counts the units that respond more, or less, to a violation than to its control, by a permutation test. `plot` draws
both for the top layer. Definitions and sources: `neurofa.measures`.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from neurofa import figures, measures

SIGNALS = {"rate": "Rate, no feedback", "somatic": "Soma with feedback", "feedback": "Teaching signal, size"}
#: events before and after
BEFORE, AFTER = 2, 3
#: violation and what it is compared with, best control first; the first pair that was recorded is taken
PAIRS = (
    ("deviant", "many_standards"),
    ("deviant", "cascade"),
    ("deviant", "standard"),
    ("unexpected", "expected"),
    ("mismatch", "matched"),
    ("omission", "expected"),
    ("surprise", "expected"),
)
PERMUTATIONS, TAIL = 999, 0.025
#: most conditions whose intervals over animals are drawn as bands, and fewest animals: two have hardly any interval
MOST_BANDS, FEWEST_FOR_BANDS = 4, 3
#: gives the random numbers of an animal for a purpose
Draws = Callable[[str], np.random.Generator]
#: shuffles of the labels for the level of chance, and permutations that each is tested by
SHUFFLES, COARSE = 20, 199
ENDS = ("lower", "upper", "chance")
#: of units that respond more, or less, to a violation: fraction, its interval, and the level of chance
FRACTIONS = {
    f"fraction_responding_{side}{end}": f"Units responding {side}{told}"
    for side in ("more", "less")
    for end, told in (
        ("", ""),
        ("_lower", ", lower end of the interval"),
        ("_upper", ", upper end of the interval"),
        ("_chance", ", labels shuffled"),
    )
}


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Average responses around the events of every condition, in the last session, and classify units.

    Parameters
    ----------
    recording : xarray.DataTree
        With events; plasticity off where both states were recorded.

    Returns
    -------
    xarray.Dataset
        `event_response` on (animal, variable, layer, condition, step): step is the place relative to the event, in
        events; means over units and events, of rates as they are, of the teaching signal its size.
        `FRACTIONS` on (animal, variable, layer): units that pass a permutation test of a violation against its
        control, 2.5 % on either side, with Wilson's 95 % interval over the units of an animal, and the same fraction
        with shuffled labels; which pair stands in their attribute ``pair``. Gaps: events too near to the start or end
        of a block are left out; NaN where fewer than two are left, and all fractions where no pair was recorded.

    Raises
    ------
    RecordingError
        Where there are no events.
    """
    events = measures.events_group(recording)
    on = measures.plasticities(events)[0]
    conditions = measures.shown_conditions(events)
    pair = next((one for one in PAIRS if set(one) <= set(conditions)), None)
    layers = measures.recorded_layers(events)
    lags = np.arange(-BEFORE, AFTER + 1)
    n_animals = events.sizes["animal"]
    response = np.full((n_animals, len(SIGNALS), len(layers), len(conditions), len(lags)), np.nan)
    fractions = np.full((len(FRACTIONS), n_animals, len(SIGNALS), len(layers)), np.nan)
    for animal in range(n_animals):
        own = measures.session_events(events, animal, events.sizes["session"] - 1, on)
        if not own.condition.size:
            continue
        for place, signal in enumerate(SIGNALS):
            values = np.abs(own.units[signal]) if signal == "feedback" else own.units[signal]
            response[animal, place] = _around(own, values, conditions, layers, lags)
            if pair is not None:
                draws = partial(measures.generator_of_animal, events, animal)
                fractions[:, animal, place] = _classified(own, own.response(signal), pair, layers, draws)
    dims = ("animal", "variable", "layer")
    told = {"pair": " against ".join(pair) if pair else "", "units": "1"}
    measured = xr.Dataset(
        {
            "event_response": ((*dims, "condition", "step"), response, {"long_name": "Response", "units": "a.u."}),
        }
        | {
            name: (dims, values, told | {"long_name": title})
            for (name, title), values in zip(FRACTIONS.items(), fractions, strict=True)
        },
        coords={
            "animal": events["animal"].values,
            "variable": list(SIGNALS),
            "layer": layers,
            "condition": conditions,
            "step": lags,
        },
        attrs={"plasticity": "on" if on else "off"},
    )
    return measured.assign_coords(figures.group_coords(events))


def _around(
    own: "measures.SessionEvents", values: np.ndarray, conditions: list[str], layers: list[str], lags: np.ndarray
) -> np.ndarray:
    """Mean responses (layer, condition, lag), within blocks."""
    found = np.full((len(layers), len(conditions), len(lags)), np.nan)
    n_events = len(own.condition)
    for place, condition in enumerate(conditions):
        centre = np.flatnonzero(own.condition == condition)
        window = centre[:, None] + lags
        inside = (window[:, 0] >= 0) & (window[:, -1] < n_events)
        window = window[inside]
        whole = (own.block[window] == own.block[window[:, :1]]).all(axis=1) & np.isfinite(values[window]).all((1, 2))
        if whole.sum() < 2:
            continue
        mean = values[window[whole]].mean(axis=0)
        for depth, layer in enumerate(layers):
            found[depth, place] = mean[:, own.layer == layer].mean(axis=1)
    return found


def _classified(
    own: "measures.SessionEvents", values: np.ndarray, pair: tuple[str, str], layers: list[str], draws: Draws
) -> np.ndarray:
    """What `FRACTIONS` names, (fraction, layer): violation against control, the same identities in both."""
    alike = set(own.identity[own.condition == pair[0]].tolist()) & set(own.identity[own.condition == pair[1]].tolist())
    chosen = np.isin(own.condition, pair) & np.isfinite(values).all(axis=1)
    if alike:
        chosen &= np.isin(own.identity, list(alike))
    rare = own.condition[chosen] == pair[0]
    if min(rare.sum(), (~rare).sum()) < 2:
        return np.full((len(FRACTIONS), len(layers)), np.nan)
    p_values = measures.permutation_p_values(values[chosen], rare, draws("labels"), PERMUTATIONS)
    found = np.full((2, 4, len(layers)), np.nan)
    for depth, layer in enumerate(layers):
        units = own.layer == layer
        own_values, owner = values[chosen][:, units], np.zeros(units.sum(), dtype=int)
        chance = measures.shuffled_fractions(own_values, rare, owner, draws("shuffled"), SHUFFLES, COARSE, tail=TAIL)
        for side, level in enumerate((chance.mean_above, chance.mean_below)):
            passed = p_values[side][units] <= TAIL
            found[side, :, depth] = *measures.proportion_and_interval(int(passed.sum()), len(passed)), level
    return found.reshape(len(FRACTIONS), len(layers))


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        Event-aligned averages, and fractions of units where a violation was recorded with its control.
    """
    drawn = {"event_responses": draw_responses(measured)}
    if measured["fraction_responding_more"].notnull().any():
        drawn["event_unit_classes"] = draw_classes(measured)
    return drawn


def draw_responses(measured: xr.Dataset) -> figures.Drawing:
    """Averages around events of the top layer: groups side by side, signals below each other, conditions as lines."""
    top = measured["event_response"].isel(layer=-1)
    groups = list(dict.fromkeys(measured["group"].values.astype(str).tolist()))
    styles, conditions = figures.styles_of(measured), [str(name) for name in measured["condition"].values]
    size = (figures.DOUBLE_COLUMN_MM, 20 + 38 * len(SIGNALS))
    figure, axes = figures.new_figure(*size, len(SIGNALS), len(groups))
    tables = []
    for row, (signal, title) in zip(axes.reshape(len(SIGNALS), -1), SIGNALS.items(), strict=True):
        drawn = []
        for ax, group in zip(row, groups, strict=True):
            own = top.sel(variable=signal)[measured["group"].values == group]
            tables.append(_draw_group(ax, own).assign(group=group, variable=signal))
            if not _there(own):
                ax.text(0.5, 0.5, "none", transform=ax.transAxes, ha="center", va="center", fontsize=7, color="0.4")
            else:
                drawn.append(ax)
            ax.set_ylabel(f"{title}, a.u." if ax is row[0] else "")
            ax.set(xlim=(-BEFORE - 0.2, AFTER + 0.2), xticks=[-BEFORE, 0, AFTER])
        # what is small is to look small; a group without the signal has nothing to do with the scale
        ends = [ax.get_ylim() for ax in drawn] or [(0.0, 1.0)]
        for ax in row:
            ax.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))
            ax.tick_params(labelleft=ax is row[0])
    for ax, group in zip(axes[: len(groups)], groups, strict=True):
        ax.set_title(_wrapped(styles[group].label or group, max(9, 72 // len(groups))))
    for ax in axes[-len(groups) :]:
        ax.set_xlabel("Place, events")
    handles = [Line2D([], [], label=name.replace("_", " "), **_look(place)) for place, name in enumerate(conditions)]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=7, frameon=False)
    layer = figures.layer_name(measured["layer"].values[-1])
    bands = (
        f"; bands: 95 % interval (Student t) over {FEWEST_FOR_BANDS} animals or more"
        if len(conditions) <= MOST_BANDS
        else ""
    )
    caption = (
        f"{layer}, last session, plasticity {measured.attrs['plasticity']}: mean over units, events and animals around "
        f"the events (0) of every condition{bands}. Within a row all groups have the same scale; none: the group has "
        "no such signal. "
    )
    numbers = pd.concat(tables, ignore_index=True)
    return figures.Drawing(figure, numbers, caption + figures.sizes_text(measured) + ".")


def _look(place: int) -> dict[str, str]:
    """Colour and dashes of a condition, by its place."""
    colours = list(figures.PALETTE)
    return {"color": colours[place % len(colours)], "linestyle": "-" if place < len(colours) else "--"}


def _there(own: xr.DataArray) -> bool:
    """Whether a group has a signal at all: null models have no teaching signal."""
    return bool(np.nan_to_num(own.values).any())


def _draw_group(ax: Axes, own: xr.DataArray) -> pd.DataFrame:
    """Mean over the animals of a group around every condition, with bands where there are few; the same as rows."""
    tables, steps = [], own["step"].values
    conditions = own["condition"].values.astype(str)
    for place, condition in enumerate(conditions):
        over = measures.mean_and_interval(own.sel(condition=condition).transpose("animal", "step").values)
        columns = {"event": steps, "mean": over.mean, "lower": over.low, "upper": over.high}
        tables.append(pd.DataFrame(columns).assign(condition=condition))
        if not _there(own):
            continue
        ax.plot(steps, over.mean, linewidth=1.0, **_look(place))
        if len(conditions) <= MOST_BANDS and own.sizes["animal"] >= FEWEST_FOR_BANDS:
            colour = _look(place)["color"]
            ax.fill_between(steps, over.low, over.high, color=colour, alpha=0.18, linewidth=0)
    ax.axvline(0, color="0.8", linewidth=0.6, zorder=0)
    return pd.concat(tables, ignore_index=True)


def _wrapped(text: str, width: int = 18) -> str:
    """Text in lines of a width."""
    lines = [""]
    for word in text.split():
        lines = [*lines[:-1], f"{lines[-1]} {word}".strip()] if len(lines[-1]) + len(word) < width else [*lines, word]
    return "\n".join(lines)


def draw_classes(measured: xr.Dataset) -> figures.Drawing:
    """Fractions of units of the top layer that respond more, or less, to a violation than to its control."""
    styles = figures.styles_of(measured)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 84, 2, len(SIGNALS))
    tables = []
    for number, ax in enumerate(axes):
        name = ("fraction_responding_more", "fraction_responding_less")[number // len(SIGNALS)]
        signal, title = list(SIGNALS.items())[number % len(SIGNALS)]
        values = measured[name].isel(layer=-1).sel(variable=signal)
        own = {end: measured[f"{name}_{end}"].isel(layer=-1).sel(variable=signal) for end in ENDS}
        figures.animal_points(values, bounds=(own["lower"], own["upper"]), ax=ax, styles=styles)
        ax.axhline(TAIL, color="0.6", linewidth=0.6, zorder=0)
        figures.chance_levels(own["chance"], ax=ax, styles=styles)
        ax.set(xticks=[], ylim=(-0.03, 1.03))
        ax.set_title(title if number < len(SIGNALS) else "")
        side = "more" if number < len(SIGNALS) else "less"
        ax.set_ylabel(f"Fraction responding {side}" if number % len(SIGNALS) == 0 else "")
        table = values.to_dataframe(name="value").reset_index().assign(measure=name)
        tables.append(table.assign(**{end: one.values for end, one in own.items()}))
    figures.panel_letters(axes)
    figures.group_legend(figure, styles)
    pair = measured["fraction_responding_more"].attrs["pair"].replace("_", " ")
    caption = (
        f"Units of the top layer that respond more (above) or less (below): {pair}, permutation test within each "
        "animal; grey: 2.5 % by chance, dotted: mean with shuffled labels. Dots are animals with Wilson's 95 % "
        "interval over their units, taken as independent; bars medians of groups. "
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption + figures.sizes_text(measured) + ".")
