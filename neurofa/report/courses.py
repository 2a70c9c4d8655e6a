"""Courses of learning in words: what a group's animals could do at the first step and at the last."""

import pandas as pd

from neurofa import measures

#: measure, short title, what it is in a sentence, format of its values
_SHOWN = (
    ("held_out_accuracy", "held out", "Held-out stimuli reported correctly", "{:.1%}"),
    ("accuracy", "learned", "Learned stimuli reported correctly", "{:.1%}"),
    ("best_readout_mse", "best readout error", "Squared error of the best linear readout", "{:.2g}"),
    ("best_readout_accuracy", "best readout", "Stimuli that the best linear readout reports correctly", "{:.1%}"),
    ("fixed_readout_mse", "own readout error", "Squared error of the network's own readout", "{:.2g}"),
    (
        "target_information_gaussian",
        "bits",
        "Information about the target, Gaussian estimate in bits",
        "{:.2f}",
    ),
    ("angle_to_bp_deg", "angle to BP", "Angle to the signal of backpropagation in degrees", "{:.0f}"),
)
#: shown where animals report nothing that could be right or wrong
_WITHOUT_REPORTS = ("best_readout_mse", "fixed_readout_mse")
#: of several layers the terminal shows the last hidden one, which is next to the readout
LEGEND = "from the first step to the last, median over animals, last hidden layer"
#: what the columns are
MEANINGS = {
    "held out": "held-out stimuli reported correctly",
    "learned": "learned stimuli reported correctly",
    "best readout": "stimuli that the best linear readout of the rates would report correctly",
    "best readout error": "squared error of the best linear readout of the rates",
    "own readout error": "squared error of the network's own readout",
    "bits": "Gaussian estimate of the information about the target",
    "angle to BP": "angle of teaching signals to those of backpropagation, degrees",
}
SUCCESS_LEGEND = "solved: animals that report every stimulus correctly at the end, with the 95 % interval of Wilson"


def course_cells(table: pd.DataFrame, group: str) -> dict[str, str]:
    """
    Short texts for the terminal.

    Parameters
    ----------
    table : pandas.DataFrame
        The run's ``measures.csv``.
    group : str
        The group.

    Returns
    -------
    dict of str to str
        Title to first and last value; empty where nothing was measured step by step.
    """
    if "step" not in table:
        return {}
    cells = {}
    judged = bool(table["measure"].isin(["accuracy", "held_out_accuracy"]).any())
    for measure, title, _, form in _SHOWN:
        if judged and measure in _WITHOUT_REPORTS:
            continue
        course = _course(table, group, measure)
        if course is not None:
            cells[title] = f"{form.format(course.iloc[0])}→{form.format(course.iloc[-1])}"
    solved = _success(table, group)
    if solved:
        cells["solved"] = solved
    return cells


def course_sentences(table: pd.DataFrame, group: str) -> list[str]:
    """
    Findings for the report.

    Parameters
    ----------
    table : pandas.DataFrame
        The run's ``measures.csv``.
    group : str
        The group.

    Returns
    -------
    list of str
        One sentence per measure, of the last hidden layer; figures and tables have the others.
    """
    sentences = []
    for measure, _, text, form in _SHOWN:
        course = _course(table, group, measure)
        if course is None or (course == 0).all():
            continue
        last = course.iloc[-1]
        low, high = (form.format(end) for end in course.attrs["quartiles"])
        place = f" in {course.attrs['layer']}" if course.attrs["layer"] else ""
        start = "at first" if course.index[0] == 0 else f"after {course.index[0]:g} updates"
        sentences.append(
            f"{text}{place}: {form.format(course.iloc[0])} {start}, {form.format(last)} after {course.index[-1]:g} "
            f"updates (median of {course.attrs['animals']} animals; quartiles {low} to {high})."
        )
    solved = _success(table, group)
    if solved:
        sentences.append(f"Solved by {solved} of the animals (95 % interval of Wilson).")
    return [*sentences, *_leads(table, group)]


def _course(table: pd.DataFrame, group: str, measure: str) -> "pd.Series[float] | None":
    """Median over animals at every step, of the last layer; attrs: the layer, animals and quartiles at the end."""
    own = table[(table["measure"] == measure) & (table["group"].astype(str) == group)]
    own = own[pd.to_numeric(own["step"], errors="coerce").notna()]
    if own.empty:
        return None
    layers = own["layer"].fillna("").astype(str)
    own = own[layers == layers.iloc[-1]]
    # an analysis may repeat what another one measures: every animal counts once at a step
    of_animals = own.groupby(["step", "animal"])["value"].first()
    course = of_animals.groupby("step").median().sort_index()
    last = of_animals.loc[course.index[-1]]
    course.attrs = {
        "layer": str(layers.iloc[-1]),
        "animals": len(last),
        "quartiles": tuple(last.quantile([0.25, 0.75])),
    }
    return course


def _success(table: pd.DataFrame, group: str) -> str:
    """Rate of success with its interval; empty where there is none."""
    own = table[(table["measure"] == "success_rate") & (table["condition"].astype(str) == group)]
    values = dict(zip(own["variable"].astype(str), own["value"], strict=True))
    if not {"rate", "lower", "upper"} <= values.keys():
        return ""
    return f"{values['rate']:.0%} ({values['lower']:.0%} to {values['upper']:.0%})"


def _leads(table: pd.DataFrame, group: str) -> list[str]:
    """Which comes first, alignment or learning."""
    own = table[(table["measure"] == "alignment_lead_steps") & (table["group"].astype(str) == group)]
    sentences = []
    for (layer, condition), values in own.groupby(["layer", "condition"], sort=False):
        if len(values) < 3:
            continue
        mean, low, high, n = measures.mean_and_interval(values["value"].to_numpy())
        if low <= 0 <= high:
            continue
        order = "comes before" if low > 0 else "comes after"
        sentences.append(
            f"In {layer} alignment {order} learning ({str(condition).replace('_', ' ')}): it leads by {mean:.0f} "
            f"updates (95 % interval {low:.0f} to {high:.0f} over {n} animals whose order could be told)."
        )
    return sentences
