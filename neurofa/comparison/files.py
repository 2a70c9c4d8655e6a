"""The scorecard of a run folder, and what the run's protocol says about references."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from neurofa.comparison.published import asked_for, facts_of
from neurofa.comparison.verdicts import COLUMNS, TEXT, count_inside
from neurofa.errors import RunFolderError
from neurofa.references import beside, kind_of, load_references
from neurofa.run_folder import PROTOCOL_FILE

SCORECARD_FILE = "scorecard.csv"
COUNTS_FILE = "counts.csv"
#: kinds of references that are compared all at once
FROM_TABLES = ("published statistic", "ordering")


def write_scorecard(folder: Path, rows: pd.DataFrame) -> None:
    """
    Write a scorecard and its counts; rows of other references that are already there stay.

    Parameters
    ----------
    folder : pathlib.Path
        Where ``scorecard.csv`` and ``counts.csv`` are; made if it is not there.
    rows : pandas.DataFrame
        Columns `neurofa.comparison.COLUMNS`; they take the place of rows with the same reference, and published
        statistics and orderings that of all there were, for they are of the protocol's tables as a whole.

    Raises
    ------
    RunFolderError
        Where the scorecard that is there has other columns, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        whole = rows
        if (folder / SCORECARD_FILE).is_file():
            kept = read_scorecard(folder)
            again = kept["reference_kind"].isin(FROM_TABLES) & kept["reference_kind"].isin(set(rows["reference_kind"]))
            kept = kept[~(kept["reference"].isin(set(rows["reference"])) | again)]
            whole = pd.concat([kept, rows], ignore_index=True) if len(kept) else rows
        for name, table in ((SCORECARD_FILE, whole), (COUNTS_FILE, count_inside(whole))):
            aside = folder / f".{name}.part"
            table.to_csv(aside, index=False, float_format="%.6g")
            os.replace(aside, folder / name)
    except OSError as error:
        if isinstance(error, RunFolderError):
            raise
        raise RunFolderError(f"the scorecard cannot be written to {folder} ({error}); choose another folder") from error


def read_scorecard(folder: Path) -> pd.DataFrame:
    """
    Read the scorecard of a run.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.

    Returns
    -------
    pandas.DataFrame
        Columns `neurofa.comparison.COLUMNS`; empty where the run was not compared yet.

    Raises
    ------
    RunFolderError
        Where the file has other columns.
    """
    file = folder / SCORECARD_FILE
    if not file.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    card = pd.read_csv(file, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values=[""])
    if tuple(card.columns) != COLUMNS:
        raise RunFolderError(f"{file} has other columns than a scorecard; delete it and compare again")
    return card.fillna(dict.fromkeys(TEXT, ""))


def reference_settings(folder: Path) -> dict[str, Any]:
    """
    Read the table ``[references]`` of a run's protocol, and what else decides on what the run is held against.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.

    Returns
    -------
    dict
        Empty where the run has no protocol (recorded runs). Besides the keys of the table: ``sources`` (the protocol's
        DOIs) and ``novel`` (groups whose animals met nothing before they were recorded).

    Raises
    ------
    RunFolderError
        Where the protocol cannot be read.
    """
    file = folder / PROTOCOL_FILE
    if not file.is_file():
        return {}
    try:
        protocol = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunFolderError(
            f"{file} cannot be read as TOML ({error}); the run's protocol was changed by hand?"
        ) from error
    settings = dict(protocol.get("references", {}))
    tables = [beside(str(table), folder) for table in settings.get("tables", ())]
    return settings | {"tables": tables, "sources": protocol.get("sources", []), "novel": _novel_groups(protocol)}


def _novel_groups(protocol: Mapping[str, Any]) -> list[str]:
    """Groups whose animals met nothing before day 0."""
    novel = []
    for name, group in protocol.get("groups", {}).items():
        schedule = protocol.get("schedule", {}) | group.get("schedule", {})
        if not (schedule.get("pretraining_passes", 0) or schedule.get("burn_in_sessions", 0)):
            novel.append(str(name))
    return novel


def further_rows(folder: Path) -> str:
    """
    Say how many rows of the protocol's tables are not in the scorecard, for they are about something else.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.

    Returns
    -------
    str
        One sentence; empty where there are none, or the run was not compared with tables.

    Raises
    ------
    RunFolderError
        Where the protocol cannot be read.
    """
    n, _, why = _left_out(reference_settings(folder))
    many = f"{n} further rows of these tables are" if n > 1 else "1 further row of these tables is"
    return f"{many} {why}." if n and len(read_scorecard(folder)) else ""


def _left_out(settings: Mapping[str, Any]) -> tuple[int, int, str]:
    """Rows of published statistics about something else, all rows of these tables, and why they are left out."""
    tables = [load_references(table) for table in settings.get("tables", ()) if kind_of(table) == "statistics"]
    n = sum(len(table) - int(asked_for(table, settings).sum()) for table in tables)
    missing = " and ".join(f"references.{name}" for name, value in facts_of(settings).items() if not value)
    why = f"left out, for the protocol does not set {missing}" if missing else "of other areas or species"
    return n, sum(map(len, tables)), why


def why_not_compared(folder: Path) -> str:
    """
    Say that a run was held against nothing, and why.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.

    Returns
    -------
    str
        One sentence; empty where the run has a scorecard with rows, or no protocol (recorded runs).

    Raises
    ------
    RunFolderError
        Where the scorecard or the protocol cannot be read.
    """
    if not (folder / PROTOCOL_FILE).is_file() or len(read_scorecard(folder)):
        return ""
    settings = reference_settings(folder)
    tables = [str(table) for table in settings.get("tables", ())]
    n, n_rows, told = _left_out(settings)
    if n and n == n_rows and all(kind_of(table) == "statistics" for table in tables):
        return f"Nothing is compared with recordings: all {n} rows of {', '.join(tables)} are {told}."
    if tables:
        return f"Nothing is compared with recordings: no analysis of this run measures what is in {', '.join(tables)}."
    why = str(settings.get("why_none", "")) or "the protocol names no tables under [references]"
    return f"Nothing is compared with recordings: {why.rstrip('.')}."
