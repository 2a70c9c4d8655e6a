"""Spiking networks: neurons that follow rates, equations that mean the same to every compiler, calls that repeat."""

import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from neurofa.errors import ConfigError, ShapeError
from neurofa.networks import forward
from neurofa.rules.names import Choices
from neurofa.spiking import equations, places, schedule
from neurofa.spiking.calling import Compiled, spiking_network
from neurofa.spiking.neurons import calibrate
from neurofa.spiking.places import code_target, compiler
from tests import spiking

pytestmark = pytest.mark.skipif(find_spec("brian2") is None, reason="the extra neurofa[spiking] is not installed")

FA = Choices("error", "layerwise", "fixed")
EIGHT_TRIALS = 64


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """One network that learns, compiled once for all tests."""
    if not compiler():
        pytest.skip("no g++ and make here: C++ programs cannot be built")
    own = replace(spiking.architecture([6, 8, 3], FA, error="spiking", inputs="poisson"), n_bins=EIGHT_TRIALS)
    return Compiled(own, tmp_path_factory.mktemp("programs"))


@pytest.mark.parametrize(("rho", "tau_ms"), [(50.0, 20.0), (100.0, 20.0), (50.0, 50.0)])
def test_neurons_of_brian2_fire_as_rectified_linear_units(rho, tau_ms):
    activation = np.tile(np.linspace(-1, 6, 71), 6)
    own = spiking.architecture([1, len(activation), 1], hz_per_unit=rho, membrane_ms=tau_ms)
    given = spiking.arrays(own) | {
        "stimulus": np.zeros((own.n_bins, 1)),
        "weights 0": np.zeros((len(activation), 1)),
        "bias 0": activation,
    }
    n_bins = 86
    counts = spiking.call(own, given, n_bins=n_bins)["count 0"]
    rate = (counts[-1] - counts[6]) / ((n_bins - 6) * 0.05)
    miss = rate.reshape(6, -1).mean(0) - rho * np.maximum(activation[:71], 0)
    # over all that the shipped protocols use, and where most units are
    for most in (6, 4, 2, 1):
        assert np.sqrt(np.mean(miss[activation[:71] <= most] ** 2)) < 1.6
    assert np.sqrt(np.mean(miss**2)) < 1.5
    # the map says of itself how far it misses
    fit = calibrate(rho, tau_ms / 1000, 0.15, 0.001)
    assert abs(np.sqrt(np.mean(miss**2)) - fit.rms_hz) < 0.7
    assert fit.rms_hz < 1.5
    assert fit.highest_hz == 6 * rho


def test_a_neuron_without_calibration_would_not():
    fit = calibrate(50.0, 0.02, 0.15, 0.001)
    # threshold 1 and drive 1 + rho tau a, as without noise, miss by far
    assert abs(fit.J0 - 1) > 0.3


@pytest.mark.parametrize("error", ["graded", "spiking"])
@pytest.mark.parametrize("slope", ["derivative", "one"])
@pytest.mark.parametrize("feedback", ["fixed", "transpose", "sign"])
def test_no_pathway_reads_what_it_writes_in_the_same_step(error, slope, feedback):
    own = spiking.architecture([4, 5, 6, 3], Choices("error", "layerwise", feedback, slope=slope), error=error)
    assert order_dependent(own) == []


def test_naive_equations_would(monkeypatch):
    # the slope of the activation itself, read by synapses: numpy and C++ disagree, without a warning
    own = spiking.architecture([4, 5, 3], FA)
    hidden = equations.hidden

    def with_slope_of(*texts):
        def naive_hidden(*args):
            arguments = hidden(*args)
            model = arguments["model"]
            for text, naive in zip(texts[::2], texts[1::2], strict=True):
                model = model.replace(text, naive)
            return arguments | {"model": model}

        monkeypatch.setattr(equations, "hidden", naive_hidden)
        return order_dependent(own)

    # each of two things protects them: the smoothed copy, and that it is worked out once per step
    assert with_slope_of("int(smoothed > 0)", "int(a > 0)") == []
    assert with_slope_of(" (constant over dt)", "") == []
    both = with_slope_of("int(smoothed > 0)", "int(a > 0)", " (constant over dt)", "")
    assert both == [(0, "pre", "I")]


def order_dependent(own):
    """Pathways in which a synapse reads what another synapse of the same pathway writes: (layer, pathway, variable)."""
    models = [equations.inputs(own.inputs), *(equations.hidden(own, n) for n in range(own.n_hidden))]
    models = [one["model"] for one in [*models, equations.output(own)]]
    found = []
    for number in range(own.n_hidden + 1):
        _, spikes, events = equations.forward(own, number)
        pathways = spikes | events
        for name, statements in pathways.items():
            written, read = set(), set()
            for statement in re.split("[\n;]", statements):
                target, value = re.split(r"[+-]?=", statement, maxsplit=1)
                written |= {target.strip()} if target.strip().endswith(("_pre", "_post")) else set()
                for variable, side in re.findall(r"(\w+)_(pre|post)\b", value):
                    inside = depends_on(models[number + (side == "post")], variable)
                    read |= {f"{one}_{side}" for one in inside}
            found += [(number, name, one.rsplit("_", 1)[0]) for one in sorted(written & read)]
    return found


def depends_on(model, variable):
    """A variable and all that it is made of in the moment; what is constant over a step is not."""
    expressions = dict(re.findall(r"^(\w+) = (.*) : 1$", model, re.M))
    found, stack = set(), [variable]
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack += re.findall(r"[A-Za-z_]\w*", expressions.get(name, ""))
    return found


def test_a_neuron_that_fires_in_every_time_step_does_not_learn_to_fire_more():
    own = replace(spiking.architecture([4, 6, 3], FA), n_bins=EIGHT_TRIALS)
    ceiling = 1 / (50 * 0.001)
    drive = np.array([0.1, 0.5, 0.9, 1.1, 1.5, 3]) * ceiling
    slow = {"weights 0": np.zeros((6, 4)), "bias 0": drive, "rate 0": np.array(0.0005)}
    given = spiking.arrays(own) | slow
    found = spiking.call(own, given)
    learned = np.abs(found["weights 0"]).max(axis=1)
    assert (learned[:3] > 0).all()
    assert (learned[3:] == 0).all()
    counts = np.diff(found["count 0"][8:], axis=0).mean(0)
    # spikes per bin of 50 steps
    np.testing.assert_allclose(counts, 50 * np.minimum(drive / ceiling, 1), atol=1)


#: what reaches apical dendrites, beside the product of feedback weights and error that it stands for
APICAL = """
import brian2, numpy
from neurofa.rules.names import Choices
from neurofa.spiking.model import Model
from tests import spiking

brian2.prefs.codegen.target = "numpy"
own = spiking.architecture([6, 5, 3], Choices({signal!r}, "layerwise", {feedback!r}))
model, given = Model(own, brian2), spiking.arrays(own)
hidden = brian2.StateMonitor(model.units[1], "U", record=True)
output = brian2.StateMonitor(model.units[2], "teach", record=True)
model.network.add(hidden, output)
model.run(given, 1, 8)
# nothing is fed back in the very first step; in the bins without learning nothing is taught
sent = output.teach[:, 1:]
open_ = (sent != 0).any(0)
print(abs(given["feedback 0"] @ sent - hidden.U[:, 1:])[:, open_].max(), abs(hidden.U[:]).max(), open_.sum())
"""


@pytest.mark.parametrize("signal", ["error", "target"])
def test_feedback_added_up_at_events_is_the_product_of_weights_and_signal(signal):
    script = APICAL.format(signal=signal, feedback="fixed")
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wrong, largest, steps = (float(number) for number in done.stdout.split())
    assert wrong < 1e-12 and largest > 0.1 and steps > 100


def test_weights_lie_in_the_order_of_their_matrix():
    own = spiking.architecture([4, 6, 3])
    given = spiking.arrays(own) | {name: np.zeros(shape) for name, shape in own.shapes().items() if "weights" in name}
    given["stimulus"] = np.zeros((own.n_bins, 4))
    given["stimulus"][:, 2] = 1
    given |= {"bias 0": np.full(6, -1.0), "bias 1": np.full(3, -2.0)}
    given["weights 0"][5, 2], given["weights 1"][1, 5] = 3, 3
    results = spiking.call(own, given, n_bins=10)
    assert np.flatnonzero(results["count 0"][-1]).tolist() == [5]
    assert np.flatnonzero(results["count 1"][-1]).tolist() == [1]


def test_inputs_below_zero_push_the_other_way():
    own = spiking.architecture([1, 2, 1])
    given = spiking.arrays(own) | {"stimulus": np.full((own.n_bins, 1), -1.5), "bias 0": np.zeros(2)}
    given["weights 0"] = np.array([[1.0], [-1.0]])
    counts = spiking.call(own, given, n_bins=20)["count 0"][-1]
    assert counts[0] < 5
    assert counts[1] == pytest.approx(75, rel=0.1)


def test_folded_weights_give_the_rates_of_gains_thresholds_and_excitability():
    network = spiking.relu([5, 7, 6, 3], extras=True)
    plain = network.copy()
    for layer in plain.layers[:-1]:
        weights, bias = schedule.folded(layer)
        layer.weights, layer.bias = torch.from_numpy(weights)[None], torch.from_numpy(bias)[None]
        layer.gain = layer.threshold = layer.excitability = None
    stimuli = torch.randn(1, 9, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for first, second in zip(forward(network, stimuli).rates, forward(plain, stimuli).rates, strict=True):
        torch.testing.assert_close(first, second)


def test_numpy_and_cpp_spike_alike_and_learn_alike(compiled):
    given = spiking.arrays(compiled.architecture)
    first = compiled.call(given, 11, EIGHT_TRIALS)
    second = spiking.call(compiled.architecture, given, 11)
    assert first.keys() == second.keys()
    for name in first:
        if name.startswith("count"):
            np.testing.assert_array_equal(first[name], second[name])
        else:
            np.testing.assert_allclose(first[name], second[name], rtol=0, atol=1e-12)
    assert first["count 0"][-1].sum() > 50
    assert np.abs(first["weights 0"] - given["weights 0"]).max() > 1e-3
    assert np.abs(first["weights 1"] - given["weights 1"]).max() > 1e-3


def test_equal_seeds_repeat_alone_and_side_by_side(compiled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = spiking.arrays(compiled.architecture)
    files = sorted(path.name for path in compiled.folder.rglob("*"))
    alone = [compiled.call(given, seed, EIGHT_TRIALS) for seed in (1, 2)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: compiled.call(given, seed, EIGHT_TRIALS), (1, 2, 1, 2)))
    for number, results in enumerate(together):
        for name, values in results.items():
            np.testing.assert_array_equal(values, alone[number % 2][name])
    assert not np.array_equal(alone[0]["count 0"], alone[1]["count 0"])
    # the program is only read: results lie in folders of the calls
    assert sorted(path.name for path in compiled.folder.rglob("*")) == files
    assert list(tmp_path.iterdir()) == []


def test_a_call_can_be_shorter_than_the_program(compiled):
    given = spiking.arrays(compiled.architecture)
    whole, part = (compiled.call(given, 5, bins) for bins in (EIGHT_TRIALS, 16))
    assert part["count 0"].shape == (17, 8)
    np.testing.assert_array_equal(part["count 0"], whole["count 0"][:17])


def test_programs_are_built_once_and_whole(compiled):
    cache = compiled.folder.parent
    again = Compiled(compiled.architecture, cache)
    assert again.folder == compiled.folder
    assert [path.name for path in cache.iterdir()] == [compiled.folder.name]


@pytest.mark.parametrize("target", ["numpy", "cpp_standalone"])
def test_wrong_arrays_are_refused_before_anything_runs(target, request):
    own = request.getfixturevalue("compiled") if target == "cpp_standalone" else None
    network = own or spiking_network(spiking.architecture([6, 8, 3], FA), "numpy")
    given = spiking.arrays(network.architecture)
    with pytest.raises(ShapeError, match=r"'weights 0' of a spiking network must be \(8, 6\), got \(6, 8\)"):
        network.call(given | {"weights 0": given["weights 0"].T}, 1, 8)
    with pytest.raises(ShapeError, match="missing or unknown: gate"):
        network.call({name: values for name, values in given.items() if name != "gate"}, 1, 8)
    with pytest.raises(ShapeError, match="'bias 0' .* not finite"):
        network.call(given | {"bias 0": np.full(8, np.nan)}, 1, 8)
    with pytest.raises(ShapeError, match="bins, got 100000"):
        network.call(given, 1, 100000)
    if own is None:
        network.close()


def test_a_program_that_complains_is_an_error(compiled, tmp_path):
    broken = shutil.copytree(compiled.folder, tmp_path / "programs" / compiled.folder.name)
    network = Compiled(compiled.architecture, tmp_path / "programs")
    assert network.folder == broken
    network._manifest["arguments"]["gate"] = "nothing.values"
    with pytest.raises(Exception, match="the compiled spiking network failed .*nothing.values"):
        network.call(spiking.arrays(network.architecture), 1, 8)


def test_without_a_compiler_numpy_does(monkeypatch):
    monkeypatch.setattr("neurofa.spiking.places.compiler", lambda: "")
    assert code_target("auto") == "numpy"
    with pytest.raises(ConfigError, match="set spiking.code_target to numpy"):
        code_target("cpp_standalone")


@pytest.mark.parametrize(
    ("choices", "settings"),
    [
        (Choices("error", "layerwise", "walking"), {}),
        (Choices("error", "readout", "noisy", noise_kind="normal"), {"error": "spiking"}),
        (Choices("error", "layerwise", "sign", sign_magnitudes="batch"), {}),
        (Choices("error", "layerwise", "transpose", slope="one"), {"error": "spiking", "homeostasis": True}),
    ],
)
def test_every_rule_moves_the_weights_of_every_layer(choices, settings):
    own = spiking.architecture([5, 6, 4, 3], choices, **settings)
    given = spiking.arrays(own)
    learned = spiking.call(own, given, n_bins=16)
    for number in range(3):
        assert np.abs(learned[f"weights {number}"] - given[f"weights {number}"]).max() > 0
    if choices.feedback_weights == "walking":
        # two updates at most in two trials: the walk is not that of every time step
        moved = learned["feedback 0"] - given["feedback 0"]
        assert 0 < moved.std() < 0.5


def test_nothing_is_learned_while_the_gate_is_shut(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = spiking.architecture([5, 6, 3], FA)
    given = spiking.arrays(own) | {"gate": np.zeros(own.n_bins)}
    learned = spiking.call(own, given, n_bins=16)
    for name in ("weights 0", "weights 1", "bias 0", "bias 1"):
        np.testing.assert_array_equal(learned[name], given[name])
    # and nothing is left where the command was typed
    assert list(tmp_path.iterdir()) == []


def test_brian2_stays_out_of_this_process():
    assert "brian2" not in sys.modules


def test_calls_hand_over_in_memory_where_there_is_room_and_nobody_chose_otherwise(monkeypatch, tmp_path):
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(places, "_IN_MEMORY", tmp_path)
    monkeypatch.setattr(places, "_ROOM", 0)
    assert places.exchange_folder() == str(tmp_path)
    monkeypatch.setattr(places, "_ROOM", 2**80)
    assert places.exchange_folder() is None
    monkeypatch.setattr(places, "_ROOM", 0)
    monkeypatch.setattr(places, "_IN_MEMORY", tmp_path / "absent")
    assert places.exchange_folder() is None
    monkeypatch.setattr(places, "_IN_MEMORY", tmp_path)
    monkeypatch.setenv("TMPDIR", "/tmp")
    assert places.exchange_folder() is None
