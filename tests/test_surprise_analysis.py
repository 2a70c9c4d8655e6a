"""Violations of sequences: the paradigm, and what is measured of them from session to session."""

import numpy as np
import pytest
import xarray as xr

from neurofa import measures
from neurofa.analysis import find_analysis
from neurofa.errors import ConfigError, RecordingError
from neurofa.stimuli.sequence_violation import BLOCKS, CONDITIONS, sequence_violation
from neurofa.tables import tidy
from tests.event_recordings import events_of, events_recording


@pytest.fixture(scope="module")
def analysis():
    return find_analysis("surprise_over_days")


def test_sequences_are_violated_as_often_as_said_and_never_before_the_first_session():
    stimuli = sequence_violation(np.random.default_rng(0), sequences=4000, control_sequences=100)
    recorded = stimuli.events(np.random.default_rng(1), 0, True)
    recorded.check("x", stimuli.event_names, *[stimuli.inputs.shape[1]] * 2)
    condition = np.array(CONDITIONS)[recorded.condition]
    names = np.array(stimuli.event_names["identity"])[recorded.identity]
    violated = np.char.startswith(condition.astype(str), "unexpected")
    fourth = (recorded.position == 3) & (recorded.block == 0)
    assert violated.sum() / fourth.sum() == pytest.approx(0.07, abs=0.01)
    assert set(recorded.probability[violated]) == {0.07}
    # what is compared has the same orientations
    for kind, letter in (("expected", "D"), ("unexpected", "U")):
        assert set(names[condition == kind]) == {f"{letter}90", f"{letter}135"}
    # U is turned by 90 deg against its sequence
    first = np.flatnonzero(violated)[0]
    assert int(names[first][1:]) - int(names[first - 1][1:]) == 90
    assert set(condition[recorded.block == BLOCKS.index("random_order")]) == {"random"}
    habituation = stimuli.events(np.random.default_rng(1), -1, False)
    assert "unexpected" not in set(np.array(CONDITIONS)[habituation.condition])
    learned = stimuli.events(np.random.default_rng(1), 0, False)
    assert len(learned.sensed) == len(habituation.sensed) == 4000 * 5
    assert "unexpected" in set(np.array(CONDITIONS)[learned.condition])


def test_control_animals_learn_frames_in_random_order_and_violations_must_be_rare():
    stimuli = sequence_violation(np.random.default_rng(0), learned="random_order")
    learned = stimuli.events(np.random.default_rng(1), 0, False)
    assert set(np.array(CONDITIONS)[learned.condition]) == {"random"}
    assert (learned.probability == 1 / 16).all()
    with pytest.raises(ConfigError, match="violations as frequent as D"):
        sequence_violation(np.random.default_rng(0), p_unexpected=0.5)


def planted(effect, keep):
    """Ten unexpected among fifty events; half of the units respond more, half less, and the code is kept or not."""
    generator = np.random.default_rng(3)
    n_animals, n_sessions, n_units = 3, 3, 40
    label = np.tile(np.array(["expected"] * 4 + ["unexpected"]), 10)
    condition = np.broadcast_to(label, (n_animals, n_sessions, label.size))
    noise = generator.standard_normal((n_animals, n_sessions, label.size, n_units))
    sign = np.where(np.arange(n_units) % 2, 1.0, -1.0)
    codes = np.stack([sign if keep else generator.permutation(sign) for _ in range(n_sessions)])
    response = 10 + noise + effect * codes[None, :, None] * (condition == "unexpected")[..., None]
    units = {"rate": response, "somatic": response, "feedback": response - 10, "baseline": 0 * response}
    return events_recording(condition, condition, units, names=("expected", "unexpected"))


def test_planted_indices_come_back_with_their_fractions(analysis):
    measured = (
        analysis.measure(planted(2.0, keep=True)).sel(variable="somatic", condition="plasticity off").isel(layer=0)
    )
    np.testing.assert_allclose(measured["unexpected_event_index_magnitude_corrected"], 2.0, atol=0.5)
    for side in ("above", "below"):
        np.testing.assert_allclose(measured[f"fraction_unexpected_{side}_expected"], 0.5, atol=0.06)
    np.testing.assert_allclose(measured["relative_response_to_unexpected_events"], 1.0, atol=0.05)
    assert float(measured["unexpected_event_index_correlation"].mean()) > 0.9


def test_without_an_effect_fractions_are_at_chance_and_nothing_stays(analysis):
    measured = analysis.measure(planted(0.0, keep=True)).sel(variable="somatic")
    for side in ("above", "below"):
        assert float(measured[f"fraction_unexpected_{side}_expected"].mean()) == pytest.approx(0.025, abs=0.03)
    assert abs(float(measured["unexpected_event_index_magnitude_corrected"].mean())) < 0.05
    assert abs(float(measured["unexpected_event_index_correlation"].mean())) < 0.15


def test_a_code_that_changes_keeps_its_size_and_loses_its_correlation(analysis):
    measured = analysis.measure(planted(2.0, keep=False)).sel(variable="somatic")
    np.testing.assert_allclose(measured["unexpected_event_index_magnitude_corrected"], 2.0, atol=0.5)
    assert abs(float(measured["unexpected_event_index_correlation"].mean())) < 0.4
    drawings = analysis.plot(analysis.measure(planted(2.0, keep=False)))
    assert set(drawings) == {"surprise_plasticity_off"}
    assert {"session_a", "lag_days"} <= set(tidy({"surprise_over_days": measured}).columns)


def test_a_recording_without_unexpected_events_is_refused_with_what_is_missing(analysis):
    shown = np.full((1, 1, 8), "expected")
    units = {name: np.ones((1, 1, 8, 2)) for name in ("rate", "somatic", "feedback", "baseline")}
    with pytest.raises(RecordingError, match="needs the control condition 'unexpected'"):
        analysis.measure(events_recording(shown, shown, units, names=("expected", "unexpected")))


def test_a_session_with_hardly_any_unexpected_event_is_a_gap_and_its_number_is_told(analysis):
    recording = planted(2.0, keep=True)
    events = recording["events"].to_dataset()
    # one violation is left in the first session of the first animal, none in the second
    for session, left in ((0, 1), (1, 0)):
        places = np.flatnonzero(events["condition"].values[0, session] == 1)
        events["condition"].values[0, session, places[left:]] = 0
    recording["events"] = xr.DataTree(events)
    measured = analysis.measure(recording)
    own = measured.sel(variable="somatic", condition="plasticity off").isel(layer=0)
    assert own["n_unexpected_events"].values.tolist() == [[1, 0, 10], [10, 10, 10], [10, 10, 10]]
    assert own["n_expected_events"].values.tolist() == [[49, 50, 40], [40, 40, 40], [40, 40, 40]]
    gap = np.array([[True, True, False], [False] * 3, [False] * 3])
    for name in (*analysis.PANELS, "relative_response_to_expected_events"):
        np.testing.assert_array_equal(own[name].isnull(), gap, err_msg=name)
    assert own["unexpected_event_index_correlation"].isel(animal=0).isnull().all()
    table = tidy({"surprise_over_days": measured})
    assert {0.0, 1.0, 10.0} == set(table.loc[table["measure"] == "n_unexpected_events", "value"])
    assert analysis.plot(measured)


def test_numbers_of_an_animal_do_not_depend_on_its_place(analysis):
    recording = planted(0.5, keep=True)
    alone = events_of(recording, [2])
    whole, own = (analysis.measure(one).isel(animal=[-1]) for one in (recording, alone))
    xr.testing.assert_equal(whole, own)
    # and they do depend on the seed of the run
    alone.attrs["seed"] = 1
    name = "unexpected_event_index_magnitude_corrected"
    assert not analysis.measure(alone)[name].equals(own[name])


def test_agreement_with_predictive_coding_is_drawn_where_it_was_recorded_with_its_change(analysis):
    recording = planted(2.0, keep=True)
    course = np.broadcast_to(np.array([0.5, 0.4, 0.3]), (3, 3))[..., None] + np.array([-0.1, 0.0, 0.1])[:, None, None]
    names = measures.MONITORS["predictive_coding"]
    learning = xr.Dataset(
        {name: (("animal", "session", "layer"), course * (name == "feedback_pc_cosine")) for name in names},
        coords={"layer": ["hidden_1"]},
    )
    for name in names:
        learning[name].attrs["long_name"] = name
    recording["learning"] = xr.DataTree(learning)
    measured = analysis.measure(recording)
    drawing = analysis.plot(measured)["surprise_predictive_coding"]
    np.testing.assert_allclose(measured["feedback_pc_cosine"].isel(layer=0), course[..., 0])
    assert "a 0.50 to 0.30, -0.20 (-0.20 to -0.20)" in drawing.caption
