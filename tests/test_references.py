"""The reference tables: every row has a source, legal values and a definition that is explained or its own."""

import re

import numpy as np
import pandas as pd
import pytest

from neurofa import references
from neurofa.errors import ConfigError
from neurofa.measures import proportion_and_interval

DOI = re.compile(r"^10\.\d{4,9}/\S+$")


def test_tables_are_listed_with_their_kind():
    assert references.list_tables() == {
        "ca1_linear_track_curves": "curves",
        "drift_statistics": "statistics",
        "prediction_error_orderings": "orderings",
        "prediction_error_statistics": "statistics",
    }


@pytest.mark.parametrize(
    "frame",
    [
        references.load_references(),
        references.load_references("prediction_error_statistics"),
        references.load_curves(),
        references.load_orderings(),
    ],
    ids=["drift", "prediction errors", "curves", "orderings"],
)
def test_every_row_has_a_doi_and_no_path_or_machine_in_its_text(frame):
    assert frame["doi"].map(lambda doi: bool(DOI.match(doi))).all()
    text = frame.select_dtypes(exclude="number").to_numpy().ravel().astype(str)
    assert not [cell for cell in text if re.search(r"(^|\s)/\w+/|\\|https?:", cell)]


@pytest.mark.parametrize(("name", "n_rows"), [("drift_statistics", 198), ("prediction_error_statistics", 154)])
def test_statistics_have_legal_values(name, n_rows):
    table = references.load_references(name)
    assert len(table) == n_rows
    assert table["id"].is_unique
    assert np.isfinite(table["value"]).all()
    assert (table["lag_days"].dropna() >= 0).all()
    assert table["year"].astype(int).between(1990, 2030).all()
    fractions = table[table["unit"].isin(["fraction", "fraction correct"])]
    assert fractions["value"].between(0, 1).all()
    assert table[table["unit"] == "r"]["value"].between(-1, 1).all()
    for column in ("statistic", "condition", "species", "area", "technique", "citation", "obtained", "unit"):
        assert (table[column] != "").all(), column
    without = table["lower"].isna() & table["upper"].isna()
    assert (table["interval_kind"] == "none").eq(without).all()
    assert table[table["interval_kind"] == "upper_bound"]["lower"].isna().all()


def test_published_indices_of_deviance_add_up_and_rise_along_the_pathway():
    table = references.load_references("prediction_error_statistics")
    for control in ("cascade", "many_standards"):
        own = table[table["definition"] == f"deviance_decomposition_{control}"]
        index = own.pivot(index="area", columns="measure", values="value")
        assert len(index) == 6
        # printed with two digits
        assert ((index["i_mm"] - index["i_pe"] - index["i_rs"]).abs() < 0.011).all()
        cortex, midbrain = index.filter(like="cortex", axis=0), index.filter(like="colliculus", axis=0)
        assert cortex["i_pe"].min() > midbrain["i_pe"].max()
    fractions = table.set_index("id").loc[["jordan2020_frac_dMM", "jordan2020_frac_hMM"]]
    for n, row in zip((14, 5), fractions.itertuples(), strict=True):
        interval = proportion_and_interval(n, 27)
        assert (row.value, row.lower, row.upper) == pytest.approx(tuple(map(float, interval)), abs=1e-3)


def test_rows_of_novel_environments_do_not_carry_the_definition_of_this_package():
    from neurofa.comparison import MEASURED_DEFINITIONS

    table = references.load_references()
    novel = table[table["condition"].str.contains("novel environment")]
    assert len(novel) == 80
    assert not set(novel["definition"]) & set(MEASURED_DEFINITIONS.values())


def test_definitions_of_measures_that_exist_here_are_explained():
    from neurofa.comparison import MEASURED_DEFINITIONS

    explained = references.load_definitions()
    assert set(MEASURED_DEFINITIONS.values()) <= set(explained)
    assert set(references.load_curves()["definition"]) <= set(explained)
    table = references.load_references()
    assert set(table[table["measure"].isin(MEASURED_DEFINITIONS)]["definition"]) <= set(explained)


def test_curves_are_fifty_points_of_one_animal():
    curves = references.load_curves()
    assert len(curves) == 50
    assert set(curves["animal"]) == {"C6M4"}
    pairs = curves[curves["lag_days"] > 0]
    assert pairs.groupby("measure")["lag_days"].apply(list).map(lambda lags: lags == [2, 4, 6, 8, 10, 12, 14]).all()
    value = curves.set_index(["measure", "lag_days"])["mean"]
    assert value["population_vector_correlation", 2.0] == pytest.approx(0.5957)
    assert value["angle_procrustes_deg", 14.0] == pytest.approx(60.4209)


def test_a_mistyped_name_is_answered_with_the_right_one():
    with pytest.raises(ConfigError, match="did you mean 'drift_statistics'"):
        references.load_references("drift_statistic")
    with pytest.raises(ConfigError, match="holds curves, not statistics"):
        references.load_references("ca1_linear_track_curves")
    with pytest.raises(ConfigError, match="no reference table at nowhere.csv"):
        references.load_curves("nowhere.csv")


def write(tmp_path, **changes):
    table = references.load_references().head(3).astype(object)
    for column, value in changes.items():
        table.loc[0, column] = value
    table.to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path / "mine.csv"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"value": "high"}, "value must be a number, got 'high'"),
        ({"interval_kind": "spred"}, "did you mean 'spread'"),
        ({"doi": ""}, "doi is empty in row 1"),
        ({"lower": 5.0}, "excludes its value"),
        ({"id": "ZIV13-02"}, "'ZIV13-02' stands twice"),
    ],
)
def test_damaged_tables_are_refused_in_one_sentence(tmp_path, changes, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        references.load_references(write(tmp_path, **changes))


def test_ones_own_table_is_read_and_a_missing_column_named(tmp_path):
    file = write(tmp_path)
    assert len(references.load_references(file)) == 3
    pd.read_csv(file).drop(columns="definition").to_csv(file, index=False)
    with pytest.raises(ConfigError, match="lacks the columns definition"):
        references.load_references(file)


def test_a_point_of_a_curve_that_stands_twice_is_refused(tmp_path):
    curves = references.load_curves()
    pd.concat([curves, curves.head(1)]).to_csv(tmp_path / "my_curves.csv", index=False)
    with pytest.raises(ConfigError, match="stand twice"):
        references.load_curves(tmp_path / "my_curves.csv")
