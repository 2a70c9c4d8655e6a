"""The stimulus sets of machine-learning tasks: exclusive or, twelve bits, digits, uniform samples."""

import gzip
import struct
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from neurofa.errors import ConfigError, ProtocolError
from neurofa.members import animal_stimuli, batches
from neurofa.protocol import Protocol, load_protocol, protocol_from
from neurofa.run_folder import read_protocol, store_protocol
from neurofa.simulation import simulate
from neurofa.stimuli import Stimuli
from neurofa.stimuli.digits import digits
from neurofa.stimuli.twelve_bits import icosahedron, twelve_bits
from neurofa.stimuli.uniform_samples import uniform_samples
from neurofa.stimuli.xor import xor


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("coding", "low", "threshold"), [("plus_minus_one", -1, 0), ("zero_one", 0, 0.5)])
def test_exclusive_or_is_that(coding: Any, low: float, threshold: float) -> None:
    task = xor(random(), coding=coding)
    task.check("xor")
    np.testing.assert_array_equal(task.inputs, [[low, low], [low, 1], [1, low], [1, 1]])
    np.testing.assert_array_equal(task.targets, [[low], [1], [1], [low]])
    assert task.threshold == threshold and task.acceptable is not None
    reported = (task.targets[:, 0] > task.threshold).astype(int)
    assert task.acceptable[np.arange(4), reported].all() and not task.acceptable[np.arange(4), 1 - reported].any()
    assert task.labels["class"].tolist() == reported.tolist()


def test_no_linear_readout_solves_exclusive_or() -> None:
    task = xor(random())
    with_bias = np.column_stack([task.inputs, np.ones(4)])
    weights, *_ = np.linalg.lstsq(with_bias, task.targets, rcond=None)
    np.testing.assert_allclose(weights, 0, atol=1e-12)


def test_the_vertices_are_those_of_an_icosahedron() -> None:
    cosines = icosahedron() @ icosahedron().T
    values, counts = np.unique(np.round(cosines, 9), return_counts=True)
    np.testing.assert_allclose(values, [-1, -(5**-0.5), 5**-0.5, 1], atol=1e-9)
    assert counts.tolist() == [12, 60, 60, 12]


def rotations() -> list[np.ndarray]:
    """The 60 rotations of the icosahedron as permutations of its vertices."""
    vertices = icosahedron()
    found = []
    first, second = vertices[0], vertices[np.flatnonzero(np.isclose(vertices @ vertices[0], 5**-0.5))[0]]
    frame = np.column_stack([first, second, np.cross(first, second)])
    for one, other in permutations(range(12), 2):
        if np.isclose(vertices[one] @ vertices[other], 5**-0.5):
            image = np.column_stack([vertices[one], vertices[other], np.cross(vertices[one], vertices[other])])
            turned = vertices @ (image @ np.linalg.inv(frame)).T
            place = np.argmax(turned @ vertices.T, 1)
            np.testing.assert_allclose(turned, vertices[place], atol=1e-9)
            found.append(place)
    return found


def class_of(task: Stimuli, bits: np.ndarray) -> np.ndarray:
    """Classes of patterns, looked up in the whole set."""
    number = (task.inputs > 0) @ (2 ** np.arange(12))
    table = np.empty(4096, int)
    table[number] = task.labels["class"]
    return table[bits @ (2 ** np.arange(12))]


def test_the_class_of_twelve_bits_is_the_same_after_every_rotation_and_not_after_another_swap() -> None:
    task = twelve_bits(random())
    bits = (task.inputs > 0).astype(int)
    turns = rotations()
    assert len({tuple(turn) for turn in turns}) == 60
    for turn in turns:
        np.testing.assert_array_equal(class_of(task, bits[:, turn]), task.labels["class"])
    np.testing.assert_array_equal(class_of(task, 1 - bits), task.labels["class"])
    neighbour = int(np.flatnonzero(np.isclose(icosahedron() @ icosahedron()[0], 5**-0.5))[0])
    swap = np.arange(12)
    swap[[0, neighbour]] = neighbour, 0
    changed = class_of(task, bits[:, swap]) != task.labels["class"]
    assert changed.mean() > 0.1


def test_all_patterns_of_twelve_bits_are_there_and_half_of_them_lie_above_the_median() -> None:
    task = twelve_bits(random())
    task.check("twelve_bits")
    assert len(np.unique(task.inputs, axis=0)) == 4096 and task.labels["class"].sum() == 2048
    power, median = task.labels["power"], np.median(task.labels["power"])
    assert np.abs(power - median).min() == pytest.approx(0.633437, abs=1e-6)
    np.testing.assert_array_equal(task.targets.argmax(1), power > median)
    np.testing.assert_array_equal(task.acceptable, task.targets > 0)
    other = twelve_bits(random(), coding="zero_one")
    np.testing.assert_array_equal(other.inputs, (task.inputs + 1) / 2)
    np.testing.assert_array_equal(other.targets, task.targets)


def test_the_power_is_the_sum_over_the_spherical_harmonics() -> None:
    """The addition theorem: (2l + 1) / (4 pi) P_l(u . v) = sum_m Y_lm(u) Y_lm(v)*."""
    from scipy.special import sph_harm_y

    from neurofa.stimuli.twelve_bits import POWER_WEIGHTS, spherical_power

    bits = random().integers(0, 2, (30, 12))
    x, y, z = icosahedron().T
    expected = np.zeros(30)
    for degree, weight in enumerate(POWER_WEIGHTS):
        for order in range(-degree, degree + 1):
            harmonic = sph_harm_y(degree, order, np.arccos(z), np.arctan2(y, x))
            expected += weight * 4 * np.pi / (2 * degree + 1) * np.abs((2 * bits - 1) @ harmonic) ** 2
    np.testing.assert_allclose(spherical_power(bits), expected, atol=1e-8)


def test_digits_are_those_of_scikit_learn_with_the_same_split_in_all_animals() -> None:
    shown = digits(random())
    shown.check("digits")
    images, digit = load_digits(return_X_y=True)
    np.testing.assert_allclose(shown.inputs, images / 16)
    assert shown.inputs.min() == 0 and shown.inputs.max() == 1
    np.testing.assert_array_equal(shown.targets.argmax(1), digit)
    np.testing.assert_array_equal(shown.labels["digit"], digit)
    assert shown.held_out is not None and shown.held_out.sum() == round(0.25 * 1797)
    np.testing.assert_array_equal(shown.labels["part"] == "held_out", shown.held_out)
    again, other = digits(random(5)), digits(random(), split_seed=2)
    np.testing.assert_array_equal(shown.held_out, again.held_out)
    assert (shown.held_out != other.held_out).any()


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.9])
def test_every_digit_is_held_out_in_its_share(fraction: float) -> None:
    shown = digits(random(), held_out=fraction)
    assert shown.held_out is not None
    for digit in range(10):
        own = shown.labels["digit"] == digit
        assert abs(shown.held_out[own].sum() - fraction * own.sum()) < 1


def test_what_is_learned_of_the_digits_tells_those_that_are_held_out() -> None:
    shown = digits(random())
    learned = ~shown.held_out
    model = LogisticRegression(max_iter=300).fit(shown.inputs[learned], shown.labels["digit"][learned])
    assert model.score(shown.inputs[~learned], shown.labels["digit"][~learned]) > 0.94


def test_standardised_pixels_have_mean_0_and_sd_1_where_they_are_learned() -> None:
    shown = digits(random(), scaling="standardised")
    learned = ~shown.held_out
    np.testing.assert_allclose(shown.inputs[learned].mean(0), 0, atol=1e-5)
    sd = shown.inputs[learned].std(0)
    plain = digits(random()).inputs
    never = np.ptp(plain[learned], axis=0) == 0
    assert never.any() and (sd[never] == 0).all()
    np.testing.assert_allclose(sd[~never], 1, atol=1e-4)


def test_some_digits_can_be_left_out_and_none_held_out() -> None:
    shown = digits(random(), classes=(8, 3), held_out=0)
    assert shown.held_out is None and set(shown.labels["digit"]) == {3, 8} and shown.targets.shape[1] == 2
    np.testing.assert_array_equal(shown.targets[:, 0] == 1, shown.labels["digit"] == 8)
    for classes in ((3,), (3, 3)):
        with pytest.raises(ConfigError, match="stimuli.classes must list at least two different digits, got"):
            digits(random(), classes=classes)
    with pytest.raises(ConfigError, match="held_out 0.999 of 1797 images leaves 2 to learn; lower it"):
        digits(random(), held_out=0.999)


def write_idx(file: Path, values: np.ndarray) -> None:
    """One IDX file; the format's own header."""
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    content = header + values.astype(np.uint8).tobytes()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    """A folder of 60 training and 20 test images of 3 x 4 pixels; half of the files compressed."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, number in (("train", 60), ("t10k", 20)):
        images = random(number).integers(0, 256, (number, 3, 4))
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(number) % 10)
    return folder


def test_mnist_files_are_read_with_the_test_images_held_out(mnist: Path) -> None:
    shown = digits(random(), mnist_folder=str(mnist), training_images=0, test_images=0)
    shown.check("digits")
    expected = np.concatenate([random(number).integers(0, 256, (number, 12)) for number in (60, 20)])
    np.testing.assert_allclose(shown.inputs, expected / 255, rtol=1e-6)
    np.testing.assert_array_equal(shown.labels["digit"], np.arange(80) % 10)
    np.testing.assert_array_equal(shown.held_out, np.arange(80) >= 60)
    few = digits(random(), mnist_folder=str(mnist), training_images=7, test_images=3, classes=(1, 2))
    np.testing.assert_array_equal(few.labels["digit"], [1, 2, 1, 2, 1, 2, 1, 1, 2, 1])
    np.testing.assert_allclose(few.inputs[1], expected[2] / 255, rtol=1e-6)
    (mnist / "train-labels-idx1-ubyte").rename(mnist / "train-labels.idx1-ubyte")
    np.testing.assert_array_equal(
        digits(random(), mnist_folder=str(mnist), training_images=60, test_images=20).targets, shown.targets
    )


def shorten(file: Path) -> None:
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:-1]))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


def empty(file: Path) -> None:
    file.write_bytes(gzip.compress(b""))


def other_magic(file: Path) -> None:
    file.write_bytes(gzip.compress(struct.pack(">IIII", 0x00000D03, 60, 3, 4) + bytes(720 * 4)))


def not_compressed(file: Path) -> None:
    file.write_bytes(gzip.decompress(file.read_bytes()))


def no_images(file: Path) -> None:
    file.write_bytes(gzip.compress(struct.pack(">IIII", 0x00000803, 0, 3, 4)))


def fewer(file: Path) -> None:
    write_idx(file, np.zeros((59, 3, 4)))


def larger(file: Path) -> None:
    write_idx(file, np.zeros((60, 4, 4)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shorten, "train-images-idx3-ubyte.gz states 60 x 3 x 4 bytes and holds 719; fetch it again"),
        (cut, "train-images-idx3-ubyte.gz cannot be read"),
        (not_compressed, "train-images-idx3-ubyte.gz cannot be read"),
        (empty, "has 0 bytes, too few for the header"),
        (other_magic, "starts with 0x00000d03, expected 0x00000803 for an IDX file of images"),
        (no_images, "states 0 x 3 x 4 bytes and holds 0"),
        (fewer, "train-images-idx3-ubyte.gz holds 59 images and train-labels-idx1-ubyte 60 labels"),
        (larger, r"are of different size, \(4, 4\) and \(3, 4\)"),
        (Path.unlink, "no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in"),
    ],
)
def test_broken_mnist_files_are_refused_in_one_sentence(mnist: Path, spoil: Any, message: str) -> None:
    spoil(mnist / "train-images-idx3-ubyte.gz")
    with pytest.raises(ConfigError, match=message) as caught:
        digits(random(), mnist_folder=str(mnist), training_images=0, test_images=0)
    assert "\n" not in str(caught.value)


def test_what_mnist_files_do_not_hold_is_refused(mnist: Path) -> None:
    with pytest.raises(ConfigError, match="stimuli.training_images is 61, but .* holds 60 such images"):
        digits(random(), mnist_folder=str(mnist), training_images=61, test_images=0)
    with pytest.raises(ConfigError, match="stimuli.test_images is 5, but .* holds 4 such images of the chosen digits"):
        digits(random(), mnist_folder=str(mnist), training_images=0, test_images=5, classes=(4, 9))
    with pytest.raises(ConfigError, match="mnist_folder '.*nowhere' is no folder; give the one that holds the MNIST"):
        digits(random(), mnist_folder=str(mnist / "nowhere"))
    write_idx(mnist / "t10k-labels-idx1-ubyte", np.full(20, 11))
    with pytest.raises(ConfigError, match="t10k-labels-idx1-ubyte holds the label 11, expected digits from 0 to 9"):
        digits(random(), mnist_folder=str(mnist), training_images=0, test_images=0)


def mnist_protocol(folder: Path, **stimuli: Any) -> Protocol:
    values = {"stimuli": {"kind": "digits", "training_images": 10, "test_images": 4} | stimuli}
    return protocol_from(values | {"cohort": {"animals": 1}}, folder)


def test_the_mnist_folder_is_found_from_the_protocol_and_from_the_run_folder(mnist: Path, tmp_path: Path) -> None:
    protocol = mnist_protocol(tmp_path, mnist_folder="mnist")
    first = animal_stimuli(batches(protocol)[0][0])
    assert first.inputs.shape == (14, 12)
    run = tmp_path / "runs" / "one"
    run.mkdir(parents=True)
    stored = store_protocol(protocol, run)
    assert stored.stimuli.parameters()["mnist_folder"] == str(Path("..", "..", "mnist"))
    again = animal_stimuli(batches(read_protocol(run))[0][0])
    np.testing.assert_array_equal(first.inputs, again.inputs)
    plain = tmp_path / "runs" / "two"
    plain.mkdir()
    assert store_protocol(mnist_protocol(tmp_path), plain).stimuli.parameters()["mnist_folder"] == ""


def test_parameters_of_the_tasks_are_checked() -> None:
    for stimuli, message in (
        ({"kind": "digits", "classes": [1, 12]}, "classes"),
        ({"kind": "digits", "scaling": "inverse"}, "scaling must be 'unit' or 'standardised'"),
        ({"kind": "xor", "coding": "two"}, "coding must be 'plus_minus_one' or 'zero_one'"),
    ):
        with pytest.raises(ProtocolError, match=message):
            protocol_from({"stimuli": stimuli})
    shipped = load_protocol("linear_track")
    assert shipped.stimuli.kind == "linear_track"


def test_uniform_samples_are_uniform_private_and_independent() -> None:
    samples = uniform_samples(random())
    samples.check("uniform_samples")
    assert samples.private and samples.acceptable is None
    assert samples.inputs.shape == (20_000, 6) and samples.targets.shape == (20_000, 1)
    both = np.column_stack([samples.inputs, samples.targets])
    assert np.abs(both).max() <= 0.5
    np.testing.assert_allclose(both.mean(0), 0, atol=5 / np.sqrt(12 * 20_000))
    np.testing.assert_allclose(both.var(0), 1 / 12, rtol=0.03)
    np.testing.assert_allclose(np.corrcoef(both.T), np.eye(7), atol=5 / np.sqrt(20_000))
    assert uniform_samples(random(), samples=5, units=2, outputs=3).targets.shape == (5, 3)


def learned(kind: str, hidden: list[int], biases: bool, passes: int, **stimuli: Any) -> Any:
    """Probe of two animals that learn a task by backpropagation."""
    values: dict[str, Any] = {
        "cohort": {"animals": 2},
        "network": {"hidden": hidden, "activation": "tanh", "biases": biases, "readout_scale": 1.0},
        "rule": {"name": "bp", "learning_rate": 0.3, "readout_learning_rate": 0.3},
        "stimuli": {"kind": kind} | stimuli,
        "schedule": {"passes": passes, "batch_size": 0 if kind == "xor" else 32},
        "observation": {"kind": "none"},
    }
    return simulate(protocol_from(values))["probe"].isel(session=-1)


def test_exclusive_or_is_learned_with_biases_and_half_of_it_at_best_without() -> None:
    np.testing.assert_array_equal(learned("xor", [8], True, 500)["correct"], 1)
    without = learned("xor", [8], False, 500)
    np.testing.assert_allclose(without["output"].values[:, 0], -without["output"].values[:, 3], atol=1e-6)
    # outputs may end at the threshold itself, where rounding decides; of those beyond it every second one is wrong
    clear = abs(without["output"].values[..., 0]) > 1e-5
    assert ((without["correct"].values == 1) & clear).mean(1).max() <= 0.5


def test_digits_that_were_held_out_are_told_apart_after_learning_the_others() -> None:
    probe = learned("digits", [30], True, 10, classes=[0, 1, 2])
    held_out = probe["part"].values == "held_out"
    assert 0.2 < held_out.mean() < 0.3
    assert (probe["correct"].values[:, held_out].mean(1) > 0.93).all()
