"""What was recorded, to be drawn over simulated curves: measured results of a recorded run, or a table of curves."""

import tomllib

import numpy as np
import pandas as pd
import xarray as xr

from neurofa.figures.tables import lag_table, with_lags

#: tables of recorded curves that ship, and with how many stimuli they were measured
CURVE_TABLES = {"ca1_linear_track_curves": 40}


def curves_named(recording: xr.DataTree) -> str:
    """
    Name the table of recorded curves that may be drawn over a recording.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated or recorded.

    Returns
    -------
    str
        A name for `neurofa.references.load_curves`: one that the recording's protocol names among its references and
        that was measured with as many stimuli; empty text where there is none.
    """
    references = tomllib.loads(str(recording.attrs.get("protocol", ""))).get("references", {})
    named, n_stimuli = references.get("tables", []), recording["probe"].sizes["stimulus"]
    return next((name for name, size in CURVE_TABLES.items() if name in named and size == n_stimuli), "")


def values_of(recorded: xr.Dataset | pd.DataFrame | None, measure: str) -> xr.DataArray | pd.DataFrame | None:
    """
    Pick what was recorded of one measure.

    Parameters
    ----------
    recorded : xarray.Dataset or pandas.DataFrame, optional
        Measured results of a recorded run, or a table of curves with columns ``measure``, ``lag_days``, ``mean``,
        ``sd_over_session_pairs`` and, for several animals, ``animal``.
    measure : str
        Measure id.

    Returns
    -------
    xarray.DataArray or pandas.DataFrame or None
        What `decay_curve` draws as points: observed rates, the first layer; None where the measure is missing.
    """
    if isinstance(recorded, pd.DataFrame):
        rows = recorded[recorded["measure"] == measure]
        return rows if len(rows) else None
    if recorded is None or measure not in recorded:
        return None
    return first_layer(with_lags(recorded))[measure]


def first_layer(measured: xr.Dataset) -> xr.Dataset:
    """
    Select the observed rates, and the first layer where there are layers left.

    Parameters
    ----------
    measured : xarray.Dataset
        Measured results.

    Returns
    -------
    xarray.Dataset
        Without the dimensions variable and layer.
    """
    if "variable" in measured.dims:
        measured = measured.sel(variable="rate")
    return measured.isel(layer=0, missing_dims="ignore")


def names_of(recorded: xr.Dataset | pd.DataFrame | None) -> list[str]:
    """
    Name the recorded animals.

    Parameters
    ----------
    recorded : xarray.Dataset or pandas.DataFrame, optional
        As `values_of` takes it.

    Returns
    -------
    list of str
        One name per animal, empty text for a table without the column ``animal``.
    """
    if recorded is None:
        return []
    if isinstance(recorded, pd.DataFrame) and "animal" not in recorded:
        return [""]
    return list(dict.fromkeys(str(name) for name in np.asarray(recorded["animal"])))


def curves_of(recorded: xr.DataArray | pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """
    Curves of recorded animals, one table per animal.

    Parameters
    ----------
    recorded : xarray.DataArray or pandas.DataFrame or None
        As `decay_curve` takes it.

    Returns
    -------
    dict of str to pandas.DataFrame
        Animal (empty text for a table without a column ``animal``) to columns ``lag_days``, ``mean`` and
        ``sd_over_session_pairs``.
    """
    columns = ["lag_days", "mean", "sd_over_session_pairs"]
    curves: dict[str, pd.DataFrame] = {}
    if recorded is None:
        return curves
    if isinstance(recorded, pd.DataFrame):
        named = recorded if "animal" in recorded else recorded.assign(animal="")
        for name, rows in named.sort_values("lag_days").groupby("animal", sort=False):
            curves[str(name)] = rows[columns].reset_index(drop=True)
        return curves
    for number in range(recorded.sizes["animal"]):
        table = lag_table(recorded.isel(animal=[number])).rename(columns={"sd_over_pairs": "sd_over_session_pairs"})
        if len(table):
            curves[str(recorded["animal"].values[number])] = table[columns]
    return curves


def rows_of(recorded: xr.DataArray | pd.DataFrame | None, measure: str) -> list[pd.DataFrame]:
    """
    Curves of recorded animals as rows of the numbers beside a figure.

    Parameters
    ----------
    recorded : xarray.DataArray or pandas.DataFrame or None
        As `decay_curve` takes it.
    measure : str
        Measure id.

    Returns
    -------
    list of pandas.DataFrame
        One table per animal: columns as from `curves_of`, and ``group``, ``measure`` and ``source``.
    """
    curves = curves_of(recorded)
    return [curve.assign(group=animal, measure=measure, source="recorded") for animal, curve in curves.items()]


def caption_of(recorded: xr.Dataset | pd.DataFrame | None) -> str:
    """
    Say for a caption what the black points are.

    Parameters
    ----------
    recorded : xarray.Dataset or pandas.DataFrame, optional
        As `values_of` takes it.

    Returns
    -------
    str
        One sentence that begins with a space, empty without recorded animals.
    """
    names = names_of(recorded)
    if not names:
        return ""
    which = ", ".join(name for name in names if name)
    return (
        f" Black points: recorded{', ' if which else ''}{which} (n = {len(names)}), mean and standard deviation over "
        "session pairs of equal lag."
    )
