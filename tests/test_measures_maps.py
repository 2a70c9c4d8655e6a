"""Maps from a recording: weights, halves, gaps, and one session in memory at a time."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neurofa import measures
from neurofa.errors import RecordingError
from neurofa.recording import load_recording, write_recording
from tests.synthetic import make_recording


def recording_with_gaps() -> xr.DataTree:
    """One repeat and one stimulus were not recorded; one animal had a session less."""
    recording = make_recording(n_repeats=5)
    probe = recording["probe"].to_dataset()
    rng = np.random.default_rng(0)
    duration = probe["duration"].copy(data=rng.uniform(0.5, 3, probe["duration"].shape))
    duration[0, 1, 2, 3] = 0
    duration[0, 2, 4] = 0
    duration[1, 3] = 0
    day = probe["day"].copy()
    day[1, 3] = np.nan
    probe["duration"], probe["rate"] = duration, probe["rate"].where(duration > 0)
    probe["detected"][1, 3] = False
    return xr.DataTree.from_dict({"/probe": probe.assign_coords(day=day)})


def test_a_map_is_the_duration_weighted_mean_over_repeats() -> None:
    recording = recording_with_gaps()
    maps = measures.session_maps(recording, "drifting-0")
    probe = recording["probe"].to_dataset().isel(animal=0)
    expected = probe["rate"].weighted(probe["duration"]).mean("repeat").transpose("session", "stimulus", "unit")
    np.testing.assert_allclose(maps.maps, expected.values, rtol=1e-6)
    assert np.isnan(maps.maps[2, 4]).all()
    for half in (0, 1):
        part = probe.isel(repeat=slice(half, None, 2))
        expected = part["rate"].weighted(part["duration"]).mean("repeat").transpose("session", "stimulus", "unit")
        np.testing.assert_allclose(maps.halves[half], expected.values, rtol=1e-6)
    np.testing.assert_array_equal(maps.detected, probe["detected"].values)
    plain = probe["rate"].mean("repeat").transpose("session", "stimulus", "unit").values
    assert np.nanmax(np.abs(maps.maps - plain)) > 0.01


def test_sessions_that_an_animal_did_not_have_are_left_out() -> None:
    maps = measures.session_maps(recording_with_gaps(), 1)
    np.testing.assert_array_equal(maps.session, [0, 1, 2])
    np.testing.assert_array_equal(maps.day, [0, 2, 4])
    assert maps.maps.shape[0] == maps.halves.shape[1] == maps.detected.shape[0] == 3


def test_units_not_detected_are_nan_whatever_the_rates_say() -> None:
    recording = make_recording()
    probe = recording["probe"].to_dataset()
    probe["rate"] = probe["rate"].fillna(5.0)
    maps = measures.session_maps(probe, 2)
    np.testing.assert_array_equal(np.isfinite(maps.maps).all(axis=1), maps.detected)


def test_true_rates_have_no_halves_and_every_unit() -> None:
    recording = make_recording()
    maps = measures.session_maps(recording, 0, variable="true_rate")
    np.testing.assert_allclose(maps.maps, recording["probe"]["true_rate"].values[0])
    assert maps.detected.all()
    assert np.isnan(maps.halves).all()


def test_one_repeat_has_no_halves() -> None:
    maps = measures.session_maps(make_recording(n_repeats=1), 0)
    assert np.isnan(maps.halves).all()
    assert np.isnan(measures.population_vector_correlation_noise_corrected(maps.halves)).all()


def test_one_layer() -> None:
    probe = make_recording()["probe"].to_dataset()
    probe = probe.assign_coords(layer=("unit", np.repeat(["hidden_1", "hidden_2"], 20)))
    np.testing.assert_array_equal(
        measures.session_maps(probe, 0, layer="hidden_2").maps, measures.session_maps(probe, 0).maps[:, :, 20:]
    )


def test_a_stored_recording_is_read_session_by_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recording(make_recording(), tmp_path / "recording.zarr")
    stored = load_recording(tmp_path)
    read: list[int] = []
    values = xr.DataArray.values.fget  # type: ignore[attr-defined]

    def watched(array: xr.DataArray) -> np.ndarray:
        read.append(array.size)
        return values(array)

    monkeypatch.setattr(xr.DataArray, "values", property(watched))
    maps = measures.session_maps(stored, "stable-1")
    assert max(read) == 10 * 4 * 40
    monkeypatch.undo()
    np.testing.assert_allclose(maps.maps, measures.session_maps(make_recording(), 3).maps)


def test_what_is_not_there_is_named() -> None:
    recording = make_recording()
    with pytest.raises(RecordingError, match="no animal 'drifting-9'.*drifting-0"):
        measures.session_maps(recording, "drifting-9")
    with pytest.raises(RecordingError, match="4 animals, so there is no animal number 4"):
        measures.session_maps(recording, 4)
    with pytest.raises(RecordingError, match="no variable 'rates'.*'rate'"):
        measures.session_maps(recording, 0, variable="rates")
    with pytest.raises(RecordingError, match="no layer 'hidden_2'.*hidden_1"):
        measures.session_maps(recording, 0, layer="hidden_2")
