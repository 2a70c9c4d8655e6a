"""The analysis of turnover on animals whose cells come and go at a known rate, and beside what was published."""

import numpy as np
import pytest

from neurofa import analyse, measures
from neurofa.analysis import find_analysis
from neurofa.errors import NeurofaError
from neurofa.recording import build_recording
from neurofa.tables import tidy
from tests.synthetic import make_recording

NAME = "cell_turnover"
KEPT_PER_DAY = 0.94


def with_turnover(area="PPC", **kwargs):
    """Cells whose detection is forgotten at a known rate about one half, and whose tuning stays; rates above 0."""
    recording = make_recording(n_animals=4, n_sessions=6, n_bins=15, n_units=300, angle_per_day_deg=0, lost=0, **kwargs)
    probe = recording["probe"].to_dataset()
    rng = np.random.default_rng(3)
    rate = np.maximum(probe["rate"].values - 2, 0)
    rate[..., -60:] = np.abs(rng.standard_normal(rate[..., -60:].shape))  # not tuned
    detected = np.empty(rate.shape[:2] + rate.shape[-1:], dtype=bool)
    now = rng.random(detected[:, 0].shape) < 0.5
    for session in range(6):
        detected[:, session] = now
        drawn = rng.random(now.shape) < 1 - KEPT_PER_DAY**2
        now = np.where(drawn, rng.random(now.shape) < 0.5, now)
    probe["rate"].values[:] = np.where(detected[:, :, None, None], rate, np.nan)
    probe["detected"].values[:] = detected
    protocol = f'[references]\narea = "{area}"\ntables = ["drift_statistics"]\n'
    return build_recording(probe, recording["learning"].to_dataset(), attrs={"protocol": protocol})


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """What was measured, and the folder with its figures."""
    out = tmp_path_factory.mktemp("run")
    return out, analyse(with_turnover(), [NAME], out=out)[NAME]


def by_lag(dataset, name):
    """Mean over animals and pairs of sessions that lie 1 to 5 sessions apart."""
    values = dataset[name].isel(variable=0, layer=0).transpose("animal", "session_a", "session_b").values
    return np.array([np.nanmean(np.diagonal(values, apart, 1, 2)) for apart in range(1, 6)])


def test_the_known_rate_comes_out(measured):
    dataset = measured[1]
    truth = 0.5 + 0.5 * KEPT_PER_DAY ** (2 * np.arange(1, 6))
    np.testing.assert_allclose(by_lag(dataset, "recurrence_of_detected_cells"), truth, atol=0.03)
    np.testing.assert_allclose(by_lag(dataset, "turnover_of_detected_cells"), 1 - truth, atol=0.03)
    np.testing.assert_allclose(by_lag(dataset, "overlap_of_detected_cells"), truth / (2 - truth), atol=0.03)


def test_cells_that_do_not_change_stay_tuned_and_selective(measured):
    dataset = measured[1]
    assert by_lag(dataset, "recurrence_of_tuned_units").min() > 0.98
    assert 0.005 < by_lag(dataset, "gain_of_tuned_units").mean() < 0.07  # the level of the test
    assert abs(float(dataset["loss_per_day"].sel(condition="selectivity_consistent").mean())) < 0.005
    assert abs(float(dataset["loss_per_day"].sel(condition="recurrence_of_tuned_units").mean())) < 0.002
    assert float(dataset["loss_per_day"].sel(condition="overlap_of_detected_cells").mean()) > 0.02
    assert dataset["number_of_detected_cells"].max() < 300


def test_forms_of_decay_are_judged(measured):
    dataset = measured[1]
    lag, curves = measures.curves_of_animals(
        dataset["overlap_of_detected_cells"].values[0, :4, 0], dataset["day"].values[:4]
    )
    expected = measures.compare_decay_forms(lag, curves)
    found = dataset.sel(condition="overlap_of_detected_cells").isel(layer=0, fitted_group=0)
    assert found["fitted_group"].item() == "drifting (n = 4)"
    assert found["form"].values[found["supported_form"]].tolist() == [
        form for form in found["form"].values if form in expected.supported
    ]
    assert found["supported_form"].sel(form="asymptotic")  # the truth


def test_tables_figures_and_published_values(measured):
    out, dataset = measured
    drawn = {file.stem for file in (out / "figures").glob("*.png")}
    assert drawn == {f"turnover_{name}" for name in ("cells", "selectivity", "sessions", "forms")}
    finite = set(tidy({NAME: dataset})["measure"])
    assert {name for name in dataset.data_vars if dataset[name].attrs.get("table", 1)} == finite
    published = find_analysis(NAME).published_values(dataset)
    consistent = published[published["measure"] == "selectivity_consistent"]
    assert consistent["lag_days"].tolist() == [2.0 * apart for apart in range(1, 11)]
    assert "Driscoll" in (out / "figures" / "turnover_selectivity.txt").read_text()
    assert "published" not in (out / "figures" / "turnover_cells.txt").read_text()


def test_published_values_are_inside_their_panels(measured):
    analysis = find_analysis(NAME)
    drawing = analysis.plot(measured[1])["turnover_selectivity"]
    published = analysis.published_values(measured[1])
    panels = {title: ax for ax in drawing.figure.axes for title in [ax.get_title(loc="center")]}
    for name in ("lost", "switched", "gained"):
        values = published[published["measure"] == f"selectivity_{name}"]
        low, high = panels[name.capitalize()].get_ylim()
        assert low < values["lower"].min() and values["upper"].max() < high


def test_other_areas_are_not_drawn():
    dataset = analyse(with_turnover("V1"), [NAME])[NAME]
    assert find_analysis(NAME).published_values(dataset).empty


def test_selectivity_adds_up(measured):
    total = sum(measured[1][f"selectivity_{name}"] for name in ("consistent", "lost", "switched"))
    np.testing.assert_allclose(total.values[np.isfinite(total.values)], 1)


def test_single_repeats_and_stimuli_without_groups_are_measured():
    recording = make_recording(n_animals=1, n_sessions=3, n_bins=3, n_repeats=1, n_units=20)
    probe = recording["probe"].to_dataset().drop_vars(["position", "direction"])
    probe["day"].values[1, 2] = np.nan
    recording["probe"] = recording["probe"].from_dict({"/": probe})
    found = analyse(recording, [NAME])[NAME]
    assert np.isnan(found["selectivity_lost"]).all() and np.isnan(found["fraction_of_tuned_units"]).all()
    assert np.isfinite(found["recurrence_of_detected_cells"].isel(session_a=0, session_b=1)).all()
    with pytest.raises(NeurofaError, match="two sessions"):
        analyse(make_recording(n_animals=1, n_sessions=1), [NAME])


def test_changes_count_from_the_earlier_session_to_the_later_alone():
    """Cells that only vanish: lost is what happens to them; backwards in time they would be gained, not lost."""
    recording = make_recording(n_animals=1, n_sessions=3, n_units=120, angle_per_day_deg=0, lost=0)
    detected = np.ones((3, 120), dtype=bool)
    detected[1, 60:] = detected[2, 30:] = False
    probe = recording["probe"].to_dataset()
    probe["rate"].values[:] = np.where(detected[None, :, None, None], probe["rate"].values, np.nan)
    probe["detected"].values[:] = detected
    recording = build_recording(probe, recording["learning"].to_dataset(), attrs=recording.attrs)
    table = tidy(analyse(recording, [NAME, "drift_over_days"]))
    again = table[table["measure"] == "recurrence_of_detected_cells"]
    for _, rows in again.groupby("analysis"):
        assert rows.set_index(["session_a", "session_b"])["value"].to_dict() == {(0, 1): 0.5, (0, 2): 0.25, (1, 2): 0.5}


def test_a_quantity_that_rises_is_called_no_decay():
    analysis = find_analysis("cell_turnover")
    lag = np.array([0.0, 2.0, 4.0, 6.0])
    assert analysis._rises(lag, np.array([1.0, 0.5, 0.6, 0.7]))
    assert not analysis._rises(lag, np.array([1.0, 0.7, 0.6, 0.5]))
    assert not analysis._rises(lag, np.array([0.1, np.nan, 0.6, 0.5]))
