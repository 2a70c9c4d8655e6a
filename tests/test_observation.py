"""Counts, detection, visibility and registration of the simulated microscope, against what the settings say."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from neurofa.errors import RecordingError
from neurofa.observation import Microscope, mix_up, observe, observe_animal
from neurofa.observation_settings import ObservationSettings
from neurofa.occupancy import task_frames
from neurofa.recording import load_recording, write_recording
from neurofa.simulation import simulate
from tests.engine import small
from tests.synthetic import make_recording

PLAIN: dict[str, Any] = {"repeats": 2, "event_rate_hz": 0.5, "frame_rate_hz": 10.0}


def settings(**given: Any) -> ObservationSettings:
    return ObservationSettings(**(PLAIN | given))


def true_rates(n_sessions: int = 3, n_stimuli: int = 6, n_units: int = 200, seed: int = 0) -> np.ndarray:
    """The same rates in every session, different in every cell and stimulus."""
    rate = np.random.default_rng(seed).gamma(1.0, 1.0, (1, n_stimuli, n_units))
    return np.repeat(rate, n_sessions, axis=0)


def look(own: ObservationSettings, rate: np.ndarray, frames: int | np.ndarray = 100, days: float = 2.0) -> Microscope:
    return Microscope(own, 3, 1, rate, days * np.arange(len(rate)))


def observed(microscope: Microscope, frames: np.ndarray) -> np.ndarray:
    return np.stack(list(microscope.sessions(frames)))


def test_counts_are_poisson_with_the_mean_that_rate_and_occupancy_give() -> None:
    rate = true_rates(1, 6, 300)
    frames = np.broadcast_to(np.array([40, 400])[None, None, :].repeat(200, -1), (1, 6, 400))
    rates = observed(look(settings(repeats=400), rate), frames)[0]
    expected = 0.5 * rate[0] / rate.mean()
    counts = rates * frames[0, :, :, None] / 10
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-3)
    for part, seconds in ((slice(200), 4.0), (slice(200, 400), 40.0)):
        mean, variance = counts[:, part].mean(1), counts[:, part].var(1)
        error = np.sqrt(expected * seconds / 200)
        assert np.abs((mean - expected * seconds) / error).max() < 5
        assert mean.sum() == pytest.approx((expected * seconds).sum(), rel=0.01)
        assert variance.sum() == pytest.approx((expected * seconds).sum(), rel=0.03)


def test_trial_gains_add_variance_and_leave_the_mean() -> None:
    rate, frames = true_rates(1, 4, 400), np.full((1, 4, 200), 200)
    rates = observed(look(settings(repeats=200, trial_gain_sd=0.5), rate), frames)[0]
    counts, expected = rates * 20, 20 * 0.5 * rate[0] / rate.mean()
    assert counts.mean() == pytest.approx(expected.mean(), rel=0.02)
    assert counts.var(1).mean() == pytest.approx((expected + (np.exp(0.25) - 1) * expected**2).mean(), rel=0.1)


def test_events_per_frame_are_at_most_as_likely_as_the_settings_say() -> None:
    rate = true_rates(1, 4, 50)
    frames = np.full((1, 4, 50), 100)
    rates = observed(look(settings(repeats=50, event_rate_hz=1000.0), rate), frames)[0]
    assert rates.mean() == pytest.approx(0.9 * 10, rel=0.02)


def test_detected_cells_have_the_mean_event_rate_and_are_the_fraction_that_is_asked_for() -> None:
    own = settings(
        repeats=20,
        detected_fraction=0.56,
        cell_gain_sd=0.4,
        session_gain_sd=0.2,
        trial_gain_sd=0.2,
        background=0.03,
        rate_exponent=1.1,
    )
    rate = true_rates(5, 10, 500)
    microscope = look(own, rate)
    rates = observed(microscope, np.full((5, 10, 20), 200))
    np.testing.assert_array_equal(microscope.detected.sum(1), 280)
    np.testing.assert_array_equal(np.isnan(rates).all((1, 2)), ~microscope.detected)
    np.testing.assert_array_equal(np.isnan(rates).any((1, 2)), ~microscope.detected)
    assert np.nanmean(rates) == pytest.approx(0.5, rel=0.02)


def test_background_and_exponent_shape_the_expected_rates() -> None:
    rate, frames = true_rates(1, 5, 100), np.full((1, 5, 2000), 100)
    rates = observed(look(settings(background=0.4, rate_exponent=2.0), rate), frames)[0].mean(1)
    power = rate[0] ** 2 / (rate[0] ** 2).mean()
    np.testing.assert_allclose(rates, 0.5 * (0.6 * power + 0.4), atol=0.05, rtol=0.05)


def test_time_without_frames_is_nan() -> None:
    frames = np.full((2, 6, 3), 50)
    frames[1, 2, 0] = 0
    rates = observed(look(settings(), true_rates(2)), frames)
    missing = np.isnan(rates).all(-1)
    assert missing[1, 2, 0] and missing.sum() == 1


def test_visibility_forgets_with_its_time_constant_and_its_white_part_at_once() -> None:
    rate = np.ones((2, 3, 4000))
    for days, white in ((2.0, 0.28), (20.0, 0.28), (2.0, 0.0), (2.0, 1.0)):
        own = settings(detected_fraction=0.5, visibility_white=white, visibility_rate_weight=0.0)
        first, second = look(own, rate, days=days).detected
        correlation = (1 - white) * np.exp(-days / 10.5)
        again = 0.5 + np.arcsin(correlation) / np.pi
        assert second[first].mean() == pytest.approx(again, abs=0.03)


def test_active_cells_are_seen_more_often_as_much_as_the_weight_says() -> None:
    rate = true_rates(1, 4, 4000)
    high = rate[0].mean(0) > np.median(rate[0].mean(0))
    seen = {}
    for weight in (0.0, 0.3, 1.0):
        own = settings(detected_fraction=0.5, visibility_rate_weight=weight)
        seen[weight] = look(own, rate).detected[0][high].mean()
    assert seen[0.0] == pytest.approx(0.5, abs=0.03)
    assert 0.55 < seen[0.3] < 0.7
    assert seen[1.0] > 0.85


@pytest.mark.parametrize(("fraction", "n_units", "mixed"), [(0.0, 50, 0), (0.1, 50, 5), (0.5, 7, 4), (1.0, 9, 9)])
def test_mixing_up_moves_exactly_the_fraction_that_is_asked_for(fraction: float, n_units: int, mixed: int) -> None:
    order = mix_up(np.random.default_rng(1), n_units, fraction)
    assert sorted(order) == list(range(n_units))
    assert (order != np.arange(n_units)).sum() == mixed


def wrong_identities(rate: np.ndarray, **given: float) -> np.ndarray:
    """Fraction of the cells of every session that are not those of the first one, told apart by their rates."""
    microscope = look(settings(repeats=1, **given), rate)
    rates = observed(microscope, np.full((len(rate), rate.shape[1], 1), 10_000_000))[:, :, 0]
    expected = 0.5 * rate / rate.mean()
    distance = np.abs(rates[:, :, :, None] - expected[:, :, None, :]).sum(1)
    return (distance.argmin(-1) != np.arange(rate.shape[2])).mean(-1)


def test_misregistration_does_not_add_up_and_identity_loss_does() -> None:
    rate = true_rates(8, 6, 100)
    np.testing.assert_allclose(wrong_identities(rate), 0)
    np.testing.assert_allclose(wrong_identities(rate, misregistered=0.1), 0.1)
    lost = wrong_identities(rate, identity_loss=0.1)
    assert lost[0] == 0 and lost[1] == pytest.approx(0.1)
    assert (np.diff(lost) >= 0).all()
    np.testing.assert_allclose(lost, 1 - 0.9 ** np.arange(8), atol=0.07)


def test_task_occupancy_has_the_mean_time_and_spread_of_the_settings() -> None:
    own = settings(repeats=50, seconds_per_stimulus=(1.0, 4.0), seconds_spread=0.35, repeat_seconds_spread=0.2)
    seconds = task_frames(own, 1, 0, 20, 10) / 10
    assert seconds.shape == (20, 10, 50)
    np.testing.assert_allclose(seconds[:, 0::2].mean(), 1.0, rtol=0.03)
    np.testing.assert_allclose(seconds[:, 1::2].mean(), 4.0, rtol=0.03)
    log = np.log(seconds[:, 1::2])
    assert log.std() == pytest.approx(np.hypot(0.35, 0.2), abs=0.02)
    assert log.mean(1).std() == pytest.approx(np.sqrt(0.2**2 + 0.35**2 / 5), abs=0.02)
    np.testing.assert_array_equal(task_frames(settings(), 1, 0, 2, 3), 10)


def test_without_a_microscope_the_true_rates_are_recorded() -> None:
    rate = true_rates()
    protocol = small({"observation": {"kind": "none", "seconds_per_stimulus": [1.0, 2.0]}})
    rates, duration, detected = observe_animal(protocol, 0, rate, np.arange(3.0))
    np.testing.assert_array_equal(np.stack(list(rates))[:, :, 0], rate)
    assert detected.all() and duration.shape == (3, 6, 1)
    np.testing.assert_array_equal(duration[0, :, 0], [1, 2, 1, 2, 1, 2])


DIFFERENT = {
    "groups": {
        "wide": {},
        "narrow": {"network": {"hidden": [25]}, "schedule": {"days": [0, 2]}, "observation": {"repeats": 2}},
    }
}


@pytest.fixture(scope="module")
def simulated() -> xr.DataTree:
    return simulate(small(DIFFERENT, {"cohort": {"animals": 2}, "observation": {"misregistered": 0.1}}))


def same(first: xr.DataTree, second: xr.DataTree) -> bool:
    return all(first["probe"][name].equals(second["probe"][name]) for name in ("rate", "duration", "detected"))


def test_observing_again_gives_what_is_stored_and_is_repeatable(simulated: xr.DataTree) -> None:
    again = observe(simulated)
    assert same(again, simulated)
    assert same(again, observe(simulated))
    assert np.isfinite(again["probe/rate"].values).any((1, 2, 3, 4)).all()


def test_other_settings_of_the_observation_act_on_the_same_true_rates(simulated: xr.DataTree) -> None:
    more = small(DIFFERENT, {"cohort": {"animals": 2}, "observation": {"event_rate_hz": 0.25}})
    again = observe(simulated, protocol=more)
    ratio = np.nanmean(again["probe/rate"]) / np.nanmean(simulated["probe/rate"])
    assert ratio == pytest.approx(0.5, rel=0.1)
    xr.testing.assert_equal(again["probe/true_rate"], simulated["probe/true_rate"])


def recorded(n_units: int = 12, n_sessions: int = 2, n_animals: int = 1, n_bins: int = 5) -> xr.DataTree:
    """Like a recorded animal: no true rates, unequal time, a padded session."""
    tree = make_recording(n_animals, n_sessions + 1, n_bins, 5, n_units, groups=("recorded",))
    probe = tree["probe"].to_dataset().drop_vars(["true_rate", "latent_rate"])
    probe["duration"] = probe["duration"] * np.linspace(0.5, 2, probe.sizes["stimulus"])[:, None]
    probe["duration"][:, -1] = 0
    probe["day"][:, -1] = np.nan
    return xr.DataTree.from_dict({"/": xr.Dataset(), "/probe": probe})


def test_observing_like_a_recording_takes_its_frames_sessions_and_number_of_cells(simulated: xr.DataTree) -> None:
    like = recorded()
    again = observe(simulated, like=like)
    probe, shown = again["probe"], like["probe"]
    assert dict(probe.sizes) | {"unit": 12, "session": 2, "repeat": 5} == dict(probe.sizes)
    for animal in range(4):
        np.testing.assert_allclose(probe["duration"][animal], np.rint(shown["duration"][0, :2] * 20) / 20)
    assert same(again, observe(simulated, like=like))
    kept = simulated["probe/true_rate"].values[0, 0].T
    assert all((kept == unit).all(1).any() for unit in probe["true_rate"].values[0, 0].T)
    with pytest.raises(RecordingError, match="8 stimuli, the simulated animals 10; .*stimuli.bins"):
        observe(simulated, like=recorded(n_bins=4))
    with pytest.raises(RecordingError, match="one recorded animal, got 2"):
        observe(simulated, like=recorded(n_animals=2))
    with pytest.raises(RecordingError, match="only simulated recordings"):
        observe(like)


def test_a_protocol_may_take_the_occupancy_of_a_recording_and_repeats_its_sessions(tmp_path: Any) -> None:
    write_recording(recorded(), tmp_path / "recorded" / "recording.zarr")
    load_recording(tmp_path / "recorded").close()
    protocol = small({"observation": {"occupancy": "recorded"}, "cohort": {"animals": 1}}, folder=str(tmp_path))
    duration = simulate(protocol)["probe/duration"].values[0]
    assert duration.shape == (3, 10, 5)
    np.testing.assert_array_equal(duration[2], duration[0])
    assert duration[0, 0, 0] < duration[0, -1, 0]


def test_a_recording_that_carries_no_protocol_cannot_be_observed_again() -> None:
    with pytest.raises(RecordingError, match="carries no protocol"):
        observe(make_recording())


def test_animals_are_observed_alike_whoever_else_is_there() -> None:
    own = settings(cell_gain_sd=0.3, detected_fraction=0.5)
    rate, frames = true_rates(), np.full((3, 6, 2), 50)
    first, second = observed(look(own, rate), frames), observed(look(own, rate), frames)
    np.testing.assert_array_equal(first, second)
    other = Microscope(own, 3, 2, rate, 2 * np.arange(3))
    assert not np.array_equal(other.detected, look(own, rate).detected)
