"""Published statistics held against a run: only where area, species, definition and lag are the same."""

import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import references
from neurofa.comparison.definitions import MEASURED_DEFINITIONS, NEAREST_MEASURES, NOT_BY_NUMBER, SAME_DEFINITIONS
from neurofa.comparison.verdicts import ALL_GROUPS, as_scorecard, blank_row, curves_by_lag, judged

#: how the conditions of statistics begin that were recorded while animals learned an environment
NOVEL = "novel environment"
#: between the interval of a published statistic and how it was recorded
RECORDED_WITH = "; recorded with: "
_SESSIONS_APART = re.compile(r",? ?\b(\d+) sessions? apart")


def facts_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """
    Area and species that a protocol stands for.

    Parameters
    ----------
    settings : mapping
        As from `neurofa.comparison.reference_settings`.

    Returns
    -------
    dict of str to str
        ``area`` and ``species``: as the protocol says, or else its tables of curves, where they agree; or else empty.
    """
    tables = [str(table) for table in settings.get("tables", ())]
    curves = [references.load_curves(table) for table in tables if references.kind_of(table) == "curves"]
    facts = {}
    for name in ("area", "species"):
        said = {str(value) for table in curves for value in table[name]}
        facts[name] = str(settings.get(name, "")) or (said.pop() if len(said) == 1 else "")
    return facts


def asked_for(table: pd.DataFrame, settings: Mapping[str, Any]) -> "pd.Series[bool]":
    """
    Tell which published statistics are about what a protocol stands for.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `neurofa.references.load_references`.
    settings : mapping
        As from `neurofa.comparison.reference_settings`.

    Returns
    -------
    pandas.Series of bool
        Whether a row is of the protocol's area (or a part of it) and species, or of one of its sources.
    """
    facts, sources = facts_of(settings), {str(doi).lower() for doi in settings.get("sources", ())}
    named = zip(table["area"], table["species"], table["doi"], strict=True)
    asked = [
        str(doi).lower() in sources
        or all(stated and _is_in(str(value), stated) for value, stated in zip(own, facts.values(), strict=True))
        for *own, doi in named
    ]
    return pd.Series(asked, index=table.index, dtype=bool)


def _is_in(theirs: str, stated: str) -> bool:
    """Whether an area or species is the stated one or a part of it: "V1 layer 4" is in "V1"."""
    return re.match(rf"{re.escape(stated)}(?![\w/,])", theirs) is not None


def published_scorecard(
    measured: xr.Dataset | pd.DataFrame,
    table: pd.DataFrame,
    *,
    area: str = "",
    species: str = "",
    novel: Collection[str] = (),
    variable: str = "rate",
) -> pd.DataFrame:
    """
    Hold what was measured against published statistics, where area, species, definition and lag are the same.

    Parameters
    ----------
    measured : xarray.Dataset or pandas.DataFrame
        As `curves_by_lag` takes it.
    table : pandas.DataFrame
        As from `neurofa.references.load_references`.
    area, species : str
        What the run stands for, for example ``"CA1"`` and ``"mouse"``; empty where the protocol does not say.
    novel : collection of str
        Groups whose animals met nothing before they were recorded: they alone are held against statistics of novel
        environments.
    variable : str
        Which rates of the run are compared.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`; a standard error is widened to a 95 % interval (Student t, where the number of animals is
        stated), a spread or range stays what it is: where single animals lie. What cannot be compared has one row for
        all groups, with every reason.
    """
    of_conditions = {
        condition: curves_by_lag(measured, variable, condition) for condition in {"", *SAME_DEFINITIONS.values()}
    }
    descriptions = references.load_definitions()
    rows: list[dict[str, Any]] = []
    for entry in table.itertuples():
        definition = str(entry.definition)
        means = of_conditions[SAME_DEFINITIONS.get((str(entry.measure), definition), "")]
        mine = means[means["measure"] == entry.measure]
        lag, apart = _lag(entry, mine)
        base = blank_row(
            f"{entry.id} ({entry.citation})",
            *(entry.doi, "published statistic", entry.definition, entry.measure, lag, entry.value),
        )
        lower, upper, how = _interval(entry)
        base |= {"lower": lower, "upper": upper, "interval_kind": entry.interval_kind}
        base["published_n"] = _published_n(entry.n_animals)
        groups = [group for group in dict.fromkeys(means["group"]) if _is_alike(entry, str(group), novel)]
        reasons = _not_comparable_published(entry, mine, area, species, descriptions)
        if _is_novel(entry) and not groups:
            reasons.append("recorded in environments that were novel, while the animals learned; here none are novel")
        if np.isnan(lag) and mine["lag_days"].notna().any():
            reasons.append("no lag in days")
        if reasons:
            rows.append(base | {"group": ALL_GROUPS, "verdict": "not comparable", "reason": "; ".join(reasons)})
        else:
            same = "" if definition == MEASURED_DEFINITIONS[str(entry.measure)] else descriptions[definition]
            kind = "; ".join(text for text in (f"interval: {how}", same, apart) if text)
            kind += RECORDED_WITH + _SESSIONS_APART.sub("", str(entry.condition))
            rows += [judged(base | {"group": group, "reason": kind}, means) for group in groups]
    return as_scorecard(rows)


def _is_novel(entry: Any) -> bool:
    """Whether a statistic is of animals that learned a novel environment meanwhile."""
    return str(entry.condition).startswith(NOVEL)


def _is_alike(entry: Any, group: str, novel: Collection[str]) -> bool:
    """Whether a group (of a layer) can be held against a statistic: only novel ones against novel environments."""
    return not _is_novel(entry) or re.sub(r" \([^()]*\)$", "", group) in novel


def _lag(entry: Any, mine: pd.DataFrame) -> tuple[float, str]:
    """Lag in days; where sessions apart were counted, so many of the run's shortest lags, and a word on it."""
    apart = _SESSIONS_APART.search(str(entry.condition))
    shortest = float(mine["lag_days"].min()) if len(mine) else float("nan")
    if not (np.isnan(entry.lag_days) and apart and np.isfinite(shortest)):
        return float(entry.lag_days), ""
    return int(apart[1]) * shortest, f"placed by the number of sessions apart, here {shortest:g} days each"


def _interval(entry: Any) -> tuple[float, float, str]:
    """Ends of the interval that a mean is judged by, and what it is."""
    from scipy.special import stdtrit

    kind = str(entry.interval_kind)
    words = references.INTERVAL_KINDS[kind]
    if kind == "sem" and entry.n_animals >= 2:
        t = float(stdtrit(entry.n_animals - 1, 0.975))
        lower, upper = (entry.value + t * (end - entry.value) for end in (entry.lower, entry.upper))
        return lower, upper, f"95 % interval of Student's t from the printed standard error (n = {entry.n_animals:g})"
    if kind in ("spread", "range"):
        words += ": inside means as a typical single animal"
    return entry.lower, entry.upper, words


def _published_n(n_animals: Any) -> str:
    """How many animals; papers' tables do not say from how many cells and repeats."""
    animals = f"{n_animals:g} animals" if np.isfinite(n_animals) else "animals not stated"
    return f"{animals}; cells and repeats not stated"


def _not_comparable_published(
    entry: Any, means: pd.DataFrame, area: str, species: str, descriptions: Mapping[str, str]
) -> list[str]:
    """Every reason against comparing with one published statistic."""
    reasons = []
    for name, stated, theirs in (("area", area, entry.area), ("species", species, entry.species)):
        if not stated:
            reasons.append(f"the protocol does not say which {name} it stands for")
        elif not _is_in(str(theirs), stated):
            reasons.append(f"{name} differs: {theirs}")
    if str(entry.measure) in NOT_BY_NUMBER:
        none = ["no interval"] if entry.interval_kind == "none" else []
        return [*reasons, NOT_BY_NUMBER[str(entry.measure)], *none]
    ours = MEASURED_DEFINITIONS.get(str(entry.measure))
    if ours is None and str(entry.measure) in NEAREST_MEASURES:
        reasons.append(f"definition differs: {entry.statistic}; see {NEAREST_MEASURES[str(entry.measure)]}")
    elif ours is None:
        reasons.append(f"no measure of this package computes it: {entry.statistic}")
    elif ours != entry.definition and (str(entry.measure), str(entry.definition)) not in SAME_DEFINITIONS:
        reasons.append(f"other definition: {descriptions.get(str(entry.definition), entry.definition)}")
    elif means.empty:
        reasons.append(f"the run has no measure '{entry.measure}'")
    if entry.interval_kind == "none":
        reasons.append("no interval")
    return reasons
