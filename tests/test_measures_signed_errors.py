"""Classifiers of signed prediction errors: planted populations are found, nulls give nothing beyond chance."""

from functools import partial

import numpy as np
import pytest
from sklearn.metrics import f1_score

from neurofa import measures
from neurofa.errors import ConfigError

N_UNITS, N_EVENTS = 80, 40
#: signal-to-noise: response of 1.5 Hz over noise of 1 Hz in single events, baseline 2 Hz
RESPONSE, NOISE, BASELINE = 1.5, 1.0, 2.0
PHASES = ("baseline", "matched", "mismatch", "playback")
#: mean change of the rate in each phase, in units of the response
PLANTED = {
    "negative": (0, 0, 1, 0),
    "positive": (0, 0, 0, 1),
    "unsigned": (0, 0, 1, 1),
    # visual, motor, both, and a unit that likes the absence of flow: tuning to features, no error
    "other": [(0, 1, 0, 1), (0, 1, 1, 0), (0, 2, 1, 1), (1, 0, 1, 0), (0, 0, 0, 0)],
}


def planted(rng: np.random.Generator, n_events: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Single events of every phase (event, unit), and the true classes."""
    truth = np.repeat(list(PLANTED), N_UNITS)
    others = [PLANTED["other"][unit % len(PLANTED["other"])] for unit in range(N_UNITS)]
    means = np.array([*[PLANTED[name] for name in truth[:-N_UNITS]], *others], dtype=float).T
    noise = NOISE * rng.standard_normal((4, n_events, len(truth)))
    rates = BASELINE + RESPONSE * means[:, None] + noise
    return dict(zip(PHASES, rates, strict=True)), truth


def mean_rates(events: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Mean over events."""
    return {name: values.mean(axis=0) for name, values in events.items()}


def responses(events: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Mean over events, relative to baseline."""
    means = mean_rates(events)
    return {name: means[name] - means["baseline"] for name in PHASES[1:]}


CLASSIFIERS = {
    # the tolerances of 10 % are those of noiseless models: means of 400 events come close to that
    "relative_change": (lambda events, rng: measures.classify_by_relative_change(mean_rates(events)), 10 * N_EVENTS),
    "tolerance": (lambda events, rng: measures.classify_by_tolerance(responses(events)), 10 * N_EVENTS),
    "permutation": (partial(measures.classify_by_permutation, n_permutations=999), N_EVENTS),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_planted_populations_are_recovered(name: str) -> None:
    rng = np.random.default_rng(0)
    classify, n_events = CLASSIFIERS[name]
    events, truth = planted(rng, n_events)
    found = classify(events, rng)
    scores = f1_score(truth, found, labels=list(PLANTED), average=None)
    assert scores.min() >= 0.9, dict(zip(PLANTED, scores, strict=True))


def test_without_the_baseline_a_unit_that_likes_no_input_looks_like_an_error() -> None:
    rng = np.random.default_rng(1)
    events, truth = planted(rng, N_EVENTS)
    with_it = measures.classify_by_permutation(events, rng, 999)
    without = measures.classify_by_permutation({name: events[name] for name in PHASES[1:]}, rng, 999)
    likes_absence = (truth == "other") & (np.arange(len(truth)) % len(PLANTED["other"]) == 3)
    assert (without[likes_absence] == "negative").mean() > 0.9
    assert (with_it[likes_absence] == "negative").mean() < 0.15


def reared(rng: np.random.Generator, speed: float, n_planted: int) -> np.ndarray:
    """Which of 200 units are negative: (1 + 0.5 running speed) x tuning to flow of either sign, and planted ones."""
    tuning = rng.uniform(-1, 2, 200)
    planted = np.arange(200) < n_planted
    events = {}
    for phase, (flow, runs) in {"baseline": (0, 0), "matched": (1, 1), "mismatch": (0, 1), "playback": (1, 0)}.items():
        gain = 1 + 0.5 * runs * speed * (1 + 0.2 * rng.standard_normal((N_EVENTS, 1)))
        rates = gain * (BASELINE + flow * tuning) + NOISE * rng.standard_normal((N_EVENTS, 200))
        events[phase] = np.where(planted, BASELINE + RESPONSE * (phase == "mismatch"), rates)
        events[phase] += planted * NOISE * rng.standard_normal((N_EVENTS, 200))
    return measures.classify_by_permutation(events, rng, 999) == "negative"


def test_running_gain_times_tuning_gives_no_effect_of_coupling_beyond_chance_and_a_planted_one_shows() -> None:
    """
    Tuning to flow times running gain (Muzzu & Saleem 2021) has mismatch units, after either rearing as many.

    Rearings differ in the tuning that was drawn, in the events and, a little, in running. The difference is held
    against that of units whose rearing is shuffled.
    """
    rng = np.random.default_rng(2)
    null = reared(rng, 1.0, 0), reared(rng, 0.9, 0)
    assert min(one.mean() for one in null) > 0.05  # what must not be taken for an error of prediction
    effect = reared(rng, 1.0, 60), null[1]
    for (coupled, uncoupled), beyond in ((null, False), (effect, True)):
        both = np.concatenate([coupled, uncoupled])
        orders = (rng.permutation(both).reshape(2, -1).mean(axis=1) for _ in range(999))
        shuffled = [float(one - other) for one, other in orders]
        low, high = np.quantile(shuffled, [0.025, 0.975])
        assert (low <= coupled.mean() - uncoupled.mean() <= high) != beyond


def test_chance_of_the_published_classifiers_is_not_zero() -> None:
    rng = np.random.default_rng(3)
    events, _ = planted(rng, 4)
    found = measures.shuffled_fractions_of_classes(
        events, lambda phases: measures.classify_by_relative_change(mean_rates(phases)), rng, 50
    )
    assert found["negative"].shape == (50,)
    assert 0.005 < found["negative"].mean() < 0.2
    total = sum(found[name] for name in PLANTED)
    np.testing.assert_allclose(total, 1)


def test_hand_cases_of_both_published_classifiers() -> None:
    rates = {
        "baseline": [10.0, 10, 10, 10, 0, 10],
        "matched": [10.5, 10, 12, 10, 0, np.nan],
        "mismatch": [12.1, 10.5, 13, 13, 5, 13],
        "playback": [9.5, 13, 10, 12.5, 0, 10],
    }
    found = measures.classify_by_relative_change(rates).tolist()
    assert found == ["negative", "positive", "other", "unsigned", "undefined", "undefined"]
    relative = {
        "matched": [0.05, 0.0, 0.2, 0.0, 0.0],
        "mismatch": [1.0, 0.05, 1.0, 1.0, 0.4],
        "playback": [-0.05, 1.0, 0.0, 0.8, 0.0],
    }
    assert measures.classify_by_tolerance(relative).tolist() == ["negative", "positive", "other", "unsigned", "other"]
    # 0.5 is in the unit of the rates: weaker responses are not counted unless asked for
    assert measures.classify_by_tolerance(relative, least=0.1)[4] == "negative"


def test_fractions_of_jordan_and_keller() -> None:
    classes = ["negative"] * 14 + ["positive"] * 5 + ["other"] * 8 + ["undefined"] * 3
    found = measures.fractions_of_classes(classes)
    assert found["negative"].proportion == pytest.approx(0.519, abs=5e-4)
    assert (found["negative"].low, found["negative"].high) == pytest.approx((0.34, 0.69), abs=5e-3)
    assert (found["positive"].low, found["positive"].high) == pytest.approx((0.08, 0.37), abs=5e-3)
    with pytest.raises(ConfigError, match="'sideways' is no class"):
        measures.fractions_of_classes(["sideways"])
