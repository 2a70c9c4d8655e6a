"""One-sentence findings of a run, made from its tables: performance, loss of correlation, points inside."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from neurofa import measures
from neurofa.comparison.verdicts import CURVE_KINDS
from neurofa.report.courses import course_sentences
from neurofa.switching import animals_of_table, references_that_switch, warning_of_switching

SPLIT_HALF = "split_half_population_vector_correlation"
POPULATION_VECTOR = "population_vector_correlation"
#: share of a measure's points from which on a mechanism explains it
EXPLAINED = 0.75
#: a group that reports fewer stimuli correctly explains nothing
KEPT = 0.95


def findings(
    table: pd.DataFrame,
    counts: pd.DataFrame,
    labels: Mapping[str, str],
    scorecard: pd.DataFrame | None = None,
    nulls: Collection[str] = (),
) -> list[tuple[str, list[str]]]:
    """
    Say what came out.

    Parameters
    ----------
    table : pandas.DataFrame
        The run's ``measures.csv``; may be empty.
    counts : pandas.DataFrame
        The run's ``counts.csv``; may be empty.
    labels : mapping of str to str
        Group to its name in text; groups that are not in it keep their own.
    scorecard : pandas.DataFrame, optional
        Columns as in `neurofa.comparison.COLUMNS`: a group whose correlation of halves of a session is too low or too
        high says so.
    nulls : collection of str
        Groups that are controls of others; all others are mechanisms.

    Returns
    -------
    list of tuple
        Group and its sentences; groups as they come in the tables. Where mechanisms were held against a recording,
        what none of them explains comes first.
    """
    groups = [*_column(table, "group"), *_column(counts, "group")]
    switching = [] if scorecard is None else references_that_switch(scorecard)
    unexplained = _of_no_mechanism(table, nulls)
    found = [("All mechanisms", unexplained)] if unexplained else []
    for group in dict.fromkeys(str(group) for group in groups):
        sentences = [*_of_maps(table, group), *_of_measures(table, group), *_of_counts(counts, group, switching)]
        sentences += course_sentences(table, group) if "step" in table else []
        sentences += [*_of_spikes(table, group), *_of_mechanisms(table, group)]
        sentences += [] if scorecard is None else _of_halves(scorecard, group)
        if sentences:
            found.append((labels.get(group, group.replace("_", " ")), sentences))
    return found


def _column(table: pd.DataFrame, name: str) -> list[Any]:
    """Values of a column; none where the table has no such column."""
    return table[name].dropna().tolist() if name in table else []


def _of_maps(table: pd.DataFrame, group: str) -> list[str]:
    """A warning where animals of a group switch between maps."""
    told = warning_of_switching(animals_of_table(table).get(group, []))
    return [told] if told else []


def _of_measures(table: pd.DataFrame, group: str) -> list[str]:
    """Performance and loss of one group."""
    if table.empty:
        return []
    own = table[table["group"].astype(str) == group]
    sentences = []
    performance = own[own["measure"] == "performance"]
    if len(performance) and "accuracy" not in set(own["measure"]):
        mean = performance.groupby("animal")["value"].mean().mean()
        sentences.append(
            f"Performance: {mean:.1%} of stimuli are reported correctly on average, "
            f"{performance['value'].min():.1%} in the worst session of an animal."
        )
    curve = own[own["measure"] == POPULATION_VECTOR]
    for layer, of_layer in curve.groupby("layer", sort=False, dropna=False):
        place = f" in {layer}" if curve["layer"].nunique() > 1 else ""
        sentences += [_loss(of_layer[of_layer["variable"] == "rate"], f"Observed population-vector correlation{place}")]
        latent = of_layer[of_layer["variable"] == "latent_rate"]
        sentences += [_loss(latent, f"Without observation and input gains{place}, the population-vector correlation")]
    return [sentence for sentence in sentences if sentence]


def _of_spikes(table: pd.DataFrame, group: str) -> list[str]:
    """How spikes of a group follow the rates of the same weights in the last session, by spiking_agreement."""
    if table.empty or "rate_spike_correlation" not in set(table["measure"]):
        return []
    own = table[(table["group"].astype(str) == group) & (table["session_a"] == table["session_a"].max())]
    mean = own.groupby("measure")["value"].mean()
    if not mean.get("rate_spike_correlation", float("nan")) > -1:
        return []
    return [
        "In the last session spikes follow the rates of a rate network with the same weights: pooled correlation "
        f"{mean['rate_spike_correlation']:.3f}, slope {mean['rate_spike_slope']:.3f}, offset "
        f"{mean['rate_spike_offset_hz']:.2f} Hz; {mean['accuracy_in_spikes']:.1%} of stimuli are reported correctly in "
        f"spikes, {mean['accuracy_of_rate_network']:.1%} by the rate network."
    ]


def _of_mechanisms(table: pd.DataFrame, group: str) -> list[str]:
    """Which recorded measures a group explains, by the analysis mechanism_scorecard."""
    if table.empty or "points_met" not in set(table["measure"]):
        return []
    own = table[(table["measure"] == "points_met") & (table["group"].astype(str) == group)]
    shares = own.groupby("condition", sort=False)["value"].mean()
    most, fewer = shares[shares >= EXPLAINED], shares[shares < EXPLAINED]
    named = ", ".join(_in_words(name) for name in most.index)
    text = f"Meets three quarters or more of the recorded points of {named or 'no measure'}."
    rest = ", ".join(f"{_in_words(name)} ({share:.0%})" for name, share in fewer.items())
    text = f"{text} Fewer of {rest}." if rest else text
    correct = table[(table["measure"] == "performance") & (table["group"].astype(str) == group)]["value"].mean()
    lost = (
        f"Explains nothing, for recorded animals keep their behaviour, and this group reports {correct:.0%} correctly: "
    )
    return [lost + text[0].lower() + text[1:] if correct < KEPT else text]


def _of_no_mechanism(table: pd.DataFrame, nulls: Collection[str]) -> list[str]:
    """Which recorded measures no mechanism explains that keeps the behaviour, and which no null."""
    if table.empty or "points_met" not in set(table["measure"]):
        return []
    met = table[table["measure"] == "points_met"].astype({"group": str})
    shares = met.pivot_table(index="group", columns="condition", values="value", aggfunc="mean", sort=False)
    performance = table[table["measure"] == "performance"].astype({"group": str})
    correct = performance.groupby("group")["value"].mean().reindex(shares.index)
    kept = shares[~(correct < KEPT)] >= EXPLAINED
    is_null = kept.index.isin(list(nulls))
    sentences = []
    for words, of_kind in (("no mechanism", kept[~is_null]), ("no null", kept[is_null])):
        never = [_in_words(name) for name in kept.columns if not of_kind[name].any()]
        sentences.append(f"Explained by {words}: {', '.join(never) or 'nothing'}.")
    return sentences


def _in_words(measure: Any) -> str:
    """Measure id as text."""
    return str(measure).removesuffix("_deg").replace("_", " ")


def _loss(curve: pd.DataFrame, subject: str) -> str:
    """How much a curve falls from the shortest to the longest lag, within animals."""
    curve = curve.assign(lag_days=curve["lag_days"].round(3))
    lags = sorted(curve["lag_days"].dropna().unique())
    if len(lags) < 2:
        return ""
    by_animal = curve.pivot_table(index="animal", columns="lag_days", values="value", aggfunc="mean")
    both = by_animal[[lags[0], lags[-1]]].dropna()
    if both.empty:
        return ""
    first, last = both[lags[0]].mean(), both[lags[-1]].mean()
    loss = measures.mean_and_interval((both[lags[0]] - both[lags[-1]]).to_numpy())
    low, high = float(loss.low), float(loss.high)
    change = "falls" if low > 0 else "rises" if high < 0 else "goes"
    text = f"{subject} {change} from {first:.2f} at {lags[0]:g} days to {last:.2f} at {lags[-1]:g} days"
    if len(both) == 1:
        return f"{text} (one animal: no interval)."
    doubt = "; it includes 0" if change == "goes" else ""
    return f"{text}: a loss of {loss.mean:.3f} (95 % interval {low:.3f} to {high:.3f} over {len(both)} animals{doubt})."


def _of_counts(counts: pd.DataFrame, group: str, switching: Sequence[str]) -> list[str]:
    """Points inside, against every reference; a warning where the reference is an animal that switches maps."""
    if counts.empty:
        return []
    told = []
    for row in counts[counts["group"].astype(str) == group].to_dict("records"):
        name = str(row["reference"])
        warning = warning_of_switching([name.partition(" (")[0]] if name in switching else [])
        told.append(
            f"Against {name}: {row['inside']} of {row['of']} curve points lie within the tolerance, "
            f"{row['inside_without_overlap']} of {row['of_without_overlap']} without the overlap of detected cells."
            + (f" {warning}" if warning else "")
        )
    return told


def _of_halves(scorecard: pd.DataFrame, group: str) -> list[str]:
    """The correlation of halves of a session, where it lies outside the tolerance of a recorded one."""
    own = scorecard[(scorecard["measure"] == SPLIT_HALF) & (scorecard["group"].astype(str) == group)]
    own = own[own["verdict"].isin(["below", "above"]) & own["reference_kind"].isin(CURVE_KINDS)]
    meaning = {"below": "maps are noisier within a session", "above": "maps are less noisy within a session"}
    return [
        f"Halves of a session correlate at {row['simulated']:.2f}, {row['verdict']} the {row['published']:.2f} ± "
        f"{row['tolerance']:.2f} of {row['reference']}: {meaning[row['verdict']]}."
        for row in own.to_dict("records")
    ]
