"""Published orderings held against a run: whether one mean exceeds another, where no number could be compared."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurofa import measures, references
from neurofa.analysis import MEASURES_FILE
from neurofa.comparison.verdicts import ALL_GROUPS, as_scorecard, blank_row, joined

#: columns of measures.csv that say where a value stands
PLACES = ("measure", "variable", "condition", "layer", "step")
UNDECIDED = "undecided"


def ordering_scorecard(table: pd.DataFrame, orderings: pd.DataFrame) -> pd.DataFrame:
    """
    Hold what was measured against published orderings, animal by animal.

    Parameters
    ----------
    table : pandas.DataFrame
        The run's ``measures.csv``.
    orderings : pandas.DataFrame
        As from `neurofa.references.load_orderings`.

    Returns
    -------
    pandas.DataFrame
        Columns `neurofa.comparison.COLUMNS`: simulated is the mean over animals of the difference that the ordering is
        about, with its 95 % interval (Student t). The verdict is inside where the interval excludes 0 on the published
        side, above or below where it does so on the other, and not comparable, with the reason undecided, where it
        includes 0. States of plasticity are judged apart.
    """
    text = table.assign(**table[["variable", "condition", "layer", "group"]].astype(object).fillna("").astype(str))
    if "session_a" in text:
        # measures of sessions have no steps; what is meant by first and last is the same
        text = text.assign(step=text["step"].fillna(text["session_a"]))
    rows: list[dict[str, Any]] = []
    for record in orderings.to_dict("records"):
        entry = {str(key): value for key, value in record.items()}
        own = text[text["measure"] == entry["measure"]]
        base = blank_row(
            f"{entry['id']} ({entry['citation']})", entry["doi"], "ordering", "", entry["measure"], np.nan, np.nan
        )
        sign = int(entry["sign"])
        base |= {"lower": 0.0} if sign > 0 else {"upper": 0.0}
        base |= {"interval_kind": "ordering", "published_n": f"{entry['area']}, {entry['species']}"}
        if own.empty:
            reason = f"the run has no measure '{entry['measure']}'"
            rows.append(base | {"group": ALL_GROUPS, "verdict": "not comparable", "reason": reason})
            continue
        for group in dict.fromkeys(own["group"]):
            for plasticity, one in _states(text[text["group"] == group], entry):
                told = f"{entry['statement']}; published: {entry['published']}"
                told += f"; plasticity {plasticity}" if plasticity else ""
                # one row per statement and state: rows of a scorecard are told apart by reference and group
                named = base | {"group": group, "reason": told, "definition": f"plasticity {plasticity}".strip()}
                rows.append(named | _judged(_differences(one, entry), sign, told))
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
        As from `ordering_scorecard`; no rows where there is nothing to compare. Orderings of measures that no analysis
        of the run makes are left out.
    """
    tables = [str(table) for table in settings.get("tables", ()) if references.kind_of(str(table)) == "orderings"]
    if not tables or not (folder / MEASURES_FILE).is_file():
        return as_scorecard([])
    measured = pd.read_csv(folder / MEASURES_FILE)
    cards = []
    for table in tables:
        known = references.load_orderings(table)
        cards.append(ordering_scorecard(measured, known[known["measure"].isin(set(measured["measure"]))]))
    return joined(cards)


def _states(table: pd.DataFrame, entry: dict[str, Any]) -> list[tuple[str, pd.DataFrame]]:
    """Values of the condition that is meant, apart for plasticity off and on; an empty name where nothing says."""
    wanted = str(entry["condition"])
    meant = table["measure"].isin([entry["measure"], entry["against_measure"]])
    own = table[meant & table["condition"].str.startswith(wanted)]
    states = own["condition"].str.extract(r"plasticity (off|on)", expand=False).fillna("")
    return [(str(state), own[states == state]) for state in dict.fromkeys(states)]


def _differences(table: pd.DataFrame, entry: dict[str, Any]) -> np.ndarray:
    """The difference of every animal; only those that have both values."""
    this = _at(table, {name: str(entry[name]) for name in PLACES})
    against = {name: str(entry[f"against_{name}"]) for name in PLACES}
    if not any(against.values()):
        values: np.ndarray = this.dropna().to_numpy()
        return values
    other = _at(table, {name: against[name] or str(entry[name]) for name in PLACES})
    both: np.ndarray = (this - other).dropna().to_numpy()
    return both


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


def _judged(differences: np.ndarray, sign: int, told: str) -> dict[str, Any]:
    """Mean, interval and verdict of an ordering."""
    if len(differences) < 2:
        reason = f"{len(differences)} animals have both values, at least 2 are needed; {told}"
        return {"verdict": "not comparable", "reason": reason}
    over = measures.mean_and_interval(differences)
    mean, low, high = float(over.mean), float(over.low), float(over.high)
    found: dict[str, Any] = {"simulated": mean, "ci_low": low, "ci_high": high, "n_animals": float(len(differences))}
    if low <= 0 <= high:
        return found | {"verdict": "not comparable", "reason": f"{UNDECIDED}: the interval includes 0; {told}"}
    right = low > 0 if sign > 0 else high < 0
    return found | {"verdict": "inside" if right else ("below" if sign > 0 else "above")}
