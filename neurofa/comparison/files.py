"""The scorecard of a run folder, and what the run's protocol says about references."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd

from neurofa.comparison.verdicts import COLUMNS, TEXT, count_inside
from neurofa.errors import RunFolderError
from neurofa.references import beside
from neurofa.run_folder import PROTOCOL_FILE

SCORECARD_FILE = "scorecard.csv"
COUNTS_FILE = "counts.csv"


def write_scorecard(folder: Path, rows: pd.DataFrame) -> None:
    """
    Write a scorecard and its counts; rows of other references that are already there stay.

    Parameters
    ----------
    folder : pathlib.Path
        Where ``scorecard.csv`` and ``counts.csv`` are; made if it is not there.
    rows : pandas.DataFrame
        Columns `neurofa.scorecard.COLUMNS`; they take the place of rows with the same reference.

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
            kept = kept[~kept["reference"].isin(set(rows["reference"]))]
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
        Columns `neurofa.scorecard.COLUMNS`; empty where the run was not compared yet.

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
    Read the table ``[references]`` of a run's protocol.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.

    Returns
    -------
    dict
        Empty where the run has no protocol (recorded runs) or the protocol names no references.

    Raises
    ------
    RunFolderError
        Where the protocol cannot be read.
    """
    file = folder / PROTOCOL_FILE
    if not file.is_file():
        return {}
    try:
        settings = dict(tomllib.loads(file.read_text(encoding="utf-8")).get("references", {}))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunFolderError(
            f"{file} cannot be read as TOML ({error}); the run's protocol was changed by hand?"
        ) from error
    return settings | {"tables": [beside(str(table), folder) for table in settings.get("tables", ())]}


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
    if tables:
        return f"Nothing is compared with recordings: no analysis of this run measures what is in {', '.join(tables)}."
    why = str(settings.get("why_none", "")) or "the protocol names no tables under [references]"
    return f"Nothing is compared with recordings: {why.rstrip('.')}."
