"""Published orderings held against a run: which of two values is larger, animal by animal, or group by group."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from neurofa import measures, references
from neurofa.analysis import MEASURES_FILE
from neurofa.comparison.verdicts import ALL_GROUPS, ORDERING_VERDICTS, as_scorecard, blank_row, joined
from neurofa.run_folder import read_protocol

if TYPE_CHECKING:
    from neurofa.protocol import Protocol

#: columns of measures.csv that say where a value stands
PLACES = ("measure", "variable", "condition", "layer", "step")
#: verdicts on an ordering: the interval excludes 0 on the published side, on the other, or includes 0
AS_PUBLISHED, OPPOSITE, UNDECIDED = ORDERING_VERDICTS
#: between the statement and what was published
PUBLISHED = "; published: "
#: reference kind of these rows
ORDERING = "ordering"
#: between the names of two groups that are held against each other
MINUS = " minus "


def ordering_scorecard(
    table: pd.DataFrame, orderings: pd.DataFrame, protocol: "Protocol | None" = None
) -> pd.DataFrame:
    """
    Hold what was measured against published orderings, within groups and between them.

    Parameters
    ----------
    table : pandas.DataFrame
        The run's ``measures.csv``.
    orderings : pandas.DataFrame
        As from `neurofa.references.load_orderings`.
    protocol : Protocol, optional
        Of the run: orderings between groups need it, to tell which groups differ in nothing but their setting.

    Returns
    -------
    pandas.DataFrame
        Columns `neurofa.comparison.COLUMNS`: simulated is the mean of the difference that the ordering is about, with
        its 95 % interval; within a group over animals (Student t), between groups over pairs of animals of equal number
        where one group is the ``control_of`` the other (Student t), else of independent animals (Welch). The verdict is
        as published where the interval excludes 0 on the published side, opposite where it does so on the other, and
        undecided where it includes 0. States of plasticity are judged apart.
    """
    text = table.assign(**table[["variable", "condition", "layer", "group"]].astype(object).fillna("").astype(str))
    if "session_a" in text:
        # measures of sessions have no steps; what is meant by first and last is the same
        text = text.assign(step=text["step"].fillna(text["session_a"]))
    rows: list[dict[str, Any]] = []
    for record in orderings.to_dict("records"):
        entry = {str(key): value for key, value in record.items()}
        own = text[text["measure"] == entry["measure"]]
        base = _base(entry)
        if own.empty:
            rows.append(base | {"reason": f"the run has no measure '{entry['measure']}'"})
        elif entry["setting"]:
            rows += _between(text, entry, base, protocol)
        else:
            rows += _within(text, entry, base, list(dict.fromkeys(own["group"])))
    return as_scorecard(rows)


def orderings_of_run(folder: Path, settings: Mapping[str, Any]) -> pd.DataFrame:
    """
    Hold a run against the tables of orderings that its protocol names.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder, with ``measures.csv``.
    settings : mapping
        The protocol's table ``[references]``.

    Returns
    -------
    pandas.DataFrame
        As from `ordering_scorecard`; no rows where there is nothing to compare. Orderings of measures, or of conditions
        of these, that no analysis of the run makes are left out.
    """
    tables = [str(table) for table in settings.get("tables", ()) if references.kind_of(str(table)) == "orderings"]
    if not tables or not (folder / MEASURES_FILE).is_file():
        return as_scorecard([])
    measured, protocol = pd.read_csv(folder / MEASURES_FILE), read_protocol(folder)
    cards = []
    for table in tables:
        known = references.load_orderings(table)
        cards.append(ordering_scorecard(measured, known[_has(measured, known)], protocol))
    return joined(cards)


def _has(measured: pd.DataFrame, known: pd.DataFrame) -> list[bool]:
    """Whether the run has the measure of every ordering, under its condition."""
    there = measured[["measure", "condition"]].astype(object).fillna("").astype(str).drop_duplicates()
    return [
        bool(there.loc[there["measure"] == measure, "condition"].str.startswith(condition).any())
        for measure, condition in zip(known["measure"], known["condition"], strict=True)
    ]


def _base(entry: dict[str, Any]) -> dict[str, Any]:
    """A row of the scorecard before any group was judged."""
    name = f"{entry['id']} ({entry['citation']})"
    base = blank_row(name, entry["doi"], ORDERING, "", entry["measure"], np.nan, np.nan)
    base |= {"lower": 0.0} if int(entry["sign"]) > 0 else {"upper": 0.0}
    base |= {"interval_kind": ORDERING, "published_n": f"{entry['area']}, {entry['species']}"}
    return base | {"group": ALL_GROUPS, "verdict": "not comparable"}


def _within(text: pd.DataFrame, entry: dict[str, Any], base: dict[str, Any], groups: list[str]) -> list[dict[str, Any]]:
    """One row per group and state of plasticity: the difference of every animal."""
    rows = []
    for group in groups:
        for plasticity, one in _states(text[text["group"] == group], entry):
            differences = _differences(one, entry).dropna().to_numpy()
            over = measures.mean_and_interval(differences)
            rows.append(_judged(base | {"group": group}, entry, plasticity, over, len(differences)))
    return rows


def _between(
    text: pd.DataFrame, entry: dict[str, Any], base: dict[str, Any], protocol: "Protocol | None"
) -> list[dict[str, Any]]:
    """One row per pair of groups and state of plasticity: the difference of the two groups."""
    pairs = _pairs_of_groups(protocol, entry)
    if not pairs:
        told = f"{entry['setting']} alone: {entry['setting_value']} against {entry['against_setting_value']}"
        return [base | {"reason": f"no two groups of the run differ in {told}"}]
    rows = []
    for group, against, paired in pairs:
        others = dict(_states(text[text["group"] == against], entry))
        for plasticity, one in _states(text[text["group"] == group], entry):
            this, other = (_differences(own, entry).dropna() for own in (one, others.get(plasticity, one.iloc[:0])))
            if paired:
                this, other = (values.set_axis(_numbers(values.index)) for values in (this, other))
                differences = (this - other).dropna().to_numpy()
                over, n = measures.mean_and_interval(differences), len(differences)
            else:
                over, n = measures.difference_and_interval(this, other), min(len(this), len(other))
            named = base | {"group": f"{group}{MINUS}{against}"}
            rows.append(_judged(named, entry, plasticity, over, n, "paired animals" if paired else "independent"))
    return rows


def _pairs_of_groups(protocol: "Protocol | None", entry: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Groups that differ in nothing but the setting of an ordering, and whether their animals are pairs."""
    if protocol is None:
        return []
    settings = {name: _flat(protocol.group(name).as_dict()) for name in protocol.group_names()}
    found = []
    for group, own in settings.items():
        for against, theirs in settings.items():
            differ = {key for key in own.keys() | theirs.keys() if own.get(key) != theirs.get(key)}
            values = [str(one.get(entry["setting"])) for one in (own, theirs)]
            if differ == {entry["setting"]} and values == [entry["setting_value"], entry["against_setting_value"]]:
                control = {group, against} in (
                    {name, protocol.groups.get(name, {}).get("control_of", "")} for name in (group, against)
                )
                found.append((group, against, control))
    return found


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _numbers(animals: pd.Index) -> list[str]:
    """Numbers of animals within their group: those of equal number are pairs."""
    return [str(animal).rpartition("-")[2] for animal in animals]


def _states(table: pd.DataFrame, entry: dict[str, Any]) -> list[tuple[str, pd.DataFrame]]:
    """Values of the condition that is meant, apart for plasticity off and on; an empty name where nothing says."""
    wanted = str(entry["condition"])
    meant = table["measure"].isin([entry["measure"], entry["against_measure"]])
    own = table[meant & table["condition"].str.startswith(wanted)]
    states = own["condition"].str.extract(r"plasticity (off|on)", expand=False).fillna("")
    return [(str(state), own[states == state]) for state in dict.fromkeys(states)]


def _differences(table: pd.DataFrame, entry: dict[str, Any]) -> pd.Series:
    """The difference of every animal within itself; NaN where it lacks one of both values."""
    this = _at(table, {name: str(entry[name]) for name in PLACES})
    against = {name: str(entry[f"against_{name}"]) for name in PLACES}
    if not any(against.values()):
        return this
    return this - _at(table, {name: against[name] or str(entry[name]) for name in PLACES})


def _at(table: pd.DataFrame, place: dict[str, str]) -> pd.Series:
    """Mean value of every animal at a place: the first or last layer or step, any of them where nothing is said."""
    own = table[(table["measure"] == place["measure"]) & (table["variable"] == place["variable"])]
    # without a word on the step the animals are meant as they are in the end
    for name in ("layer", "step"):
        known = sorted(own[name].dropna().unique())
        wanted = place[name] or ("last" if name == "step" else "")
        if wanted and known:
            own = own[own[name] == {"first": known[0], "last": known[-1]}.get(wanted, wanted)]
    return own.groupby("animal")["value"].mean()


def _judged(
    row: dict[str, Any], entry: dict[str, Any], plasticity: str, over: "measures.MeanInterval", n: int, how: str = ""
) -> dict[str, Any]:
    """Mean, interval and verdict of an ordering."""
    state = ", ".join(part for part in (f"plasticity {plasticity}" if plasticity else "", how) if part)
    told = "; ".join(part for part in (f"{entry['statement']}{PUBLISHED}{entry['published']}", state) if part)
    # one row per statement and state: rows of a scorecard are told apart by reference and group
    row = row | {"definition": state}
    if n < 2:
        return row | {"reason": f"{n} animals have both values, at least 2 are needed; {told}"}
    mean, low, high = float(over.mean), float(over.low), float(over.high)
    row |= {"simulated": mean, "ci_low": low, "ci_high": high, "n_animals": float(n)}
    if low <= 0 <= high:
        return row | {"verdict": UNDECIDED, "reason": told}
    right = low > 0 if int(entry["sign"]) > 0 else high < 0
    return row | {"verdict": AS_PUBLISHED if right else OPPOSITE, "reason": told}
