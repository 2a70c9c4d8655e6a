"""What the speed benchmarks measure with: networks, sessions, the plain loop in torch, and the machine's own limits."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from neurofa.compiled.products import blas_addresses, gather, onward
from neurofa.draws import Draws
from neurofa.learning import Learned, Session, learn_session
from neurofa.networks import Layer, Network
from neurofa.rules.names import LEARNING_NOISE, NAMED_RULES, Choices
from neurofa.rules.rule import Rates, Rule

SIZES = {"small": (20, 64, 10), "medium": (100, 200, 10), "large": (784, 500, 500, 10)}
#: stimuli of a session, shown in a new random order in every pass
N_STIMULI = 128


def best_of(function: Callable[[], object], repeats: int) -> float:
    """Shortest wall time, s."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def cohort(name: str, n_animals: int, *, everything: bool, device: str = "cpu") -> Network:
    """Networks with biases and running moments; with everything, thresholds, gains and excitability too."""
    random = torch.Generator().manual_seed(1)
    layers = []
    sizes = SIZES[name]

    def normal(*shape: int) -> Tensor:
        return torch.randn(n_animals, *shape, generator=random).to(device)

    for pre, post in zip(sizes[:-1], sizes[1:], strict=True):
        layer = Layer(normal(post, pre) / pre**0.5, bias=torch.zeros(n_animals, post, device=device))
        if len(layers) < len(sizes) - 2:
            layer.drive_mean, layer.drive_square = normal(post) * 0, normal(post) * 0 + 1
            if everything:
                layer.threshold, layer.gain = normal(post) * 0.1, (0.1 * normal(post)).exp()
                layer.excitability, layer.target_active = 0.1 * normal(post), torch.sigmoid(normal(post))
        layers.append(layer)
    return Network(layers, "tanh", "squared_error")


def numbers(n_animals: int, device: str = "cpu") -> Rates:
    """Numbers of the rule, small enough that nothing explodes."""
    given = dict.fromkeys(Rates.__dataclass_fields__, 0.01) | {"hidden": 1e-3, "readout": 1e-3, "feedback_scale": 1.0}
    given |= dict.fromkeys((*LEARNING_NOISE, "activity_penalty"), 0.0)
    return Rates(**{name: torch.full((n_animals, 1, 1), value, device=device) for name, value in given.items()})


def whole_session(
    name: str, rule: str, batch_size: int, n_animals: int, passes: int, threads: int, *, everything: bool, device: str
) -> tuple[Callable[[], Learned], int]:
    """One call of the engine's waist with all that a session has, and the number of updates in it."""
    row, sizes = NAMED_RULES[rule], SIZES[name]
    choices = Choices(row.teaching_signal, row.pathway, row.feedback_weights)
    network, rates = cohort(name, n_animals, everything=everything, device=device), numbers(n_animals, device)
    Rule(choices, rates).birth(network, Draws(1, range(n_animals), ("birth",), device=device))
    random = torch.Generator().manual_seed(2)
    targets = torch.randn(n_animals, N_STIMULI, sizes[-1], generator=random).to(device)
    session = Session(
        stimuli=torch.randn(n_animals, N_STIMULI, sizes[0], generator=random).to(device),
        targets=targets,
        acceptable=targets == targets.max(-1, keepdim=True).values,
        passes=passes,
        batch_size=batch_size,
        noise_sd=torch.full((n_animals, 1, 1), 0.1 if everything else 0.0, device=device),
        homeostasis_rate=torch.full((n_animals, 1), 1e-3, device=device),
    )
    occasions = iter(range(10**6))

    def live() -> Learned:
        draws = Draws(1, range(n_animals), ("session", next(occasions)), device=device)
        return learn_session(network, lambda some: Rule(choices, some), rates, session, draws, threads)

    return live, session.n_updates


def plain_loop(name: str, batch_size: int, n_updates: int, *, noisy: bool = False) -> Callable[[], None]:
    """What one writes first: one network, nn.Linear, autograd and SGD; with noise where the engine has some too."""
    sizes = SIZES[name]
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        for pre, post in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(pre, post), nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    optimiser = torch.optim.SGD(model.parameters(), 1e-3)
    random = torch.Generator().manual_seed(3)
    stimuli = torch.randn(n_updates, batch_size, sizes[0], generator=random)
    targets = torch.randn(n_updates, batch_size, sizes[-1], generator=random)

    def learn() -> None:
        for stimulus, target in zip(stimuli, targets, strict=True):
            given = stimulus + 0.1 * torch.randn(stimulus.shape, generator=random) if noisy else stimulus
            optimiser.zero_grad()
            loss = 0.5 * (model(given) - target).square().sum(1).mean()
            loss.backward()
            optimiser.step()

    return learn


def matrix_peak(threads: int) -> float:
    """Operations per second of large products of matrices in single precision, one per thread at the same time."""
    size = 1536
    values = [np.random.default_rng(n).standard_normal((size, size)).astype(np.float32) for n in range(threads)]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        seconds = best_of(lambda: list(pool.map(lambda one: one @ one, values)), 7)
    return 2 * size**3 * threads / seconds


def operations(name: str, rule: str, batch_size: int) -> int:
    """Additions and multiplications in the matrix products of one update: forward, feedback, change of the weights."""
    sizes = SIZES[name]
    pairs = [pre * post for pre, post in zip(sizes[:-1], sizes[1:], strict=True)]
    feedback = sum(sizes[1:-1]) * sizes[-1] if rule == "dfa" else sum(pairs[1:])
    return 2 * batch_size * (2 * sum(pairs) + feedback)


@numba.njit(nogil=True)
def _products(blas, pairs, direct, batch_size, block, one, zero, weights, inputs, outputs, n_animals, n_rounds):  # type: ignore[no-untyped-def]
    """The matrix products of so many updates of every animal, and nothing else."""
    for animal in range(n_animals):
        own = weights[animal]
        for update in range(n_rounds):
            start = 0
            for layer in range(len(pairs)):
                pre, post = pairs[layer, 0], pairs[layer, 1]
                turned = 1 if post >= pre else 0
                trials = block if layer == 0 else batch_size
                if layer > 0 or update % (block // batch_size) == 0:
                    onward(blas, turned, trials, post, pre, inputs, 0, own, start, zero, outputs, 0)
                if layer > 0:
                    sent = pairs[-1, 1] if direct else post
                    onward(blas, 1 - turned, batch_size, pre, sent, outputs, 0, own, start, zero, inputs, 0)
                if update % (block // batch_size) == 0:
                    gather(blas, turned, block, post, pre, zero, outputs, 0, inputs, 0, one, own, start)
                start += pre * post


def seconds_of_products(
    name: str, rule: str, batch_size: int, n_animals: int, n_updates: int, threads: int, block: int
) -> float:
    """Wall time per network and update of the matrix products alone, done as the compiled engine does them."""
    sizes = SIZES[name]
    pairs = np.array(list(zip(sizes[:-1], sizes[1:], strict=True)))
    shape = (n_animals, int(pairs.prod(1).sum()))
    weights = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    together, share = max(block, batch_size), n_animals // threads
    blas, one = blas_addresses()[0], np.float32(1)

    def some(thread: int) -> None:
        desk = np.zeros((2, together * max(sizes)), dtype=np.float32)
        own = weights[thread * share : (thread + 1) * share]
        zero = np.float32(0)
        _products(blas, pairs, rule == "dfa", batch_size, together, one, zero, own, desk[0], desk[1], share, n_updates)

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        some(0)
        seconds = best_of(lambda: list(pool.map(some, range(threads))), 3)
    return seconds / (share * threads * n_updates)


def loop_threads() -> tuple[int, ...]:
    """Numbers of threads that the plain loop is tried with; the faster one counts."""
    return tuple(sorted({1, os.cpu_count() or 1}))
