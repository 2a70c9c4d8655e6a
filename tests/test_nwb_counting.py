"""The binning of frames against a frame-by-frame reading of its definition."""

import math

import numpy as np
import pytest

from neurofa.nwb.counting import count_events, count_frames, stimulus_of_frames
from neurofa.nwb.options import NWBOptions


def frame_by_frame(position: np.ndarray, velocity: np.ndarray, options: NWBOptions) -> list[int]:
    """Written out from the definition, without arrays."""
    known = [t for t in range(len(position)) if not math.isnan(position[t]) and not math.isnan(velocity[t])]
    stimulus = [-1] * len(position)
    low = min([0.0, *(position[t] for t in known)])
    high = max([1.0, *(position[t] for t in known)])
    window = options.smoothing_frames
    for place, t in enumerate(known):
        # numpy's "same" boxcar of an even width: one frame more before than after
        inside = range(place - window // 2, place - window // 2 + window)
        speed = sum(velocity[known[k]] for k in inside if 0 <= k < len(known)) / window
        number = min(max(math.ceil(options.bins * (position[t] - low) / (high - low)), 1), options.bins)
        first, last = options.kept_bins
        if first <= number <= last and abs(speed) >= options.minimum_speed_cm_s:
            stimulus[t] = number - first + (last - first + 1 if speed < 0 else 0)
    return stimulus


@pytest.mark.parametrize("window", [1, 5, 8])
@pytest.mark.parametrize("reach", [(-0.1, 1.2), (0.1, 0.9)], ids=["beyond_the_track", "within_the_track"])
def test_stimulus_of_frames(window: int, reach: tuple[float, float]) -> None:
    rng = np.random.default_rng(3)
    position = rng.uniform(*reach, 400)
    velocity = np.repeat(rng.normal(0, 3, 40), 10) + rng.normal(0, 1, 400)
    position[rng.random(400) < 0.1] = np.nan
    velocity[rng.random(400) < 0.1] = np.nan
    options = NWBOptions(smoothing_frames=window)
    stimulus = stimulus_of_frames(position, velocity, options)
    assert len(set(stimulus)) > 30
    assert stimulus.tolist() == frame_by_frame(position, velocity, options)


def test_edges_of_bins_belong_to_the_lower_bin() -> None:
    options = NWBOptions(bins=4, kept_bins=(1, 4), smoothing_frames=1)
    position = np.array([0.0, 0.25, 0.2501, 1.0])
    assert stimulus_of_frames(position, np.full(4, 1.0), options).tolist() == [0, 0, 1, 3]


def test_the_threshold_itself_is_movement() -> None:
    options = NWBOptions(bins=2, kept_bins=(1, 2), smoothing_frames=1)
    velocity = np.array([1.0, 0.99, -0.99, -1.0])
    assert stimulus_of_frames(np.full(4, 0.2), velocity, options).tolist() == [0, -1, -1, 2]


def test_trials_shorter_than_the_boxcar() -> None:
    options = NWBOptions()
    for n_frames in range(9):
        stimulus = stimulus_of_frames(np.full(n_frames, 0.5), np.full(n_frames, 30.0), options)
        assert stimulus.tolist() == [9] * n_frames
    assert stimulus_of_frames(np.full(3, np.nan), np.full(3, 30.0), options).tolist() == [-1, -1, -1]


def test_counts_against_a_loop() -> None:
    rng = np.random.default_rng(4)
    stimulus = rng.integers(-1, 6, 300)
    active = rng.random((300, 7)) < 0.2
    counts = count_events(stimulus, active, 6)
    frames = count_frames(stimulus, 6)
    for number in range(6):
        chosen = [t for t in range(300) if stimulus[t] == number]
        assert frames[number] == len(chosen)
        for unit in range(7):
            assert counts[number, unit] == sum(bool(active[t, unit]) for t in chosen)
