"""The scorecard as a reader wants it: one table per reference with groups side by side, and what cannot be compared."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from neurofa.comparison.definitions import CURVE_MEASURES, SAME_DEFINITIONS
from neurofa.comparison.orderings import AS_PUBLISHED, MINUS, OPPOSITE, ORDERING, PUBLISHED
from neurofa.comparison.published import RECORDED_WITH
from neurofa.comparison.verdicts import ALL_GROUPS

_MOUSE, _POINTS = "C6M4", 50
_BAR = (
    f"The bar for a model of a mouse: with strict tolerances (the spread over the session pairs of {_MOUSE} alone), "
    f"another mouse of the same publication meets 34 of {_MOUSE}'s {_POINTS} points, 28 of 43 without the overlap of "
    "detected cells. With wider tolerances a count is higher, and this bar is none for it."
)


def bar(counts: pd.DataFrame) -> str:
    """
    Say how close another real mouse comes, where the points of the mouse that it is known for were counted.

    Parameters
    ----------
    counts : pandas.DataFrame
        As from `neurofa.comparison.count_inside`; may be empty.

    Returns
    -------
    str
        One note; empty where all counts are of other animals or of other points.
    """
    if counts.empty:
        return ""
    of_mouse = counts["reference"].astype(str).str.split(" ").str[0] == _MOUSE
    return _BAR if (of_mouse & (counts["of"] == _POINTS)).any() else ""


def cards(scorecard: pd.DataFrame, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """
    Arrange the rows that have a verdict.

    Parameters
    ----------
    scorecard : pandas.DataFrame
        Columns as in `neurofa.comparison.COLUMNS`.
    labels : mapping of str to str
        Group to its name in text; groups that are not in it keep their own.

    Returns
    -------
    list of dict
        One per reference: reference, kind, doi, reason, column (heading of the published values), groups, rows.
    """
    judged = scorecard[(scorecard["verdict"] != "not comparable") & (scorecard["reference_kind"] != ORDERING)]
    order = {measure: number for number, measure in enumerate(CURVE_MEASURES)}
    place = judged["measure"].map(order).fillna(len(order))
    judged = judged.assign(_place=place).sort_values("_place", kind="stable")
    # every published statistic is a reference of its own: those that were recorded alike stand in one table
    judged = judged.assign(_card=[_heading(row) for row in judged.to_dict("records")])
    by_card = dict(list(judged.groupby("_card", sort=False)))
    order_of_rows = scorecard.loc[scorecard.index.isin(judged.index)].index
    return [_card(name, by_card[name], labels) for name in dict.fromkeys(judged["_card"].loc[order_of_rows])]


def _heading(row: Mapping[Any, Any]) -> str:
    """Reference; of published statistics the publication and how it was recorded, without the statistic's id."""
    if row["reference_kind"] != "published statistic":
        return str(row["reference"])
    source = str(row["reference"]).partition(" (")[2].removesuffix(")") or str(row["reference"])
    recorded = str(row["reason"]).partition(RECORDED_WITH)[2]
    return f"{source}: {recorded}" if recorded else source


def _name(row: Mapping[Any, Any]) -> str:
    """A measure in words; of a time constant also what decays."""
    curve = SAME_DEFINITIONS.get((str(row["measure"]), str(row["definition"])), "")
    return str(row["measure"]).replace("_", " ") + (f", {curve.replace('_', ' ')}" if curve else "")


def _card(reference: str, points: pd.DataFrame, labels: Mapping[str, str]) -> dict[str, Any]:
    """One reference."""
    groups = list(dict.fromkeys(points["group"]))
    rows = []
    points = points.assign(_name=[_name(row) for row in points.to_dict("records")])
    for measure, of_measure in points.groupby("_name", sort=False):
        by_lag = list(of_measure.groupby("lag_days", sort=True, dropna=False))
        decimals = 1 if of_measure["published"].abs().max() >= 10 else 3
        for number, (_, at_lag) in enumerate(by_lag):
            lag = float(at_lag["lag_days"].iloc[0])
            own = {row["group"]: _cell(row, decimals) for row in at_lag.to_dict("records")}
            rows.append(
                {
                    "measure": str(measure),
                    "span": len(by_lag) if number == 0 else 0,
                    "lag": f"{lag:g}" if np.isfinite(lag) else "",
                    "published": _published(at_lag.iloc[0].to_dict(), decimals),
                    "cells": [own.get(group) for group in groups],
                }
            )
    first = points.iloc[0]
    # how it was recorded stands in the heading
    reasons = "; ".join(dict.fromkeys(points["reason"].str.partition(RECORDED_WITH)[0]))
    return {
        "reference": reference,
        "kind": str(first["reference_kind"]),
        "doi": str(first["doi"]),
        "reason": (reasons[:1].upper() + reasons[1:] + ". " if reasons else "") + _rests_on(points),
        "column": "Published" if first["reference_kind"] == "published statistic" else "Recorded",
        "groups": [labels.get(str(group), str(group).replace("_", " ")) for group in groups],
        "rows": rows,
    }


def _rests_on(points: pd.DataFrame) -> str:
    """How many animals, cells, repeats and sessions both sides have, and the ceiling that the noise of trials sets."""
    said = []
    for column, words in (
        ("n_animals", "animals"),
        ("n_cells", "cells per session"),
        ("n_repeats", "repeats"),
        ("n_sessions", "sessions"),
    ):
        values = points[column].dropna()
        if len(values):
            span = sorted({_number(values.min()), _number(values.max())}, key=float)
            said.append(f"{' to '.join(span)} {words}")
    text = f"Measured in {', '.join(said)}" if said else ""
    published = "; ".join(dict.fromkeys(name for name in points["published_n"].astype(str) if name))
    text += f"{'; ' if text else ''}{points['reference_kind'].iloc[0]}: {published}" if published else ""
    ceilings = [points[name].dropna() for name in ("noise_ceiling", "published_noise_ceiling")]
    if all(map(len, ceilings)):
        own, theirs = (f"{values.min():.2f} to {values.max():.2f}" for values in ceilings)
        text += f". Noise ceiling of the population-vector correlation: {own} measured, {theirs.split()[0]} recorded"
    return f"{text}." if text else ""


def orderings(scorecard: pd.DataFrame, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """
    Arrange the orderings that have a value: those within groups in one table, those between groups in another.

    Parameters
    ----------
    scorecard : pandas.DataFrame
        Columns as in `neurofa.comparison.COLUMNS`.
    labels : mapping of str to str
        Group to its name in text.

    Returns
    -------
    list of dict
        title, groups (headings) and rows (statement, published, source, doi, cells: value, interval, verdict, css).
    """
    valued = scorecard[(scorecard["reference_kind"] == ORDERING) & scorecard["simulated"].notna()]
    between = valued["group"].str.contains(MINUS, regex=False)
    titles = {"Orderings within groups": valued[~between], "Orderings between groups": valued[between]}
    return [_orderings(title, rows, labels) for title, rows in titles.items() if len(rows)]


def _orderings(title: str, valued: pd.DataFrame, labels: Mapping[str, str]) -> dict[str, Any]:
    """One table of orderings, groups or pairs of groups side by side."""
    groups, rows = list(dict.fromkeys(valued["group"])), []
    for (reference, state), alike in valued.groupby(["reference", "definition"], sort=False):
        first = alike.iloc[0]
        statement, _, published = str(first["reason"]).partition(PUBLISHED)
        own = {row["group"]: row for row in alike.to_dict("records")}
        cells = [None if group not in own else _ordering_cell(own[group]) for group in groups]
        rows.append(
            {
                "statement": statement[:1].upper() + statement[1:] + (f" ({state})" if state else ""),
                "published": published.removesuffix(f"; {state}"),
                "source": str(reference).partition(" (")[2].removesuffix(")"),
                "doi": str(first["doi"]),
                "cells": cells,
            }
        )
    named = [MINUS.join(labels.get(one, one.replace("_", " ")) for one in group.split(MINUS)) for group in groups]
    return {"title": title, "groups": named, "rows": rows}


def _ordering_cell(row: dict[Any, Any]) -> dict[str, str]:
    """Difference, interval and verdict."""
    words = str(row["verdict"])
    css = {AS_PUBLISHED: "inside", OPPOSITE: "above"}.get(words, "not-comparable")
    interval = f"[{row['ci_low']:.3f}, {row['ci_high']:.3f}]"
    return {"value": f"{row['simulated']:.3f}", "interval": interval, "verdict": words, "css": css}


def folded(scorecard: pd.DataFrame, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """
    Gather the rows that cannot be compared: one entry per source, measure and reason.

    Parameters
    ----------
    scorecard : pandas.DataFrame
        Columns as in `neurofa.comparison.COLUMNS`.
    labels : mapping of str to str
        Group to its name in text.

    Returns
    -------
    list of dict
        source, doi, measure, groups, lags, published, reason and n (rows gathered).
    """
    rows = scorecard[scorecard["verdict"] == "not comparable"].copy()
    published = rows["reference_kind"] == "published statistic"
    inner = rows["reference"].str.extract(r"\((.*)\)$")[0].fillna(rows["reference"])
    rows["source"] = inner.where(published, rows["reference"])
    entries = []
    for (source, doi, measure, reason), alike in rows.groupby(["source", "doi", "measure", "reason"], sort=False):
        named = [str(group) for group in dict.fromkeys(alike["group"]) if group != ALL_GROUPS]
        groups = [labels.get(group, group.replace("_", " ")) for group in named]
        lags = sorted(set(alike["lag_days"].dropna()))
        values = alike["published"].to_numpy(dtype=float)
        span = [_number(np.fmin.reduce(values)), _number(np.fmax.reduce(values))]
        entries.append(
            {
                "source": source,
                "doi": doi,
                "measure": str(measure).replace("_", " "),
                "groups": ", ".join(groups),
                "lags": ", ".join(_number(lag) for lag in lags),
                "published": "–" if np.isnan(values).all() else span[0] if span[0] == span[1] else " to ".join(span),
                "reason": reason,
                "n": len(alike),
            }
        )
    return entries


def _cell(row: dict[Any, Any], decimals: int) -> dict[str, str]:
    """One group's value, interval and verdict."""
    low, high = (f"{row[name]:.{min(decimals, 2)}f}" for name in ("ci_low", "ci_high"))
    value = f"{row['simulated']:.{decimals}f}"
    interval = "" if np.isnan(row["ci_low"]) else f"[{low}, {high}]"
    verdict = str(row["verdict"])
    return {"value": value, "interval": interval, "verdict": verdict, "css": verdict.replace(" ", "-")}


def _published(row: dict[Any, Any], decimals: int) -> str:
    """The value with its tolerance or interval."""
    value = f"{row['published']:.{decimals}f}"
    if np.isfinite(row["tolerance"]):
        return f"{value} ± {row['tolerance']:.{decimals}f}"
    low, high = (f"{row[name]:.{decimals}f}" if np.isfinite(row[name]) else "" for name in ("lower", "upper"))
    return f"{value} [{low}, {high}]"


def _number(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}"
