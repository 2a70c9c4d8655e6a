"""Sessions whose event counts are known come back exactly, alone and with other animals."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neurofa.nwb import import_nwb
from neurofa.recording import load_recording, write_recording
from tests.nwb_files import KEPT, N_BINS, N_KEPT, N_STIMULI, known_session, write_session

RATE_HZ = 20.0
FIRST = {"day": 0.0, "seed": 1, "n_trials": 3, "cells": [4, 0, -1, 7, 2]}
SECOND = {"day": 2.04, "seed": 2, "n_trials": 2, "cells": [9, 4, 2, -1, -1]}  # from 23:30 to 00:27, three dates later


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Animal M1 with two sessions, named against their order in time; M2 with three sessions and fewer cells."""
    folder = tmp_path_factory.mktemp("subjects")
    for name, known in (("b", FIRST), ("a", SECOND)):
        write_session(folder / "sub-M1" / f"{name}.nwb", *truth(known), known["cells"], day=known["day"])
    for index in range(3):
        frames, counts = known_session(2, 2, seed=10 + index)
        write_session(folder / "sub-M2" / f"{index}.nwb", frames, counts, [1, 3], subject="M2", day=float(index))
    return folder


def truth(known: dict) -> tuple[np.ndarray, np.ndarray]:
    return known_session(known["n_trials"], len(known["cells"]), known["seed"])


def as_counts(probe: xr.Dataset) -> xr.DataArray:
    return probe["rate"] * probe["duration"]


def test_counts_and_durations_are_exact(subjects: Path) -> None:
    probe = import_nwb(subjects / "sub-M1")["probe"].sel(animal="M1")
    cells = probe["cell_id"].values.tolist()
    assert cells == [0, 2, 4, 7, 9]
    for session, known in enumerate((FIRST, SECOND)):
        frames, counts = truth(known)
        assert np.any(frames == 0)
        own = probe.isel(session=session, repeat=slice(0, known["n_trials"]))
        np.testing.assert_allclose(own["duration"].transpose("repeat", "stimulus"), frames / RATE_HZ)
        for roi, cell in enumerate(known["cells"]):
            if cell < 0:
                continue
            rate = own["rate"].isel(unit=cells.index(cell)).transpose("repeat", "stimulus").values
            with np.errstate(invalid="ignore"):
                expected = counts[:, :, roi] / frames * RATE_HZ
            np.testing.assert_allclose(rate, expected, rtol=1e-6)
            assert np.array_equal(np.isnan(rate), frames == 0)


def test_what_was_not_recorded_is_marked(subjects: Path) -> None:
    recording = import_nwb(subjects / "sub-M1")
    probe = recording["probe"].sel(animal="M1")
    assert probe["detected"].values.tolist() == [[True, True, True, True, False], [False, True, True, False, True]]
    undetected = probe["rate"].where(~probe["detected"])
    assert not np.isfinite(undetected).any()
    last = probe.isel(session=1, repeat=2)
    assert np.all(last["duration"] == 0) and np.all(np.isnan(last["rate"]))
    assert recording.attrs["unregistered_units"] == '{"M1": [1, 2]}'
    assert probe["rate"].dtype == np.float32


def test_coordinates(subjects: Path) -> None:
    probe = import_nwb(subjects / "sub-M1")["probe"]
    assert probe.sizes["stimulus"] == N_STIMULI
    assert probe["direction"].values.tolist() == ["rightward"] * N_KEPT + ["leftward"] * N_KEPT
    assert probe["bin"].values.tolist() == 2 * list(range(KEPT[0], KEPT[1] + 1))
    np.testing.assert_allclose(probe["position"], (probe["bin"] - 0.5) / N_BINS)
    assert probe["day"].values.tolist() == [
        [0.0, 3.0]
    ]  # calendar days: from 23:30 to 23:59 two days later is 2, +0:30 is 3
    assert probe["session_id"].values.tolist() == [["day0", "day2.04"]]
    assert probe["session_start"].values[0, 0] == "2020-02-27T23:30:00+00:00"
    assert probe["group"].values.tolist() == ["recorded"]
    assert set(probe["layer"].values) == {"CA1"}


def test_animals_of_different_size_are_padded(subjects: Path) -> None:
    both = import_nwb(subjects)["probe"]
    assert both["animal"].values.tolist() == ["M1", "M2"]
    assert dict(both.sizes) == {"animal": 2, "session": 3, "stimulus": N_STIMULI, "repeat": 3, "unit": 5}
    assert both["cell_id"].values[1].tolist() == [1, 3, -1, -1, -1]
    assert both["session_id"].values[0].tolist() == ["day0", "day2.04", ""]
    assert np.isnan(both["day"].values[0, 2])
    assert not both["detected"].values[0, 2].any()
    for name in ("M1", "M2"):
        alone = import_nwb(subjects / f"sub-{name}")["probe"].sel(animal=name)
        inside = both.sel(animal=name)
        here = {dim: slice(0, size) for dim, size in alone.sizes.items()}
        for variable in ("rate", "duration", "detected", "cell_id", "day"):
            kept = inside[variable].isel({dim: here[dim] for dim in inside[variable].dims})
            np.testing.assert_array_equal(kept.values, alone[variable].values)
        assert np.isfinite(inside["rate"]).sum() == np.isfinite(alone["rate"]).sum()


def test_survives_the_store(subjects: Path, tmp_path: Path) -> None:
    recording = import_nwb(subjects)
    loaded = load_recording(write_recording(recording, tmp_path / "recording.zarr"))
    xr.testing.assert_identical(loaded["probe"].to_dataset().compute(), recording["probe"].to_dataset())
    assert loaded.attrs == recording.attrs | {"folder": str(tmp_path)}


def test_metres_and_centimetres_give_the_same(subjects: Path, tmp_path: Path) -> None:
    for name, known in (("b", FIRST), ("a", SECOND)):
        write_session(
            tmp_path / f"{name}.nwb", *truth(known), known["cells"], day=known["day"],
            velocity_unit="meters / second", speed=0.2, position_unit="meters", track=(0.1, 1.06), conversion=0.01,
        )  # fmt: skip
    lengths = import_nwb(tmp_path, track_start_cm=10, track_end_cm=106)
    xr.testing.assert_allclose(lengths["probe"].to_dataset(), import_nwb(subjects / "sub-M1")["probe"].to_dataset())


def test_a_slow_animal_needs_another_threshold(tmp_path: Path) -> None:
    for index in range(2):
        write_session(tmp_path / f"{index}.nwb", *known_session(2, 2, index), [0, 1], day=float(index), speed=0.9)
    recording = import_nwb(tmp_path, minimum_speed_cm_s=0.4)
    assert recording["probe"]["duration"].sum() > 0


def test_timestamps_are_a_clock_too(subjects: Path, tmp_path: Path) -> None:
    for name, known in (("b", FIRST), ("a", SECOND)):
        path = tmp_path / f"{name}.nwb"
        write_session(path, *truth(known), known["cells"], day=known["day"], timestamps=True)
    stamped = import_nwb(tmp_path)["probe"].to_dataset()
    xr.testing.assert_allclose(stamped, import_nwb(subjects / "sub-M1")["probe"].to_dataset())


def test_bins_are_an_option(subjects: Path) -> None:
    all_bins = import_nwb(subjects / "sub-M1", kept_bins=(1, 24))["probe"]
    kept = import_nwb(subjects / "sub-M1")["probe"]
    assert all_bins.sizes["stimulus"] == 2 * N_BINS
    inner = all_bins.isel(stimulus=(all_bins["bin"] >= KEPT[0]) & (all_bins["bin"] <= KEPT[1]))
    np.testing.assert_array_equal(inner["rate"].values, kept["rate"].values)
    np.testing.assert_allclose(as_counts(inner).sum(), as_counts(kept).sum())


def test_a_pattern_chooses_files(subjects: Path, tmp_path: Path) -> None:
    for index in range(2):
        for track in "AB":
            write_session(
                tmp_path / f"{index}-env{track}.nwb", *known_session(2, 2), [0, 1], day=index + 0.01 * (track == "B")
            )
    assert import_nwb(tmp_path, files="*envB.nwb")["probe"].sizes["session"] == 2
    assert import_nwb(tmp_path)["probe"].sizes["session"] == 4


def test_a_series_of_two_names_is_named_by_its_path(tmp_path: Path) -> None:
    for index in range(2):
        write_session(tmp_path / f"{index}.nwb", *known_session(2, 2), [0, 1], day=float(index), second_velocity=True)
    recording = import_nwb(tmp_path, velocity_series="behavior/velocity")
    np.testing.assert_allclose(recording["probe"]["duration"].values[0, 0].T, known_session(2, 2)[0] / RATE_HZ)


def test_layer_is_the_location_or_what_the_user_says(subjects: Path, tmp_path: Path) -> None:
    named = import_nwb(subjects / "sub-M1", layer="dorsal CA1")["probe"]
    assert set(named["layer"].values) == {"dorsal CA1"}
    for index in range(2):
        write_session(tmp_path / f"{index}.nwb", *known_session(2, 2), [0, 1], day=float(index), location="unknown")
    assert set(import_nwb(tmp_path)["probe"]["layer"].values) == {"recorded"}


def test_progress_counts_the_files(subjects: Path) -> None:
    seen: list[tuple[int, int]] = []
    import_nwb(subjects, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(index, 5) for index in range(1, 6)]
