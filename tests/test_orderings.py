"""Published orderings held against runs: right, wrong, undecided, missing."""

import numpy as np
import pandas as pd
import pytest

from neurofa import references
from neurofa.comparison import VERDICTS, ordering_scorecard
from neurofa.errors import ConfigError

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
    [(0.1, 0.4, 1, "inside"), (0.4, 0.1, 1, "below"), (0.4, 0.1, -1, "inside"), (0.1, 0.4, -1, "above")],
)
def test_an_ordering_holds_where_the_interval_of_the_difference_lies_on_its_side(first, last, sign, verdict):
    card = ordering_scorecard(table(first, last), orderings(sign=float(sign)))
    assert card["verdict"].tolist() == [verdict]
    assert card["simulated"].iloc[0] == pytest.approx(last - first, abs=0.02)
    assert card["ci_low"].iloc[0] < card["simulated"].iloc[0] < card["ci_high"].iloc[0]
    assert card["n_animals"].iloc[0] == 6


def test_an_ordering_is_undecided_where_the_interval_includes_nothing_between_animals():
    card = ordering_scorecard(table(0.2, 0.2, noise=0.5), orderings())
    assert card["verdict"].tolist() == ["not comparable"]
    assert card["reason"].iloc[0].startswith("undecided")
    assert set(card["verdict"]) <= set(VERDICTS)


def test_states_of_plasticity_and_groups_are_judged_apart_and_differences_against_nothing_too():
    both = pd.concat([table(0.1, 0.4), table(0.4, 0.1, condition="cascade, plasticity on"), table(1, 2, group="bp")])
    card = ordering_scorecard(both, orderings())
    assert card[["group", "definition", "verdict"]].to_numpy().tolist() == [
        ["fa", "plasticity off", "inside"],
        ["fa", "plasticity on", "below"],
        ["bp", "plasticity off", "inside"],
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
    assert card[["definition", "verdict"]].to_numpy().tolist() == [["plasticity off", "inside"]]
    # but where nothing says, it is judged all the same, and another measure may be what it is held against
    silent = ordering_scorecard(table(0.1, 0.4, condition="cascade"), orderings())
    assert silent[["definition", "verdict"]].to_numpy().tolist() == [["plasticity", "inside"]]
    against = ordering_scorecard(
        pd.concat([table(0.1, 0.4), table(0.3, 0.3).assign(measure="another")]),
        orderings(against_layer="", against_measure="another"),
    )
    assert against["simulated"].iloc[0] == pytest.approx(0.1, abs=0.02)


def test_measures_of_sessions_are_judged_in_the_first_and_last_session():
    sessions = table(0.1, 0.4).rename(columns={"step": "session_a"}).assign(step=np.nan)
    card = ordering_scorecard(sessions, orderings())
    assert card["verdict"].tolist() == ["inside"] and card["simulated"].iloc[0] == pytest.approx(0.3, abs=0.02)
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
