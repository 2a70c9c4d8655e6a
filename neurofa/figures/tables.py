"""The numbers behind the curves: means over animals with their 95 % intervals, by lag or by day."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from neurofa.errors import ShapeError
from neurofa.measures import mean_and_interval

#: lags and days are told apart to this many decimals
DAY_DECIMALS = 3
#: groups with fewer animals are shown as points, without an interval
MIN_ANIMALS_FOR_INTERVAL = 3
#: of more groups no bands are drawn: they would hide each other
MOST_BANDS = 8


def mean_over_animals(
    rows: pd.DataFrame, by: Sequence[str], animal: str = "animal", value: str = "value"
) -> pd.DataFrame:
    """
    Average within each animal first, then over animals, with the 95 % interval of the mean (Student t).

    Parameters
    ----------
    rows : pandas.DataFrame
        One row per value, for example per animal and pair of sessions.
    by : sequence of str
        Columns that define a condition; missing entries are a condition of their own.
    animal, value : str
        Names of the columns of animals and values; rows without a value are left out.

    Returns
    -------
    pandas.DataFrame
        Columns `by`, ``mean``, ``lower``, ``upper``, ``n_animals``, ``n_pairs`` (values, over all animals) and
        ``sd_over_pairs`` (spread over all values of the condition, divided by their number); the interval of a single
        animal is NaN. Where an animal's value is infinite the mean is, and there is no interval.

    Examples
    --------
    >>> rows = pd.DataFrame({"animal": ["a", "a", "b"], "lag_days": [2.0, 2.0, 2.0], "value": [0.4, 0.6, 0.7]})
    >>> float(mean_over_animals(rows, ["lag_days"])["mean"].iloc[0])
    0.6
    """
    keys = list(by)
    rows = rows.dropna(subset=[value])
    conditions = rows[keys].drop_duplicates(ignore_index=True)
    condition = rows.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    who, names = pd.factorize(rows[animal])
    cell, shape = condition * len(names) + who, (len(conditions), len(names))
    values = rows[value].to_numpy(dtype=np.float64)
    pairs = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    sums = np.bincount(cell, values, minlength=shape[0] * shape[1]).reshape(shape)
    within = np.where(pairs > 0, sums / np.maximum(pairs, 1), np.nan)
    over = mean_and_interval(within, axis=1)
    n_pairs = pairs.sum(axis=1)
    endless = np.isinf(within).any(axis=1)
    pooled = np.bincount(condition, values, minlength=len(conditions)) / np.maximum(n_pairs, 1)
    return conditions.assign(
        mean=np.where(endless, np.inf, over.mean),
        lower=np.where(endless, np.nan, over.low),
        upper=np.where(endless, np.nan, over.high),
        n_animals=(pairs > 0).sum(axis=1),
        n_pairs=n_pairs,
        sd_over_pairs=_spread(values, condition, pooled),
    )


def lag_table(values: xr.DataArray) -> pd.DataFrame:
    """
    Table of a measure of session pairs against lag.

    Parameters
    ----------
    values : xarray.DataArray
        (animal, session_a, session_b) with coordinates ``group`` (animal) and ``lag_days`` (animal, session_a,
        session_b), in days. With ``attrs["directed"] = 1`` both orders of a pair count, else `session_a` before
        `session_b` only; with ``attrs["diagonal"] = 1`` a session with itself counts too, at lag 0.

    Returns
    -------
    pandas.DataFrame
        Columns ``group``, ``animal``, ``lag_days`` (without sign) and those of `mean_over_animals`, sorted by group as
        recorded and by lag. Groups of three and more animals: means over animals, ``animal`` is empty. Smaller groups:
        one curve per animal.

    Raises
    ------
    ShapeError
        Where a dimension or a coordinate is missing.
    """
    _require(values, ("animal", "session_a", "session_b"), ("group", "lag_days"))
    values = values.transpose("animal", "session_a", "session_b")
    lags = values.coords["lag_days"].transpose("animal", "session_a", "session_b").values
    animal, first, second = np.nonzero(pairs_of(values) & np.isfinite(values.values) & np.isfinite(lags))
    rows = pd.DataFrame(
        {
            "group": values.coords["group"].values[animal],
            "who": animal,
            "animal": _curve_of_animals(values)[animal],
            "lag_days": np.abs(lags[animal, first, second]).round(DAY_DECIMALS),
            "value": values.values[animal, first, second],
        }
    )
    return _in_order(mean_over_animals(rows, ["group", "animal", "lag_days"], "who"), values, "lag_days")


def day_table(values: xr.DataArray) -> pd.DataFrame:
    """
    Table of a quantity of sessions against day.

    Parameters
    ----------
    values : xarray.DataArray
        (animal, session) with coordinates ``group`` (animal) and ``day`` (animal, session), in days.

    Returns
    -------
    pandas.DataFrame
        Columns ``group``, ``animal``, ``day`` and those of `mean_over_animals`, sorted by group as recorded and by day;
        groups of fewer than three animals as in `lag_table`.

    Raises
    ------
    ShapeError
        Where a dimension or a coordinate is missing.
    """
    _require(values, ("animal", "session"), ("group", "day"))
    values = values.transpose("animal", "session")
    days = values.coords["day"].transpose("animal", "session").values
    animal, session = np.nonzero(np.isfinite(values.values) & np.isfinite(days))
    rows = pd.DataFrame(
        {
            "group": values.coords["group"].values[animal],
            "who": animal,
            "animal": _curve_of_animals(values)[animal],
            "day": days[animal, session].round(DAY_DECIMALS),
            "value": values.values[animal, session],
        }
    )
    return _in_order(mean_over_animals(rows, ["group", "animal", "day"], "who"), values, "day")


def with_lags(measured: xr.Dataset) -> xr.Dataset:
    """
    Give results of session pairs the days between the two sessions.

    Parameters
    ----------
    measured : xarray.Dataset
        With the coordinate ``day`` (animal, session), in days.

    Returns
    -------
    xarray.Dataset
        The same with the coordinate ``lag_days`` (animal, session_a, session_b): day of `session_b` minus day of
        `session_a`, in days.
    """
    if "day" not in measured.coords or set(measured.coords["day"].dims) != {"animal", "session"}:
        raise ShapeError("measured results need a coordinate 'day' on (animal, session) to know the lags of pairs")
    days = measured.coords["day"].transpose("animal", "session").values
    lags = days[:, None, :] - days[:, :, None]
    return measured.assign_coords(lag_days=(("animal", "session_a", "session_b"), lags))


def pairs_of(values: xr.DataArray) -> np.ndarray:
    """
    Which pairs of sessions of a matrix are counted.

    Parameters
    ----------
    values : xarray.DataArray
        Has the dimensions session_a and session_b; attributes as in `lag_table`.

    Returns
    -------
    numpy.ndarray
        (session_a, session_b), bool.
    """
    shape = (values.sizes["session_a"], values.sizes["session_b"])
    pairs = np.triu(np.ones(shape, dtype=bool), 1)
    if values.attrs.get("directed", 0):
        pairs |= pairs.T
    if values.attrs.get("diagonal", 0):
        pairs |= np.eye(*shape, dtype=bool)
    return pairs


def group_sizes(values: xr.DataArray | xr.Dataset) -> dict[str, int]:
    """
    Count the animals of every group.

    Parameters
    ----------
    values : xarray.DataArray or xarray.Dataset
        Has the coordinate ``group`` (animal).

    Returns
    -------
    dict of str to int
        In the order of the recording.
    """
    names, counts = np.unique(values.coords["group"].values.astype(str), return_counts=True)
    sizes = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return {name: sizes[name] for name in dict.fromkeys(values.coords["group"].values.astype(str).tolist())}


def group_labels(values: xr.DataArray | xr.Dataset) -> dict[str, str]:
    """
    Name the groups for readers.

    Parameters
    ----------
    values : xarray.DataArray or xarray.Dataset
        Has the coordinate ``group`` (animal) and, where the recording has it, ``group_label`` (animal).

    Returns
    -------
    dict of str to str
        Group to its label; to its name with spaces where it has none.
    """
    groups = values.coords["group"].values.astype(str).tolist()
    labels = values.coords["group_label"].values.astype(str).tolist() if "group_label" in values.coords else groups
    return {
        group: group.replace("_", " ") if text in ("", group) else text
        for group, text in zip(groups, labels, strict=True)
    }


def caption_of_groups(values: xr.DataArray) -> str:
    """
    Say for a caption what lines and bands are, and how many animals they stand for.

    Parameters
    ----------
    values : xarray.DataArray
        Has the coordinate ``group`` (animal).

    Returns
    -------
    str
        One or two sentences.

    Examples
    --------
    >>> caption_of_groups(xr.DataArray([0.0], dims="animal", coords={"group": ("animal", ["a"])}))
    'Points: a (n = 1), each animal by itself (no interval: fewer than 3 animals).'
    """
    sizes, labels = group_sizes(values), group_labels(values)
    large = [f"{labels[name]} (n = {n})" for name, n in sizes.items() if n >= MIN_ANIMALS_FOR_INTERVAL]
    small = [f"{labels[name]} (n = {n})" for name, n in sizes.items() if n < MIN_ANIMALS_FOR_INTERVAL]
    sentences = []
    if large:
        mean, interval = ("Lines", "bands") if "session_a" in values.dims else ("Points", "bars")
        told = f"{interval}: 95 % interval of the mean over animals (Student t)"
        if interval == "bands" and len(group_sizes(values)) > MOST_BANDS:
            told = f"no intervals are drawn, for those of more than {MOST_BANDS} groups would hide each other"
        sentences.append(f"{mean}: mean over animals; {told}; {', '.join(large)}.")
    if small:
        spread = ", mean and standard deviation over session pairs" if "session_a" in values.dims else ""
        sentences.append(
            f"Points: {', '.join(small)}, each animal by itself{spread} (no interval: fewer than "
            f"{MIN_ANIMALS_FOR_INTERVAL} animals)."
        )
    return " ".join(sentences)


def sizes_text(values: xr.DataArray | xr.Dataset) -> str:
    """
    Say for a caption how many animals each group has.

    Parameters
    ----------
    values : xarray.DataArray or xarray.Dataset
        Has the coordinate ``group`` (animal).

    Returns
    -------
    str
        For example ``"walk n = 6, still n = 6"``.

    Examples
    --------
    >>> sizes_text(xr.DataArray([0.0, 0.0], dims="animal", coords={"group": ("animal", ["walk", "walk"])}))
    'walk n = 2'
    """
    labels = group_labels(values)
    return ", ".join(f"{labels[name]} n = {size}" for name, size in group_sizes(values).items())


def small_groups(values: xr.DataArray | xr.Dataset) -> dict[str, list[str]]:
    """
    Name the animals of groups that are too small for an interval: each is drawn by itself.

    Parameters
    ----------
    values : xarray.DataArray or xarray.Dataset
        Has the coordinate ``group`` (animal) and, where animals have names, ``animal``.

    Returns
    -------
    dict of str to list of str
        Group of fewer than three animals to their names.
    """
    groups = values.coords["group"].values.astype(str)
    names = values["animal"].values.astype(str)
    small = [name for name, size in group_sizes(values).items() if size < MIN_ANIMALS_FOR_INTERVAL]
    return {group: names[groups == group].tolist() for group in small}


def short_names(values: xr.DataArray | xr.Dataset) -> dict[str, str]:
    """
    Name animals for titles and legends: the label of the group and what tells the animal from others of the group.

    Parameters
    ----------
    values : xarray.DataArray or xarray.Dataset
        Has the coordinates ``group`` (animal) and, where animals have names, ``animal``.

    Returns
    -------
    dict of str to str
        Animal to its short name.

    Examples
    --------
    >>> short_names(xr.DataArray([0.0], {"animal": ["big_walk-0"], "group": ("animal", ["big_walk"])}, dims="animal"))
    {'big_walk-0': 'big walk 0'}
    """
    labels, groups = group_labels(values), values.coords["group"].values.astype(str)
    names = values["animal"].values.astype(str)
    return {
        str(name): f"{labels[group]} {name.removeprefix(f'{group}-')}"
        for name, group in zip(names, groups, strict=True)
    }


def _curve_of_animals(values: xr.DataArray) -> np.ndarray:
    """Name of the curve of each animal within its group: its own in small groups, empty (the mean) in others."""
    small = small_groups(values)
    groups = values.coords["group"].values.astype(str)
    names = values["animal"].values.astype(str)
    return np.array([name if group in small else "" for name, group in zip(names, groups, strict=True)], dtype=object)


def _spread(values: np.ndarray, condition: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Standard deviation over all values of a condition, divided by their number: 0 for one value."""
    finite = np.isfinite(mean)
    deviations = np.where(finite[condition], values - np.where(finite, mean, 0.0)[condition], 0.0)
    counts = np.bincount(condition, minlength=len(mean))
    squares = np.bincount(condition, deviations**2, minlength=len(mean))
    spread: np.ndarray = np.where(finite, np.sqrt(squares / np.maximum(counts, 1)), np.nan)
    return spread


def _require(values: xr.DataArray, dims: tuple[str, ...], coords: tuple[str, ...]) -> None:
    """Refuse an array that lacks a dimension or a coordinate."""
    if set(values.dims) != set(dims):
        raise ShapeError(
            f"expected an array with the dimensions {dims}, got {tuple(values.dims)}; select the others first"
        )
    for name in coords:
        if name not in values.coords:
            raise ShapeError(f"the array '{values.name}' has no coordinate '{name}'; assign it first")


def _in_order(table: pd.DataFrame, values: xr.DataArray, column: str) -> pd.DataFrame:
    """Groups in the order of the recording, then by lag or day."""
    order = {name: number for number, name in enumerate(group_sizes(values))}
    table = table.assign(_order=table["group"].map(order)).sort_values(["_order", "animal", column], ignore_index=True)
    return table.drop(columns="_order")
