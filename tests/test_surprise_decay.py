"""Decay of surprise in a recording: a planted time constant comes back, noise alone is called not identifiable."""

import numpy as np
import pytest

from neurofa.analysis import find_analysis
from neurofa.errors import RecordingError
from tests.event_recordings import events_recording

NAMES = ("expected", "unexpected", "unexpected_other_orientation")
N_VIOLATIONS, TAU = 24, 4.0


@pytest.fixture(scope="module")
def analysis():
    return find_analysis("surprise_decay")


def planted(tau=TAU, n_animals=6):
    """Every second event is a violation; group a answers it less and less, group b as at first."""
    rng = np.random.default_rng(0)
    label = np.array(["expected", "unexpected", "expected", "unexpected_other_orientation"] * (N_VIOLATIONS // 2))
    condition = np.broadcast_to(label, (2 * n_animals, 2, label.size))
    violated = label != "expected"
    surprise = np.zeros(label.size)
    surprise[violated] = 2 * np.exp(-np.arange(N_VIOLATIONS) / tau)
    of_group = np.repeat([1.0, 0.0], n_animals)[:, None, None, None]
    response = 1 + of_group * surprise[None, None, :, None] + 0.1 * rng.standard_normal((*condition.shape, 5))
    units = {"somatic": 3 + response, "baseline": 3 + 0 * response, "feedback": -2 * response}
    onset = np.broadcast_to(0.5 * np.arange(label.size), condition.shape)
    groups = ["a"] * n_animals + ["b"] * n_animals
    return events_recording(condition, condition, units, names=NAMES, group=groups, numbers={"onset": onset})


def test_a_planted_time_constant_comes_back_and_a_constant_response_has_none(analysis) -> None:
    measured = analysis.measure(planted())
    fits = measured["surprise_decay"].isel(layer=0, condition=0)
    for signal, scale in (("somatic", 1.0), ("feedback", 2.0)):
        own = fits.sel(fitted_group="a", variable=signal)
        assert (own.sel(fit="identifiable") == 1).all()
        for low, value, high in own.sel(
            fit=[f"time_constant_exposures{end}" for end in ("_lower", "", "_upper")]
        ).values:
            assert low <= value <= high and value == pytest.approx(TAU, rel=0.1)
        np.testing.assert_allclose(own.sel(fit="amplitude"), 2 * scale, rtol=0.1)
        np.testing.assert_allclose(own.sel(fit="settled"), scale, rtol=0.1)
        # a violation every second event of 0.5 s
        np.testing.assert_allclose(
            own.sel(fit="time_constant_s"), own.sel(fit="time_constant_exposures").values * 1.0, rtol=1e-12
        )
    flat = fits.sel(fitted_group="b")
    assert (flat.sel(fit="identifiable") == 0).sum() >= 3
    told = measured["surprise_decay_reason"].isel(layer=0, condition=0).sel(fitted_group="b").values.ravel()
    assert all(reason.startswith("not identifiable") or not reason for reason in told)
    change = measured["surprise_change"].sel(variable="somatic")
    groups = measured["group"].values
    assert (change[groups == "a"] > 0.4).all() and (abs(change[groups == "b"]) < 0.1).all()


def test_the_figure_and_its_table_say_what_cannot_be_told(analysis) -> None:
    drawing = analysis.plot(analysis.measure(planted()))["surprise_decay_plasticity_off"]
    table = drawing.numbers[drawing.numbers["measure"] == "surprise_decay"]
    unknown = table[table["identifiable"] == 0]
    assert len(table) == 8 and unknown["time_constant_exposures"].isna().all() and len(unknown)
    assert unknown["reason"].str.startswith("not identifiable").all()
    assert f"not identifiable, {len(unknown)} of 8" in drawing.caption
    texts = [text.get_text() for ax in drawing.figure.axes for text in ax.texts]
    assert texts.count("n.i.") == len(unknown)


def test_too_few_animals_or_violations_are_told_as_such_and_none_are_refused(analysis) -> None:
    measured = analysis.measure(planted(n_animals=1))
    reasons = set(measured["surprise_decay_reason"].values.ravel().tolist())
    assert reasons == {f"not identifiable: 1 of at least 2 animals, {N_VIOLATIONS} of 4 exposures"}
    shown = np.full((2, 1, 8), "expected")
    units = {"somatic": np.ones((2, 1, 8, 3))}
    with pytest.raises(RecordingError, match="the decay of surprise needs .* 'unexpected'"):
        analysis.measure(events_recording(shown, shown, units, names=NAMES))
