"""
Mechanism scorecard: which mechanism meets which recorded value, and by how many standard errors.

`measure` observes nothing anew: it cuts simulated animals down to the cells, repeats and sessions of the recording, and
measures the curves of `drift_over_days` in what is left. `plot` draws all groups against all recorded points, and its
numbers are the table. A standard error is that of predicting one more animal from n simulated ones, sd sqrt(1 + 1/n),
with the sd over animals pooled over groups: a recorded animal is held to be one draw among the simulated ones.
"""

import tomllib

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import NeurofaError, analyse, figures, measures, references

#: measure id to the title of its block of columns
BLOCKS = {
    "split_half_population_vector_correlation": "Split\nhalf",
    "population_vector_correlation": "Population\nvector",
    "ensemble_rate_correlation": "Ensemble\nrate",
    "tuning_curve_correlation": "Tuning\ncurves",
    "representational_similarity_correlation": "Similarity\nmatrix",
    "angle_unaligned_deg": "Angle,\nunaligned",
    "angle_procrustes_deg": "Angle,\nProcrustes",
    "overlap_of_detected_cells": "Detected\ncells",
}
#: further than this is drawn alike, standard errors
FURTHEST = 6.0
#: a point is met within so many standard errors
MET = 2.0
#: a measure is explained where so many of its points are met
EXPLAINED = 0.75
#: recorded animals keep their behaviour: a group that reports less correctly explains nothing
KEPT = 0.95
OVERLAP = "overlap_of_detected_cells"


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Hold every group against every point of the recorded curves that the protocol names.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated.

    Returns
    -------
    xarray.Dataset
        ``points_met`` (animal, layer, condition), the share of a measure's points that the animal's group meets, the
        same for all its animals; condition is the measure. Of groups, for the figure and its table:
        ``simulated``, ``distance`` in standard errors, and whether it is ``within_tolerance`` of the protocol (NaN
        where none is stated), on (mechanism, layer, point).
    """
    table = figures.recorded.curves_named(recording)
    if not table:
        raise NeurofaError(
            "mechanism_scorecard holds simulated animals against recorded curves of as many stimuli, and none are "
            'named here; simulate a protocol with, for example, references.tables = ["ca1_linear_track_curves"]'
        )
    curves = references.load_curves(table)
    curves = curves[curves["animal"] == curves["animal"].iloc[0]]
    points = pd.concat([curves[curves["measure"] == name].sort_values("lag_days") for name in BLOCKS])
    drift = analyse(cut_down(recording, points), ["drift_over_days"])["drift_over_days"].sel(variable="rate", drop=True)
    values = np.stack([_at_points(drift.isel(layer=layer), points) for layer in range(drift.sizes["layer"])], axis=1)
    groups = drift["group"].values.astype(str)
    names = list(dict.fromkeys(groups.tolist()))
    own = np.array([np.nonzero(groups == name)[0] for name in names], dtype=object)
    with np.errstate(invalid="ignore"):
        simulated = np.stack([_mean(values[list(rows)]) for rows in own])
    sd = pooled_sd([values[list(rows)] for rows in own])
    counts = np.stack([np.isfinite(values[list(rows)]).sum(axis=0) for rows in own])
    recorded = points["mean"].to_numpy()
    error = sd * np.sqrt(1 + 1 / np.maximum(counts, 1))
    within = _within(recording, points, simulated)
    distance = (simulated - recorded) / error
    share = _points_met(distance, points)[[names.index(group) for group in groups.tolist()]]
    seen = np.isfinite(values).any(axis=2)[:, :, None]
    dims, kept = ("mechanism", "layer", "point"), {"table": 0}
    measured = xr.Dataset(
        {
            "points_met": (
                ("animal", "layer", "condition"),
                np.where(seen, share, np.nan),
                {"long_name": "points met"},
            ),
            "simulated": (dims, simulated, kept),
            "distance": (dims, distance, kept | {"long_name": "standard errors", "units": "1"}),
            "standard_error": (dims, np.broadcast_to(error, simulated.shape), kept),
            "within_tolerance": (dims, within, kept),
            "recorded": ("point", recorded, kept),
            "n_animals": ("mechanism", [len(rows) for rows in own], kept),
            "correct": ("mechanism", [_performance(drift, rows) for rows in own], kept),
        },
        coords=figures.group_coords(drift)
        | {
            "animal": drift["animal"].values,
            "layer": drift["layer"].values,
            "condition": list(BLOCKS),
            "mechanism": names,
            "point_measure": ("point", points["measure"].to_numpy(dtype=str)),
            "point_lag_days": ("point", points["lag_days"].to_numpy()),
        },
    )
    measured["points_met"].attrs = {"long_name": "recorded points met", "units": "1"}
    measured.attrs = {"reference": f"{points['animal'].iloc[0]} ({points['citation'].iloc[0]})"}
    return measured


def cut_down(recording: xr.DataTree, curves: pd.DataFrame) -> xr.DataTree:
    """
    Cut simulated animals down to what a recorded animal's curves rest on, as `neurofa compare` does.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated, as observed.
    curves : pandas.DataFrame
        Of one animal, with the columns n_cells, n_cells_per_session, n_repeats and n_sessions.

    Returns
    -------
    xarray.DataTree
        Observed rates alone: no more cells in all and per session, repeats and sessions than recorded.
    """
    probe = recording["probe"].to_dataset()
    probe = probe.drop_vars([name for name in ("true_rate", "latent_rate", "output") if name in probe])
    there = np.isfinite(probe["day"].transpose("animal", "session").values)
    detected = probe["detected"].transpose("animal", "session", "unit").values & there[:, :, None]
    per_session = detected.sum(axis=2)[there].reshape(-1)
    mine = {"n_cells": detected.any(axis=1).sum(axis=1).max(), "n_cells_per_session": per_session.mean()}
    first = curves.iloc[0]
    share = min([1.0, *(first[name] / number for name, number in mine.items() if np.isfinite(first[name]) and number)])
    generator = np.random.default_rng(0)
    order = generator.permutation(probe.sizes["unit"])
    chosen = {"unit": np.sort(order[: max(1, round(share * len(order)))])}
    for dim in ("repeat", "session"):
        n_recorded = first[f"n_{dim}s"]
        chosen[dim] = np.arange(min(probe.sizes[dim], int(n_recorded) if np.isfinite(n_recorded) else probe.sizes[dim]))
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=recording.attrs), "/probe": probe.isel(chosen)})


def pooled_sd(values: list[np.ndarray]) -> np.ndarray:
    """
    Standard deviation over the animals of a group, pooled over groups.

    Parameters
    ----------
    values : list of (animal, ..., point)
        One array per group; NaN where an animal has no value.

    Returns
    -------
    (..., point)
        Square root of the summed squared deviations from each group's mean over the summed degrees of freedom.
    """
    squares, free = 0.0, 0.0
    for own in values:
        there = np.isfinite(own)
        squares = squares + np.where(there, (own - _mean(own)) ** 2, 0.0).sum(axis=0)
        free = free + np.maximum(there.sum(axis=0) - 1, 0)
    if not np.any(free):
        raise NeurofaError("standard errors need two animals or more in one group at least; raise cohort.animals")
    return np.sqrt(squares / np.where(free > 0, free, np.nan))


def _within(recording: xr.DataTree, points: pd.DataFrame, simulated: np.ndarray) -> np.ndarray:
    """Whether each point is within the tolerance that the protocol states; NaN where it states none."""
    stated = tomllib.loads(str(recording.attrs.get("protocol", ""))).get("references", {}).get("tolerances", {})
    tolerance = np.array([float(stated.get(name, np.nan)) for name in points["measure"]])
    missed = np.abs(simulated - points["mean"].to_numpy())
    return np.where(np.isnan(tolerance * missed), np.nan, missed <= tolerance)


def _points_met(distance: np.ndarray, points: pd.DataFrame) -> np.ndarray:
    """Share of each measure's points that each group meets, (mechanism, layer, measure)."""
    shares = []
    for name in BLOCKS:
        block = (points["measure"] == name).to_numpy() & np.isfinite(distance)
        met = ((np.abs(distance) <= MET) & block).sum(axis=2)
        shares.append(met / np.where(block.any(axis=2), block.sum(axis=2), np.nan))
    return np.stack(shares, axis=2)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over animals that have a value."""
    there = np.isfinite(values)
    number = there.sum(axis=0)
    return np.where(there, values, 0.0).sum(axis=0) / np.where(number > 0, number, np.nan)


def _at_points(drift: xr.Dataset, points: pd.DataFrame) -> np.ndarray:
    """Curves of every animal at the recorded points, (animal, point)."""
    days = drift["day"].transpose("animal", "session").values
    columns = []
    for name, of_measure in points.groupby("measure", sort=False):
        matrix = drift[str(name)]
        if "session" in matrix.dims:
            columns.append(np.nanmean(matrix.transpose("animal", "session").values, axis=1)[:, None])
            continue
        lag, curve = measures.curves_of_animals(matrix.transpose("animal", "session_a", "session_b").values, days)
        found = np.full((len(curve), len(of_measure)), np.nan)
        for number, wanted in enumerate(of_measure["lag_days"]):
            at = np.nonzero(np.isclose(lag, wanted, atol=0.01))[0]
            found[:, number] = curve[:, at[0]] if at.size else np.nan
        columns.append(found)
    return np.concatenate(columns, axis=1)


def _performance(drift: xr.Dataset, rows: np.ndarray) -> float:
    """Fraction correct of a group, mean over animals and sessions."""
    if "performance" not in drift:
        return float("nan")
    return float(drift["performance"].isel(animal=list(rows)).mean())


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw the scorecard.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not drawn: the recorded points are those of the table that the protocol names.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure; its numbers are the table of mechanisms and recorded values.
    """
    drawings = {}
    with figures.style():
        for layer in measured["layer"].values.tolist():
            name = f"mechanism_scorecard_{layer}" if measured.sizes["layer"] > 1 else "mechanism_scorecard"
            own = measured.sel(layer=layer)
            drawings[name] = figures.Drawing(_draw(own), table_of(own), _caption(own))
    return drawings


def table_of(measured: xr.Dataset) -> pd.DataFrame:
    """
    Arrange the scorecard as a table.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`, one layer.

    Returns
    -------
    pandas.DataFrame
        One row per mechanism, measure and lag: the recorded value, the mean of the simulated animals, the standard
        error, the distance in standard errors, whether the point is met and whether it is within the protocol's
        tolerance.
    """
    shown = ["simulated", "distance", "standard_error", "within_tolerance", "recorded", "correct", "n_animals"]
    rows = measured[shown].to_dataframe()
    table = rows.reset_index().rename(columns={"point_measure": "measure", "point_lag_days": "lag_days"})
    table["label"] = table["mechanism"].map(_labels(measured))
    table["met"] = (table["distance"].abs() <= MET).astype(int)
    columns = ["mechanism", "label", "measure", "lag_days", "recorded", "simulated", "standard_error", "distance"]
    return table[[*columns, "met", "within_tolerance", "n_animals", "correct"]]


def _labels(measured: xr.Dataset) -> dict[str, str]:
    """Name of every group in the figure."""
    styles = figures.styles_of(measured)
    return {name: styles[name].label for name in measured["mechanism"].values.astype(str).tolist()}


def _draw(measured: xr.Dataset) -> object:
    """Groups against points; colour is the distance, a dot a point that is met, columns of numbers on the right."""
    distance, lags = measured["distance"].values, measured["point_lag_days"].values
    names, of_point = list(_labels(measured).values()), measured["point_measure"].values.astype(str)
    starts = [int(np.nonzero(of_point == name)[0][0]) for name in BLOCKS if (of_point == name).any()]
    block = np.searchsorted(starts, np.arange(len(of_point)), side="right") - 1
    # a title needs more room than the single column of the split half has
    place = np.arange(len(of_point)) + block + (block > 0)
    image = np.full((len(names), place[-1] + 1), np.nan)
    image[:, place] = distance
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 30 + 5 * len(names))
    ax = axes[0]
    drawn = ax.imshow(image, cmap="RdBu_r", vmin=-FURTHEST, vmax=FURTHEST, aspect="auto", interpolation="none")
    row, column = np.nonzero(np.abs(distance) <= MET)
    ax.plot(place[column], row, ".", color="black", markersize=2)
    ax.set_yticks(range(len(names)), names)
    shown = [number for number in range(len(place)) if lags[number] in (0, 2, 8, 14)]
    ax.set_xticks(place[shown], [f"{lags[number]:g}" for number in shown])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("Days between two sessions")
    for start, title in zip(starts, [BLOCKS[of_point[start]] for start in starts], strict=True):
        last = int(np.nonzero(of_point == of_point[start])[0][-1])
        ax.text((place[start] + place[last]) / 2, -0.8, title, ha="center", va="bottom", fontsize="small")
    right = place[-1] + 1.5
    for offset, title, texts in _columns(measured):
        ax.text(right + offset, -0.8, title, ha="center", va="bottom")
        for number, text in enumerate(texts):
            ax.text(right + offset, number, text, ha="center", va="center")
    ax.set_xlim(-0.5, right + 19)
    figure.colorbar(drawn, ax=ax, label="Distance (standard errors)", shrink=0.7, extend="both", pad=0.01)
    return figure


def _columns(measured: xr.Dataset) -> list[tuple[float, str, list[str]]]:
    """Place, title and texts of the columns of numbers."""
    distance = measured["distance"].values
    met = (np.abs(distance) <= MET).sum(axis=1)
    size = np.sqrt(np.nanmean(distance**2, axis=1))
    within = measured["within_tolerance"].values
    stated = np.isfinite(within).any(axis=1)
    inside = [f"{number:.0f}" if there else "" for number, there in zip(np.nansum(within, axis=1), stated, strict=True)]
    return [
        (1.8, f"Met\nof {np.isfinite(distance).any(axis=0).sum()}", [str(number) for number in met]),
        (6.5, "In\ntol.", inside),
        (10.5, "Rms", [f"{number:.1f}" for number in size]),
        (16.0, "Correct", [f"{number:.0%}" for number in measured["correct"].values]),
    ]


def _caption(measured: xr.Dataset) -> str:
    """What is shown, which mechanism explains what, and what none explains."""
    numbers = measured["n_animals"].values
    animals = f"{numbers.min()}" if numbers.min() == numbers.max() else f"{numbers.min()} to {numbers.max()}"
    return " ".join(
        [
            f"Every group (mean over {animals} animals) against every point of {measured.attrs['reference']}, with "
            "simulated animals cut down to the cells, repeats and sessions recorded. Colour: distance in standard "
            f"errors of predicting one more animal, drawn alike beyond {FURTHEST:g}; dots, and counted as met: within "
            f"{MET:g}. In tolerance: points within the tolerances that the protocol states. Rms: root mean square.",
            *explained(measured),
        ]
    )


def explained(measured: xr.Dataset) -> list[str]:
    """
    Say what is explained by how many mechanisms and nulls, what by none, and who comes closest.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`, one layer.

    Returns
    -------
    list of str
        Sentences. A group explains a measure where it meets `EXPLAINED` of its points; groups with ``control_of`` are
        nulls. Groups that report less than `KEPT` of the stimuli correctly explain nothing, since the recorded animals
        keep their behaviour.
    """
    labels, of_point = _labels(measured), measured["point_measure"].values.astype(str)
    styles, correct = figures.styles_of(measured), measured["correct"].values
    distance = measured["distance"].values
    there = np.where(np.isfinite(distance), np.abs(distance) <= MET, np.nan)
    met = pd.DataFrame(there, index=list(labels), columns=of_point)
    lost = [name for name, kept in zip(labels, correct, strict=True) if kept < KEPT]
    met = met.drop(index=lost)
    nulls = [name for name in met.index if styles[name].control_of]
    share = met.T.groupby(level=0, sort=False).mean().T >= EXPLAINED
    by_null, by_mechanism = share.loc[nulls], share.drop(index=nulls)
    titles = {name: BLOCKS[name][0].lower() + BLOCKS[name][1:].replace("\n", " ") for name in share.columns}
    counted = [
        f"{titles[name]} by {by_mechanism[name].sum()} of {len(by_mechanism)} mechanisms and {by_null[name].sum()} of "
        f"{len(by_null)} nulls"
        for name in share.columns
    ]
    lines = [f"Three quarters or more of the points that were simulated are met: {'; '.join(counted)}."]
    for words, of_kind in (("no mechanism", by_mechanism), ("no null", by_null)):
        never = [titles[name] for name in share.columns if not of_kind[name].any()]
        lines.append(f"Explained by {words}: {', '.join(never) if never else 'nothing'}.")
    count = met.drop(columns=OVERLAP, errors="ignore").sum(axis=1)
    closest = [count[rows.index] for rows in (by_mechanism, by_null) if len(rows)]
    named = [f"{labels[own.idxmax()]}, {own.max():.0f} points" for own in closest]
    lines += [f"Closest without the overlap of detected cells: {'; of the nulls '.join(named)}."] if named else []
    if lost:
        lines.append(f"Left out, with less than {KEPT:.0%} correct: {', '.join(labels[name] for name in lost)}.")
    lines.append(
        "Measures and lags share sessions, and values were chosen on this recording: no proof of any mechanism."
    )
    return lines
