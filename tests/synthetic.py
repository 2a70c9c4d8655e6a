"""Small recordings whose truth is known, for tests."""

import numpy as np
import xarray as xr

from neurofa.recording import build_recording


def make_recording(
    n_animals: int = 2,
    n_sessions: int = 4,
    n_bins: int = 5,
    n_repeats: int = 4,
    n_units: int = 40,
    *,
    groups: tuple[str, ...] = ("drifting", "stable"),
    angle_per_day_deg: float = 6.0,
    noise: float = 0.5,
    lost: float = 0.2,
    days_between: float = 2.0,
    seed: int = 0,
) -> xr.DataTree:
    """Make `n_animals` per group; maps of all groups but the last turn by a known angle per day; noise, lost cells."""
    rng = np.random.default_rng(seed)
    n_stimuli = 2 * n_bins
    total = n_animals * len(groups)
    day = np.arange(n_sessions) * days_between
    true = np.empty((total, n_sessions, n_stimuli, n_units))
    for animal in range(total):
        speed = angle_per_day_deg if animal < total - n_animals else 0.0
        first, second = rng.standard_normal((2, n_stimuli, n_units))
        for session in range(n_sessions):
            angle = np.deg2rad(speed * day[session])
            true[animal, session] = np.cos(angle) * first + np.sin(angle) * second
    rate = 3 + true[:, :, :, None] + noise * rng.standard_normal((total, n_sessions, n_stimuli, n_repeats, n_units))
    detected = rng.random((total, n_sessions, n_units)) >= lost
    rate = np.where(detected[:, :, None, None, :], rate, np.nan)
    probe = xr.Dataset(
        {
            "rate": (("animal", "session", "stimulus", "repeat", "unit"), rate.astype("float32")),
            "true_rate": (("animal", "session", "stimulus", "unit"), (3 + true).astype("float32")),
            "latent_rate": (("animal", "session", "stimulus", "unit"), (3 + true).astype("float32")),
            "duration": (("animal", "session", "stimulus", "repeat"), np.full(rate.shape[:4], 4.0)),
            "detected": (("animal", "session", "unit"), detected),
            "correct": (("animal", "session", "stimulus"), rng.random((total, n_sessions, n_stimuli)) < 0.95),
        },
        coords={
            "animal": [f"{group}-{index}" for group in groups for index in range(n_animals)],
            "group": ("animal", np.repeat(groups, n_animals)),
            "day": (("animal", "session"), np.tile(day, (total, 1))),
            "experience": (("animal", "session"), np.tile(100 * np.arange(1, n_sessions + 1), (total, 1))),
            "layer": ("unit", np.full(n_units, "hidden_1")),
            "stimulus": np.arange(n_stimuli),
            "position": ("stimulus", np.tile((np.arange(n_bins) + 0.5) / n_bins, 2)),
            "direction": ("stimulus", np.repeat(["rightward", "leftward"], n_bins)),
        },
    )
    learning = xr.Dataset(
        {
            "correct": (("animal", "session", "trial"), rng.random((total, n_sessions, 10))),
            "loss": (("animal", "session", "trial"), rng.random((total, n_sessions, 10))),
        },
        coords={"animal": probe["animal"].values},
    )
    return build_recording(probe, learning, attrs={"source": "synthetic"})
