"""Animals that switch between maps of the same stimuli: who they are, and the warning wherever their curves stand."""

from collections.abc import Iterable, Mapping

import pandas as pd
import xarray as xr

from neurofa import measures

#: how the warning begins, wherever it stands
NO_DRIFT_ALONE = "Not to be read as drift alone"


def warning_of_switching(animals: Iterable[str]) -> str:
    """
    Warn that the curves of animals are not drift alone.

    Parameters
    ----------
    animals : iterable of str
        Their names.

    Returns
    -------
    str
        One sentence; empty where there is no animal.

    Examples
    --------
    >>> warning_of_switching(["C11M1"])
    'Not to be read as drift alone: single trials of C11M1 switch between maps.'
    """
    names = ", ".join(dict.fromkeys(animals))
    return f"{NO_DRIFT_ALONE}: single trials of {names} switch between maps." if names else ""


def animals_of_recording(recording: xr.DataTree) -> list[str]:
    """
    Look for animals that switch, trial by trial (`neurofa.measures.detect_map_switching`).

    Parameters
    ----------
    recording : xarray.DataTree
        A recording.

    Returns
    -------
    list of str
        Their names.
    """
    probe = recording["probe"].to_dataset()
    flagged = (measures.animals_that_switch_maps(probe, measures.recorded_layers(probe)) == 1).any(axis=1)
    return [str(name) for name in probe["animal"].values[flagged]]


def animals_of_table(table: pd.DataFrame) -> dict[str, list[str]]:
    """
    Read which animals switch from what was measured.

    Parameters
    ----------
    table : pandas.DataFrame
        The run's ``measures.csv``; may be empty.

    Returns
    -------
    dict of str to list of str
        Group to its animals that do; groups without any are left out.
    """
    if table.empty:
        return {}
    rows = table[(table["measure"] == "switches_maps") & (table["value"] == 1)].astype({"group": str, "animal": str})
    return {str(group): own["animal"].unique().tolist() for group, own in rows.groupby("group", sort=False)}


def animals_of_measured(measured: Mapping[str, xr.Dataset]) -> list[str]:
    """
    Read which animals switch from the analysis ``drift_over_days`` of each.

    Parameters
    ----------
    measured : mapping
        Name of an animal to what was measured of it alone.

    Returns
    -------
    list of str
        Their names.
    """
    return [name for name, own in measured.items() if bool((own["switches_maps"] == 1).any())]


def with_warning(card: pd.DataFrame, animals: Iterable[str]) -> pd.DataFrame:
    """
    Warn in a scorecard: in the reason of every row that is about an animal that switches.

    Parameters
    ----------
    card : pandas.DataFrame
        Columns `neurofa.comparison.COLUMNS`, of recorded runs: references and groups begin with the animal's name.
    animals : iterable of str
        Animals that switch.

    Returns
    -------
    pandas.DataFrame
        The same with longer reasons.
    """
    reasons = card["reason"]
    for name in animals:
        about = card["reference"].str.startswith(f"{name} (run ") | (card["group"] == f"{name} (recorded)")
        reasons = reasons.where(~about, reasons + "; " + warning_of_switching([name]).rstrip("."))
    return card.assign(reason=reasons.str.removeprefix("; "))


def references_that_switch(card: pd.DataFrame) -> list[str]:
    """
    Read from a scorecard which references are of animals that switch.

    Parameters
    ----------
    card : pandas.DataFrame
        Columns `neurofa.comparison.COLUMNS`; may be empty.

    Returns
    -------
    list of str
        As in the column ``reference``.
    """
    if card.empty:
        return []
    names = card["reference"].astype(str).str.partition(" (")[0]
    told = [
        warning_of_switching([name]).rstrip(".") in str(reason)
        for name, reason in zip(names, card["reason"], strict=True)
    ]
    return [str(reference) for reference in dict.fromkeys(card["reference"][told])]
