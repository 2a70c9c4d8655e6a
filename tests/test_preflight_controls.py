"""Measures whose control no animal would be shown are refused before anything is simulated."""

import json
import time
from pathlib import Path

import pytest

from neurofa import preflight
from neurofa.errors import MissingControlError, ProtocolError
from neurofa.job import run
from neurofa.measures import require_conditions
from neurofa.preflight import check_controls
from neurofa.protocol import load_protocol
from neurofa.simulation import simulate
from tests.paradigms import SHORT, cut_down


def test_an_oddball_without_its_controls_is_refused_at_once_with_the_control_and_the_setting(tmp_path: Path) -> None:
    protocol = load_protocol("oddball", {"stimuli.controls": False})
    started = time.perf_counter()
    with pytest.raises(ProtocolError) as refusal:
        run(protocol, tmp_path / "run")
    assert str(refusal.value) == (
        "i_pe needs the control condition 'cascade', which stimuli.kind oddball does not show with "
        "stimuli.controls = false; change that setting, or leave the analysis deviance_decomposition out"
    )
    assert time.perf_counter() - started < 20 and not (tmp_path / "run").exists()
    # without the analysis that needs it nothing is in the way
    check_controls(load_protocol("oddball", {"stimuli.controls": False, "analyses": ["prediction_error_responses"]}))


def test_a_paradigm_of_another_kind_is_told_to_be_that() -> None:
    protocol = load_protocol("oddball", {"analyses": ["outcome_prediction_errors"]})
    with pytest.raises(ProtocolError, match="kind oddball does not show; choose another paradigm, or leave"):
        check_controls(protocol)


@pytest.mark.parametrize("name", [*SHORT, "oddball", "sequence_violation", "linear_track"])
def test_shipped_protocols_show_all_that_their_analyses_need(name: str) -> None:
    check_controls(load_protocol(name))


def test_what_is_looked_at_is_what_the_simulation_shows() -> None:
    own = cut_down("cue_outcome", ("fa",), prediction={"evaluation": "off"})
    events = simulate(own)["events"]
    shown = {name for more in preflight._conditions(own.group("fa")) for name in more}
    names = json.loads(events["condition"].attrs["names"])
    assert shown == {names[int(code)] for code in set(events["condition"].values.ravel().tolist())}


def test_the_error_of_a_recording_names_what_is_there() -> None:
    with pytest.raises(
        MissingControlError, match=r"needs the control condition 'b', which was not recorded \(there is"
    ):
        require_conditions(["a"], ["a", "b"], "a measure")
