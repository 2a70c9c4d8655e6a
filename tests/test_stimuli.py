"""What animals sense: the linear track, patterns, and sets of one's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurofa.errors import ConfigError, ProtocolError
from neurofa.protocol import Protocol, merge, protocol_from
from neurofa.seeds import generator
from neurofa.simulation import simulate
from neurofa.stimuli import Stimuli, stimulus_sets
from neurofa.stimuli.linear_track import linear_track
from neurofa.stimuli.patterns import patterns
from tests.engine import SMALL, small


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", list(stimulus_sets()))
def test_shipped_sets_are_consistent_and_come_from_their_generator_alone(name: str) -> None:
    first, again, other = (stimulus_sets()[name](random(seed)) for seed in (1, 1, 2))
    first.check(name)
    np.testing.assert_array_equal(first.inputs, again.inputs)
    assert np.array_equal(first.inputs, other.inputs) is (
        name in ("xor", "twelve_bits", "digits", "oddball", "visuomotor", "repetition_probability")
    )
    assert {key: values.tolist() for key, values in first.labels.items()} == {
        key: values.tolist() for key, values in other.labels.items()
    }


def test_the_track_has_two_directions_of_bins_in_order() -> None:
    track = linear_track(random(), bins=5, inputs=30)
    assert track.inputs.shape == (10, 30) and track.targets.shape == (10, 10)
    np.testing.assert_allclose(track.labels["position"], [0.1, 0.3, 0.5, 0.7, 0.9] * 2)
    np.testing.assert_array_equal(track.labels["bin"], list(range(5)) * 2)
    assert track.labels["direction"].tolist() == ["rightward"] * 5 + ["leftward"] * 5


def test_targets_are_bumps_of_position_in_the_right_direction() -> None:
    track = linear_track(random(), bins=20, target_width=0.07)
    position = (np.arange(20) + 0.5) / 20
    bump = np.exp(-((position[:, None] - position) ** 2) / (2 * 0.07**2))
    np.testing.assert_allclose(track.targets[:20, :20], bump)
    np.testing.assert_allclose(track.targets[20:, 20:], bump)
    assert not track.targets[:20, 20:].any() and not track.targets[20:, :20].any()


@pytest.mark.parametrize("tolerance", [0, 1, 3])
def test_a_report_is_correct_within_the_tolerance_and_in_the_right_direction(tolerance: int) -> None:
    acceptable = linear_track(random(), bins=6, tolerance_bins=tolerance).acceptable
    for stimulus in range(12):
        for report in range(12):
            expected = stimulus // 6 == report // 6 and abs(stimulus % 6 - report % 6) <= tolerance
            assert bool(acceptable[stimulus, report]) is expected


def test_inputs_are_fields_of_the_stated_width_with_the_stated_share_of_both_directions() -> None:
    track = linear_track(random(), bins=200, inputs=4000, field_width=0.05, field_width_spread=0.3)
    right, left = track.inputs[:200], track.inputs[200:]
    assert track.inputs.min() >= 0 and track.inputs.max() <= 1
    both = (right.max(0) > 0) & (left.max(0) > 0)
    position = track.labels["position"][:200]
    centre = position[(right + left).argmax(0)]
    middle = (centre > 0.1) & (centre < 0.9)
    assert both[middle].mean() == pytest.approx(0.05, abs=0.015)
    assert both[(centre < 0.06) | (centre > 0.94)].mean() == pytest.approx(0.3, abs=0.06)
    assert (right.max(0) > left.max(0)).sum() == pytest.approx(0.475 * 4000, rel=0.1)
    np.testing.assert_array_equal(right[:, both], left[:, both])
    inner = (centre > 0.3) & (centre < 0.7)
    width = np.maximum(right, left)[:, inner].sum(0) / 200 / np.sqrt(2 * np.pi)
    assert np.median(width) == pytest.approx(0.05, rel=0.03)
    assert np.log(width).std() == pytest.approx(0.3, abs=0.03)


def test_patterns_are_orthogonal_or_random_with_classes_in_turn() -> None:
    orthogonal = patterns(random(), stimuli=6, inputs=10, classes=3)
    np.testing.assert_allclose(orthogonal.inputs @ orthogonal.inputs.T, 10 * np.eye(6), atol=1e-10)
    np.testing.assert_array_equal(orthogonal.targets.argmax(1), [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(orthogonal.acceptable, orthogonal.targets > 0)
    free = patterns(random(), stimuli=300, inputs=20, classes=2, orthogonal=False)
    assert free.inputs.std() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stimuli": 50, "inputs": 40}, "50 orthogonal patterns do not fit into 40 inputs; set stimuli.inputs to at"),
        ({"stimuli": 4, "classes": 5}, "5 classes need at least as many patterns, got 4"),
    ],
)
def test_patterns_that_cannot_be_are_refused(given: dict[str, Any], message: str) -> None:
    own = {"stimuli": {"kind": "patterns"} | given}
    with pytest.raises(ConfigError, match=message):
        simulate(pattern_protocol(own))


def pattern_protocol(*changes: dict[str, Any], folder: str = "") -> Protocol:
    """The small protocol without what belongs to the track."""
    values: dict[str, Any] = SMALL | {"stimuli": {}, "cohort": {"animals": 2, "seed": 1}}
    for change in changes:
        values = merge(values, change)
    return protocol_from(values, folder)


def test_a_batch_has_at_most_the_stimuli_that_are_learned() -> None:
    with pytest.raises(
        ConfigError, match="schedule.batch_size 11 is more than the 10 stimuli that are learned; choose a smaller"
    ):
        simulate(small({"schedule": {"batch_size": 11}}))


def test_cross_entropy_needs_probabilities() -> None:
    loss = {"network": {"loss": "cross_entropy"}}
    with pytest.raises(
        ConfigError, match="cross_entropy needs targets that are probabilities.*set network.loss to squ"
    ):
        simulate(small(loss))
    recording = simulate(pattern_protocol(loss, {"stimuli": {"kind": "patterns", "stimuli": 4, "classes": 2}}))
    np.testing.assert_allclose(recording["probe/output"].values.sum(-1), 1, rtol=1e-5)
    assert (recording["learning/loss"].values < 0.8).all()


OWN = '''
import numpy as np
from neurofa.stimuli import Stimuli


def dots(generator, *, number: int = 3, spread: float = 1.0):
    """Random inputs, random targets."""
    return Stimuli(spread * generator.standard_normal((number, 4)), generator.standard_normal((number, 2)),
                   labels={"dot": np.arange(number)})


def nothing(generator): return None
def lists(generator): return Stimuli([[1.0]], np.ones((1, 1)))
def unequal(generator): return Stimuli(np.ones((3, 2)), np.ones((2, 2)))
def flat(generator): return Stimuli(np.ones(3), np.ones((3, 1)))
def empty(generator): return Stimuli(np.ones((0, 3)), np.ones((0, 1)))
def missing(generator): return Stimuli(np.full((3, 2), np.nan), np.ones((3, 1)))
def acceptable(generator): return Stimuli(np.ones((3, 2)), np.ones((3, 2)), np.ones((3, 3), bool))
def labels(generator): return Stimuli(np.ones((3, 2)), np.ones((3, 2)), labels={"odour": np.arange(4)})
def sizes(generator):
    number = int(generator.integers(2, 9000))
    return Stimuli(np.ones((number, 2)), np.ones((number, 2)))
'''


def test_a_set_from_a_file_beside_the_protocol_is_shown_and_its_labels_recorded(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    protocol = pattern_protocol({"stimuli": {"kind": "own.py:dots", "number": 5}}, folder=str(tmp_path))
    assert protocol.stimuli.parameters() == {"number": 5, "spread": 1.0}
    probe = simulate(protocol)["probe"]
    np.testing.assert_array_equal(probe["dot"].values, range(5))
    assert probe["true_rate"].shape[2] == 5 and np.isnan(probe["correct"].values).all()
    dotted = pattern_protocol({"stimuli": {"kind": "neurofa.stimuli.patterns:patterns", "stimuli": 5, "classes": 2}})
    assert simulate(dotted)["probe"]["class"].values.tolist() == [0, 1, 0, 1, 0]
    with pytest.raises(ProtocolError, match="unknown key 'stimuli.nmber'; did you mean 'number'"):
        pattern_protocol({"stimuli": {"kind": "own.py:dots", "nmber": 5}}, folder=str(tmp_path))


def test_every_animal_learns_its_own_targets(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    steady = {"stimuli": {"kind": "own.py:dots"}, "overnight": {"weight_decay": 0.0, "readout_decay": 0.0}}
    long = {"schedule": {"passes": 800}, "cohort": {"animals": 3}, "network": {"active_fraction": 0.0}}
    output = simulate(pattern_protocol(steady, long, folder=str(tmp_path)))["probe/output"].values[:, -1]
    for animal in range(3):
        numbers = generator(1, "animal", animal, "birth", "stimuli")
        numbers.standard_normal((3, 4))
        np.testing.assert_allclose(output[animal], numbers.standard_normal((3, 2)), atol=0.15)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("nothing", "must return neurofa.stimuli.Stimuli, got NoneType"),
        ("lists", "must give inputs as a numpy array, got list"),
        ("unequal", r"gave inputs \(3, 2\) and targets \(2, 2\); expected \(stimulus, input\)"),
        ("flat", r"gave inputs \(3,\) and targets"),
        ("empty", r"gave inputs \(0, 3\) and targets \(0, 1\)"),
        ("missing", "gave values that are not finite numbers"),
        ("acceptable", r"gave 'acceptable' \(3, 3\), expected \(3, 2\)"),
        ("labels", r"gave label 'odour' \(4,\), expected \(3,\)"),
        ("sizes", "gave animals of one group different sizes, labels or held-out stimuli"),
    ],
)
def test_a_set_that_returns_something_else_is_refused_in_one_sentence(
    tmp_path: Path, function: str, message: str
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    protocol = pattern_protocol({"stimuli": {"kind": f"own.py:{function}"}}, folder=str(tmp_path))
    with pytest.raises(ConfigError, match=message) as caught:
        simulate(protocol)
    assert f"own.py:{function}" in str(caught.value) and "\n" not in str(caught.value)


def test_a_stimulus_set_says_what_is_wrong_with_itself() -> None:
    with pytest.raises(ConfigError, match="stimulus set 'mine' must give targets as a numpy array, got int"):
        Stimuli(np.ones((2, 2)), 3).check("mine")  # type: ignore[arg-type]


def sequences(**given: Any) -> Stimuli:
    """Two sequences of three moments."""
    return Stimuli(np.ones((2, 3, 4)), np.ones((2, 3, 1)), **given)


@pytest.mark.parametrize(
    ("stimuli", "message"),
    [
        (Stimuli(np.ones((2, 3)), np.ones((2, 2)), threshold=0.5), "a threshold and 2 outputs; a threshold needs a s"),
        (Stimuli(np.ones((2, 3)), np.ones((2, 1)), threshold=np.nan), "gave the threshold nan, expected a finite num"),
        (
            Stimuli(np.ones((2, 3)), np.ones((2, 1)), np.ones((2, 1), bool), threshold=0.0),
            r"'acceptable' \(2, 1\), expected \(2, 2\)",
        ),
        (Stimuli(np.ones((2, 3)), np.ones((2, 1)), held_out=np.zeros(3, bool)), r"'held_out' \(3,\) of bool, expec"),
        (Stimuli(np.ones((2, 3)), np.ones((2, 1)), held_out=np.zeros(2)), r"'held_out' \(2,\) of float64, expected"),
        (Stimuli(np.ones((2, 3)), np.ones((2, 1)), held_out=np.ones(2, bool)), "holds all stimuli out; leave at lea"),
        (Stimuli(np.ones((2, 3)), np.ones((2, 1)), counts=np.ones((2, 3), bool)), "gave 'counts' without time"),
        (Stimuli(np.ones((2, 3, 4)), np.ones((2, 1))), r"gave inputs \(2, 3, 4\) and targets \(2, 1\); expected"),
        (Stimuli(np.ones((2, 3, 4)), np.ones((2, 2, 1))), r"gave inputs \(2, 3, 4\) and targets \(2, 2, 1\); exp"),
        (sequences(private=True), "gave private sequences; private stimuli need inputs"),
        (sequences(counts=np.ones((2, 4), bool)), r"'counts' \(2, 4\) of bool, expected \(2, 3\)"),
        (sequences(counts=np.eye(2, 3).astype(bool)[[0, 0]] & np.array([[True], [False]])), "output never counts"),
    ],
)
def test_what_is_held_out_private_thresholded_or_timed_is_checked(stimuli: Stimuli, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        stimuli.check("mine")


def test_possible_sequences_and_masks_pass_the_check() -> None:
    counts = np.array([[False, False, True], [True, False, True]])
    sequences(counts=counts, acceptable=np.ones((2, 2), bool), threshold=0.0).check("mine")
    Stimuli(np.ones((2, 3)), np.ones((2, 1)), held_out=np.array([True, False]), private=True).check("mine")
