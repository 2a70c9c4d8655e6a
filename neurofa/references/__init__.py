"""Published statistics and recorded curves, each with its DOI, for the comparison with simulated animals.

Three kinds of table ship as CSV files. *Statistics* (``drift_statistics``, ``prediction_error_statistics``)
are numbers that papers print, or that were
computed from files that their authors published. *Curves* (``ca1_linear_track_curves``) were computed from published
recordings with this package's own definitions. ``definitions.csv`` says in words what each ``definition`` means: two
numbers are compared only where their definitions are the same. *Orderings* (``prediction_error_orderings``) say which
of two values is larger where no more than that can be compared.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from neurofa.catalogue import did_you_mean
from neurofa.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = Path(__file__).resolve().parent

STATISTICS_COLUMNS = (
    "id",
    "measure",
    "definition",
    "lag_days",
    "value",
    "lower",
    "upper",
    "interval_kind",
    "unit",
    "n_animals",
    "statistic",
    "condition",
    "species",
    "area",
    "technique",
    "citation",
    "year",
    "doi",
    "obtained",
)
CURVES_COLUMNS = (
    "measure",
    "lag_days",
    "mean",
    "sd_over_session_pairs",
    "n_session_pairs",
    "n_cells",
    "n_cells_per_session",
    "n_repeats",
    "n_sessions",
    "definition",
    "animal",
    "species",
    "area",
    "citation",
    "year",
    "doi",
    "note",
)

ORDERINGS_COLUMNS = (
    *("id", "measure", "variable", "condition", "layer", "step"),
    *("against_measure", "against_variable", "against_condition", "against_layer", "against_step"),
    *("setting", "setting_value", "against_setting_value"),
    *("sign", "statement", "published", "species", "area", "citation", "year", "doi"),
)
#: of these, the ones of orderings between groups; a table may leave them out
BETWEEN_COLUMNS = ("setting", "setting_value", "against_setting_value")

#: what a recorded curve rests on; a table may leave these columns out
SIZES_COLUMNS = ("n_cells", "n_cells_per_session", "n_repeats", "n_sessions")
_CURVES_NUMBERS = ("lag_days", "mean", "sd_over_session_pairs", "n_session_pairs", *SIZES_COLUMNS)

#: what ``lower`` and ``upper`` of a statistic are
INTERVAL_KINDS = {
    "ci95": "95 % interval",
    "sem": "mean plus and minus one standard error, not a 95 % interval",
    "spread": "spread over animals or cells as printed, not a confidence interval",
    "range": "lowest and highest value",
    "upper_bound": "upper bound",
    "lower_bound": "lower bound",
    "none": "no interval",
}


def list_tables() -> dict[str, str]:
    """
    List the tables that ship.

    Returns
    -------
    dict of str to str
        Name to kind: ``"statistics"`` (for `load_references`), ``"curves"`` (for `load_curves`) or ``"orderings"`` (for
        `load_orderings`).

    Examples
    --------
    >>> list(list_tables())
    ['ca1_linear_track_curves', 'drift_statistics', 'prediction_error_orderings', 'prediction_error_statistics']
    """
    names = sorted(file.stem for file in _FOLDER.glob("*.csv") if file.stem != "definitions")
    return {name: kind_of(name) for name in names}


def kind_of(table: str) -> str:
    """
    Tell the kind of a table from its name.

    Parameters
    ----------
    table : str
        Name of a table that ships, or a CSV file.

    Returns
    -------
    str
        ``"curves"`` or ``"orderings"`` where the name ends so, else ``"statistics"``.
    """
    stem = Path(table).stem
    return next((kind for kind in ("curves", "orderings") if stem.endswith(f"_{kind}")), "statistics")


def load_references(table: str | os.PathLike[str] = "drift_statistics") -> "pd.DataFrame":
    """
    Load a table of published statistics.

    Parameters
    ----------
    table : str or path-like
        The name of a table that ships, or a CSV file with the same columns.

    Returns
    -------
    pandas.DataFrame
        One row per statistic, columns `STATISTICS_COLUMNS`; ``lag_days`` in days (NaN where no lag in days is known),
        ``value``, ``lower`` and ``upper`` in ``unit``; empty text where nothing is said.

    Raises
    ------
    ConfigError
        Where there is no such table, columns are missing, or a value is impossible.
    """
    frame = _load(table, "statistics", STATISTICS_COLUMNS, ("lag_days", "value", "lower", "upper", "n_animals"))
    unknown = sorted(set(frame["interval_kind"]) - set(INTERVAL_KINDS))
    if unknown:
        hint = did_you_mean(unknown[0], INTERVAL_KINDS)
        raise ConfigError(f"reference table '{table}': interval_kind '{unknown[0]}' is not known; {hint}")
    outside = frame[(frame["lower"] > frame["value"]) | (frame["upper"] < frame["value"])]
    if len(outside):
        raise ConfigError(
            f"reference table '{table}': the interval of row '{outside['id'].iloc[0]}' excludes its value"
        )
    if frame["id"].duplicated().any():
        raise ConfigError(
            f"reference table '{table}': the id '{frame['id'][frame['id'].duplicated()].iloc[0]}' stands twice"
        )
    return frame


def load_curves(table: str | os.PathLike[str] = "ca1_linear_track_curves") -> "pd.DataFrame":
    """
    Load a table of curves that were computed from recordings.

    Parameters
    ----------
    table : str or path-like
        The name of a table that ships, or a CSV file with the same columns.

    Returns
    -------
    pandas.DataFrame
        One row per animal, measure and lag, columns `CURVES_COLUMNS`; ``lag_days`` in days; ``mean`` over session pairs
        of equal lag, in the measure's unit (1, or degrees for angles); `SIZES_COLUMNS` as in
        `neurofa.comparison.Sizes`, NaN where the table does not have them; ``sd_over_session_pairs`` with the number of
        pairs as divisor, 0 for a single pair.

    Raises
    ------
    ConfigError
        Where there is no such table, columns are missing, or a value is impossible.
    """
    frame = _load(table, "curves", CURVES_COLUMNS, _CURVES_NUMBERS)
    if frame[["lag_days", "mean", "n_session_pairs"]].isna().any(axis=None):
        raise ConfigError(f"reference table '{table}': lag_days, mean and n_session_pairs must be numbers in every row")
    if frame.duplicated(["animal", "measure", "lag_days"]).any():
        raise ConfigError(f"reference table '{table}': an animal, measure and lag stand twice; give each point once")
    return frame


def load_orderings(table: str | os.PathLike[str] = "prediction_error_orderings") -> "pd.DataFrame":
    """
    Load a table of published orderings.

    Parameters
    ----------
    table : str or path-like
        The name of a table that ships, or a CSV file with the same columns.

    Returns
    -------
    pandas.DataFrame
        One row per ordering, columns `ORDERINGS_COLUMNS`: the value of ``measure`` at a place (``variable``, start of
        the ``condition``, ``layer`` and ``step``: first, last or nothing) minus that at the place ``against_...`` (what
        is empty there is the same; all empty: minus 0) has the ``sign`` 1 or -1. With a ``setting``, a dotted key of
        the protocol, the ordering is one between groups that differ in this setting alone: the value (or difference)
        of the group with ``setting_value`` minus that of the group with ``against_setting_value``.

    Raises
    ------
    ConfigError
        Where there is no such table, columns are missing, or a sign is neither 1 nor -1.
    """
    frame = _load(table, "orderings", ORDERINGS_COLUMNS, ("sign",))
    if not frame["sign"].isin((1.0, -1.0)).all():
        raise ConfigError(f"reference table '{table}': sign must be 1 or -1 in every row")
    return frame


def load_definitions() -> dict[str, str]:
    """
    Load what the definitions mean.

    Returns
    -------
    dict of str to str
        Key as in the column ``definition`` to a description in words.
    """
    import pandas as pd

    frame = pd.read_csv(_FOLDER / "definitions.csv", dtype=str)
    return dict(zip(frame["definition"], frame["description"], strict=True))


def _load(table: str | os.PathLike[str], kind: str, columns: Sequence[str], numbers: Sequence[str]) -> "pd.DataFrame":
    """Read one CSV file; numbers as float64, all else as text; every row needs a measure, a definition and a DOI."""
    import pandas as pd

    file = _find(table, kind)
    try:
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ConfigError(f"reference table '{file}' cannot be read as CSV ({error})") from error
    optional = (*SIZES_COLUMNS, *BETWEEN_COLUMNS)
    frame = frame.assign(**{column: "" for column in optional if column in columns and column not in frame})
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ConfigError(
            f"reference table '{table}' lacks the columns {', '.join(missing)}; a table of {kind} needs them"
        )
    for column in numbers:
        number = pd.to_numeric(frame[column].replace("", "nan"), errors="coerce")
        wrong = frame[number.isna() & ~frame[column].str.lower().isin(["", "nan"])]
        if len(wrong):
            raise ConfigError(f"reference table '{table}': {column} must be a number, got '{wrong[column].iloc[0]}'")
        frame[column] = number.astype("float64")
    for column in (name for name in ("measure", "definition", "doi") if name in columns):
        if (frame[column] == "").any():
            raise ConfigError(
                f"reference table '{table}': {column} is empty in row {int((frame[column] == '').argmax()) + 1}"
            )
    return frame[list(columns)]


def beside(table: str, folder: str | os.PathLike[str] | None) -> str:
    """
    Name of a table as seen from the current folder.

    Parameters
    ----------
    table : str
        A table that ships, or a CSV file, absolute or relative to `folder` or to the current folder.
    folder : path-like, optional
        Of the protocol that names it.

    Returns
    -------
    str
        The table, or the path of the file.
    """
    near = Path(folder or ".") / table
    return str(near) if table.endswith(".csv") and near.is_file() else table


def _find(table: str | os.PathLike[str], kind: str) -> Path:
    """File of a table: one that ships, or the user's own."""
    if str(table).endswith(".csv"):
        if not Path(table).is_file():
            raise ConfigError(
                f"no reference table at {table}; give the path of a CSV file, or one of {', '.join(list_tables())}"
            )
        return Path(table)
    known = list_tables()
    name = str(table)
    if name not in known:
        raise ConfigError(f"no reference table '{name}'; {did_you_mean(name, known)}")
    if known[name] != kind:
        raise ConfigError(f"reference table '{name}' holds {known[name]}, not {kind}; load it with the other function")
    return _FOLDER / f"{name}.csv"
