"""The scorecard as a reader wants it: one table per reference with groups side by side, and what cannot be compared."""

from typing import Any

import numpy as np
import pandas as pd

from neurofa.comparison.verdicts import ALL_GROUPS


def cards(scorecard: pd.DataFrame) -> list[dict[str, Any]]:
    """
    Arrange the rows that have a verdict.

    Parameters
    ----------
    scorecard : pandas.DataFrame
        Columns as in `neurofa.comparison.COLUMNS`.

    Returns
    -------
    list of dict
        One per reference: reference, kind, doi, reason, column (heading of the published values), groups, rows.
    """
    judged = scorecard[scorecard["verdict"] != "not comparable"]
    return [_card(str(name), points) for name, points in judged.groupby("reference", sort=False)]


def _card(reference: str, points: pd.DataFrame) -> dict[str, Any]:
    """One reference."""
    groups = list(dict.fromkeys(points["group"]))
    rows = []
    for measure, of_measure in points.groupby("measure", sort=False):
        by_lag = list(of_measure.groupby("lag_days", sort=True, dropna=False))
        for number, (lag, at_lag) in enumerate(by_lag):
            own = {row["group"]: _cell(row) for row in at_lag.to_dict("records")}
            rows.append(
                {
                    "measure": str(measure).replace("_", " "),
                    "span": len(by_lag) if number == 0 else 0,
                    "lag": _number(lag),
                    "published": _published(at_lag.iloc[0].to_dict()),
                    "cells": [own.get(group) for group in groups],
                }
            )
    first = points.iloc[0]
    reasons = "; ".join(dict.fromkeys(points["reason"]))
    return {
        "reference": reference,
        "kind": str(first["reference_kind"]),
        "doi": str(first["doi"]),
        "reason": reasons[:1].upper() + reasons[1:] + "." if reasons else "",
        "column": "Published" if first["reference_kind"] == "published statistic" else "Recorded",
        "groups": [str(group).replace("_", " ") for group in groups],
        "rows": rows,
    }


def folded(scorecard: pd.DataFrame) -> list[dict[str, Any]]:
    """
    Gather the rows that cannot be compared: one entry per source, measure and reason.

    Parameters
    ----------
    scorecard : pandas.DataFrame
        Columns as in `neurofa.comparison.COLUMNS`.

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
        groups = [str(group).replace("_", " ") for group in dict.fromkeys(alike["group"]) if group != ALL_GROUPS]
        lags = sorted(set(alike["lag_days"].dropna()))
        values = alike["published"].to_numpy(dtype=float)
        span = [_number(values.min()), _number(values.max())]
        entries.append(
            {
                "source": source,
                "doi": doi,
                "measure": str(measure).replace("_", " "),
                "groups": ", ".join(groups),
                "lags": ", ".join(_number(lag) for lag in lags),
                "published": span[0] if span[0] == span[1] else f"{span[0]} to {span[1]}",
                "reason": reason,
                "n": len(alike),
            }
        )
    return entries


def _cell(row: dict[Any, Any]) -> dict[str, str]:
    """One group's value, interval and verdict."""
    interval = "" if np.isnan(row["ci_low"]) else f"[{_number(row['ci_low'])}, {_number(row['ci_high'])}]"
    verdict = str(row["verdict"])
    return {
        "value": _number(row["simulated"]),
        "interval": interval,
        "verdict": verdict,
        "css": verdict.replace(" ", "-"),
    }


def _published(row: dict[Any, Any]) -> str:
    """The value with its tolerance or interval."""
    value = _number(row["published"])
    if np.isfinite(row["tolerance"]):
        return f"{value} ± {_number(row['tolerance'])}"
    low, high = (_number(row[name]) if np.isfinite(row[name]) else "" for name in ("lower", "upper"))
    return f"{value} [{low}, {high}]"


def _number(value: Any) -> str:
    """Three digits behind the point at most, three significant digits from 10 on."""
    number = float(value)
    if not np.isfinite(number):
        return ""
    if number == round(number):
        return f"{number:.0f}"
    return f"{number:.3g}" if abs(number) >= 1 or abs(number) < 0.001 else f"{number:.3f}".rstrip("0")
