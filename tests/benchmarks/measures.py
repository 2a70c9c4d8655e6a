"""
Speed of the measures on 30 sessions x 30 stimuli x 500 units x 20 repeats, all pairs of sessions, on one thread.

``python -m tests.benchmarks.measures`` shows processor seconds of every point estimate (no nulls, no bootstraps, which
repeat these) and their sum, the speed of a matrix product on this core, and ratios to plain loops, to rsatoolbox and
to scikit-learn within this run.
"""

import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm, compare
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances_argmin
from threadpoolctl import threadpool_limits

from neurofa import measures

SESSIONS, STIMULI, REPEATS, UNITS = 30, 30, 20, 500


def seconds(function: Callable[[], object]) -> float:
    """Processor time of one call, s."""
    start = time.process_time()
    function()
    return time.process_time() - start


def made() -> np.ndarray:
    """Responses of units with tuning that changes, and noise in every repeat."""
    rng = np.random.default_rng(0)
    tuning = rng.standard_normal((STIMULI, 1, UNITS)) + 0.5 * rng.standard_normal((SESSIONS, STIMULI, 1, UNITS))
    return 3 + tuning + rng.standard_normal((SESSIONS, STIMULI, REPEATS, UNITS))


def suite(responses: np.ndarray) -> dict[str, Callable[[], object]]:
    """Every point estimate."""
    maps = responses.mean(axis=2)
    halves = np.stack([responses[:, :, ::2].mean(axis=2), responses[:, :, 1::2].mean(axis=2)])
    of_maps = (
        "population_vector_correlation ensemble_rate_correlation tuning_curve_correlation linear_cka "
        "representational_similarity_correlation angle_unaligned_deg angle_procrustes_deg drift_magnitude "
        "angle_between_population_vectors_deg mean_squared_displacement mean_squared_rotation drift_kurtosis "
        "drift_share_of_top_units angle_between_drift_vectors_deg drift_dimensions gain_and_turn"
    )
    of_halves = (
        "population_vector_correlation ensemble_rate_correlation tuning_curve_correlation drift_magnitude "
        "mean_squared_displacement angle_between_drift_vectors_deg drift_dimensions gain_and_turn"
    )
    of_repeats = (
        "compare_variational_spaces session_classifiers cross_day_decoding variation_within_sessions "
        "drift_along_components participation_ratio "
        "alignment_with_noise_directions alignment_with_coding_directions"
    )
    work = {name: (getattr(measures, name), maps) for name in of_maps.split()}
    corrected = [f"{name}_noise_corrected" for name in of_halves.split()]
    work |= {name: (getattr(measures, name), halves) for name in corrected}
    work |= {name: (getattr(measures, name), responses) for name in of_repeats.split()}
    work |= {"split_half_population_vector_correlation": (measures.split_half_population_vector_correlation, halves)}
    calls: dict[str, Callable[[], object]] = {
        name: lambda function=function, values=values: function(values) for name, (function, values) in work.items()
    }
    return calls | of_several_arguments(responses, halves) | of_results(maps, halves, responses)


def of_several_arguments(responses: np.ndarray, halves: np.ndarray) -> dict[str, Callable[[], object]]:
    """Measures that take more than responses."""
    maps, targets, day = responses.mean(axis=2), np.eye(STIMULI)[:, :3], np.arange(SESSIONS)
    rng = np.random.default_rng(1)
    return {
        "representational_drift_index": lambda: measures.representational_drift_index(responses, rng),
        "selectivity_changes": lambda: measures.selectivity_changes(
            measures.selectivity(abs(maps), np.arange(30) < 15)
        ),
        "tuned_units": lambda: measures.tuned_units(halves, rng),
        "decoder_importance": lambda: measures.decoder_importance(responses, targets),
        "decoder_weights": lambda: measures.decoder_weights(responses, targets),
        "readout_fraction": lambda: measures.readout_fraction(maps, np.ones((3, UNITS)) * np.eye(3, UNITS)),
        "session_decoders": lambda: measures.session_decoders(responses, targets),
        "constrained_decoders": lambda: measures.constrained_decoders(responses, targets),
        "adapting_readout": lambda: measures.adapting_readout(responses, targets, day),
        "decode_day": lambda: measures.decode_day(halves, day),
        "angle_procrustes_deg, units rotated": lambda: measures.angle_procrustes_deg(maps, rotated="unit"),
    }


def of_results(maps: np.ndarray, halves: np.ndarray, responses: np.ndarray) -> dict[str, Callable[[], object]]:
    """Measures of what other measures found, and corrections of a measure that they are given."""
    similarity, day = measures.population_vector_correlation(maps), np.arange(SESSIONS)
    importance = measures.decoder_importance(responses, np.eye(STIMULI)[:, :3])
    curve = measures.mean_by_lag(similarity, day)
    curves = np.stack([measures.mean_by_lag(half, day).mean for half in map(measures.linear_cka, halves)])
    corrected = {
        f"correct_for_noise, {name}": lambda name=name: measures.correct_for_noise(getattr(measures, name), halves)
        for name in ("representational_similarity_correlation", "linear_cka")
    }
    return corrected | {
        "noise_ceiling": lambda: measures.noise_ceiling(measures.population_vector_correlation, halves),
        "detect_map_switching": lambda: measures.detect_map_switching(measures.similarity_of_trials(responses)),
        "decode_order": lambda: measures.decode_order(similarity, day),
        "mean_by_lag": lambda: measures.mean_by_lag(similarity, day),
        "fit_exponential": lambda: measures.fit_exponential(curve.lag, curve.mean),
        "fit_diffusion": lambda: measures.fit_diffusion(curve.lag, 1 - curve.mean),
        "compare_decay_forms": lambda: measures.compare_decay_forms(curve.lag, curve.mean),
        "two_stage_decay": lambda: measures.two_stage_decay(curve.lag, curve.mean),
        "compare_decay_forms, animals left out": lambda: measures.compare_decay_forms(
            curve.lag, np.tile(curves, (4, 1))
        ),
        "always_important": lambda: measures.always_important(importance),
    }


def loop_of_population_vectors(maps: np.ndarray) -> None:
    """One correlation after the other."""
    for i in range(SESSIONS):
        for j in range(i, SESSIONS):
            np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(maps[i], maps[j], strict=True)])


def loop_of_similarities(maps: np.ndarray) -> None:
    """Similarity matrices anew for every pair of sessions, as the cells of pairs differ."""
    upper = np.triu_indices(STIMULI, 1)
    for i in range(SESSIONS):
        for j in range(i, SESSIONS):
            np.corrcoef(np.corrcoef(maps[i])[upper], np.corrcoef(maps[j])[upper])


def loop_of_decoders(responses: np.ndarray, again: bool) -> None:
    """Scikit-learn's ridge of every session, tested on every session; fitted again for every pair, or once."""
    targets = np.repeat(np.eye(STIMULI)[:, :3], REPEATS // 2, axis=0)
    train, test = (responses[:, :, start::2].reshape(SESSIONS, -1, UNITS) for start in (0, 1))
    for values in train:
        for number, other in enumerate(test):
            if again or not number:
                model = Ridge(alpha=len(values) * values.var(axis=0).mean(), solver="cholesky").fit(values, targets)
            ((model.predict(other) - targets) ** 2).mean()


def similarities_of_rsatoolbox(maps: np.ndarray) -> np.ndarray:
    """The same by rsatoolbox, which takes all sessions at once."""
    matrices = calc_rdm([Dataset(each) for each in maps], method="correlation")
    return compare(matrices, matrices, method="corr")


def with_gaps(maps: np.ndarray) -> np.ndarray:
    """Maps in which every session lacks a tenth of the units, others in each."""
    rng, gaps = np.random.default_rng(3), maps.copy()
    for values in gaps:
        values[:, rng.permutation(UNITS)[: UNITS // 10]] = np.nan
    return gaps


def similarities_of_common_units(gaps: np.ndarray) -> np.ndarray:
    """The same by rsatoolbox where the units of pairs differ: matrices of common units, one pair after the other."""
    there, found = np.isfinite(gaps).all(axis=1), np.ones((SESSIONS, SESSIONS))
    for i in range(SESSIONS):
        for j in range(i + 1, SESSIONS):
            both = there[i] & there[j]
            pair = calc_rdm([Dataset(gaps[n][:, both]) for n in (i, j)], method="correlation")
            found[i, j] = found[j, i] = compare(pair[0], pair[1], method="corr")[0, 0]
    return found


def standardised(values: np.ndarray) -> np.ndarray:
    """Responses (..., unit) with a mean of 0 and a length of 1, whose nearest neighbour is the best correlated one."""
    deviations = values - values.mean(axis=-1, keepdims=True)
    return deviations / np.linalg.norm(deviations, axis=-1, keepdims=True)


def loop_of_nearest(responses: np.ndarray, again: bool) -> np.ndarray:
    """
    Accuracy (session, session) by scikit-learn's nearest map: the same numbers as `cross_day_decoding`.

    Maps and responses are standardised for every pair, as the cells of pairs differ, or once per session; on the same
    day every repeat is left out of the maps that it is held against. Scikit-learn has several ways to the highest
    correlation, of which this is the fastest: its estimators take longer, most of all with the metric "correlation".
    """
    stimuli, labels = np.arange(STIMULI), np.repeat(np.arange(STIMULI), REPEATS)
    accuracy = np.empty((SESSIONS, SESSIONS))
    samples = [standardised(values.reshape(-1, UNITS)) for values in responses]
    for i, values in enumerate(responses):
        for j, other in enumerate(responses):
            if again or not j:
                maps = standardised(values.mean(axis=1))
            tested = standardised(other.reshape(-1, UNITS)) if again else samples[j]
            accuracy[i, j] = (pairwise_distances_argmin(tested, maps) == labels).mean()
        right = []
        for out in range(REPEATS):
            others = standardised(np.delete(values, out, axis=1).mean(axis=1))
            right.append(pairwise_distances_argmin(standardised(values[:, out]), others) == stimuli)
        accuracy[i, i] = np.mean(right)
    return accuracy


def check(responses: np.ndarray, maps: np.ndarray) -> None:
    """Refuse to compare with what does not do the same work."""
    np.testing.assert_allclose(measures.cross_day_decoding(responses).accuracy, loop_of_nearest(responses, False))
    ours = measures.representational_similarity_correlation(maps)
    np.testing.assert_allclose(ours, similarities_of_rsatoolbox(maps), atol=1e-10)
    gaps = with_gaps(maps)
    ours = measures.representational_similarity_correlation(gaps)
    np.testing.assert_allclose(ours, similarities_of_common_units(gaps), atol=1e-10)


def main() -> None:
    """Measure and show."""
    responses = made()
    maps, square = responses.mean(axis=2), np.random.default_rng(2).random((2000, 2000))
    with threadpool_limits(1):
        square @ square
        Console().print(f"matrix product: {16 / seconds(lambda: square @ square):.0f} GFLOP/s")
        times = {name: seconds(call) for name, call in suite(responses).items()}
        for name, spent in sorted(times.items(), key=lambda item: -item[1]):
            Console().print(f"{name:56s}{spent:8.3f} s")
        Console().print(f"{'sum':56s}{sum(times.values()):8.3f} s")
        check(responses, maps)
        for name, loop in (
            ("population_vector_correlation", lambda: loop_of_population_vectors(maps)),
            ("representational_similarity_correlation", lambda: loop_of_similarities(maps)),
            ("representational_similarity_correlation, rsatoolbox", lambda: similarities_of_rsatoolbox(maps)),
            ("session_decoders", lambda: loop_of_decoders(responses, True)),
            ("session_decoders, fitted once per session", lambda: loop_of_decoders(responses, False)),
            ("cross_day_decoding", lambda: loop_of_nearest(responses, True)),
            ("cross_day_decoding, fitted once per session", lambda: loop_of_nearest(responses, False)),
        ):
            ratio = seconds(loop) / max(times[name.split(",")[0]], 1e-3)
            Console().print(f"{name}: {ratio:.1f} times as fast as a loop over pairs")
        gaps = with_gaps(maps)
        own = min(seconds(lambda: measures.representational_similarity_correlation(gaps)) for _ in range(3))
        ratio = seconds(lambda: similarities_of_common_units(gaps)) / own
        name = "representational_similarity_correlation, units of pairs differ, rsatoolbox"
        Console().print(f"{name}: {ratio:.1f} times as fast as a loop over pairs")


if __name__ == "__main__":
    main()
