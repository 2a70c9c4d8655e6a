"""Units that signal less, or more, than was predicted: indices, published classifiers, and their chance level.

Three phases of a coupled experiment: *matched* (prediction and input agree), *mismatch* (prediction without input: less
comes than was predicted) and *playback* (input without prediction: more comes). A negative prediction error answers
mismatch alone, a positive one playback alone.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurofa.errors import ConfigError, ShapeError
from neurofa.measures.kernels import Bools, Floats
from neurofa.measures.prediction_error.conditions import (
    events_by_units,
    relative_difference,
    require_conditions,
    require_repeats,
    responses_of,
)
from neurofa.measures.prediction_error.unexpected import permutation_p_values
from neurofa.measures.proportions import ProportionInterval, proportion_and_interval

PHASES = ("matched", "mismatch", "playback")
#: what a classifier can say of a unit; "undefined" where it cannot be told
CLASSES = ("negative", "positive", "unsigned", "other", "undefined")

Classes = NDArray[np.str_]


class SignedIndices(NamedTuple):
    """
    Indices of signed prediction errors.

    Attributes
    ----------
    negative, positive : array, -1 to 1
        How much more a unit responds to mismatch, or to playback, than to the stronger of the two other phases.
    mismatch : array, -1 to 1
        Mismatch against matched.
    """

    negative: Floats
    positive: Floats
    mismatch: Floats


def signed_error_indices(responses: Mapping[str, ArrayLike]) -> SignedIndices:
    """
    Indices of negative and positive prediction errors, and the mismatch index.

    nPE = (r_MM - m) / (|r_MM| + |m|) with m = max(r_matched, r_playback); pPE the same with playback and mismatch
    exchanged; MI = (r_MM - r_matched) / (|r_MM| + |r_matched|). Definitions of this package: publications compare
    means.

    Parameters
    ----------
    responses : mapping of str to array, Hz or a.u.
        ``"matched"``, ``"mismatch"`` and ``"playback"``, baseline-corrected, of one shape. Gaps: NaN where one of the
        phases that an index compares is missing.

    Returns
    -------
    SignedIndices
        NaN where a unit responds in none of the phases that are compared.

    Raises
    ------
    RecordingError
        Where a phase was not recorded.
    ShapeError
        Where the shapes differ.
    """
    matched, mismatch, playback = responses_of(responses, PHASES, "the index of signed prediction errors")
    return SignedIndices(
        relative_difference(mismatch, np.maximum(matched, playback)),
        relative_difference(playback, np.maximum(matched, mismatch)),
        relative_difference(mismatch, matched),
    )


def classify_by_relative_change(rates: Mapping[str, ArrayLike], quiet: float = 0.1, response: float = 0.2) -> Classes:
    """
    Classify units by the change of their rate relative to baseline.

    With dR/R = (R - R_baseline) / R_baseline: negative if dR/R > 0.2 in mismatch and |dR/R| < 0.1 in the two other
    phases; positive with playback in the place of mismatch. "unsigned" (more than 0.2 in both, quiet when matched) is
    an addition of this package.

    Parameters
    ----------
    rates : mapping of str to (unit,), Hz
        ``"baseline"``, ``"matched"``, ``"mismatch"`` and ``"playback"``. Gaps: "undefined" where one is missing.
    quiet, response : float
        Largest relative change without, and smallest with a response.

    Returns
    -------
    (unit,) str
        See `CLASSES`; "undefined" where the baseline is not above 0.

    Raises
    ------
    RecordingError
        Where a phase was not recorded.
    ShapeError
        Where the shapes differ.

    References
    ----------
    Hertag & Sprekeler 2020, eLife 9:e57541, doi 10.7554/eLife.57541.
    """
    baseline, *phases = responses_of(rates, ("baseline", *PHASES), "the classifier by relative change")
    scale = np.where(baseline > 0, baseline, np.nan)
    changes = np.stack([(one - baseline) / scale for one in phases])
    return _told(changes, np.abs(changes) < quiet, changes > response)


def classify_by_tolerance(responses: Mapping[str, ArrayLike], tolerance: float = 0.1, least: float = 0.5) -> Classes:
    """
    Classify units by responses relative to their own largest one.

    With tol = 0.1 of the unit's largest absolute response: negative if |matched| and |playback| < tol and mismatch >
    max(3 tol, 0.5); positive with the two exchanged. "unsigned" (both, quiet when matched) is an addition of this
    package.

    Parameters
    ----------
    responses : mapping of str to (unit,), Hz
        ``"matched"``, ``"mismatch"`` and ``"playback"``, relative to baseline. Gaps: "undefined" where one is missing.
    tolerance : float
        Part of the largest response that counts as none.
    least : float
        Smallest response that counts, in the unit of the responses (published: 0.5 per second).

    Returns
    -------
    (unit,) str
        See `CLASSES`.

    Raises
    ------
    RecordingError
        Where a phase was not recorded.
    ShapeError
        Where the shapes differ.

    References
    ----------
    Hertag & Clopath 2022, PNAS 119:e2115699119, doi 10.1073/pnas.2115699119.
    """
    found = np.stack(responses_of(responses, PHASES, "the classifier by tolerance"))
    allowed = tolerance * np.abs(found).max(axis=0)
    return _told(found, np.abs(found) < allowed, found > np.maximum(3 * allowed, least))


def classify_by_permutation(
    responses: Mapping[str, ArrayLike], rng: np.random.Generator, n_permutations: int = 9999, alpha: float = 0.05
) -> Classes:
    """
    Classify units by permutation tests of single events, each phase against the matched one.

    Negative if mismatch exceeds matched (two-sided test at `alpha`, upper tail) and playback does not; positive the
    other way round; unsigned if both do. Where ``"baseline"`` (neither prediction nor input) is among the responses,
    what exceeds matched must exceed baseline too: else a unit that likes the absence of input looks like an error.

    Parameters
    ----------
    responses : mapping of str to (event, unit), Hz or a.u.
        ``"matched"``, ``"mismatch"``, ``"playback"`` and, better, ``"baseline"``; each with its own number of events.
        Gaps: NaN events are left out, unit by unit.
    rng : numpy.random.Generator
        Draws the permutations.
    n_permutations : int
        Permutations per test.
    alpha : float
        Level of each two-sided test.

    Returns
    -------
    (unit,) str
        See `CLASSES`; "undefined" where fewer than two events of a phase are left.

    Raises
    ------
    RecordingError
        Where a phase was not recorded.
    ShapeError
        Where a phase has fewer than two events, or units differ.

    References
    ----------
    Gillon et al. 2024, Journal of Neuroscience 44:e1009232023, doi 10.1523/JNEUROSCI.1009-23.2023.
    """
    require_conditions(responses, PHASES, "the classifier by permutation")
    against = [name for name in ("matched", "baseline") if name in responses]
    events = {name: events_by_units(responses[name], name) for name in (*PHASES, *against)}
    for name, values in events.items():
        require_repeats(len(values), 2, "the classifier by permutation", name)
    if len({values.shape[1] for values in events.values()}) > 1:
        told = ", ".join(f"{name} {values.shape}" for name, values in events.items())
        raise ShapeError(f"all phases need the same units, got shapes {told}")
    exceeds = {}
    undefined = np.zeros(events["matched"].shape[1], dtype=bool)
    for phase in ("mismatch", "playback"):
        exceeds[phase] = ~undefined
        for other in against:
            both = np.concatenate([events[phase], events[other]])
            label = np.arange(len(both)) < len(events[phase])
            above, _ = permutation_p_values(both, label, rng, n_permutations)
            exceeds[phase] = exceeds[phase] & (above <= alpha / 2)
            undefined = undefined | np.isnan(above)
    return _named(exceeds["mismatch"], exceeds["playback"], undefined)


def fractions_of_classes(classes: ArrayLike, level: float = 0.95) -> dict[str, ProportionInterval]:
    """
    Fraction of units in every class with Wilson's interval.

    Units are taken as independent: with several animals the interval is too narrow, and fractions per animal belong
    beside it.

    Parameters
    ----------
    classes : (unit,) str
        See `CLASSES`. Gaps: "undefined" units are left out.
    level : float
        Coverage; 1 - 0.05 / 8 for Bonferroni's correction of eight fractions.

    Returns
    -------
    dict of str to ProportionInterval
        Of every class but "undefined"; NaN where no unit is left.

    Raises
    ------
    ConfigError
        Where a class is unknown, or the level impossible.

    References
    ----------
    Wilson 1927, Journal of the American Statistical Association 22:209, doi 10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> found = fractions_of_classes(["negative"] * 14 + ["positive"] * 5 + ["other"] * 8)["negative"]
    >>> round(float(found.proportion), 3), round(float(found.low), 2), round(float(found.high), 2)
    (0.519, 0.34, 0.69)
    """
    names = np.asarray(classes)
    unknown = sorted(set(names.tolist()) - set(CLASSES))
    if unknown:
        raise ConfigError(f"'{unknown[0]}' is no class of units; there are {', '.join(CLASSES)}")
    told = names[names != "undefined"]
    return {name: proportion_and_interval(int((told == name).sum()), len(told), level) for name in CLASSES[:-1]}


def shuffled_fractions_of_classes(
    responses: Mapping[str, ArrayLike],
    classify: Callable[[dict[str, Any]], Classes],
    rng: np.random.Generator,
    n_shuffles: int = 200,
) -> dict[str, Floats]:
    """
    Chance level of a classifier: its fractions when the phases of the events are shuffled.

    Parameters
    ----------
    responses : mapping of str to (event, unit)
        Single events of every phase that the classifier needs. Units keep what they have in common within an event.
    classify : callable
        Takes a mapping of phase to (event, unit) of the same sizes, returns classes; for the classifiers of means, of
        the mean over events.
    rng : numpy.random.Generator
        Draws the shuffles.
    n_shuffles : int
        Shuffles.

    Returns
    -------
    dict of str to (shuffle,)
        Fraction of the units in every class but "undefined"; NaN where none is left.

    Raises
    ------
    ConfigError
        Unless there is at least one shuffle.
    """
    if n_shuffles < 1:
        raise ConfigError(f"n_shuffles must be at least 1, got {n_shuffles}")
    events = {name: events_by_units(values, name) for name, values in responses.items()}
    everything = np.concatenate(list(events.values()))
    ends = np.cumsum([len(values) for values in events.values()])[:-1]
    rows = []
    for _ in range(n_shuffles):
        parts = np.split(everything[rng.permutation(len(everything))], ends)
        classes = np.asarray(classify(dict(zip(events, parts, strict=True))))
        told = classes[classes != "undefined"]
        rows.append([(told == name).mean() if len(told) else np.nan for name in CLASSES[:-1]])
    return dict(zip(CLASSES[:-1], np.array(rows, dtype=np.float64).T, strict=True))


def _told(values: Floats, quiet: Bools, responds: Bools) -> Classes:
    """Classes from what is quiet and what responds, (phase, unit) in the order of `PHASES`."""
    undefined = np.asarray(~np.isfinite(values).all(axis=0))
    matched_quiet = quiet[0]
    negative = matched_quiet & responds[1] & (quiet[2] | responds[2])
    positive = matched_quiet & responds[2] & (quiet[1] | responds[1])
    return _named(negative, positive, undefined)


def _named(mismatch: Bools, playback: Bools, undefined: Bools) -> Classes:
    """Classes from which of the two phases an error was found in."""
    conditions = [undefined, mismatch & playback, mismatch, playback]
    return np.select(conditions, ["undefined", "unsigned", "negative", "positive"], "other")
