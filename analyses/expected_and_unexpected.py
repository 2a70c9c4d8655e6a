"""
Expected and unexpected: pairs of conditions that differ in how expected the event is, unit by unit.

`measure` compares every pair that was recorded: mean responses, the stimulus index of the same picture in both
conditions, d' of single events without its small-sample bias, and units that respond more, or less, to the unexpected
one (permutation, 2.5 % in each tail), beside the same with labels shuffled; and how well responses follow the signed
and the unsigned error. `plot` draws them, group by group. Definitions and sources: `neurofa.measures`.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import figures, measures

#: rates that are compared: with and without the feedback of the error
SIGNALS = ("somatic", "rate")
#: name of a pair to the unexpected condition and the one that it is held against
PAIRS = {
    "omission against equal silence": ("omission", "same_silence"),
    "familiar: change against catch": ("familiar_change", "familiar_catch"),
    "novel: change against catch": ("novel_change", "novel_catch"),
    "repeats: novel against familiar": ("novel_repeat", "familiar_repeat"),
    "global oddball against random": ("global_oddball", "random_x"),
    "global oddball against repetition": ("global_oddball", "repetition_x"),
    "local oddball against random": ("local_oddball", "random_y"),
    "reward: validity 25 against 75": ("reward_25", "reward_75"),
    "omission: validity 75 against 25": ("omission_75", "omission_25"),
    "reward: no cue against validity 75": ("surprising_reward", "reward_75"),
    "repetition: unexpected against expected": ("repetition_unexpected", "repetition_expected"),
    "order: reversed against trained": ("reversed", "trained"),
    "timing: 300 ms against 150 ms": ("slow", "trained"),
    "omission of B against grey after D": ("omission", "grey_after_d"),
    "alternation: unexpected against expected": ("alternation_unexpected", "alternation_expected"),
}
#: pair that stands for correlations over all events
ALL = "all events"
N_PERMUTATIONS = 199
#: events of a condition that are looked at, evenly chosen; and of all
MOST_EVENTS, MOST_OF_ALL = 200, 600
TAIL = 0.025
VARIABLES = {
    "response_to_unexpected": ("Response to the unexpected", "a.u."),
    "response_to_expected": ("Response to what it is held against", "a.u."),
    "stimulus_index": ("Stimulus index, same picture", "1"),
    "unexpected_event_index": ("d' of unexpected events", "d'"),
    "fraction_above": ("Units that respond more to the unexpected", "fraction"),
    "fraction_below": ("Units that respond less to the unexpected", "fraction"),
    "fraction_above_shuffled": ("Units above, labels shuffled", "fraction"),
    "fraction_below_shuffled": ("Units below, labels shuffled", "fraction"),
    "signed_error_gain": ("Explained by the signed error", "fraction"),
    "unsigned_error_gain": ("Explained by the unsigned error", "fraction"),
}
#: of `VARIABLES`, those of all events: the last
OF_ALL = ("signed_error_gain", "unsigned_error_gain")


def require_controls(shown: Sequence[str]) -> None:
    """Refuse to measure where a control is not among the conditions that are shown."""
    if not any(set(pair) <= set(shown) for pair in PAIRS.values()):
        measures.require_conditions(shown, next(iter(PAIRS.values())), "the index of unexpected events")


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Compare pairs of conditions.

    Parameters
    ----------
    recording : xarray.DataTree
        With events of both conditions of at least one of `PAIRS`.

    Returns
    -------
    xarray.Dataset
        `VARIABLES` on (variable, animal, layer, condition, session): variable is the rate with (somatic) or without
        feedback, condition the pair and whether plasticity was on, for `OF_ALL` that of all events. Means over units;
        of the stimulus index over units and pictures that came in both conditions. Gaps: NaN where fewer than two
        events of a kind were recorded, and the stimulus index where no picture came in both.

    Raises
    ------
    RecordingError
        Where there are no events, or of no pair both conditions.
    """
    events = measures.events_group(recording)
    shown = set(measures.shown_conditions(events))
    pairs = [name for name, pair in PAIRS.items() if set(pair) <= shown]
    require_controls(sorted(shown))
    measured = measures.measures_of_layers(events, _of_pair, SIGNALS, VARIABLES, (*pairs, ALL))
    return measured.assign_coords(figures.group_coords(events))


def _of_pair(
    own: measures.SessionEvents, signal: str, units: np.ndarray, name: str, rng: np.random.Generator
) -> np.ndarray:
    """Every measure of one pair, or of all events, in the order of `VARIABLES`."""
    found = np.full(len(VARIABLES), np.nan)
    known = np.isfinite(own.numbers["signed_error"])
    values = own.units[signal][:, units]
    if name == ALL:
        chosen = measures.evenly_chosen(np.flatnonzero(known), MOST_OF_ALL)
        drive = own.units["rate"][chosen][:, units].mean(axis=1, keepdims=True)
        told = measures.error_correlations(values[chosen], own.numbers["signed_error"][chosen], drive)
        found[-len(OF_ALL) :] = [measures.mean_of_finite(gain) for gain in (told.signed_gain, told.unsigned_gain)]
        return found
    places = [np.flatnonzero(known & (own.condition == condition)) for condition in PAIRS[name]]
    rare, frequent = (measures.evenly_chosen(values[one], MOST_EVENTS) for one in places)
    if min(len(rare), len(frequent)) >= 2:
        index = _same_picture(values, own.identity, places)
        found[: -len(OF_ALL)] = _compared(rare, frequent, index, rng)
    return found


def _same_picture(values: np.ndarray, identity: np.ndarray, places: list[np.ndarray]) -> float:
    """Stimulus index of every picture that came in both conditions, mean over pictures and units that respond."""
    pictures = sorted(set(identity[places[0]].tolist()) & set(identity[places[1]].tolist()))
    means = [[values[one[identity[one] == picture]].mean(axis=0) for picture in pictures] for one in places]
    return measures.mean_of_finite(measures.stimulus_index(*means))


def _compared(rare: np.ndarray, frequent: np.ndarray, index: float, rng: np.random.Generator) -> list[float]:
    """Everything but `OF_ALL`, of some units."""
    both, label = np.concatenate([rare, frequent]), np.arange(len(rare) + len(frequent)) < len(rare)
    test = partial(measures.permutation_p_values, both, rng=rng, n_permutations=N_PERMUTATIONS)
    tails = [*test(label=label), *test(label=rng.permutation(label))]
    return [
        float(rare.mean()),
        float(frequent.mean()),
        index,
        measures.mean_of_finite(measures.d_prime(rare, frequent)),
        *(float((one <= TAIL).mean()) for one in tails),
    ]


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used: no single events of these paradigms ship.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure; one for each state of plasticity and layer.
    """
    drawings = {}
    for plasticity in ("off", "on"):
        names = [str(name) for name in measured["condition"].values if str(name).endswith(f"plasticity {plasticity}")]
        if not names:
            continue
        for layer in measured["layer"].values.astype(str):
            own = measured.sel(layer=layer, condition=names)
            last = f"_{layer}" if measured.sizes["layer"] > 1 else ""
            drawings[f"unexpected_events_plasticity_{plasticity}{last}"] = draw_pairs(own, plasticity)
    return drawings


def draw_pairs(measured: xr.Dataset, plasticity: str) -> figures.Drawing:
    """Draw d' of every pair with and without feedback, and the fractions of units, one row per pair."""
    styles, last = figures.styles_of(measured), measured.isel(session=-1)
    pairs = [str(name) for name in last["condition"].values if not str(name).startswith(ALL)]
    titles = [name.removesuffix(f", plasticity {plasticity}") for name in pairs]
    panels = [
        ("unexpected_event_index", "somatic", "d', soma"),
        ("unexpected_event_index", "rate", "d', rate"),
        ("stimulus_index", "somatic", "Index, soma"),
        ("fraction_above", "somatic", "Units above"),
        ("fraction_below", "somatic", "Units below"),
    ]
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 30 + 12 * len(pairs) + 3 * len(styles), 1, len(panels))
    tables = []
    for ax, (name, signal, title) in zip(axes, panels, strict=True):
        values = last[name].sel(variable=signal, condition=pairs).transpose("animal", "condition")
        tables.append(_draw_rows(ax, values, styles, titles).assign(measure=name, variable=signal))
        ax.set_title(title)
        ax.axvline(TAIL if name.startswith("fraction") else 0, color="0.6", linewidth=0.7, linestyle=":", zorder=0)
        ax.set_yticks(range(len(pairs)), [_wrapped(one) for one in titles] if ax is axes[0] else [])
        ax.set_ylim(len(pairs) - 0.5, -0.5)
        if name.startswith("fraction"):
            ax.set_xlim(-0.03, 1.03)
    figures.panel_letters(axes)
    figures.group_legend(figure, styles)
    shuffled = [float(last[f"fraction_{tail}_shuffled"].sel(variable="somatic").mean()) for tail in ("above", "below")]
    gains = [float(last[name].sel(variable="somatic").mean()) for name in OF_ALL]
    caption = (
        f"Last session, plasticity {plasticity}. d' between single events of the two conditions, without small-sample "
        "bias, mean over units; stimulus index (u - e) / (u + e) of the mean responses to the same picture in both, "
        "mean over units and pictures (rarely active units draw it towards the condition with more events); fraction "
        "of units that respond more (above) or less (below) to the first, by permutation with 2.5 % in each tail "
        f"(dotted); with labels shuffled {shuffled[0]:.3f} and {shuffled[1]:.3f}, mean of all groups. Points: mean "
        "over animals, bars: 95 % interval (Student t). Variance of single events that is explained, beyond the mean "
        f"drive, by the signed error {gains[0]:.3f}, by the unsigned error {gains[1]:.3f}. "
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption + figures.sizes_text(measured) + ".")


def _draw_rows(ax, values: xr.DataArray, styles: dict[str, figures.GroupStyle], titles: list[str]) -> pd.DataFrame:
    """Mean and interval of every group, one row per pair."""
    groups, rows = values["group"].values.astype(str), []
    for number, (group, look) in enumerate(styles.items()):
        over = measures.mean_and_interval(values.values[groups == group])
        place = np.arange(len(titles)) + 0.7 * ((number + 0.5) / len(styles) - 0.5)
        error = np.nan_to_num(np.stack([over.mean - over.low, over.high - over.mean]))
        ax.errorbar(over.mean, place, xerr=error, fmt="o", markersize=2.5, elinewidth=0.8, color=look.colour)
        for title, mean, low, high in zip(titles, over.mean, over.low, over.high, strict=True):
            rows.append({"group": group, "pair": title, "mean": mean, "lower": low, "upper": high})
    return pd.DataFrame(rows)


def _wrapped(title: str) -> str:
    """A title in two lines."""
    return (
        title.replace(" against ", "\nagainst ").replace(": ", ":\n", 1)
        if ": " not in title
        else title.replace(": ", ":\n")
    )
