"""Animals that switch between maps of one place: similarity between trials is bimodal, and a map that was left returns.

Taken for one map, such an animal looks like fast drift. What tells the two apart is the single trial: under drift,
trials are less alike the longer apart they are; under switching, a trial is as alike as ever to those of its own map,
however long ago, and not at all to those of another map, minutes ago.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurofa.errors import ShapeError
from neurofa.measures.kernels import Bools, Floats
from neurofa.measures.maps import SessionReader

if TYPE_CHECKING:
    import xarray as xr

Ints = NDArray[np.int64]

#: two modes: a mixture of two normal distributions is better than one by so much (BIC; Kass and Raftery: "very strong")
LEAST_DELTA_BIC = 10.0
#: and they lie so far apart (Ashman's D)
LEAST_SEPARATION = 2.0
#: and the density between them falls below this fraction of the lower of both peaks
HIGHEST_VALLEY = 0.5
#: trials of fewer of the stimuli are left out
LEAST_STIMULI = 0.5
#: a map has so many trials at least: a single odd trial is no map
FEWEST_TRIALS = 2


@dataclass(frozen=True)
class TrialSimilarity:
    """
    Similarity of all trials of an animal.

    Attributes
    ----------
    similarity : (trial, trial), -1 to 1
        Correlation of the trials' maps; 1 on the diagonal, NaN where two trials share no active unit.
    session, repeat : (trial,) int
        Where the trials come from, in the order of time.
    """

    similarity: Floats
    session: Ints
    repeat: Ints


@dataclass(frozen=True)
class MapSwitching:
    """
    Whether an animal switches between maps.

    Attributes
    ----------
    switches : bool
        Similarity between trials is bimodal and a map that was left returns: this animal's curves of drift mix maps.
    bimodal : bool
        Two modes of similarity. Fast drift can do that too; `n_returns` is then 0.
    separation : float
        Ashman's D of the two modes; NaN where there are not enough trials.
    delta_bic : float
        BIC of one normal distribution minus that of two.
    threshold : float
        Similarity in the valley between the modes.
    map_of_trial : (trial,) int
        0 for the map with most trials, 1 for the next ...; -1 for trials that belong to none.
    n_maps, n_returns : int
        Maps, and how often a trial returned to a map that had been left.
    n_sessions_with_several : int
        Sessions in which there were trials of different maps.
    reason : str
        Why, in words.
    """

    switches: bool
    bimodal: bool
    separation: float
    delta_bic: float
    threshold: float
    map_of_trial: Ints
    n_maps: int
    n_returns: int
    n_sessions_with_several: int
    reason: str


def similarity_of_trials(rates: "ArrayLike | SessionReader", duration: ArrayLike | None = None) -> TrialSimilarity:
    """
    Correlate the maps of all single trials (repeats) of all sessions of an animal.

    r = <A, B> / (|A| |B|), A and B the maps of two trials (stimulus x unit), each unit's mean over the stimuli of the
    trial subtracted, products and norms over the units of both sessions: which units are active does not count, only
    where.

    Parameters
    ----------
    rates : (session, stimulus, repeat, unit), Hz or a.u.
        An array, or the sessions of a recording. Gaps: units not detected in a session are left out of its pairs; a
        stimulus that a trial lacks counts as the unit's mean; trials with fewer than half of the stimuli are left out.
    duration : (session, stimulus, repeat), s, optional
        0 where a stimulus was not recorded; of a `SessionReader`, its own.

    Returns
    -------
    TrialSimilarity
        One row per trial.

    Raises
    ------
    ShapeError
        Unless sessions have the dimensions (stimulus, repeat, unit).

    References
    ----------
    Sheintuch et al. 2020, Current Biology 30, doi 10.1016/j.cub.2020.02.018 (maps told apart trial by trial).
    """
    parts, units, places = [], [], []
    for session in range(len(rates)):  # type: ignore[arg-type]
        values = np.asarray(rates[session], dtype=np.float64)  # type: ignore[index]
        if values.ndim != 3:
            raise ShapeError(f"a session must have the dimensions (stimulus, repeat, unit), got shape {values.shape}")
        there = np.isfinite(values)
        if isinstance(rates, SessionReader):
            there &= (rates.duration(session) > 0)[:, :, None]
        elif duration is not None:
            there &= (np.nan_to_num(np.asarray(duration)[session]) > 0)[:, :, None]
        detected, shown = there.any(axis=(0, 1)), there.any(axis=2)
        kept = np.flatnonzero(shown.mean(axis=0) >= LEAST_STIMULI)
        parts.append(_centred_trials(values[:, kept], there[:, kept]))
        units += [detected] * len(kept)
        places += [(session, int(repeat)) for repeat in kept]
    where = np.array(places, dtype=np.int64).reshape(-1, 2)
    if not places:
        return TrialSimilarity(np.empty((0, 0)), where[:, 0], where[:, 1])
    vectors, seen = np.concatenate(parts), np.stack(units).astype(np.float64)
    flat, power = vectors.reshape(len(vectors), -1), np.einsum("tkn,tkn->tn", vectors, vectors) @ seen.T
    norm = np.sqrt(power * power.T)
    similarity = np.where(norm > 0, np.clip(flat @ flat.T / np.where(norm > 0, norm, 1.0), -1, 1), np.nan)
    return TrialSimilarity(similarity, where[:, 0], where[:, 1])


def _centred_trials(values: Floats, there: Bools) -> Floats:
    """Maps (trial, stimulus, unit) of (stimulus, trial, unit), minus each unit's mean over the stimuli; 0 in gaps."""
    complete = bool(there.all())
    found = values if complete else np.where(there, values, 0.0)
    centred = np.ascontiguousarray(found.transpose(1, 0, 2))
    centred -= (found.sum(axis=0) / np.maximum(there.sum(axis=0), 1))[:, None]
    if not complete:
        centred *= there.transpose(1, 0, 2)
    return centred


def detect_map_switching(trials: TrialSimilarity) -> MapSwitching:
    """
    Ask whether an animal switches between maps.

    Two normal distributions are fitted to the similarities of all pairs of trials. They are two modes where BIC prefers
    them to one by 10, Ashman's D = sqrt(2) |m1 - m2| / sqrt(s1^2 + s2^2) is above 2, and the density between the means
    falls to less than half of the lower peak. Trials are then grouped (average linkage, cut in the valley); a group of
    two trials or more is a map. The animal switches where the trials, in the order of time, return to a map that they
    had left. One odd trial is no map, and drift never returns: neither is flagged.

    Measured on synthetic animals (8 sessions of 5 trials, 40 stimuli, 200 units of which a fifth is lost in each
    session, signal to noise 0.1 to 10 in a single trial): all of 40 that switched were flagged, and none of 150 with
    drift, fast drift, gains of trials, odd trials or nothing but noise.

    Parameters
    ----------
    trials : TrialSimilarity
        From `similarity_of_trials`.

    Returns
    -------
    MapSwitching
        Not flagged, with the reason, where there are fewer than six trials.

    References
    ----------
    Sheintuch et al. 2020, doi 10.1016/j.cub.2020.02.018; Ashman et al. 1994, Astronomical Journal 108:2348,
    doi 10.1086/117248 (D); Kass and Raftery 1995, Journal of the American Statistical Association 90:773,
    doi 10.1080/01621459.1995.10476572 (BIC).
    """
    nothing = np.full(len(trials.session), -1)
    row, column = np.triu_indices(len(trials.session), 1)
    values = trials.similarity[row, column]
    values = values[np.isfinite(values)]
    if len(trials.session) < 6 or len(values) < 15:
        nan = float("nan")
        return MapSwitching(False, False, nan, nan, nan, nothing, 0, 0, 0, "fewer than six trials can be compared")
    separation, delta_bic, depth, threshold = _two_modes(values)
    bimodal = delta_bic > LEAST_DELTA_BIC and separation > LEAST_SEPARATION and depth < HIGHEST_VALLEY
    if not bimodal:
        reason = "the similarity of trials has one mode"
        return MapSwitching(False, False, separation, delta_bic, threshold, nothing, 1, 0, 0, reason)
    maps = _grouped(trials.similarity, threshold)
    of_map = [(session, one) for session, one in zip(trials.session, maps, strict=True) if one >= 0]
    several = sum(len({one for where, one in of_map if where == session}) > 1 for session in set(trials.session))
    returns, left, current = 0, set(), -1
    for _, one in of_map:
        if one != current:
            returns += one in left
            left.add(current)
            current = one
    n_maps = int(maps.max()) + 1
    reason = f"{n_maps} groups of trials; {returns} returns to one that had been left"
    return MapSwitching(
        returns > 0, True, separation, delta_bic, threshold, maps, n_maps, int(returns), int(several), reason
    )


def animals_that_switch_maps(recording: "xr.DataTree | xr.Dataset", layers: Sequence[str]) -> Floats:
    """
    Ask of every recorded animal whether it switches between maps; simulated animals have one.

    Parameters
    ----------
    recording : xarray.DataTree or xarray.Dataset
        A recording or its group ``probe``.
    layers : sequence of str
        Layers.

    Returns
    -------
    (animal, layer)
        1 where it does, 0 where it does not; NaN where true rates are known, and where there are too few trials.

    Raises
    ------
    RecordingError
        Where the recording has no such layer.

    References
    ----------
    Sheintuch et al. 2020, Current Biology 30, doi 10.1016/j.cub.2020.02.018.
    """
    probe = recording if "rate" in recording else recording["probe"].to_dataset()
    flags = np.full((int(probe.sizes["animal"]), len(layers)), np.nan)
    if "true_rate" in probe:
        return flags
    for animal, layer in np.ndindex(*flags.shape):
        found = detect_map_switching(similarity_of_trials(SessionReader(probe, animal, "rate", layers[layer])))
        flags[animal, layer] = float(found.switches) if found.n_maps else np.nan
    return flags


def _two_modes(values: Floats) -> tuple[float, float, float, float]:
    """Ashman's D, gain in BIC, depth of the valley (fraction of the lower peak), and where it is."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    given = values[:, None]
    middle = (values.min() + values.max()) / 2
    low, high = values[values <= middle], values[values > middle]
    if not len(low) or not len(high):
        return 0.0, 0.0, 1.0, float(middle)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = np.array([[low.mean()], [high.mean()]])
        two = GaussianMixture(2, random_state=0, means_init=start, max_iter=500).fit(given)
    means, variances = two.means_.ravel(), two.covariances_.ravel()
    separation = float(np.sqrt(2) * abs(means[0] - means[1]) / np.sqrt(variances.sum()))
    grid = np.linspace(means.min(), means.max(), 200)
    density = np.exp(two.score_samples(grid[:, None]))
    depth = float(density.min() / min(density[0], density[-1]))
    # of one normal distribution, whose best fit is known: its mean, and its variance with the library's small addition
    variance = values.var() + two.reg_covar
    deviance = len(values) * (np.log(2 * np.pi * variance) + values.var() / variance)
    of_one = deviance + 2 * np.log(len(values))
    return separation, float(of_one - two.bic(given)), depth, float(grid[density.argmin()])


def _grouped(similarity: Floats, threshold: float) -> Ints:
    """Groups of trials, the largest 0; -1 for trials in none."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    distance = 1 - np.where(np.isfinite(similarity), similarity, 0.0)
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, 0.0)
    labels = fcluster(linkage(squareform(distance, checks=False), "average"), 1 - threshold, "distance")
    names, first, counts = np.unique(labels, return_index=True, return_counts=True)
    large = counts >= FEWEST_TRIALS
    ranked = names[large][np.lexsort((first[large], -counts[large]))]
    rank = {name: place for place, name in enumerate(ranked.tolist())}
    return np.array([rank.get(label, -1) for label in labels.tolist()], dtype=np.int64)
