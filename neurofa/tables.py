"""What analyses measured as tidy tables: one row per value, and means over animals; written table by table."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurofa.errors import NeurofaError, RunFolderError
from neurofa.figures.tables import DAY_DECIMALS, mean_over_animals, pairs_of

#: columns of measures.csv
MEASURES_COLUMNS = (
    "analysis",
    "measure",
    "variable",
    "group",
    "animal",
    "layer",
    "condition",
    "step",
    "session_a",
    "session_b",
    "lag_days",
    "value",
)
#: columns of summary.csv
SUMMARY_KEYS = ("analysis", "measure", "variable", "group", "layer", "condition", "step", "lag_days")
SUMMARY_COLUMNS = (*SUMMARY_KEYS, "mean", "lower", "upper", "n_animals", "n_pairs", "sd_over_pairs")

_ROWS_AT_ONCE = 100_000
_DIMS = ("variable", "animal", "layer", "condition", "step", "session", "session_a", "session_b")


def tidy(measured: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """
    Flatten measured results to one row per value.

    Parameters
    ----------
    measured : mapping of str to xarray.Dataset
        Analysis to its results. Variables are measure ids, their dims among variable, animal, layer, condition, step,
        session, session_a and session_b. Of a matrix of sessions only `session_a` before `session_b` is kept; with
        ``attrs["directed"] = 1`` both orders, with ``attrs["diagonal"] = 1`` a session with itself too. A variable with
        ``attrs["table"] = 0`` is left out.

    Returns
    -------
    pandas.DataFrame
        Columns `MEASURES_COLUMNS`; ``lag_days`` is the time between the two sessions without sign, 0 for values of one
        session, NaN for values of no session. Rows without a value are left out. Sessions keep the recording's numbers.

    Raises
    ------
    NeurofaError
        Where a variable has another dimension, or lags cannot be known.
    """
    tables = list(_tables(measured))
    if not tables:
        return pd.DataFrame({column: [] for column in MEASURES_COLUMNS})
    return pd.concat(tables, ignore_index=True)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """
    Average a tidy table over animals.

    Parameters
    ----------
    table : pandas.DataFrame
        As `tidy` gives it.

    Returns
    -------
    pandas.DataFrame
        Columns `SUMMARY_COLUMNS`: mean over animals (of the means over pairs of equal lag within each animal) with its
        95 % interval (Student t; NaN for a single animal).
    """
    rows = table.assign(lag_days=table["lag_days"].round(DAY_DECIMALS))
    return mean_over_animals(rows, SUMMARY_KEYS)[list(SUMMARY_COLUMNS)]


def write_tables(
    measured: Mapping[str, xr.Dataset], measures_file: Path, summary_file: Path, *, keep: bool = False
) -> None:
    """
    Write all values and their means over animals, measure by measure: many sessions need no more memory.

    Parameters
    ----------
    measured : mapping of str to xarray.Dataset
        Analysis to its results, as for `tidy`.
    measures_file, summary_file : pathlib.Path
        The files to write, each aside first, then renamed.
    keep : bool, optional
        Whether rows of other analyses that stand in the files stay, below the new ones.

    Raises
    ------
    RunFolderError
        Where rows should stay and a file has other columns.
    """
    summaries = [pd.DataFrame({column: [] for column in SUMMARY_COLUMNS})]
    standing = _standing(measures_file, MEASURES_COLUMNS, measured) if keep else ()
    standing_summary = _standing(summary_file, SUMMARY_COLUMNS, measured) if keep else ()
    _write_csv(chain(_summarised(_tables(measured), summaries), standing), measures_file, MEASURES_COLUMNS)
    _write_csv(chain(summaries, standing_summary), summary_file, SUMMARY_COLUMNS)


def _tables(measured: Mapping[str, xr.Dataset]) -> Iterator[pd.DataFrame]:
    """One tidy table per measure: with many sessions, all of them at once would not fit into memory."""
    for analysis, dataset in measured.items():
        for name, values in dataset.data_vars.items():
            if values.attrs.get("table", 1):
                yield _flatten(analysis, str(name), dataset)[list(MEASURES_COLUMNS)]


def _summarised(tables: Iterable[pd.DataFrame], summaries: list[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The same tables; their summaries are collected on the way."""
    for table in tables:
        if len(table):
            summaries.append(summarise(table))
        yield table


def _standing(file: Path, columns: Sequence[str], measured: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
    """Rows of a file that belong to analyses which are not done again, as they stand there, part by part."""
    if not file.is_file():
        return
    with pd.read_csv(file, dtype=str, keep_default_na=False, chunksize=_ROWS_AT_ONCE) as parts:
        for part in parts:
            if tuple(part.columns) != tuple(columns):
                raise RunFolderError(
                    f"{file} has the columns {', '.join(part.columns)}; expected {', '.join(columns)}: "
                    "it was written by another version or changed by hand; delete it and analyse again"
                )
            yield part[~part["analysis"].isin(list(measured))]


def _flatten(analysis: str, name: str, dataset: xr.Dataset) -> pd.DataFrame:
    """One row per value of one variable."""
    values = dataset[name]
    strange = [str(dim) for dim in values.dims if dim not in _DIMS]
    if strange:
        raise NeurofaError(
            f"{name} of the analysis '{analysis}' has the dimension '{strange[0]}'; expected some of "
            f"{', '.join(_DIMS)}, or attrs['table'] = 0 to keep it out of the table"
        )
    kept = ~np.isnan(values.values.astype(np.float64))
    if "session_a" in values.dims and "session_b" in values.dims:
        pairs = xr.DataArray(pairs_of(values), dims=("session_a", "session_b"))
        kept &= pairs.broadcast_like(xr.zeros_like(values, dtype=bool)).transpose(*values.dims).values
    index = dict(zip(values.dims, np.nonzero(kept) if values.dims else (), strict=True))
    n_rows = int(kept.sum())
    columns: dict[str, Any] = {column: np.full(n_rows, "", dtype=object) for column in MEASURES_COLUMNS}
    for dim, at in index.items():
        labels = dataset[dim].values if dim in dataset.coords else np.arange(dataset.sizes[dim])
        columns["session_a" if dim == "session" else str(dim)] = labels[at]
    if "animal" in index and "group" in dataset.coords:
        columns["group"] = dataset["group"].values[index["animal"]]
    columns |= {"analysis": analysis, "measure": name, "lag_days": _lags(dataset, index, n_rows)}
    columns["value"] = values.values.astype(np.float64)[kept]
    return pd.DataFrame(columns)


def _lags(dataset: xr.Dataset, index: Mapping[Any, np.ndarray], n_rows: int) -> np.ndarray:
    """Days between the sessions of every row: 0 for one session, NaN for none or where days are not known."""
    if "session_a" in index and "session_b" in index:
        if "animal" not in index or "day" not in dataset.coords:
            return np.full(n_rows, np.nan)
        days = dataset["day"].transpose("animal", "session").values
        gap: np.ndarray = np.abs(days[index["animal"], index["session_b"]] - days[index["animal"], index["session_a"]])
        return gap
    return np.full(n_rows, 0.0 if "session" in index or "session_a" in index else np.nan)


def _write_csv(tables: Iterable[pd.DataFrame], path: Path, columns: Sequence[str]) -> None:
    """Write tables one below the other, aside first, then renamed."""
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("w", encoding="utf-8", newline="") as file:
            pd.DataFrame(columns=list(columns)).to_csv(file, index=False)
            for table in tables:
                table.to_csv(file, index=False, header=False, float_format="%.9g")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
