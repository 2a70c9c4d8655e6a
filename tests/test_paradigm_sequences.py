"""Sequences of the paradigms of prediction errors: published probabilities, blocks, and what may not follow what."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.paradigms import named, stream


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), p_omission=st.floats(0.02, 0.25), period=st.integers(2, 5))
def test_omissions_are_as_rare_as_asked_for_and_never_follow_each_other(
    seed: int, p_omission: float, period: int
) -> None:
    stimuli, events = stream("omission", seed, p_omission=p_omission, period_bins=period, block_periods=300)
    condition, block = named(stimuli, events, "condition"), named(stimuli, events, "block")
    for name, own, word in (("fast", period, "omission"), ("slow", 2 * period, "slow_omission")):
        here = block == name
        due = condition[here][::own]
        assert set(due) <= {"stimulus", word} and due[0] == due[1] == "stimulus"
        rare = due == word
        assert not (rare[1:] & rare[:-1]).any()
        assert abs(rare.mean() - p_omission) < 5 * np.sqrt(p_omission / len(due))
        # nothing is shown between pictures, nor where one is left out
        assert (events.sensed[here].sum(1).reshape(-1, own)[:, 1:] == 0).all()
        assert (events.sensed[here][::own].sum(1) > 0).tolist() == (~rare).tolist()
        assert events.position[here][::own].tolist() == np.where(rare, own, 0).tolist()
        # what happens has the probability that it has: mean surprise of what is free to happen
        p = events.probability[here][::own]
        free = p < 1
        expected = p_omission / (1 - p_omission)
        assert rare[free].sum() == rare.sum() and set(p[rare].round(9)) <= {round(expected, 9)}
    # the same silence: fast, with an omission; slow, without
    assert (
        set(events.position[condition == "same_silence"]) == {period} == set(events.position[condition == "omission"])
    )


def test_learned_rhythms_have_no_omission_and_jittered_ones_the_same_number_of_pictures() -> None:
    shown = {}
    for rhythm in ("regular", "jittered"):
        stimuli, events = stream("omission", 0, 1, False, rhythm=rhythm, block_periods=2000)
        assert set(named(stimuli, events, "condition")) == {"stimulus", "gap"}
        shown[rhythm] = (events.sensed.sum(1) > 0).mean()
        assert len(events.sensed) == 2 * 2000 * 3
        fast = named(stimuli, events, "block") == "fast"
        gaps = np.diff(np.flatnonzero(events.sensed[fast].sum(1) > 0))
        assert (set(gaps) == {3}) is (rhythm == "regular")
    assert shown["jittered"] == pytest.approx(shown["regular"], abs=0.03)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), p_change=st.floats(0.05, 0.45), min_repeats=st.integers(1, 8))
def test_changes_are_geometric_after_enough_repeats_and_catches_as_late(
    seed: int, p_change: float, min_repeats: int
) -> None:
    stimuli, events = stream("change_detection", seed, p_change=p_change, min_repeats=min_repeats, block_events=400)
    condition, block = named(stimuli, events, "condition"), named(stimuli, events, "block")
    identity = named(stimuli, events, "identity")
    assert {name.rsplit("_", 1)[0] for name in identity[block == "novel_2"]} == {"novel_2"}
    changed = np.append(False, identity[1:] != identity[:-1]) & ~events.first
    kind = np.array([name.split("_")[1] for name in condition])
    assert (changed == (kind == "change")).all()
    before = events.position[:-1][changed[1:]]
    assert before.min() >= min_repeats and events.position[kind == "catch"].min() > min_repeats
    # after enough repeats every flash changes with one probability: a repeat is as likely early as late
    free = (events.probability < 1) & ~events.first
    assert abs(changed[free].mean() - p_change) < 5 * np.sqrt(p_change / free.sum())
    assert set(events.probability[changed].round(9)) == {round(p_change / 7, 9)}
    starts = (
        {name.split("_")[0] for name in condition[block == "familiar"]},
        {name.split("_")[0] for name in condition[block != "familiar"]},
    )
    assert starts == ({"familiar"}, {"novel"})


def test_only_familiar_pictures_are_learned() -> None:
    stimuli, events = stream("change_detection", 0, 1, False)
    assert set(named(stimuli, events, "block")) == {"familiar"}
    assert events.first.sum() == 4


def test_sequences_of_four_habituate_to_xxxy_and_controls_show_the_same_pictures() -> None:
    stimuli, events = stream("global_local", sequences=2000)
    condition, block = named(stimuli, events, "condition"), named(stimuli, events, "block")
    identity = named(stimuli, events, "identity").reshape(-1, 5)
    assert set(identity[:, 4]) == {"pause"}
    main, repetition, random = (identity[block[::5] == name, :4] for name in ("main", "repetition", "random"))
    assert set(main[:, :3].ravel()) == set(repetition.ravel()) == {"picture_1"}
    assert (main[:, 3] == "picture_1").mean() == pytest.approx(0.2, abs=0.03)
    assert (random == "picture_1").mean() == pytest.approx(0.5, abs=0.03)
    odd = condition == "global_oddball"
    assert set(events.probability[odd]) == {0.2} and set(events.position[odd]) == {3}
    for name in ("global_oddball", "random_x", "repetition_x"):
        assert set(identity.ravel()[condition == name]) == {"picture_1"}
    assert (
        set(identity.ravel()[condition == "local_oddball"])
        == {"picture_2"}
        == set(identity.ravel()[condition == "random_y"])
    )
    np.testing.assert_allclose(np.diff(events.onset)[:5], [1.015, 1.015, 1.015, 1.015, 1.0])
    learned = named(*stream("global_local", 0, 1, False), "condition")
    assert "global_oddball" not in learned and (learned == "local_oddball").sum() == 450
    other = named(*stream("global_local", sequences=2000, swapped=True), "identity").reshape(-1, 5)
    assert (other[identity == "picture_1"] == "picture_2").all() and (other[identity == "pause"] == "pause").all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), p_uncued=st.floats(0.05, 0.4))
def test_rewards_follow_cues_with_their_validity_and_sometimes_no_cue(seed: int, p_uncued: float) -> None:
    stimuli, events = stream("cue_outcome", seed, p_uncued=p_uncued, trials=2000)
    condition = named(stimuli, events, "condition").reshape(-1, 3)
    assert events.outcome is not None
    reward = events.outcome[:, 0].reshape(-1, 3)
    assert not reward[:, 2].any() and set(condition[:, 2]) == {"pause"}
    for percent in (25, 50, 75):
        own = condition[:, 0] == f"cue_{percent}"
        assert own.mean() == pytest.approx((1 - p_uncued) / 3, abs=0.06)
        assert reward[own, 1].mean() == pytest.approx(percent / 100, abs=0.1)
        assert set(condition[own, 1]) == {f"reward_{percent}", f"omission_{percent}"}
        assert (reward[own, 1] == (condition[own, 1] == f"reward_{percent}")).all()
    alone = condition[:, 0] == "surprising_reward"
    assert alone.mean() == pytest.approx(p_uncued, abs=0.06)
    assert (reward[:, 0] == alone).all() and set(condition[alone, 1]) == {"nothing"}
    # not even the absence of a cue announces it: it comes out of the pause, with the probability that it has
    np.testing.assert_allclose(events.probability.reshape(-1, 3)[alone, 0], p_uncued)
    assert not events.sensed.reshape(2000, 3, -1)[alone, 1].any()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), p_likely=st.floats(0.55, 0.9))
def test_repetitions_are_as_likely_as_their_block_says_and_alternatives_are_one(seed: int, p_likely: float) -> None:
    stimuli, events = stream("repetition_probability", seed, p_likely=p_likely, pairs=600)
    condition, block = named(stimuli, events, "condition"), named(stimuli, events, "block")
    second = events.position == 1
    first, then = events.identity[events.position == 0], events.identity[second]
    repeats = first == then
    assert (np.mod(then - first, 6)[~repeats] == 1).all()
    for name, p in (("repetitions_likely", p_likely), ("repetitions_unlikely", 1 - p_likely), ("neutral", 0.5)):
        own = block[second] == name
        assert repeats[own].mean() == pytest.approx(p, abs=0.1)
        np.testing.assert_allclose(events.probability[second][own & repeats], p)
    assert {"repetition_expected", "alternation_unexpected"} == set(condition[second & (block == "repetitions_likely")])
    assert {"alternation_expected", "repetition_unexpected"} == set(
        condition[second & (block == "repetitions_unlikely")]
    )
    assert events.cue is not None
    assert (events.cue.sum(1) == (events.position == 0)).all()
    assert stream("repetition_probability", announced=False)[1].cue.sum() == 0
