"""What a run found, as one small table for the terminal."""

from pathlib import Path

import pandas as pd

#: what the columns are
LEGEND = (
    "correct: stimuli reported correctly; PV, RSM: correlation of population vectors and of representational "
    "similarity from the shortest to the longest lag, observed and latent; last columns: curve points within tolerance"
)
#: measures whose first and last lag are shown: measure, variable, title
_SHOWN = (
    ("population_vector_correlation", "rate", "PV"),
    ("population_vector_correlation", "latent_rate", "latent PV"),
    ("representational_similarity_correlation", "rate", "RSM"),
)


def brief(folder: Path) -> list[dict[str, str]]:
    """
    Key numbers of every group.

    Parameters
    ----------
    folder : pathlib.Path
        Run folder with ``summary.csv`` and, if it was compared, ``counts.csv``.

    Returns
    -------
    list of dict
        One row per group: title to text; empty where the run was analysed by something else.
    """
    summary, counts = _read(folder / "summary.csv"), _read(folder / "counts.csv")
    if summary.empty:
        return []
    rows: list[dict[str, str]] = []
    for group in summary["group"].dropna().astype(str).unique():
        own = summary[summary["group"].astype(str) == group]
        row = {"group": group}
        performance = own[own["measure"] == "performance"]["mean"]
        if len(performance):
            row["correct"] = f"{performance.mean():.1%}"
        for measure, variable, title in _SHOWN:
            curve = own[(own["measure"] == measure) & (own["variable"] == variable)].sort_values("lag_days")
            if len(curve) > 1:
                first, last = curve.iloc[0], curve.iloc[-1]
                row[title] = f"{first['mean']:.2f}→{last['mean']:.2f}"
        if not counts.empty:
            for count in counts[counts["group"].astype(str) == group].to_dict("records"):
                title = f"{str(count['reference']).split(' (')[0]} {str(count['reference_kind']).split()[-1]}"
                row[title] = f"{count['inside']} of {count['of']}"
        rows.append(row)
    return rows


def _read(path: Path) -> pd.DataFrame:
    """A table of the run; empty where it is not there."""
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()
