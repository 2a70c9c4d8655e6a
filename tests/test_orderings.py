"""Published orderings held against runs: right, wrong, undecided, missing."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from neurofa import references
from neurofa.comparison import VERDICTS, ordering_scorecard, why_not_compared
from neurofa.errors import ConfigError
from neurofa.protocol import load_protocol, protocol_from
from neurofa.report.tables import cards, folded
from neurofa.report.tables import orderings as ordering_tables
from neurofa.run_folder import store_protocol

ORDER = {
    "id": "x",
    "measure": "m",
    "variable": "somatic",
    "condition": "cascade",
    "layer": "last",
    "step": "",
    "against_layer": "first",
    "sign": 1.0,
    "statement": "m rises",
    "published": "1",
    "area": "AC",
    "species": "rat",
    "citation": "someone",
    "doi": "10.1/x",
}


def orderings(**differs):
    blank = dict.fromkeys(references.ORDERINGS_COLUMNS, "")
    return pd.DataFrame([blank | ORDER | differs])


def table(first, last, n=6, noise=0.01, condition="cascade, plasticity off", group="fa"):
    """Values of n animals in two layers at two steps; only the last step counts."""
    generator = np.random.default_rng(0)
    rows = []
    for animal in range(n):
        for layer, value in (("hidden_1", first), ("hidden_2", last)):
            for step, factor in ((0, -1.0), (10, 1.0)):
                rows.append(
                    {
                        "measure": "m",
                        "variable": "somatic",
                        "group": group,
                        "animal": f"{group}-{animal}",
                        "layer": layer,
                        "condition": condition,
                        "step": step,
                        "value": factor * value + noise * generator.standard_normal(),
                    }
                )
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("first", "last", "sign", "verdict"),
    [
        (0.1, 0.4, 1, "as published"),
        (0.4, 0.1, 1, "opposite"),
        (0.4, 0.1, -1, "as published"),
        (0.1, 0.4, -1, "opposite"),
    ],
)
def test_an_ordering_holds_where_the_interval_of_the_difference_lies_on_its_side(first, last, sign, verdict):
    card = ordering_scorecard(table(first, last), orderings(sign=float(sign)))
    assert card["verdict"].tolist() == [verdict]
    assert card["simulated"].iloc[0] == pytest.approx(last - first, abs=0.02)
    assert card["ci_low"].iloc[0] < card["simulated"].iloc[0] < card["ci_high"].iloc[0]
    assert card["n_animals"].iloc[0] == 6


def test_an_ordering_is_undecided_where_the_interval_includes_nothing_between_animals():
    card = ordering_scorecard(table(0.2, 0.2, noise=0.5), orderings())
    assert card["verdict"].tolist() == ["undecided"]
    assert set(card["verdict"]) <= set(VERDICTS)


def test_states_of_plasticity_and_groups_are_judged_apart_and_differences_against_nothing_too():
    both = pd.concat([table(0.1, 0.4), table(0.4, 0.1, condition="cascade, plasticity on"), table(1, 2, group="bp")])
    card = ordering_scorecard(both, orderings())
    assert card[["group", "definition", "verdict"]].to_numpy().tolist() == [
        ["fa", "plasticity off", "as published"],
        ["fa", "plasticity on", "opposite"],
        ["bp", "plasticity off", "as published"],
    ]
    alone = ordering_scorecard(both, orderings(against_layer=""))
    assert alone["simulated"].round(1).tolist() == [0.4, 0.1, 2.0]
    first = ordering_scorecard(
        table(0.1, 0.4), orderings(layer="", step="first", against_layer="", against_step="last")
    )
    assert first["simulated"].iloc[0] == pytest.approx(-0.5, abs=0.02)


def test_conditions_of_other_measures_add_no_state_of_plasticity():
    other = table(0.3, 0.3, condition="cascade").assign(measure="another")
    card = ordering_scorecard(pd.concat([table(0.1, 0.4), other]), orderings())
    assert card[["definition", "verdict"]].to_numpy().tolist() == [["plasticity off", "as published"]]
    # but where nothing says, it is judged all the same, and another measure may be what it is held against
    silent = ordering_scorecard(table(0.1, 0.4, condition="cascade"), orderings())
    assert silent[["definition", "verdict"]].to_numpy().tolist() == [["", "as published"]]
    against = ordering_scorecard(
        pd.concat([table(0.1, 0.4), table(0.3, 0.3).assign(measure="another")]),
        orderings(against_layer="", against_measure="another"),
    )
    assert against["simulated"].iloc[0] == pytest.approx(0.1, abs=0.02)


def test_measures_of_sessions_are_judged_in_the_first_and_last_session():
    sessions = table(0.1, 0.4).rename(columns={"step": "session_a"}).assign(step=np.nan)
    card = ordering_scorecard(sessions, orderings())
    assert card["verdict"].tolist() == ["as published"] and card["simulated"].iloc[0] == pytest.approx(0.3, abs=0.02)
    grown = ordering_scorecard(sessions, orderings(step="last", against_layer="", against_step="first"))
    assert grown["simulated"].iloc[0] == pytest.approx(0.8, abs=0.02)


def test_what_is_not_there_is_not_judged():
    for frame, order, words in (
        (table(0.1, 0.2), orderings(measure="other"), "no measure 'other'"),
        (table(0.1, 0.2, n=1), orderings(), "at least 2"),
    ):
        card = ordering_scorecard(frame, order)
        assert card["verdict"].tolist() == ["not comparable"] and words in card["reason"].iloc[0]


def test_shipped_orderings_name_places_that_can_be_found(tmp_path):
    shipped = references.load_orderings()
    assert set(shipped["layer"]) | set(shipped["step"]) <= {"", "first", "last"}
    assert shipped["id"].is_unique and (shipped["statement"] != "").all() and (shipped["published"] != "").all()
    wrong = tmp_path / "my_orderings.csv"
    shipped.assign(sign=0).to_csv(wrong, index=False)
    assert references.kind_of(str(wrong)) == "orderings"
    with pytest.raises(ConfigError, match="sign must be 1 or -1"):
        references.load_orderings(wrong)


#: two groups that differ in the walk alone, a third that differs in more, and the control of the second
GROUPS = {
    "a": {"overnight": {"feedback_walk": 0.3}},
    "b": {"overnight": {"feedback_walk": 0.0}, "control_of": "a"},
    "c": {"overnight": {"feedback_walk": 0.0}, "rule": {"learning_rate": 0.5}},
    "d": {"overnight": {"feedback_walk": 0.3}, "rule": {"learning_rate": 0.5}},
}
BETWEEN = {"setting": "overnight.feedback_walk", "setting_value": "0.3", "against_setting_value": "0.0"}


def in_groups(values):
    """One value per animal, layer and step of every group."""
    rows = [
        {"measure": "m", "variable": "somatic", "group": group, "animal": f"{group}-{number}", "layer": "hidden_1"}
        | {"condition": "cascade, plasticity off", "step": 1, "value": value}
        for group, own in values.items()
        for number, value in enumerate(own)
    ]
    return pd.DataFrame(rows)


def held(values, **differs):
    order = orderings(layer="", against_layer="", **BETWEEN | differs)
    card = ordering_scorecard(in_groups(values), order, protocol_from({"groups": GROUPS}))
    return card.set_index("group")


def test_groups_that_differ_in_the_setting_alone_are_held_against_each_other_in_pairs_where_one_is_the_control():
    animals = np.array([0.0, 10.0, 20.0, 30.0])
    # the difference between the groups is small beside that between animals: only pairs show it
    card = held({"a": animals + [1.0, 1.2, 0.8, 1.1], "b": animals, "c": animals, "d": animals + [1.0, 1.2, 0.8, 1.1]})
    assert card.index.tolist() == ["a minus b", "d minus c"]
    paired, independent = card.loc["a minus b"], card.loc["d minus c"]
    for row in (paired, independent):
        assert row["simulated"] == pytest.approx(1.025) and row["n_animals"] == 4
    expected = stats.ttest_1samp([1.0, 1.2, 0.8, 1.1], 0).confidence_interval(0.95)
    assert (paired["ci_low"], paired["ci_high"]) == pytest.approx(tuple(expected))
    assert paired["verdict"] == "as published" and paired["definition"] == "plasticity off, paired animals"
    welch = stats.ttest_ind(animals + [1.0, 1.2, 0.8, 1.1], animals, equal_var=False).confidence_interval(0.95)
    assert (independent["ci_low"], independent["ci_high"]) == pytest.approx(tuple(welch))
    assert independent["verdict"] == "undecided"
    assert independent["definition"] == "plasticity off, independent"


def test_pairs_are_animals_of_equal_number_whatever_their_order_or_gaps():
    values = in_groups({"a": [1.0, 12.0, 23.0], "b": [0.0, 10.0, 20.0]})
    shuffled = values[~((values["group"] == "b") & (values["animal"] == "b-1"))].iloc[::-1]
    order = orderings(layer="", against_layer="", **BETWEEN)
    card = ordering_scorecard(shuffled, order, protocol_from({"groups": GROUPS})).iloc[0]
    assert card["n_animals"] == 2 and card["simulated"] == pytest.approx((1.0 + 3.0) / 2)


def test_groups_without_a_difference_are_undecided_and_the_wrong_side_is_told():
    generator = np.random.default_rng(0)
    same, other = generator.normal(0, 1, (2, 30))
    assert held({"a": same, "b": other}).loc["a minus b", "verdict"] == "undecided"
    assert held({"a": same, "b": same + 1 + 0.1 * other}).loc["a minus b", "verdict"] == "opposite"
    assert held({"a": same, "b": same + 1 + 0.1 * other}, sign=-1.0).loc["a minus b", "verdict"] == "as published"


def test_without_two_such_groups_the_row_says_so():
    card = held({"a": [1.0, 2.0], "b": [0.0, 1.0]}, setting_value="0.7")
    assert card.index.tolist() == ["all groups"]
    assert card["reason"].iloc[0] == (
        "no two groups of the run differ in overnight.feedback_walk alone: 0.7 against 0.0"
    )
    alone = ordering_scorecard(in_groups({"a": [1.0, 2.0]}), orderings(**BETWEEN))
    assert "no two groups" in alone["reason"].iloc[0]


def test_undecided_orderings_stand_in_the_report_with_their_numbers():
    card = held({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 2.1]}).reset_index()
    wide = ordering_scorecard(table(0.2, 0.2, noise=0.5), orderings())
    both = pd.concat([card, wide], ignore_index=True)
    tables = ordering_tables(both, {"a": "walking", "b": "still"})
    assert [one["title"] for one in tables] == ["Orderings within groups", "Orderings between groups"]
    assert tables[1]["groups"] == ["walking minus still"]
    row = tables[1]["rows"][0]
    assert row["statement"] == "M rises (plasticity off, paired animals)" and row["published"] == "1"
    assert row["cells"][0]["verdict"] == "as published" and row["cells"][0]["value"] == "0.967"
    assert tables[0]["rows"][0]["cells"][0]["verdict"] == "undecided"
    assert not folded(both, {}) and not cards(both, {})


def test_an_ordering_that_cannot_be_compared_has_a_dash_for_its_value():
    missing = ordering_scorecard(table(0.1, 0.2), orderings(measure="other"))
    assert [entry["published"] for entry in folded(missing, {})] == ["–"]


def test_shipped_orderings_between_groups_find_their_groups_and_old_tables_still_load(tmp_path):
    shipped = references.load_orderings()
    between = shipped[shipped["setting"] != ""]
    measured = in_groups({"coupled": [1.0, 2.0], "uncoupled": [0.0, 1.5], "restored": [1.0, 2.0]})
    measured["measure"] = "fraction_of_coupling_specific_units"
    card = ordering_scorecard(measured, between, load_protocol("visuomotor_mismatch"))
    judged = card[card["measure"] == "fraction_of_coupling_specific_units"].set_index("group")
    assert judged["definition"].loc["coupled minus uncoupled"] == "plasticity off, paired animals"
    assert judged["definition"].loc["restored minus uncoupled"] == "plasticity off, independent"
    old = tmp_path / "my_orderings.csv"
    shipped.drop(columns=list(references.BETWEEN_COLUMNS)).to_csv(old, index=False)
    assert (references.load_orderings(old)["setting"] == "").all()


def test_a_run_that_is_compared_with_nothing_says_why(tmp_path):
    store_protocol(load_protocol("feedback_is_it_predictive_coding"), tmp_path)
    assert why_not_compared(tmp_path).startswith(
        "Nothing is compared with recordings: what is fed back to single units"
    )
    stated = {"tables": ("drift_statistics",), "area": "CA1", "species": "mouse"}
    for number, (settings, words) in enumerate(
        (
            ({"tables": ()}, "names no tables"),
            (stated, "measures what is in drift_statistics"),
            (stated | {"species": "cat"}, "all 198 rows of drift_statistics are of other areas or species"),
        )
    ):
        folder = tmp_path / f"with_{number}"
        folder.mkdir()
        store_protocol(protocol_from({"references": settings}), folder)
        assert words in why_not_compared(folder)
    assert why_not_compared(tmp_path / "with_none") == ""


def test_orderings_of_conditions_that_a_run_does_not_have_are_left_out():
    from neurofa.comparison.orderings import _has

    measured = table(0.1, 0.4)
    known = pd.concat([orderings(), orderings(condition="many standards"), orderings(measure="other")])
    assert _has(measured, known) == [True, False, False]
    # an ordering that names no condition is of any
    assert _has(measured.assign(condition=np.nan), orderings(condition="")) == [True]
