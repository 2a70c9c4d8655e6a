"""Courses of learning in the terminal and in the report: medians, layers, success, order of events."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurofa.report.brief import brief, legend
from neurofa.report.courses import course_cells, course_sentences
from neurofa.report.findings import findings


def table_of(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    """Rows of measures.csv: measure, group, animal, layer, step, value."""
    table = pd.DataFrame(rows, columns=["measure", "group", "animal", "layer", "step", "value"])
    return table.assign(analysis="own", condition=np.nan, variable=np.nan)


COURSE = [
    ("best_readout_mse", "fa", f"fa-{animal}", layer, step, value * (1 + animal))
    for animal in range(3)
    for layer, first, last in (("hidden_1", 4.0, 2.0), ("hidden_2", 3.0, 0.5))
    for step, value in ((0, first), (10, last))
]


def test_the_terminal_shows_the_median_of_the_last_layer_from_first_to_last_step() -> None:
    assert course_cells(table_of(COURSE), "fa") == {"best readout error": "6→1"}
    assert course_cells(table_of(COURSE), "bp") == {}


def test_an_animal_that_two_analyses_measured_counts_once() -> None:
    twice = pd.concat([table_of(COURSE), table_of(COURSE[:4]).assign(analysis="other")])
    assert course_cells(twice, "fa") == course_cells(table_of(COURSE), "fa")


def test_errors_give_way_to_fractions_correct() -> None:
    judged = [("accuracy", "fa", "fa-0", np.nan, step, value) for step, value in ((0, 0.1), (10, 0.9))]
    assert course_cells(table_of([*COURSE, *judged]), "fa") == {"learned": "10.0%→90.0%"}


def test_the_report_says_the_last_layer_with_its_quartiles() -> None:
    sentences = course_sentences(pd.concat([table_of(COURSE), table_of(COURSE).assign(analysis="other")]), "fa")
    assert sentences == [
        "Squared error of the best linear readout in hidden_2: 6 at first, 1 after 10 updates "
        "(median of 3 animals; quartiles 0.75 to 1.2)."
    ]
    assert findings(table_of(COURSE), pd.DataFrame(), {"fa": "FA"}) == [("FA", sentences)]


@pytest.mark.parametrize(
    ("leads", "words"),
    [((100, 110, 90), "comes before"), ((-100, -110, -90), "comes after"), ((-100, 100, 5), "")],
)
def test_the_order_of_alignment_and_learning_is_said_with_its_interval(leads: tuple[int, ...], words: str) -> None:
    rows = [("alignment_lead_steps", "dfa", f"dfa-{n}", "hidden_1", np.nan, lead) for n, lead in enumerate(leads)]
    sentences = course_sentences(table_of(rows).assign(condition="accuracy"), "dfa")
    assert len(sentences) == bool(words)
    for sentence in sentences:
        assert f"In hidden_1 alignment {words} learning (accuracy)" in sentence


def test_success_is_shown_with_its_interval_and_explained() -> None:
    rows = [("success_rate", np.nan, np.nan, np.nan, np.nan, value) for value in (0.6, 0.5, 0.7)]
    table = table_of(rows).assign(condition="fa_2", variable=["rate", "lower", "upper"])
    assert course_cells(table, "fa_2") == {"solved": "60% (50% to 70%)"}
    assert "Wilson" in legend([{"group": "fa_2", "solved": "60% (50% to 70%)"}])
    assert legend([{"group": "fa_2"}]) == ""


def test_the_terminal_shows_courses_where_nothing_drifts_and_one_row_per_group(tmp_path: Path) -> None:
    judged = [("accuracy", "fa", "fa-0", np.nan, step, value) for step, value in ((0, 0.1), (10, 0.9))]
    angles = [
        ("angle_to_bp_deg", "fa", "fa-0", layer, step, value)
        for layer in ("hidden_1", "hidden_2")
        for step, value in ((0, 90.0), (10, 30.0))
    ]
    table = table_of([*judged, *angles])
    table.to_csv(tmp_path / "measures.csv", index=False)
    summary = table.rename(columns={"value": "mean"}).drop(columns="animal").assign(lag_days=np.nan)
    summary.to_csv(tmp_path / "summary.csv", index=False)
    assert brief(tmp_path) == [{"group": "fa", "learned": "10.0%→90.0%", "angle to BP": "90→30"}]
