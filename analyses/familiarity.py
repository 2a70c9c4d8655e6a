"""
Familiarity: does the code of stimuli that are met often drift more slowly than that of stimuli met seldom.

`measure` fits a rate of drift to every animal and divides it by that of the same individual in the group that differs
in its schedule only and met the stimuli least often; with controls, also what is beyond the drift of the control.
`plot` draws decay, rates and ratios, with the published ratio where the protocol models an area that has one.
Definitions, sources and limits: `neurofa.measures`.
"""

import json
import tomllib

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import NeurofaError, figures, measures, references

#: measure id to (long name, units)
OF_ANIMALS = {
    "drift_rate_per_day": ("rate of drift", "1 / day"),
    "drift_rate_ratio": ("rate of drift / rate of the individual with fewest exposures", "1"),
    "drift_rate_ratio_beyond_control": ("the same beyond the drift of controls", "1"),
    "exposures_per_day": ("stimuli shown per day", "1 / day"),
}
SIMILARITY = "population_vector_correlation_noise_corrected"
#: keys of a group that say when and how often, not how the animals change
SCHEDULES = ("schedule", "label", "control_of")


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Compare rates of drift between groups that differ in their schedule only.

    The rate is 1 / tau of A exp(-lag / tau), fitted to an animal's noise-corrected population-vector correlation of
    observed rates; 0 where it does not fall.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated, with groups of which some differ in their schedule only.

    Returns
    -------
    xarray.Dataset
        Measures on (variable, animal, layer); ratios are NaN in groups that no other is compared with, and in those
        that others are compared with. The similarity itself on (..., session_a, session_b).

    Raises
    ------
    NeurofaError
        Where no two groups differ in their schedule only, or nobody knows how often stimuli were shown.
    """
    probe = recording["probe"].to_dataset()
    if "experience" not in probe:
        raise NeurofaError(
            "familiarity needs the number of stimuli shown before each session, which imported recordings lack; "
            "simulate groups that meet stimuli more and less often, such as those of odor_familiarity"
        )
    seldom = least_exposed(recording)
    if not seldom:
        raise NeurofaError(
            "familiarity compares groups that differ in their table schedule only, and there are no two of these; "
            "give the protocol some, such as those of odor_familiarity"
        )
    days = probe["day"].values
    layers = measures.recorded_layers(probe)
    each = measures.each_animal(
        lambda animal: [_similarity(probe, animal, layer) for layer in layers],
        probe.sizes["animal"],
        map_size=probe["rate"].isel(animal=0).size,
    )
    similarity = np.array(each)[None]
    rates = np.stack([_rates(similarity[0, :, layer], days) for layer in range(len(layers))], axis=-1)[None]
    numbers = probe["session"].values if "session" in probe.coords else np.arange(probe.sizes["session"])
    measured = xr.Dataset(
        coords=figures.group_coords(probe)
        | {name: numbers for name in ("session_a", "session_b")}
        | {"variable": ["rate"], "animal": probe["animal"].values, "layer": layers}
        | {"day": (("animal", "session"), days)}
    )
    measured["similarity"] = (("variable", "animal", "layer", "session_a", "session_b"), similarity)
    measured["similarity"].attrs = {"long_name": "population-vector correlation, noise-corrected", "units": "1"}
    measured["similarity"].attrs["table"] = 0
    exposures = _exposures(probe)
    found = {
        "drift_rate_per_day": rates,
        "drift_rate_ratio": _ratio(rates, probe, seldom),
        "drift_rate_ratio_beyond_control": _ratio(_beyond_control(rates, probe), probe, seldom),
        "exposures_per_day": np.broadcast_to(exposures[None, :, None], rates.shape),
    }
    for name, (long_name, units) in OF_ANIMALS.items():
        measured[name] = (("variable", "animal", "layer"), found[name], {"long_name": long_name, "units": units})
    measured.attrs = {"area": _area(recording)}
    return measured


def least_exposed(recording: xr.DataTree) -> dict[str, str]:
    """
    Find the groups that differ in their schedule only, and which of them met the stimuli least often.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated.

    Returns
    -------
    dict of str to str
        Group to the least exposed one of its family, without that one itself.
    """
    probe = recording["probe"].to_dataset()
    of_animal = probe["group"].values.astype(str)
    tables = tomllib.loads(str(recording.attrs.get("protocol", ""))).get("groups", {})
    exposures, families = _exposures(probe), {}
    for group in dict.fromkeys(of_animal.tolist()):
        own = {key: value for key, value in tables.get(group, {}).items() if key not in SCHEDULES}
        text = json.dumps(own, sort_keys=True, default=str) if group in tables else group
        families.setdefault(text, {})[group] = float(np.nanmean(exposures[of_animal == group]))
    found = {}
    for family in families.values():
        seldom = min(family, key=lambda group: family[group])
        found |= {group: seldom for group in family if family[group] > family[seldom]}
    return found


def _exposures(probe: xr.Dataset) -> np.ndarray:
    """Stimuli shown per day between the first and the last session, (animal,)."""
    shown = probe["experience"].transpose("animal", "session").values.astype(float)
    days = probe["day"].values
    there = np.where(np.isfinite(days), shown, np.nan)
    span: np.ndarray = np.nanmax(days, axis=1) - np.nanmin(days, axis=1)
    return (np.nanmax(there, axis=1) - np.nanmin(there, axis=1)) / np.where(span > 0, span, np.nan)


def _similarity(probe: xr.Dataset, animal: int, layer: str) -> np.ndarray:
    """Noise-corrected similarity of all pairs of sessions of one animal."""
    maps = measures.session_maps(probe, animal, "rate", layer)
    whole = np.full((probe.sizes["session"],) * 2, np.nan)
    whole[np.ix_(maps.session, maps.session)] = getattr(measures, SIMILARITY)(maps.halves)
    return whole


def _rates(matrices: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Rate of drift of every animal, 1 / day."""
    lag, curves = measures.curves_of_animals(matrices, days)
    rates: np.ndarray = 1 / measures.decay_time_constants(lag, curves)
    return rates


def _of_individual(values: np.ndarray, probe: xr.Dataset, other: dict[str, str]) -> np.ndarray:
    """For every animal the value of the same individual in another group; NaN where it has none."""
    groups, index = probe["group"].values.astype(str), probe["index"].values
    place = {(group, number): position for position, (group, number) in enumerate(zip(groups, index, strict=True))}
    found = np.full(values.shape, np.nan)
    for position, (group, number) in enumerate(zip(groups, index, strict=True)):
        there = place.get((other.get(str(group), ""), number))
        if there is not None:
            found[:, position] = values[:, there]
    return found


def _ratio(rates: np.ndarray, probe: xr.Dataset, seldom: dict[str, str]) -> np.ndarray:
    """Rates over those of the least exposed; NaN where these do not drift."""
    others = _of_individual(rates, probe, seldom)
    return rates / np.where(others > 0, others, np.nan)


def _beyond_control(rates: np.ndarray, probe: xr.Dataset) -> np.ndarray:
    """Rates less those of the controls; NaN in groups without one."""
    groups = probe["group"].values.astype(str).tolist()
    of_groups = probe["control_of"].values.astype(str).tolist()
    controls = {of: group for group, of in zip(groups, of_groups, strict=True) if of}
    return rates - _of_individual(rates, probe, controls)


def _area(recording: xr.DataTree) -> str:
    """Brain area that the protocol models."""
    return str(tomllib.loads(str(recording.attrs.get("protocol", ""))).get("references", {}).get("area", ""))


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used: recorded animals have no individuals in common with other groups.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure.
    """
    measured = figures.with_lags(measured)
    layers = measured["layer"].values.tolist()
    drawings: dict[str, figures.Drawing] = {}
    with figures.style():
        for layer in layers:
            suffix = f"_{layer}" if len(layers) > 1 else ""
            drawings[f"familiarity{suffix}"] = draw_familiarity(measured.sel(variable="rate", layer=layer))
    return drawings


def draw_familiarity(measured: xr.Dataset) -> figures.Drawing:
    """Decay, rates of drift and their ratios."""
    styles = figures.styles_of(measured)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 78, 1, 3)
    figures.decay_curve(measured["similarity"], ax=axes[0], styles=styles)
    axes[0].set_ylabel("Population-vector correlation,\nnoise-corrected")
    figures.animal_points(measured["drift_rate_per_day"], ax=axes[1], styles=styles)
    axes[1].set_ylim(bottom=0)
    compared = measured["drift_rate_ratio"].notnull() & (measured["control_of"] == "")
    ratios = measured["drift_rate_ratio"].isel(animal=np.flatnonzero(compared.values))
    beyond = measured["drift_rate_ratio_beyond_control"].isel(animal=np.flatnonzero(compared.values))
    words = []
    if ratios.size:
        figures.animal_points(ratios, ax=axes[2], styles=styles)
        axes[2].axhline(1.0, color="0.5", linewidth=0.6, linestyle=":")
        axes[2].set_ylabel("Rate / rate with fewest exposures")
        axes[2].set_ylim(bottom=0)
        words = [
            _told(ratios, beyond, group, styles[group].label or group)
            for group in dict.fromkeys(ratios["group"].values.tolist())
        ]
    published = references.load_references()
    published = published[(published["measure"] == "drift_rate_ratio") & (published["area"] == measured.attrs["area"])]
    for row in published.itertuples():
        axes[2].axhline(row.value, color="black", linewidth=0.8, linestyle="--")
        axes[2].text(0.98, row.value, "published", transform=axes[2].get_yaxis_transform(), ha="right", va="bottom")
        words.append(f"dashed: {row.value:g}, {row.citation} ({row.statistic}; {row.obtained}; the authors' own rate)")
    for ax in axes[1:]:
        # the legend names the groups
        ax.set_xticks([])
    figures.panel_letters(axes)
    figures.group_legend(figure, styles, measured)
    caption = (
        "Do stimuli that are met more often drift more slowly? Decay of the population-vector correlation; rate of "
        "drift of every animal (1 / time constant of an exponential; black: median; hollow: controls); and that rate "
        "over the rate of the same individual in the group that differs in its schedule only and met them least often "
        "(1: alike). "
    )
    table = measured[list(OF_ANIMALS)].reset_coords(drop=True).to_dataframe().reset_index()
    table["group"] = table["animal"].map(dict(zip(measured["animal"].values, measured["group"].values, strict=True)))
    return figures.Drawing(figure, pd.DataFrame(table), caption + "; ".join(words) + ("." if words else ""))


def _told(ratios: xr.DataArray, beyond: xr.DataArray, group: str, label: str) -> str:
    """Mean ratio of one group with its interval over animals, in words."""
    own = ratios["group"].values.astype(str) == group
    text = []
    for values, what in ((ratios, "rate"), (beyond, "beyond the control")):
        numbers = values.values[own]
        numbers = numbers[np.isfinite(numbers)]
        if len(numbers):
            found = measures.mean_and_interval(numbers)
            text.append(f"{what} x {found.mean:.2f} ({found.low:.2f} to {found.high:.2f}, n = {len(numbers)})")
    return f"{label}: {', '.join(text)}"
