"""What a run found, as one small table for the terminal."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from neurofa.checking import null_of_protocol
from neurofa.comparison.files import read_scorecard
from neurofa.comparison.orderings import ORDERING
from neurofa.comparison.verdicts import ORDERING_VERDICTS
from neurofa.report.courses import LEGEND as COURSES_LEGEND
from neurofa.report.courses import MEANINGS, SUCCESS_LEGEND, course_cells
from neurofa.run_folder import PROTOCOL_FILE
from neurofa.switching import animals_of_table, references_that_switch, warning_of_switching

#: what the columns of drift are
CORRECT_LEGEND = "correct: stimuli reported correctly"
CURVES_LEGEND = (
    "PV, RSM: correlation of population vectors and of representational similarity from the shortest to the longest lag"
)
VECTORS_LEGEND = "PV: correlation of population vectors from the shortest to the longest lag"
#: in the title of a column of points, where the recorded animal does
SWITCHES = "switches maps"
SPIKES_LEGEND = "spikes, rates: correlation of spikes with the rates of the same weights, and its slope"
POINTS_LEGEND = "last columns: curve points within tolerance"
#: measures whose first and last lag are shown: measure, variable, title
_SHOWN = (
    ("population_vector_correlation", "rate", "PV"),
    ("population_vector_correlation", "latent_rate", "latent PV"),
    ("representational_similarity_correlation", "rate", "RSM"),
)


def brief(folder: Path) -> list[dict[str, str]]:
    """
    Key numbers of every group; with several layers, of every layer of every group.

    Parameters
    ----------
    folder : pathlib.Path
        Run folder with ``summary.csv`` and, if it was compared, ``counts.csv``.

    Returns
    -------
    list of dict
        One row per group, or per group and layer with a title ``layer``: title to text; empty where the run was
        analysed by something else.
    """
    summary, counts = _read(folder / "summary.csv"), _read(folder / "counts.csv")
    table, switching = _read(folder / "measures.csv"), references_that_switch(read_scorecard(folder))
    if summary.empty:
        return []
    text = ["group", "layer", "condition", "step"]
    summary[text] = summary.reindex(columns=text).astype(object).fillna("").astype(str)
    summary = summary[(summary["condition"] == "") & (summary["step"] == "") & (summary["group"] != "")]
    layers = [layer for layer in summary["layer"].unique() if layer]
    rows: list[dict[str, str]] = []
    for group, own in summary.groupby("group", sort=False):
        for layer in layers if len(layers) > 1 else [""]:
            of_layer = own[own["layer"] == layer] if layer else own
            if layer and of_layer.empty:
                continue
            row = {"group": str(group)} | ({"layer": layer} if layer else {})
            performance = own[own["measure"] == "performance"]["mean"]
            # of animals that learn while they are recorded the course says more than the mean over sessions
            course = {title: text for title, text in course_cells(table, str(group)).items() if title == "learned"}
            row |= course
            if len(performance) and not course:
                row["correct"] = f"{performance.mean():.1%}"
            points = _points(counts, f"{group} ({layer})" if layer else str(group), switching)
            rows.append(row | _spikes(of_layer) | _curves(of_layer) | points)
    if any(row.keys() - {"group", "layer", "learned"} for row in rows):
        return rows
    return [{"group": group} | course_cells(table, group) for group in _groups(table)]


def legend(rows: list[dict[str, str]]) -> str:
    """
    What the columns are.

    Parameters
    ----------
    rows : list of dict
        From `brief`.

    Returns
    -------
    str
        One line; empty where there is nothing to explain.
    """
    titles = {title for row in rows for title in row}
    if titles <= {"group", "layer"}:
        return ""
    if titles & {"PV", "correct", "spikes, rates"}:
        learned = "learned: stimuli reported correctly at the first step and at the last, median over animals"
        curves = CURVES_LEGEND if "RSM" in titles else VECTORS_LEGEND
        curves += ", observed and latent" if "latent PV" in titles else ""
        points = any(" of " in row.get(title, "") for row in rows for title in titles - {"group", "layer"})
        parts = {learned: "learned" in titles, CORRECT_LEGEND: "correct" in titles}
        parts |= {SPIKES_LEGEND: "spikes, rates" in titles, curves: "PV" in titles, POINTS_LEGEND: points}
        return "; ".join(text for text, needed in parts.items() if needed)
    meanings = [f"{title}: {text}" for title, text in MEANINGS.items() if title in titles]
    return "; ".join([COURSES_LEGEND, *meanings, *([SUCCESS_LEGEND] if "solved" in titles else [])])


def warning(folder: Path) -> str:
    """
    What forbids reading the curves of a run as drift: animals that switch between maps.

    Those of the run itself, and recorded ones that it was held against.

    Parameters
    ----------
    folder : pathlib.Path
        Run folder with ``measures.csv`` and, if it was compared, ``scorecard.csv``.

    Returns
    -------
    str
        One sentence; empty where there is nothing to warn of.
    """
    names = [name for animals in animals_of_table(_read(folder / "measures.csv")).values() for name in animals]
    references = references_that_switch(read_scorecard(folder))
    return warning_of_switching([*names, *(reference.partition(" (")[0] for reference in references)])


def told_nulls(folder: Path) -> str:
    """
    Say which groups the whole protocol turned into null models.

    Parameters
    ----------
    folder : pathlib.Path
        Run folder.

    Returns
    -------
    str
        One sentence; empty where there is none, or the run was not simulated.
    """
    path = folder / PROTOCOL_FILE
    protocol = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    # a protocol without groups is one of all animals
    nulls = {name: null_of_protocol(protocol, name) for name in protocol.get("groups", {}) or ["all animals"]}
    turned = [name for name, null in nulls.items() if null]
    if not turned:
        return ""
    return f"Null models here ({nulls[turned[0]]}), whatever their names say: {', '.join(turned)}."


def told_orderings(folder: Path) -> list[dict[str, str]]:
    """
    How many published orderings every group, or pair of groups, meets.

    Parameters
    ----------
    folder : pathlib.Path
        Run folder with ``scorecard.csv``, if it was compared.

    Returns
    -------
    list of dict
        One row per group: title to text; empty where no ordering has a value.
    """
    card = read_scorecard(folder)
    card = card[(card["reference_kind"] == ORDERING) & card["simulated"].notna()]
    rows = []
    for group, own in card.groupby("group", sort=False):
        counts = {name: str((own["verdict"] == name).sum()) for name in ORDERING_VERDICTS}
        rows.append({"published orderings": str(group)} | counts)
    return rows


def _groups(table: pd.DataFrame) -> list[str]:
    """Groups in the order of the table."""
    if table.empty:
        return []
    return [str(group) for group in table["group"].dropna().unique() if str(group)]


def _curves(summary: pd.DataFrame) -> dict[str, str]:
    """First and last value of the curves that are shown, of one layer of a group."""
    shown = {}
    for measure, variable, title in _SHOWN:
        of_measure = (summary["measure"] == measure) & (summary["variable"] == variable)
        curve = summary[of_measure].sort_values("lag_days")
        if len(curve) > 1:
            shown[title] = f"{curve['mean'].iloc[0]:.2f}→{curve['mean'].iloc[-1]:.2f}"
    return shown


def _spikes(summary: pd.DataFrame) -> dict[str, str]:
    """How spikes follow the rates of the same weights in one layer of a group, mean over sessions."""
    mean = summary.groupby("measure")["mean"].mean()
    if "rate_spike_correlation" not in mean:
        return {}
    return {"spikes, rates": f"{mean['rate_spike_correlation']:.3f}, {mean['rate_spike_slope']:.2f}"}


def _points(counts: pd.DataFrame, group: str, switching: Sequence[str]) -> dict[str, str]:
    """Points inside of one group, as the scorecard calls it, against every reference; those that switch maps marked."""
    if counts.empty:
        return {}
    shown = {}
    for count in counts[counts["group"].astype(str) == group].to_dict("records"):
        reference = str(count["reference"])
        title = f"{reference.split(' (')[0]} {str(count['reference_kind']).split()[-1]}"
        title += f" ({SWITCHES})" if reference in switching else ""
        shown[title] = f"{count['inside']} of {count['of']}"
    return shown


def _read(path: Path) -> pd.DataFrame:
    """A table of the run; empty where it is not there."""
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()
