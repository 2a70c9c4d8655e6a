"""Drift by kind of stimulus: it is found in the kind that drifts, and in that alone."""

import numpy as np
import pytest
import xarray as xr

from neurofa import analyse
from neurofa.errors import NeurofaError
from neurofa.recording import build_recording
from neurofa.tables import tidy
from tests.synthetic import make_recording

NAME = "drift_by_stimulus_kind"


def of_two_kinds(n_first: int = 8) -> xr.DataTree:
    """Cells that drift for the first stimuli, called movie, and are stable for the others, called grating."""
    both = make_recording(n_animals=3, n_sessions=3, n_bins=4, n_units=60, n_repeats=6, angle_per_day_deg=12, lost=0.0)
    probe = both["probe"].to_dataset().drop_vars(["position", "direction"])
    drifting, stable = probe.isel(animal=slice(3)), probe.isel(animal=slice(3, 6))
    stable = stable.assign_coords(animal=drifting["animal"].values, group=("animal", drifting["group"].values))
    merged = xr.concat(
        [drifting.isel(stimulus=slice(n_first)), stable],
        "stimulus",
        data_vars="minimal",
        coords="minimal",
        compat="override",
    )
    n_stimuli = merged.sizes["stimulus"]
    kinds = np.repeat(["movie", "grating"], [n_first, n_stimuli - n_first])
    merged = merged.assign_coords(stimulus=np.arange(n_stimuli), stimulus_kind=("stimulus", kinds))
    return build_recording(merged, both["learning"].to_dataset().isel(animal=slice(3)))


def later_pairs(dataset: xr.Dataset, name: str, kind: str) -> float:
    """Mean over animals and pairs of different sessions."""
    values = dataset[name].sel(condition=kind, variable="rate").isel(layer=0).values
    row, column = np.triu_indices(values.shape[-1], 1)
    return float(np.nanmean(values[..., row, column]))


def test_drift_is_found_in_the_kind_that_drifts(tmp_path) -> None:
    found = analyse(of_two_kinds(), (NAME,), out=tmp_path)[NAME]
    # turning by 24 and 48 degrees: cosines 0.91 twice and 0.67
    expected = np.mean(np.cos(np.deg2rad([24, 24, 48])))
    for name in ("population_vector_correlation_by_kind", "tuning_curve_correlation_by_kind"):
        assert later_pairs(found, name, "movie") == pytest.approx(expected, abs=0.05)
        assert later_pairs(found, name, "grating") == pytest.approx(1, abs=0.03)
    index = "representational_drift_index_by_kind"
    assert later_pairs(found, index, "movie") > 0.05 > 0.02 > abs(later_pairs(found, index, "grating"))
    assert (tmp_path / "figures" / "drift_by_kind.png").is_file()
    table = tidy({NAME: found})
    assert set(table["condition"]) == {"movie", "grating"}


def test_recordings_without_kinds_or_with_too_few_stimuli_are_refused() -> None:
    with pytest.raises(NeurofaError, match="have no coordinate stimulus_kind; leave drift_by_stimulus_kind out"):
        analyse(make_recording(), (NAME,))
    with pytest.raises(NeurofaError, match="fewer than 3 stimuli of kind 'movie'"):
        analyse(of_two_kinds(n_first=2), (NAME,))
