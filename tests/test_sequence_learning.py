"""A sequence learned over days: what is shown, what is recorded, and that it is learned."""

import json

import numpy as np

from neurofa import analyse, simulate
from neurofa.protocol import load_protocol
from neurofa.stimuli.sequence_learning import ELEMENTS
from tests.paradigms import cut_down, named, stream


def shown(block: str, **given: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Identities, conditions and positions of a recorded block, one row per sequence."""
    stimuli, events = stream("sequence_learning", **given)
    own = named(stimuli, events, "block") == block
    length = int(events.position[own].max()) + 1
    rows = [named(stimuli, events, what)[own].reshape(-1, length) for what in ("identity", "condition")]
    return rows[0], rows[1], events.onset[own].reshape(-1, length)


def test_the_four_tests_show_what_their_names_say() -> None:
    expected = {
        "trained_order": "A B C D",
        "reversed_order": "D C B A",
        "slow_order": "A A B B C C D D",
        "omission_order": "A grey C D",
    }
    for block, order in expected.items():
        identity, condition, onset = shown(block, test_presentations=7, gap_bins=5)
        elements = order.split()
        assert len(identity) == 7
        assert {tuple(row) for row in identity} == {(*elements, *["grey"] * 5)}
        np.testing.assert_allclose(np.diff(onset, axis=1), 0.15)
        assert (identity[condition == "omission"] == "grey").all()
        assert ((condition == "omission").sum(axis=1) == (block == "omission_order")).all()
    identity, condition, _ = shown("slow_order")
    # what is compared in time are first bins: each grating once in a sequence
    assert {tuple(row[own]) for row, own in zip(identity, condition == "slow", strict=True)} == {ELEMENTS}
    identity, condition, _ = shown("trained_order")
    before = np.flatnonzero(condition[0] == "grey_after_d") - 1
    assert identity[0][before].tolist() == ["D"]


def test_trained_and_control_animals_see_the_same_gratings_equally_often() -> None:
    counts = {}
    for learned in ("sequence", "random_order"):
        stimuli, events = stream("sequence_learning", 1, 0, False, learned=learned, presentations=40)
        identity = named(stimuli, events, "identity").reshape(40, -1)
        counts[learned] = {name: int((identity == name).sum()) for name in (*ELEMENTS, "grey")}
        assert all(sorted(row[:4]) == list(ELEMENTS) for row in identity)
        if learned == "random_order":
            assert len({tuple(row) for row in identity}) > 10
            np.testing.assert_allclose(events.probability.reshape(40, -1)[:, :4], [[1 / 4, 1 / 3, 1 / 2, 1]] * 40)
    assert counts["sequence"] == counts["random_order"] == dict.fromkeys(ELEMENTS, 40) | {"grey": 400}
    first = stream("sequence_learning", 3, evaluated=False)[1].sensed[:4]
    # one animal has one assignment of orientations
    np.testing.assert_array_equal(first, stream("sequence_learning", 4, evaluated=False)[1].sensed[:4])


def test_the_shipped_protocol_has_the_published_course_and_its_controls() -> None:
    protocol = load_protocol("sequence_learning")
    settings = protocol.as_dict()
    assert settings["stimuli"].get("presentations", 200) == 200 and settings["schedule"]["passes"] == 1
    # recorded before what is learned: four days of training before the last recording
    assert settings["schedule"]["days"] == [0, 4] and settings["schedule"]["exposure_days"] == [0, 1, 2, 3]
    assert settings["prediction"]["evaluated"] == "before"
    one, other = protocol.group("trained").as_dict(), protocol.group("random_order").as_dict()
    assert {table for table in one if one[table] != other[table]} == {"stimuli"}
    assert protocol.group("adaptation").as_dict()["prediction"]["null"] == "adaptation"


def test_the_trained_order_is_learned_and_the_reverse_and_the_omission_are_surprising() -> None:
    small = {"cohort": {"animals": 2}, "schedule": {"exposure_days": [0, 1, 2]}, "prediction": {"evaluation": "off"}}
    own = cut_down("sequence_learning", ("trained", "random_order"), network={"hidden": [30, 30]}, **small)
    recording = simulate(own)
    events = recording["events"].to_dataset()
    groups, names = events["group"].values.astype(str), json.loads(events["condition"].attrs["names"])

    def error(group: str, condition: str) -> float:
        """Mean size of the network's own error in the last session."""
        chosen = events["condition"].values[groups == group, -1] == names.index(condition)
        # nothing was predicted of the first event of a block
        return float(np.nanmean(events["unsigned_error"].values[groups == group, -1][chosen]))

    assert error("trained", "trained") < 0.6 * error("trained", "reversed")
    assert error("trained", "omission") > 1.5 * error("trained", "grey")
    ratio = error("random_order", "reversed") / error("random_order", "trained")
    assert 0.8 < ratio < 1.25
    measured = analyse(recording, ["expected_and_unexpected"])["expected_and_unexpected"]
    pairs = [str(name) for name in measured["condition"].values]
    for pair in ("order: reversed", "timing: 300 ms", "omission of B"):
        assert any(name.startswith(pair) for name in pairs)
