"""Replay between sessions, and forgetting towards what an animal was born with."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch

from neurofa import simulation
from neurofa.cohort import Cohort
from neurofa.errors import ConfigError
from neurofa.learning import learn_session
from neurofa.members import batches
from neurofa.overnight.decay import decay_to_birth, weight_decay
from neurofa.recording import load_recording
from neurofa.simulation import simulate
from tests.engine import random_network, small
from tests.test_overnight import nights, per_animal
from tests.test_recurrent_runs import small as small_recurrent
from tests.test_similarity_matching import SM

OFF = {"feedback_walk": 0.0, "weight_decay": 0.0, "readout_decay": 0.0}


def cohort_of(**replay: float) -> Cohort:
    return Cohort(batches(small({"overnight": OFF | {"offline_replay": replay}}))[0])


def test_replay_is_a_session_of_the_stimuli_without_input_gains() -> None:
    cohort, twin = cohort_of(passes=3, noise_sd=0.0), cohort_of(passes=3, noise_sd=0.0)
    cohort.overnight(2.0, cohort.draws("night"))
    session = twin.session(twin.stimuli, 6)
    session.noise_sd.zero_()
    learn_session(twin.network, twin.build_rule, twin.rates, session, twin.draws("anything"))
    for name, value in cohort.network.state().items():
        torch.testing.assert_close(value, twin.network.state()[name], rtol=1e-4, atol=1e-5)
    assert not torch.equal(cohort.network.layers[0].weights, cohort_of().network.layers[0].weights)


def test_animals_with_other_passes_replay_as_if_they_were_alone() -> None:
    numbers = [0.0, 2.0, 2.0, 5.0]
    together = cohort_of(passes=numbers, own_reports=0.3)
    together.overnight(1.0, together.draws("night"))
    for animal, passes in enumerate(numbers):
        alone = cohort_of(passes=[passes] * 4, own_reports=0.3)
        alone.overnight(1.0, alone.draws("night"))
        for name, value in together.network.state().items():
            torch.testing.assert_close(value[animal], alone.network.state()[name][animal], rtol=1e-4, atol=1e-5)


def test_true_targets_teach_during_a_gap_and_own_reports_do_not() -> None:
    right = {}
    for own in (0.0, 1.0):
        cohort = cohort_of(passes=60, own_reports=own)
        before = cohort.performance(cohort.stimuli).mean()
        cohort.overnight(1.0, cohort.draws("night"))
        right[own] = float(cohort.performance(cohort.stimuli).mean() - before)
    assert right[0.0] > 0.4
    assert abs(right[1.0]) < 0.2


def test_replay_keeps_performance_over_a_gap_in_which_synapses_are_noisy() -> None:
    correct = {}
    for passes in (0.0, 4.0):
        night = OFF | {"synaptic_noise": 0.35, "readout_decay": 0.15, "offline_replay": passes}
        cohort = Cohort(batches(small({"overnight": night}))[0])
        session = cohort.session(cohort.stimuli, 200)
        cohort.learn(session, cohort.draws("session"))
        for day in range(16):
            cohort.overnight(1.0, cohort.draws("night", day))
        correct[passes] = float(cohort.performance(cohort.stimuli).mean())
    assert correct[4.0] > correct[0.0] + 0.2


def test_replay_reaches_a_run_and_is_the_same_each_time() -> None:
    runs = [simulate(small({"overnight": {"offline_replay": {"passes": passes}}})) for passes in (0, 5, 5)]
    rates = [run["probe/true_rate"].values for run in runs]
    assert np.array_equal(rates[1], rates[2])
    assert not np.allclose(rates[0], rates[1], atol=1e-3)


def test_animals_that_cannot_replay_are_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigError, match="offline_replay needs feedforward networks"):
        simulate(small_recurrent({"overnight": {"offline_replay": 1.0}}))
    teacher = {"kind": "teacher", "inputs": 5, "outputs": 3, "session_stimuli": 32, "probe_stimuli": 8}
    renewed = small({"overnight": OFF | {"offline_replay": 1.0}}).as_dict()
    from neurofa.protocol import protocol_from

    with pytest.raises(ConfigError, match="stimuli that are the same in every session"):
        simulate(protocol_from(renewed | {"stimuli": teacher, "observation": {"kind": "none"}}))


@pytest.mark.parametrize("gaps", [[6.0], [1.0] * 6, [2.5, 3.5]])
def test_decay_to_birth_halves_what_was_learned_and_keeps_what_was_innate(gaps: list[float]) -> None:
    network = random_network([20, 30, 10, 4], "relu", n_animals=2, extras=False)
    born = [layer.weights.clone() for layer in network.layers]
    rate = per_animal(0.2, 0.0)
    nights(decay_to_birth, network, [0.0], rate=rate)
    random = torch.Generator().manual_seed(0)
    learned = [torch.randn(one.shape, generator=random, dtype=torch.float64) for one in born]
    for layer, change in zip(network.layers, learned, strict=True):
        layer.weights += change
    nights(decay_to_birth, network, gaps, rate=rate)
    for number, layer in enumerate(network.layers):
        kept = 0.8**6 if number < 2 else 1.0
        torch.testing.assert_close(layer.weights[0], born[number][0] + kept * learned[number][0])
        assert torch.equal(layer.weights[1], born[number][1] + learned[number][1])
    # from weights of zero both kinds of decay are one
    blank = random_network([20, 30, 4], "relu", n_animals=1, extras=False)
    blank.layers[0].weights.zero_()
    twin = blank.copy()
    for one, process in ((blank, decay_to_birth), (twin, weight_decay)):
        nights(process, one, [0.0], rate=per_animal(0.3))
        one.layers[0].weights += 2
        nights(process, one, [3.0], rate=per_animal(0.3))
    torch.testing.assert_close(blank.layers[0].weights, twin.layers[0].weights)


def test_a_life_that_is_cut_goes_on_bit_for_bit_with_everything_that_nights_remember(tmp_path: Path) -> None:
    night = {
        "drift_speed": {"sd": 0.5, "jump_days": 1.0},
        "synaptic_noise": 0.3,
        "gain_drift": 0.3,
        "decay_to_birth": 0.1,
        "offline_replay": 2,
    }
    protocol = small({"overnight": night, "groups": {"fa": {}, "matching": SM}})

    def lived(name: str, cut: int) -> np.ndarray:
        folder = tmp_path / name
        with contextlib.suppress(KeyboardInterrupt):
            simulation.live(protocol, folder, lambda done, *_: stop() if done == cut else None)
        simulation.live(protocol, folder)
        store = simulation.merge_sessions(protocol, folder / simulation.SESSIONS, folder / "recording.zarr")
        rates: np.ndarray = load_recording(store)["probe/true_rate"].values
        return rates

    def stop() -> None:
        raise KeyboardInterrupt

    whole = lived("whole", -1)
    assert whole[np.isfinite(whole)].std() > 0
    for cut in (3, 8):
        assert np.array_equal(lived(f"cut {cut}", cut), whole, equal_nan=True)
