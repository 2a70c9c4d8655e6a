"""What a sweep found: tables and a figure of all conditions side by side, and one page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from neurofa import __version__
from neurofa.figures.drawing import save
from neurofa.measures import mean_and_interval
from neurofa.protocol import Protocol
from neurofa.provenance import read_provenance
from neurofa.report.brief import brief, legend, warning
from neurofa.report.page import embedded_figures, write_page
from neurofa.run_folder import read_protocol
from neurofa.sweep.conditions import short_names
from neurofa.sweep.figure import draw
from neurofa.sweep.plan import CONDITIONS_FILE, SUMMARY_FILE, read_plan, state_of

OVERVIEW_FILE = "overview.csv"
_FIGURE = "drift_and_performance"
_TEMPLATE = "sweep.html.jinja"
_CORRELATION = "population_vector_correlation"
#: measures of the fraction of correct reports, the first that there is
_PERFORMANCE = ("held_out_accuracy", "accuracy", "performance")
_USED = ["measure", "variable", "group", "animal", "layer", "condition", "step", "lag_days", "value"]
OVERVIEW_COLUMNS = ("group", "quantity", "variable", "layer", "lag_days", "mean", "lower", "upper", "n_animals")


def combine(folder: Path) -> None:
    """
    Write the tables, the figure and the page of a sweep, from the run folders that are finished.

    Parameters
    ----------
    folder : pathlib.Path
        Of the sweep.
    """
    plan = read_plan(folder)
    keys: list[str] = plan["keys"]
    conditions, summaries, overviews = [], [], []
    for condition in plan["conditions"]:
        path = folder / condition["name"]
        state, values = state_of(path), {key: _cell(condition["values"][key]) for key in keys}
        told = read_provenance(path) if state.finished else {}
        start = {"run": condition["name"], **values}
        conditions.append(
            start | {"state": state.word, "stopped_animals": len(told.get("stopped", {})), "reason": state.failed}
        )
        if state.finished:
            summaries.append(_led(pd.read_csv(path / "summary.csv"), start))
            overviews.append(_led(overview(path), start))
    first = read_protocol(folder / plan["conditions"][0]["name"])
    table = pd.DataFrame(conditions)
    _write(table, folder / CONDITIONS_FILE)
    shown = _joined(overviews, ["run", *keys, *OVERVIEW_COLUMNS])
    _write(_joined(summaries, ["run", *keys]), folder / SUMMARY_FILE)
    _write(shown, folder / OVERVIEW_FILE)
    drawing = draw(shown, table, keys, _labels(first), _controls(first))
    if drawing is not None:
        metadata = {"sweep": folder.resolve().name, "version": __version__, "seed": first.cohort.seed}
        save(drawing, folder / "figures", _FIGURE, metadata)
    _write_page(folder, plan, table)


def overview(path: Path) -> pd.DataFrame:
    """
    Performance and drift of every group of one run.

    Parameters
    ----------
    path : pathlib.Path
        Run folder with ``measures.csv``.

    Returns
    -------
    pandas.DataFrame
        Columns `OVERVIEW_COLUMNS`; quantities are ``correct`` (fraction of stimuli reported correctly: mean over
        sessions, or at the last step where learning was followed step by step), the correlation of population vectors
        at the shortest and at the longest lag, and ``loss``, its fall from one to the other within an animal; of the
        last hidden layer, observed (``rate``) and without observation and input gains (``latent_rate``). Mean over
        animals and 95 % interval (Student t).
    """
    table = pd.read_csv(path / "measures.csv", usecols=_USED, dtype={"step": object})
    text = ["variable", "group", "animal", "layer", "condition"]
    table[text] = table[text].astype(object).fillna("").astype(str)
    rows: list[dict[str, Any]] = []
    for group in dict.fromkeys(name for name in table["group"] if name):
        own = table[table["group"] == group]
        rows += _correct(own, group) + _drift(own, group)
    return pd.DataFrame(rows, columns=list(OVERVIEW_COLUMNS))


def _correct(own: pd.DataFrame, group: str) -> list[dict[str, Any]]:
    """Fraction of correct reports."""
    measure = next((name for name in _PERFORMANCE if (own["measure"] == name).any()), None)
    if measure is None:
        return []
    values = own[own["measure"] == measure]
    steps = pd.to_numeric(values["step"], errors="coerce")
    values = values[steps == steps.max()] if steps.notna().any() else values
    return [_row(group, "correct", "", "", np.nan, values.groupby("animal")["value"].mean())]


def _drift(own: pd.DataFrame, group: str) -> list[dict[str, Any]]:
    """Correlation of population vectors at both ends, and its fall."""
    rows = []
    curves = own[(own["measure"] == _CORRELATION) & (own["condition"] == "")]
    for variable in ("rate", "latent_rate"):
        curve = curves[curves["variable"] == variable]
        if curve.empty:
            continue
        layer = str(curve["layer"].iloc[-1])
        curve = curve[curve["layer"] == layer].assign(lag_days=curve["lag_days"].round(3))
        by_animal = curve.pivot_table(index="animal", columns="lag_days", values="value", aggfunc="mean")
        short, long = float(by_animal.columns.min()), float(by_animal.columns.max())
        rows.append(_row(group, "correlation", variable, layer, short, by_animal[short]))
        if long > short:
            rows.append(_row(group, "correlation", variable, layer, long, by_animal[long]))
            rows.append(_row(group, "loss", variable, layer, long, by_animal[short] - by_animal[long]))
    return rows


def _row(
    group: str, quantity: str, variable: str, layer: str, lag: float, values: "pd.Series[float]"
) -> dict[str, Any]:
    """Mean and interval over animals."""
    mean, lower, upper, n_animals = mean_and_interval(values.to_numpy(dtype=float))
    told = (group, quantity, variable, layer, lag, mean, lower, upper, n_animals)
    return dict(zip(OVERVIEW_COLUMNS, told, strict=True))


def _write_page(folder: Path, plan: Mapping[str, Any], table: pd.DataFrame) -> None:
    """The combined report."""
    keys = plan["keys"]
    rows, failed, waiting = [], [], 0
    for told in table.astype(object).to_dict("records"):
        values = [str(told[key]) for key in keys]
        if told["state"] == "finished":
            cells = brief(folder / str(told["run"]))
            href = f"{quote(str(told['run']))}/report.html"
            rows.append({"values": values, "href": href, "groups": cells, "stopped": told["stopped_animals"]})
        elif told["state"] == "failed":
            failed.append({"values": values, "reason": told["reason"]})
        else:
            waiting += 1
    every = [cells for row in rows for cells in row["groups"]]
    write_page(
        _TEMPLATE,
        folder / "report.html",
        title=f"Sweep: {plan['title'] or plan['protocol']}",
        sweep=folder.resolve().name,
        keys=keys,
        columns=list(dict.fromkeys(title for cells in every for title in cells)),
        rows=rows,
        failed=failed,
        waiting=waiting,
        n_conditions=len(table),
        legend=legend(every),
        warnings=told_warnings(folder),
        figures=embedded_figures(folder / "figures"),
        version=__version__,
    )


def told_rows(folder: Path) -> list[dict[str, str]]:
    """
    What a sweep found, for the terminal.

    Parameters
    ----------
    folder : pathlib.Path
        Of the sweep.

    Returns
    -------
    list of dict of str to str
        A row per condition and group that finished: values of the swept keys, then as `neurofa.report.brief`.
    """
    plan = read_plan(folder)
    short = short_names(plan["keys"])
    rows = []
    for condition in plan["conditions"]:
        path = folder / condition["name"]
        if state_of(path).finished:
            values = {short[key]: _cell(value) for key, value in condition["values"].items()}
            rows += [values | row for row in brief(path)]
    return rows


def told_warnings(folder: Path) -> list[str]:
    """
    What forbids reading curves as drift, said once for all conditions.

    Parameters
    ----------
    folder : pathlib.Path
        Of the sweep.

    Returns
    -------
    list of str
        As from `neurofa.report.warning`; each once.
    """
    paths = [folder / condition["name"] for condition in read_plan(folder)["conditions"]]
    told = [warning(path) for path in paths if state_of(path).finished]
    return [text for text in dict.fromkeys(told) if text]


def _cell(value: Any) -> str:
    """A value of a swept key in tables."""
    return value if isinstance(value, str) else json.dumps(value)


def _led(table: pd.DataFrame, start: Mapping[str, str]) -> pd.DataFrame:
    """A table with the same values in front of every row."""
    for place, (name, value) in enumerate(start.items()):
        table.insert(place, name, value)
    return table


def _joined(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Tables one below the other; only the columns where there are none."""
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))


def _write(table: pd.DataFrame, path: Path) -> None:
    """Write a table, aside first."""
    aside = path.with_name(f".{path.name}.part")
    table.to_csv(aside, index=False, float_format="%.9g")
    aside.replace(path)


def _labels(protocol: Protocol) -> dict[str, str]:
    """Group to its name in text."""
    return {name: protocol.label(name) for name in protocol.group_names()}


def _controls(protocol: Protocol) -> dict[str, str]:
    """Group to the group whose control it is."""
    return {name: str(protocol.groups.get(name, {}).get("control_of", "")) for name in protocol.group_names()}
