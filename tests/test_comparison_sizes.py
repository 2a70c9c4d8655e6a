"""Simulated animals are cut down to what was recorded, and the scorecard says how much that was."""

import numpy as np
import pandas as pd
import pytest

from neurofa import comparison, references
from neurofa.comparison.sizes import Sizes, sessions_of_days, sizes_of, subsample
from neurofa.recording import build_recording
from tests.synthetic import make_recording

NAN = float("nan")


@pytest.fixture(scope="module")
def simulated():
    return make_recording(n_animals=2, n_sessions=5, n_bins=4, n_repeats=6, n_units=60, lost=0.2)


def test_what_was_recorded_is_counted(simulated):
    found = sizes_of(simulated)
    detected = simulated["probe"]["detected"].values
    assert len(found) == 4
    assert found[0] == (detected[0].any(0).sum(), detected[0].sum(1).mean(), 6, 5)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (Sizes(30, NAN, NAN, NAN), (30, 6, 5)),
        (Sizes(60, 24, 3, 4), (30, 3, 4)),
        (Sizes(500, 400, 9, 9), (60, 6, 5)),
        (Sizes(NAN, NAN, NAN, NAN), (60, 6, 5)),
    ],
)
def test_cells_repeats_and_sessions_are_cut_to_what_was_recorded(simulated, sizes, expected):
    cut = subsample(simulated, sizes)
    probe = cut["probe"]
    assert (probe.sizes["repeat"], probe.sizes["session"]) == expected[1:]
    assert probe.sizes["unit"] == pytest.approx(expected[0], abs=2)
    assert (cut is simulated) == (expected == (60, 6, 5))
    mine = sizes_of(cut)[0]
    if np.isfinite(sizes.n_cells_per_session):
        assert mine.n_cells_per_session == pytest.approx(min(sizes.n_cells_per_session, 48), rel=0.15)
    assert subsample(simulated, sizes)["probe"]["rate"].equals(probe["rate"])


def test_sessions_of_the_recorded_days_are_taken(simulated):
    like = make_recording(n_animals=1, n_sessions=3, n_bins=4, n_units=20, groups=("recorded",), days_between=4.0)
    assert sessions_of_days(simulated, like)["probe"]["day"].values[0].tolist() == [0.0, 4.0, 8.0]
    other = make_recording(n_animals=1, n_sessions=3, n_bins=4, n_units=20, groups=("recorded",), days_between=5.0)
    assert sessions_of_days(simulated, other) is simulated
    probe = simulated["probe"].to_dataset().copy(deep=True)
    probe["day"].values[1] += 1
    apart = build_recording(probe)
    assert sessions_of_days(apart, like) is apart


def curves_of_half(simulated):
    """Curves of one animal that rest on half the cells and repeats of the simulated ones."""
    table = references.load_curves().assign(n_cells=30.0, n_cells_per_session=24.0, n_repeats=3.0, n_sessions=5.0)
    return table[table["lag_days"] < 9]


def test_curves_that_rest_on_less_are_compared_with_less(simulated, tmp_path):
    curves = curves_of_half(simulated)
    curves.to_csv(tmp_path / "mine_curves.csv", index=False)
    from neurofa.analysis import analyse

    measured = analyse(simulated, ["drift_over_days"])["drift_over_days"]
    settings = {"tables": [str(tmp_path / "mine_curves.csv")], "area": "CA1"}
    card = comparison.scorecard_of_tables(measured, settings, recording=simulated)
    whole = comparison.scorecard_of_tables(measured, settings)
    assert card["published_n"].unique().tolist() == ["1 animal, 30 cells, 24 cells per session, 3 repeats, 5 sessions"]
    named = card[card["verdict"] != "not comparable"]
    assert (named["n_repeats"] == 3).all() and named["n_cells"].between(20, 28).all()
    assert (named["n_sessions"] == 5).all() and (named["n_animals"] == 2).all()
    split = "split_half_population_vector_correlation"
    ours, theirs = (one[(one["measure"] == split) & (one["group"] == "stable")] for one in (card, whole))
    assert float(ours["simulated"].iloc[0]) < float(theirs["simulated"].iloc[0]) - 0.01
    pv = card[(card["measure"] == "population_vector_correlation") & (card["group"] == "stable")]
    halves = float(ours["simulated"].iloc[0])
    assert pv["noise_ceiling"].to_numpy() == pytest.approx(2 * halves / (1 + halves))
    assert pv["published_noise_ceiling"].notna().all()
    assert card[card["measure"] == "tuning_curve_correlation"]["noise_ceiling"].isna().all()


def test_a_table_without_sizes_can_be_read(tmp_path):
    table = references.load_curves().drop(columns=list(references.SIZES_COLUMNS))
    table.to_csv(tmp_path / "own_curves.csv", index=False)
    read = references.load_curves(tmp_path / "own_curves.csv")
    assert read[list(references.SIZES_COLUMNS)].isna().all(axis=None)
    assert isinstance(read, pd.DataFrame) and len(read) == 50
