"""Recorded CA1 of two mice: the curves computed from the recordings themselves must come out again."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neurofa.analysis import analyse
from neurofa.nwb import import_nwb
from neurofa.references import load_curves

RECORDED = Path(os.environ.get("NEUROFA_RECORDED", Path(__file__).parents[2] / "shared" / "recorded"))
TRACK = RECORDED / "ca1_linear_track"

pytestmark = pytest.mark.skipif(
    not TRACK.is_dir(),
    reason=f"no recordings at {TRACK}: set NEUROFA_RECORDED to the folder that holds ca1_linear_track/sub-C6M4",
)


@pytest.fixture(scope="module")
def both() -> xr.DataTree:
    return import_nwb(TRACK)


@pytest.fixture(scope="module")
def c6m4() -> xr.DataTree:
    return import_nwb(TRACK / "sub-C6M4")


@pytest.fixture(scope="module")
def curves(c6m4: xr.DataTree, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Mean over session pairs of equal lag of what measures.csv holds, and the number of pairs."""
    folder = tmp_path_factory.mktemp("run")
    analyse(c6m4, analyses=("drift_over_days",), out=folder)
    measures = pd.read_csv(folder / "measures.csv")
    measures = measures[(measures["variable"] == "rate") & (measures["animal"] == "C6M4")]
    return measures.groupby(["measure", "lag_days"])["value"].agg(["mean", "count"])


def tolerance(measure: str) -> float:
    return 0.5 if measure.endswith("_deg") else 0.01


@pytest.mark.parametrize("measure", sorted(load_curves()["measure"].unique()))
def test_every_row_of_the_curves(measure: str, curves: pd.DataFrame) -> None:
    table = load_curves()
    expected = table[table["measure"] == measure].set_index("lag_days")
    found = curves.loc[measure].loc[expected.index]
    assert len(expected) == (1 if measure.startswith("split_half") else 7)
    np.testing.assert_allclose(found["mean"], expected["mean"], rtol=0, atol=tolerance(measure))
    assert found["count"].tolist() == expected["n_session_pairs"].tolist()


def test_the_curves_would_notice_another_map(c6m4: xr.DataTree) -> None:
    """Cells numbered wrongly in one session move the curves beyond the tolerance."""
    from neurofa import measures

    maps = measures.session_maps(c6m4, "C6M4")
    detected = maps.detected[0] & maps.detected[1]
    wrong = maps.maps.copy()
    order = np.flatnonzero(detected)
    wrong[0][:, order[:20]] = wrong[0][:, np.roll(order[:20], 1)]
    right = measures.population_vector_correlation(maps.maps)[0, 1]
    assert right - measures.population_vector_correlation(wrong)[0, 1] > tolerance("population_vector_correlation")


def test_what_c6m4_holds(c6m4: xr.DataTree) -> None:
    probe = c6m4["probe"].sel(animal="C6M4")
    assert dict(probe.sizes) == {"session": 8, "stimulus": 40, "repeat": 6, "unit": 809}
    assert probe["day"].values.tolist() == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0]
    assert (probe["duration"].sum("stimulus") > 0).sum("repeat").values.tolist() == [5, 6, 5, 5, 5, 5, 5, 5]
    assert probe["detected"].sum("unit").values.tolist() == [433, 453, 440, 514, 475, 446, 428, 458]
    assert set(probe["layer"].values) == {"CA1"}


def test_the_mouse_that_switches_maps_is_imported() -> None:
    probe = import_nwb(TRACK / "sub-C11M1")["probe"].sel(animal="C11M1")
    assert probe.sizes["session"] == 8
    rate = probe["rate"].where(probe["detected"] & (probe["duration"] > 0))
    assert 0.005 < float(rate.mean()) < 1.0
    assert np.isfinite(rate.mean(("repeat", "unit"))).all()


def test_two_mice_in_one_recording(both: xr.DataTree, c6m4: xr.DataTree) -> None:
    assert both["probe"]["animal"].values.tolist() == ["C11M1", "C6M4"]
    together = both["probe"].sel(animal="C6M4")
    alone = c6m4["probe"].sel(animal="C6M4")
    for name in ("rate", "duration", "detected", "cell_id", "day", "session_start"):
        inside = {dim: slice(0, alone.sizes[dim]) for dim in together[name].dims}
        np.testing.assert_array_equal(together[name].isel(inside).values, alone[name].values)
    assert np.isfinite(together["rate"]).sum() == np.isfinite(alone["rate"]).sum()
