"""From position, velocity and events of one trial to frames and events per stimulus: pure functions of arrays."""

import numpy as np
import numpy.typing as npt

from neurofa.nwb.options import NWBOptions


def stimulus_of_frames(
    position: npt.NDArray[np.float64], velocity: npt.NDArray[np.float64], options: NWBOptions
) -> npt.NDArray[np.int64]:
    """
    Stimulus (direction and position bin) of every frame of one trial.

    Frames without position or velocity are left out before the velocity is smoothed; the position is stretched to
    0-1 by the trial's own extent where that is larger than the track.

    Parameters
    ----------
    position : (frame,), fraction of the track
        Position, NaN where unknown.
    velocity : (frame,), cm/s
        Signed velocity, NaN where unknown.
    options : NWBOptions
        Bins, smoothing and speed threshold.

    Returns
    -------
    (frame,) int
        Index of the stimulus, rightward bins first; -1 for frames that are not used.

    References
    ----------
    Sheintuch et al. 2020, Current Biology 30:1467, doi 10.1016/j.cub.2020.02.018 (speed threshold, bins).

    Examples
    --------
    >>> options = NWBOptions(bins=4, kept_bins=(1, 4), smoothing_frames=1)
    >>> stimulus_of_frames(np.array([0.1, 0.9, 0.9, np.nan]), np.array([5.0, 5.0, -5.0, 5.0]), options).tolist()
    [0, 3, 7, -1]
    """
    stimulus = np.full(len(position), -1)
    known = np.flatnonzero(np.isfinite(position) & np.isfinite(velocity))
    if not len(known):
        return stimulus
    window = min(options.smoothing_frames, len(known))
    speed = np.convolve(velocity[known], np.ones(window) / window, "same")
    place = position[known]
    low, high = min(0.0, place.min()), max(1.0, place.max())
    bins = np.clip(np.ceil(options.bins * (place - low) / (high - low)), 1, options.bins).astype(int)
    first, last = options.kept_bins
    leftward = speed <= -options.minimum_speed_cm_s
    used = (bins >= first) & (bins <= last) & (leftward | (speed >= options.minimum_speed_cm_s))
    stimulus[known[used]] = (leftward * options.n_kept + bins - first)[used]
    return stimulus


def count_frames(stimulus: npt.NDArray[np.int64], n_stimuli: int) -> npt.NDArray[np.int64]:
    """
    Frames spent in every stimulus.

    Parameters
    ----------
    stimulus : (frame,) int
        Stimulus of every frame, -1 for frames that are not used.
    n_stimuli : int
        Number of stimuli.

    Returns
    -------
    (stimulus,) int
        Number of frames.

    Examples
    --------
    >>> count_frames(np.array([0, 0, -1, 2]), 3).tolist()
    [2, 0, 1]
    """
    return np.bincount(stimulus[stimulus >= 0], minlength=n_stimuli)


def count_events(
    stimulus: npt.NDArray[np.int64], active: npt.NDArray[np.bool_], n_stimuli: int
) -> npt.NDArray[np.float32]:
    """
    Frames with an event in every stimulus.

    Parameters
    ----------
    stimulus : (frame,) int
        Stimulus of every frame, -1 for frames that are not used.
    active : (frame, unit) bool
        Whether the unit has an event in the frame.
    n_stimuli : int
        Number of stimuli.

    Returns
    -------
    (stimulus, unit) float32
        Number of frames with an event (whole numbers).

    Examples
    --------
    >>> count_events(np.array([0, 0, -1, 1]), np.array([[True], [True], [True], [False]]), 2).tolist()
    [[2.0], [0.0]]
    """
    belongs = (stimulus == np.arange(n_stimuli)[:, None]).astype(np.float32)
    counts: npt.NDArray[np.float32] = belongs @ active.astype(np.float32)
    return counts
