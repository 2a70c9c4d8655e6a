"""Verdicts: what was measured in a run, held against recorded curves and published statistics."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurofa.catalogue import did_you_mean
from neurofa.comparison.definitions import MEASURED_DEFINITIONS, NOISE_CORRECTED
from neurofa.errors import ConfigError
from neurofa.measures import spearman_brown
from neurofa.tables import summarise, tidy

COLUMNS = (
    "reference",
    "doi",
    "reference_kind",
    "definition",
    "measure",
    "group",
    "lag_days",
    "published",
    "lower",
    "upper",
    "tolerance",
    "simulated",
    "ci_low",
    "ci_high",
    "verdict",
    "reason",
    "interval_kind",
    "noise_ceiling",
    "published_noise_ceiling",
    "n_animals",
    "n_cells",
    "n_repeats",
    "n_sessions",
    "published_n",
)
#: columns of text
TEXT = (
    *("reference", "doi", "reference_kind", "definition", "measure", "group", "verdict", "reason"),
    *("interval_kind", "published_n"),
)
#: verdicts on published orderings; all others are on values
ORDERING_VERDICTS = ("as published", "opposite", "undecided")
VERDICTS = ("inside", "below", "above", *ORDERING_VERDICTS, "not comparable")

#: reference kinds whose points are counted by `count_inside`
CURVE_KINDS = ("recorded curve", "recorded run", "simulated run")

#: in ``group``, where a row says the same of every group
ALL_GROUPS = "all groups"

OVERLAP = "overlap_of_detected_cells"
#: the measure whose ceiling follows from the correlation of the halves of a session
WITH_CEILING, SPLIT_HALF = "population_vector_correlation", "split_half_population_vector_correlation"

INTERPRETATION = (
    "These curves alone do not tell the mechanisms apart. Cells confused between sessions without any neural drift, "
    "synaptic noise, turnover of synapses, and walking feedback with forgetting can all come about equally close to "
    "the same recorded curves, so a high count supports none of them against the others. A curve that parameters were "
    "chosen on is fitted, not predicted. Points at different lags share the same sessions and several measures are "
    "near copies of each other: 50 points are perhaps 8 to 10 independent facts. The overlap of detected cells follows "
    "from the visibility of cells in the observation, not from the network, so counts are also given without it."
)


def curves_by_lag(measured: xr.Dataset | pd.DataFrame, variable: str = "rate", condition: str = "") -> pd.DataFrame:
    """
    Average what was measured: over pairs of equal lag within an animal, then over the animals of a group.

    Parameters
    ----------
    measured : xarray.Dataset or pandas.DataFrame
        Of the analysis ``drift_over_days``; or the run's ``summary.csv``.
    variable : str
        Which rates: ``"rate"`` (observed), ``"true_rate"`` or ``"latent_rate"``.
    condition : str
        Of the measures, for example the curve that a time constant is of; by default those that have none.

    Returns
    -------
    pandas.DataFrame
        Columns measure, group, lag_days, mean, lower, upper (95 % interval over animals, Student t; NaN for one
        animal), n_animals, n_pairs and sd_over_pairs (divided by the number of pairs), in the measure's unit. Single
        sessions stand at lag 0. With several layers the group's name is followed by the layer's.
    """
    summary = summarise(tidy({"drift_over_days": measured})) if isinstance(measured, xr.Dataset) else measured
    text = ["variable", "group", "layer", "condition", "step"]
    summary = summary.assign(**summary[text].astype(object).fillna("").astype(str))
    plain = (summary["variable"] == variable) & (summary["condition"] == condition) & (summary["step"] == "")
    table = summary[plain].copy()
    if table["layer"].nunique() > 1:
        table["group"] = table["group"] + " (" + table["layer"] + ")"
    columns = ["measure", "group", "lag_days", "mean", "lower", "upper", "n_animals", "n_pairs", "sd_over_pairs"]
    return table[columns].reset_index(drop=True)


def pooled_spread(curve: pd.DataFrame) -> float:
    """
    Spread over session pairs, pooled over the lags of one recorded curve.

    Parameters
    ----------
    curve : pandas.DataFrame
        Rows of one measure of one animal: ``sd_over_session_pairs`` (divided by the number of pairs) and
        ``n_session_pairs``.

    Returns
    -------
    float
        sqrt(sum n sd^2 / sum (n - 1)), in the measure's unit; NaN where no lag has two pairs.

    Examples
    --------
    >>> round(pooled_spread(pd.DataFrame({"sd_over_session_pairs": [3.0, 0.0], "n_session_pairs": [2, 1]})), 4)
    4.2426
    """
    n = curve["n_session_pairs"].to_numpy(dtype=float)
    sd = np.where(n > 1, curve["sd_over_session_pairs"].to_numpy(dtype=float), 0.0)
    free = float((n - 1).sum())
    return float(np.sqrt((n * sd**2).sum() / free)) if free > 0 else float("nan")


def curve_scorecard(
    measured: xr.Dataset | pd.DataFrame,
    curves: pd.DataFrame,
    tolerances: Mapping[str, float] | None = None,
    *,
    reference_kind: str = "recorded curve",
    variable: str = "rate",
) -> pd.DataFrame:
    """
    Hold measured curves against recorded ones, point by point.

    Parameters
    ----------
    measured : xarray.Dataset or pandas.DataFrame
        As `curves_by_lag` takes it.
    curves : pandas.DataFrame
        As from `neurofa.references.load_curves`; every animal in it is a reference of its own. A column ``reference``,
        where there is one, names the reference.
    tolerances : mapping of str to float, optional
        Measure id to tolerance in the measure's unit, a noise-corrected one's else that of the measure it corrects;
        else the `pooled_spread` of the recorded curve.
    reference_kind : str
        One of `CURVE_KINDS`.
    variable : str
        Which rates of the run are held against the recording.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`. ``lower`` and ``upper`` are the recorded value minus and plus the tolerance; a point is
        inside where the group mean is at most one tolerance away.

    Raises
    ------
    ConfigError
        Where a tolerance is not a positive number or belongs to no measure of the curves.
    """
    limits = _checked_tolerances(tolerances or {}, curves)
    means = curves_by_lag(measured, variable)
    groups = list(dict.fromkeys(means["group"]))
    rows: list[dict[str, Any]] = []
    names = curves["reference"] if "reference" in curves else curves["animal"] + " (" + curves["citation"] + ")"
    for (reference, measure), curve in curves.assign(reference=names).groupby(["reference", "measure"], sort=False):
        limit = limits.get(str(measure), limits.get(NOISE_CORRECTED.get(str(measure), "")))
        stated = limit is not None
        tolerance = pooled_spread(curve) if limit is None else limit
        source = "stated tolerance" if stated else "tolerance: spread over the recorded session pairs, pooled over lags"
        mine = means[means["measure"] == measure]
        kind = "tolerance" if stated else "spread over session pairs"
        known: dict[str, Any] = {"interval_kind": kind, "published_n": _stated_n(curve)}
        known["published_noise_ceiling"] = _ceiling(str(measure), curves[names == reference])
        for point in curve.to_dict("records"):
            mean, definition = float(point["mean"]), str(point["definition"])
            base = blank_row(reference, point["doi"], reference_kind, definition, measure, point["lag_days"], mean)
            base |= known | {"lower": mean - tolerance, "upper": mean + tolerance, "tolerance": tolerance}
            reason = _not_comparable_curve(str(measure), definition, tolerance, mine)
            if reason:
                rows.append(base | {"group": ALL_GROUPS, "verdict": "not comparable", "reason": reason})
            else:
                rows += [judged(base | {"group": group, "reason": source}, means) for group in groups]
    return as_scorecard(rows)


def count_inside(scorecard: pd.DataFrame) -> pd.DataFrame:
    """
    Count the points of recorded curves that a group's means come within the tolerance of.

    Parameters
    ----------
    scorecard : pandas.DataFrame
        Columns `COLUMNS`.

    Returns
    -------
    pandas.DataFrame
        One row per reference and group: ``inside`` of ``of`` points, ``inside_without_overlap`` of
        ``of_without_overlap`` (without `OVERLAP`), and ``comparable`` (points that have a verdict). `NOISE_CORRECTED`
        measures count in none of these, only in ``inside_noise_corrected`` of ``of_noise_corrected``. Points that
        cannot be compared count in ``of``. References are never added up: two of them may be the same animal.
    """
    columns = ["reference", "reference_kind", "group", "inside", "of", "inside_without_overlap", "of_without_overlap"]
    rows = []
    curves = scorecard[scorecard["reference_kind"].isin(CURVE_KINDS)]
    for (reference, kind), points in curves.groupby(["reference", "reference_kind"], sort=False):
        shared = points[points["group"] == ALL_GROUPS]
        named = points[points["group"] != ALL_GROUPS]
        for group in dict.fromkeys(named["group"]) or [ALL_GROUPS]:
            every = pd.concat([named[named["group"] == group], shared])
            apart = every["measure"].isin(NOISE_CORRECTED)
            own, corrected = every[~apart], every[apart]
            inside, without = own["verdict"] == "inside", own["measure"] != OVERLAP
            counts = [int(inside.sum()), len(own), int((inside & without).sum()), int(without.sum())]
            comparable = int((own["verdict"] != "not comparable").sum())
            more = [comparable, int((corrected["verdict"] == "inside").sum()), len(corrected)]
            rows.append([reference, kind, group, *counts, *more])
    return pd.DataFrame(rows, columns=[*columns, "comparable", "inside_noise_corrected", "of_noise_corrected"])


def blank_row(
    reference: Any, doi: Any, kind: str, definition: Any, measure: Any, lag_days: Any, published: Any
) -> dict[str, Any]:
    """
    Begin a row of the scorecard.

    Parameters
    ----------
    reference, doi, kind, definition, measure, lag_days, published
        What is known of the published value.

    Returns
    -------
    dict of str to object
        All of `COLUMNS`, without a verdict.
    """
    values = (reference, doi, kind, definition, measure, lag_days, published)
    names = ("reference", "doi", "reference_kind", "definition", "measure", "lag_days", "published")
    blank = dict.fromkeys(COLUMNS, np.nan) | dict.fromkeys(TEXT, "")
    return blank | dict(zip(names, values, strict=True))


def judged(row: dict[str, Any], means: pd.DataFrame) -> dict[str, Any]:
    """
    Judge a group by its mean at the row's lag.

    Parameters
    ----------
    row : dict
        From `blank_row`, with ``group``, ``lower`` and ``upper``.
    means : pandas.DataFrame
        From `curves_by_lag`.

    Returns
    -------
    dict
        The row with the group's mean, interval, number of animals, noise ceiling and verdict.
    """
    of_group = means[means["group"] == row["group"]]
    own = of_group[of_group["measure"] == row["measure"]]
    at_lag = own[np.isclose(own["lag_days"].astype(float), row["lag_days"], atol=0.01, equal_nan=True)]
    if at_lag.empty:
        covered = ", ".join(f"{lag:g}" for lag in sorted(own["lag_days"]))
        reason = f"lag not covered: the group has lags of {covered or 'no'} days"
        return row | {"verdict": "not comparable", "reason": reason}
    mean = float(at_lag["mean"].iloc[0])
    found = {"ci_low": float(at_lag["lower"].iloc[0]), "ci_high": float(at_lag["upper"].iloc[0])}
    found["n_animals"] = float(at_lag["n_animals"].iloc[0])
    found["noise_ceiling"] = _ceiling(str(row["measure"]), of_group)
    return row | {"simulated": mean, "verdict": verdict(mean, row["lower"], row["upper"])} | found


def _ceiling(measure: str, means: pd.DataFrame) -> float:
    """What the population vectors of two sessions without drift would reach (Spearman-Brown); NaN for others."""
    halves = means[means["measure"] == SPLIT_HALF]
    if measure != WITH_CEILING or halves.empty:
        return float("nan")
    return float(spearman_brown(float(halves["mean"].iloc[0])))


def _stated_n(curve: pd.DataFrame) -> str:
    """How much a recorded curve rests on; empty where its table does not say."""
    first = curve.iloc[0]
    names = {"n_cells": "cells", "n_cells_per_session": "cells per session", "n_repeats": "repeats"}
    names["n_sessions"] = "sessions"
    stated = {words: float(first[name]) for name, words in names.items() if name in curve}
    return ", ".join(["1 animal", *(f"{n:g} {words}" for words, n in stated.items() if np.isfinite(n))])


def verdict(value: float, lower: float, upper: float) -> str:
    """
    Say where a value lies.

    Parameters
    ----------
    value : float
        The group mean.
    lower, upper : float
        The interval, its ends included (to rounding); NaN where it has no end on that side.

    Returns
    -------
    str
        ``"inside"``, ``"below"`` or ``"above"``; ``"not comparable"`` where the value is NaN or there is no interval.

    Examples
    --------
    >>> verdict(0.5, 0.4, 0.6), verdict(0.3, 0.4, float("nan"))
    ('inside', 'below')
    """
    if np.isnan(value) or (np.isnan(lower) and np.isnan(upper)):
        return "not comparable"
    # a time constant may be infinite
    rounding = 1e-9 * max(1.0, abs(value)) if np.isfinite(value) else 0.0
    if value < lower - rounding:
        return "below"
    return "above" if value > upper + rounding else "inside"


def _not_comparable_curve(measure: str, definition: str, tolerance: float, means: pd.DataFrame) -> str:
    """Why no group can be held against a point of a curve; empty where it can."""
    ours = MEASURED_DEFINITIONS.get(measure)
    if ours is not None and ours != definition:
        return f"other definition: '{definition}' there, '{ours}' here"
    if means.empty:
        return f"the run has no measure '{measure}'"
    if not tolerance > 0:
        return "no interval: no tolerance is stated, and the recorded curve has no spread over session pairs"
    return ""


def _checked_tolerances(tolerances: Mapping[str, float], curves: pd.DataFrame) -> dict[str, float]:
    """Tolerances of measures that exist, positive and finite."""
    known = sorted(set(curves["measure"]) | set(MEASURED_DEFINITIONS))
    for measure, value in tolerances.items():
        if measure not in known:
            raise ConfigError(
                f"a tolerance is given for '{measure}', which is no measure; {did_you_mean(measure, known)}"
            )
        if not (isinstance(value, int | float) and np.isfinite(value) and value > 0):
            raise ConfigError(f"the tolerance of {measure} must be a number above 0, got {value!r}")
    return {measure: float(value) for measure, value in tolerances.items()}


def joined(cards: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """
    Join scorecards.

    Parameters
    ----------
    cards : sequence of pandas.DataFrame
        Columns `COLUMNS`; empty ones are left out.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`.
    """
    full = [card for card in cards if len(card)]
    return pd.concat(full, ignore_index=True) if full else as_scorecard([])


def as_scorecard(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """
    Gather rows into a table.

    Parameters
    ----------
    rows : list of dict
        From `judged` or `blank_row`.

    Returns
    -------
    pandas.DataFrame
        Exactly the columns `COLUMNS`.
    """
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({name: "float64" for name in COLUMNS if name not in TEXT})
