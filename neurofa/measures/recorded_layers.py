"""Names of the layers that were recorded from."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr


def recorded_layers(units: "xr.Dataset | xr.DataTree") -> list[str]:
    """
    Layers whose units were recorded.

    Parameters
    ----------
    units : xarray.Dataset or xarray.DataTree
        Group of a recording with a coordinate ``layer`` (unit,), such as ``/probe`` or ``/events``.

    Returns
    -------
    list of str
        In the order of the units: from the layer next to the input on.
    """
    return list(dict.fromkeys(np.asarray(units["layer"]).astype(str).tolist()))
