"""Decoding the stimulus of single repeats on one day with the maps of another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurofa.errors import ShapeError
from neurofa.measures.kernels import ROUNDING, ROUNDING_SQUARED, Bools, Floats, centre
from neurofa.measures.maps import SessionReader, weighted_mean
from neurofa.measures.pairs import of_units

if TYPE_CHECKING:
    import xarray as xr

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class CrossDayDecoding:
    """
    How well stimuli are decoded across sessions.

    Attributes
    ----------
    accuracy : (session, session)
        [i, j]: fraction of the repeats of session j whose stimulus is decoded with the maps of session i.
    accuracy_within_one : (session, session)
        The same, with neighbours in `order` within the same `group` counted as right; NaN without `order`.
    chance, chance_within_one : (session, session)
        What uniform guessing among the candidates reaches.
    n_tests : (session, session) int
        Single repeats of single stimuli that were decoded.
    """

    accuracy: Floats
    accuracy_within_one: Floats
    chance: Floats
    chance_within_one: Floats
    n_tests: Ints

    @property
    def relative_accuracy(self) -> Floats:
        """
        Accuracy relative to that of a decoder of the same day.

        a(i, j) = A(i, j) / A(j, j) (eq. 14 of the source), A(i, j) the accuracy on session j with the maps of session
        i, A(j, j) with those of j itself, repeats left out: how much is lost by having learned on another day, and not
        by a day on which less can be decoded. Guessing reaches chance(i, j) / A(j, j).

        Returns
        -------
        (session, session), 0 or above
            1 on the diagonal, above 1 where the maps of another day are better; not symmetric. NaN where A(i, j) is,
            and where A(j, j) is 0 or NaN: without two repeats.

        References
        ----------
        Aitken et al. 2022, PLoS Computational Biology 18:e1010716, doi 10.1371/journal.pcbi.1010716.
        """
        same_day = np.diag(self.accuracy)
        known = np.isfinite(same_day) & (same_day > 0)
        return np.where(known, self.accuracy / np.where(known, same_day, 1.0), np.nan)


@dataclass(frozen=True)
class _Tests:
    """Single repeats of one session: values (test, unit) of the units detected, their stimulus and repeat."""

    values: Floats
    stimulus: Ints
    repeat: Ints
    units: Bools


@dataclass(frozen=True)
class _Maps:
    """Maps (session, stimulus, unit), centred over the units (session, unit) detected; stimuli (session, stimulus)."""

    values: Floats
    units: Bools
    stimuli: Bools


def cross_day_decoding(
    rates: ArrayLike | Sequence[ArrayLike] | SessionReader,
    duration: ArrayLike | None = None,
    group: ArrayLike | None = None,
    order: ArrayLike | None = None,
) -> CrossDayDecoding:
    """
    Decode single repeats by the nearest map: train on one session, test on another.

    The decoded stimulus of a repeat y of session j is argmax_c corr_n(y, x_i(c)): the map x_i(c) of session i (mean
    over repeats) with the highest Pearson correlation over the units detected in both sessions. On the same day (i = j)
    the repeat is left out of all maps first, so these maps have one repeat less.

    Parameters
    ----------
    rates : (session, stimulus, repeat, unit), Hz or a.u.
        An array, or a sequence of arrays (stimulus, repeat, unit) that is read twice. Gaps: repeats without any finite
        unit are left out; a pair uses the units detected in both sessions, and its candidates are the stimuli with a
        map in both. A repeat over which these units do not differ, for example a pass without events, can only be
        guessed: it counts with the chance level. A map that is constant over these units is never chosen.
    duration : (session, stimulus, repeat), s, optional
        Weights of the repeats in the maps; 0 leaves a repeat out. Without it all weigh the same.
    group : (stimulus,), optional
        Labels, for example the direction of running; without it there is one group.
    order : (stimulus,) int, optional
        Place of the stimulus within its group, for example the bin: neighbours differ by 1.

    Returns
    -------
    CrossDayDecoding
        Accuracies and chance levels; NaN for pairs with nothing to test.

    Raises
    ------
    ShapeError
        Where shapes do not fit, or single units of a repeat are missing.

    References
    ----------
    Rule et al. 2020, eLife 9:e51121, doi 10.7554/eLife.51121 (decoders held over days); Rubin et al. 2015, eLife
    4:e12247, doi 10.7554/eLife.12247; relative to the same day: Aitken et al. 2022, doi 10.1371/journal.pcbi.1010716.
    """
    sessions = rates if isinstance(rates, Sequence | SessionReader) else np.asarray(rates)
    weights, maps = _weights_and_maps(sessions, duration)
    neighbours = _neighbours(maps.shape[1], group, order)
    known = _centred(maps)
    results = np.full((5, len(maps), len(maps)), np.nan)
    for index, weight in enumerate(weights):
        rate = _rate(sessions[index])
        tests = _tests(rate, weight, index)
        decoded, decidable, candidates = _decode(tests, known, known.stimuli[index])
        _same_day(tests, rate, weight, decoded, decidable, candidates, index)
        results[:, :, index] = _accuracies(tests, decoded, decidable, candidates, neighbours)
    if order is None:
        results[[1, 3]] = np.nan
    accuracy, within_one, chance, chance_within_one, count = results
    return CrossDayDecoding(accuracy, within_one, chance, chance_within_one, count.astype(np.int64))


def cross_day_decoding_of_animal(
    recording: "xr.DataTree | xr.Dataset", animal: int | str, variable: str = "rate", layer: str | None = None
) -> CrossDayDecoding:
    """
    Decode one animal of a recording across its sessions; one session at a time is in memory.

    Stimuli are neighbours where their coordinate ``bin`` (or the rank of ``position``) differs by 1 within the same
    ``direction``, or ``choice``. Where trials were recorded over time, the bin of time is decoded along with the
    stimulus, and neighbours are successive bins of the same stimulus. Variables without repeats count as one repeat:
    their same-day accuracy is NaN.

    Parameters
    ----------
    recording : xarray.DataTree or xarray.Dataset
        A recording or its group ``probe``.
    animal : int or str
        Position or name.
    variable : str
        ``rate``, ``true_rate`` or ``latent_rate``.
    layer : str, optional
        Only units of this layer.

    Returns
    -------
    CrossDayDecoding
        All sessions of the recording; NaN for those that the animal did not have.

    Raises
    ------
    RecordingError
        Where the recording has no such animal, variable or layer.
    """
    reader = SessionReader(recording, animal, variable, layer)
    coords = reader.probe.coords
    group = next((coords[name].values for name in ("direction", "choice") if name in coords), None)
    order = coords["bin"].values if "bin" in coords else None
    if order is None and "position" in coords:
        order = np.unique(coords["position"].values, return_inverse=True)[1]
    if reader.n_times > 1:
        group = np.repeat(np.arange(reader.n_stimuli // reader.n_times), reader.n_times)
        order = np.arange(reader.n_stimuli) % reader.n_times
    duration = [reader.duration(index) for index in range(len(reader))]
    return cross_day_decoding(reader, duration, group, order)


def _rate(session: ArrayLike) -> Floats:
    """One session as float64, checked."""
    rate = np.asarray(session, dtype=np.float64)
    if rate.ndim != 3:
        raise ShapeError(
            f"rates of a session must have the dimensions (stimulus, repeat, unit), got shape {rate.shape}"
        )
    return rate


def _weights_and_maps(sessions: Any, duration: Any) -> tuple[list[Floats], Floats]:
    """Weight (stimulus, repeat) of every repeat of each session, 0 where not recorded, and all maps."""
    weights, maps = [], []
    for index in range(len(sessions)):
        rate = _rate(sessions[index])
        recorded = np.isfinite(rate).any(axis=2)
        weight: Floats = np.ones(recorded.shape)
        if duration is not None:
            weight = np.nan_to_num(np.asarray(duration[index], dtype=np.float64))
        if weight.shape != recorded.shape:
            raise ShapeError(f"durations of session {index} must have the shape {recorded.shape}, got {weight.shape}")
        weights.append(np.where(recorded, weight, 0.0))
        maps.append(weighted_mean(rate, weights[-1]))
    return weights, np.stack(maps)


def _neighbours(n_stimuli: int, group: ArrayLike | None, order: ArrayLike | None) -> Floats:
    """1 where two stimuli are the same or next to each other in one group."""
    places = np.full(n_stimuli, np.nan) if order is None else np.asarray(order, dtype=np.float64)
    labels = np.zeros(n_stimuli) if group is None else np.asarray(group)
    if places.shape != (n_stimuli,) or labels.shape != (n_stimuli,):
        raise ShapeError(f"group and order must have one entry for each of the {n_stimuli} stimuli")
    near = (labels[:, None] == labels) & (np.abs(places[:, None] - places) <= 1)
    return np.asarray(near | np.eye(n_stimuli, dtype=bool), dtype=np.float64)


def _tests(rate: Floats, weight: Floats, index: int) -> _Tests:
    """The single repeats that were recorded, centred over the units of the session."""
    stimulus, repeat = np.nonzero(weight > 0)
    values = rate[stimulus, repeat]
    finite = np.isfinite(values)
    units = np.asarray(finite.any(axis=0))
    if (finite != units).any():
        raise ShapeError(
            f"rates of session {index} lack single values; a unit must be recorded in all repeats of a session or none"
        )
    values = values[:, units]
    return _Tests(centre(values, np.ones(values.shape[1:], dtype=bool)), stimulus, repeat, units)


def _centred(maps: Floats) -> _Maps:
    """Maps with the gaps apart."""
    finite = np.isfinite(maps)
    units, stimuli = np.asarray(finite.any(axis=1)), np.asarray(finite.any(axis=2))
    return _Maps(centre(maps, units[:, None, :] & finite), units, stimuli)


def _decode(tests: _Tests, maps: _Maps, recorded: Bools) -> tuple[Ints, Bools, Bools]:
    """
    Nearest map of every session for every test, all pairs in one product over the units that the tests have.

    Returns the decoded stimulus (test, session), whether the test varies over the pair's units and there is a map to
    choose (test, session), and the candidates (session, stimulus).
    """
    candidates = maps.stimuli & recorded
    theirs = maps.units[:, tests.units].astype(np.float64)
    x, y = of_units(maps.values, tests.units), tests.values
    n = np.maximum(theirs.sum(axis=1), 1)
    map_sum, map_squares = x.sum(axis=2), np.einsum("skn,skn->sk", x, x)
    map_power = map_squares - map_sum**2 / n[:, None]
    varies = map_power > ROUNDING * map_squares + ROUNDING_SQUARED * n[:, None]
    usable = candidates & varies
    complete = bool(theirs.all())  # the units of all pairs are those of the session
    of_pairs = theirs[:1] if complete else theirs
    test_sum, test_squares = y @ of_pairs.T, (y * y) @ of_pairs.T
    test_power = test_squares - test_sum**2 / n
    decidable = (test_power > ROUNDING * test_squares + ROUNDING_SQUARED * n) & usable.any(axis=1)
    scale = 1 / np.sqrt(np.where(usable, map_power, 1.0))
    if not complete:  # else tests are centred over the units of all pairs: one more "unit" of each takes the mean off
        means = np.eye(len(n))[:, None] * (map_sum / n[:, None])[:, :, None]
        y, x = np.concatenate([y, -test_sum], axis=1), np.concatenate([x, means], axis=2)
    return _nearest(y, x, scale, usable), decidable, candidates


def _nearest(tests: Floats, maps: Floats, scale: Floats, usable: Bools) -> Ints:
    """
    Map of every session (session, map, unit) that, times its scale, has the largest product with a test (test, unit).

    In single precision first. With u = 2^-24 and N units a score is then wrong by at most 1.01 (N + 2) u |test| |map|,
    whatever the order of the sum (conversion of both, N products). Where the second map comes within twice that of the
    best one (N + 4: this comparison is in single precision too), the products of the pair are made again in double
    precision: the result is that of double.
    """
    scaled = np.empty(maps.shape, dtype=np.float32)
    np.multiply(maps, scale[:, :, None], out=scaled, casting="same_kind")
    scores = (tests.astype(np.float32) @ scaled.reshape(usable.size, maps.shape[2]).T).reshape(
        len(tests), *usable.shape
    )
    if not usable.all():
        scores[:, ~usable] = -np.inf
    decoded: Ints = scores.argmax(axis=2)
    best = np.take_along_axis(scores, decoded[:, :, None], axis=2)[:, :, 0]
    np.put_along_axis(scores, decoded[:, :, None], -np.inf, axis=2)
    length = np.sqrt(np.einsum("tn,tn->t", tests, tests))
    lengths = np.sqrt(np.einsum("skn,skn->sk", maps, maps)) * scale
    longest = np.where(usable, lengths, 0.0).max(axis=1, initial=0.0)
    wrong = 2.1 * (maps.shape[2] + 4) * 2.0**-24 * length[:, None] * longest
    close = scores.max(axis=2) >= best - wrong.astype(np.float32)
    for session in np.flatnonzero(close.any(axis=0) & usable.any(axis=1)):
        again = close[:, session]
        products = (tests[again] @ maps[session].T) * scale[session]
        decoded[again, session] = np.where(usable[session], products, -np.inf).argmax(axis=1)
    return decoded


def _same_day(
    tests: _Tests, rate: Floats, weight: Floats, decoded: Ints, decidable: Bools, candidates: Bools, index: int
) -> None:
    """Replace the column of the session itself: each repeat with maps of the others."""
    candidates[index] = (weight > 0).sum(axis=1) >= 2
    found = of_units(rate, tests.units)
    weighted = (found if np.isfinite(found).all() else np.where(np.isfinite(found), found, 0.0)) * weight[:, :, None]
    rest = np.where(candidates[index][:, None], weight.sum(axis=1, keepdims=True) - weight, 0.0)
    known = rest.T > 0
    # maps (repeat, stimulus, unit) without that repeat, of any scale
    left = np.subtract(weighted.sum(axis=1, keepdims=True), weighted, out=weighted).transpose(1, 0, 2)
    left = centre(left, np.broadcast_to(known[:, :, None], left.shape))
    squares = np.einsum("rkn,rkn->rk", left, left)
    usable = known & (squares > ROUNDING_SQUARED * max(left.shape[2], 1) / (1 - ROUNDING))
    scale = 1 / np.sqrt(np.where(usable, squares, 1.0))
    shown = np.zeros((*rest.T.shape, left.shape[2]))
    shown[tests.repeat, tests.stimulus] = tests.values
    scores = np.where(usable[:, None, :], (shown @ left.transpose(0, 2, 1)) * scale[:, None, :], -np.inf)
    varies = np.einsum("tn,tn->t", tests.values, tests.values) > ROUNDING_SQUARED * max(left.shape[2], 1) / (
        1 - ROUNDING
    )
    decoded[:, index] = scores.argmax(axis=2)[tests.repeat, tests.stimulus]
    decidable[:, index] = varies & usable.any(axis=1)[tests.repeat]


def _accuracies(tests: _Tests, decoded: Ints, decidable: Bools, candidates: Bools, neighbours: Floats) -> Floats:
    """
    Average over the tests, for every training session.

    Returns (5, session): accuracy, within one, their two chance levels, number of tests.
    """
    truth = tests.stimulus[:, None]
    tested = candidates[:, tests.stimulus].T
    n_candidates = np.maximum(candidates.sum(axis=1), 1)
    guess = np.broadcast_to(1.0 / n_candidates, tested.shape)
    guess_near = (neighbours @ candidates.T)[tests.stimulus] / n_candidates
    exact = np.where(decidable, decoded == truth, guess)
    near = np.where(decidable, neighbours[truth, decoded], guess_near)
    count = tested.sum(axis=0)
    totals = np.where(tested, np.stack([exact, near, guess, guess_near]), 0.0).sum(axis=1)
    means = np.where(count > 0, totals / np.maximum(count, 1), np.nan)
    return np.concatenate([means, count[None].astype(np.float64)])
