"""Single tables of a protocol: bounds, one value per animal, parameters of functions, wording of mistakes."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from neurofa.catalogue import did_you_mean, load_function, load_module
from neurofa.checking import Settings, checked_parameters, parameters_model, per_animal, sentence
from neurofa.errors import ConfigError, ProtocolError
from neurofa.overnight import overnight_processes
from neurofa.protocol import merge, protocol_from
from neurofa.rule_settings import NetworkSettings, RuleSettings
from neurofa.rules import NAMED_RULES
from neurofa.schedule_settings import ScheduleSettings
from neurofa.settings import (
    OvernightSettings,
    StimuliSettings,
    overnight_process,
    stimulus_set,
)
from neurofa.stimuli import stimulus_sets


def process(
    network: Any,
    days: float,
    draws: Any,
    *,
    step: Any = per_animal(0.5, gt=0, le=1, description="of the walk"),
    kind: Annotated[str, Field(description="what is it", max_length=3)] = "a",
    needed: int,
) -> None:
    """What a user might write."""


def test_parameters_of_a_function_become_settings() -> None:
    model = parameters_model(process)
    assert list(model.model_fields) == ["step", "kind", "needed"]
    assert checked_parameters(model, {"needed": 3}) == {"step": 0.5, "kind": "a", "needed": 3}
    assert checked_parameters(model, {"needed": 3, "step": [1, 0.25]})["step"] == [1.0, 0.25]
    assert parameters_model(process) is model


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({}, "needed is missing; set it"),
        ({"needed": 1, "step": 0}, "step must be greater than 0, got 0"),
        ({"needed": 1, "step": [0.5, 1.5]}, "step must be at most 1, got 1.5"),
        ({"needed": 1, "kind": "long"}, "kind must have at most 3 characters, got 'long'"),
        ({"needed": 1, "stop": 1}, "unknown key 'stop'; did you mean 'step'?"),
        ({"needed": 1, "outside": 1}, "unknown key 'outside'; did you mean 'outsider'?"),
        ({"needed": "x"}, "needed must be a valid integer"),
    ],
)
def test_parameters_are_checked_with_one_sentence_each(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        checked_parameters(parameters_model(process), given_, also=["outsider"])
    assert str(caught.value).startswith(message)
    with pytest.raises(ValueError, match="^table[.]|unknown key 'table[.]"):
        checked_parameters(parameters_model(process), given_, prefix="table.")


@given(value=st.floats(allow_nan=False, allow_infinity=False), as_list=st.booleans())
def test_bounds_hold_for_numbers_and_lists_alike(value: float, as_list: bool) -> None:
    inside = 0 <= value < 1
    given_ = {"walk_per_update": [0.5, value] if as_list else value}
    if inside:
        RuleSettings(**given_)  # type: ignore[arg-type]
    else:
        with pytest.raises(ValidationError, match="walk_per_update must be (at least 0|less than 1), got"):
            RuleSettings(**given_)  # type: ignore[arg-type]


def test_lists_have_one_number_per_animal() -> None:
    settings = RuleSettings(learning_rate=(0.1, 0.2))
    settings.check_animals("rule", 2)
    with pytest.raises(
        ValueError, match="rule.learning_rate lists 2 numbers for 3 animals; give one number, or one per"
    ):
        settings.check_animals("rule", 3)
    with pytest.raises(ValueError, match="overnight.excitability_drift lists 2 numbers of sd for 3 animals"):
        OvernightSettings(excitability_drift={"sd": [0.1, 0.2]}).check_animals(3)  # type: ignore[call-arg]


def test_student_steps_without_a_standard_deviation_are_refused_before_anything_is_simulated() -> None:
    for allowed in (0, 2.5):
        OvernightSettings(excitability_drift={"sd": 0.1, "degrees_of_freedom": allowed})  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="degrees_of_freedom must be 0 or greater than 2, got 1"):
        OvernightSettings(excitability_drift={"sd": 0.1, "degrees_of_freedom": 1})  # type: ignore[call-arg]


def test_defaults_of_settings_are_checked_as_well() -> None:
    class Wrong(Settings):
        value: float = per_animal(-1.0, ge=0)

    with pytest.raises(ValidationError, match="value must be at least 0, got -1"):
        Wrong()


def test_sentences_of_nested_tables_name_the_whole_key() -> None:
    class Inner(Settings):
        length: int = 1

    class Outer(Settings):
        inner: Inner = Inner()

    for values, message in (
        ({"inner": {"lenght": 2}}, "unknown key 'x.inner.lenght'; did you mean 'length'?"),
        ({"inner": {"length": "a"}}, "x.inner.length must be a valid integer"),
        ({"iner": {}}, "unknown key 'x.iner'; did you mean 'inner'?"),
        ({"inner": 3}, "x.inner must be "),
    ):
        with pytest.raises(ValidationError) as caught:
            Outer.model_validate(values)
        assert sentence(caught.value, Outer, "x.").startswith(message)


@pytest.mark.parametrize("name", list(NAMED_RULES))
def test_a_named_rule_stands_for_its_choices_and_each_can_be_replaced(name: str) -> None:
    row = NAMED_RULES[name]
    assert RuleSettings(name=name).choices()[:3] == tuple(row[:3])
    assert RuleSettings(name=name, pathway="direct").choices()[:3] == (row[0], "direct", row[2])
    assert RuleSettings(name=name, teaching_signal="target", feedback_weights="noisy").choices()[:3] == (
        "target",
        row[1],
        "noisy",
    )


def test_the_rules_of_the_table_are_those_of_the_theory() -> None:
    assert {name: tuple(row[:3]) for name, row in NAMED_RULES.items()} == {
        "bp": ("error", "layerwise", "transpose"),
        "fa": ("error", "layerwise", "fixed"),
        "dfa": ("error", "direct", "fixed"),
        "tf": ("centred_target", "readout", "fixed"),
        "nf": ("error", "readout", "network"),
        "nfa": ("error", "readout", "noisy"),
        "drtp": ("target", "direct", "fixed"),
        "usf": ("error", "layerwise", "sign"),
        "brsf": ("error", "layerwise", "sign"),
        "frsf": ("error", "layerwise", "sign"),
        "kp": ("error", "layerwise", "learned"),
        "wm": ("error", "layerwise", "learned"),
        "random_walk": ("error", "layerwise", "walking"),
        "infomax": ("error", "layerwise", "informative"),
        "linbp": ("error", "layerwise", "transpose"),
        "predictive_coding": ("error", "equilibrium", "transpose"),
        "fixed_prediction": ("error", "fixed_prediction", "transpose"),
        "similarity_matching": ("error", "lateral", "none"),
        "rflo": ("error", "eligibility", "fixed"),
        "bptt": ("error", "through_time", "transpose"),
    }


def test_schedules_run_forward_from_day_0() -> None:
    assert ScheduleSettings(days=(0, 0.5, 14)).days == (0, 0.5, 14)
    for days in ((0, 2, 2), (0, 3, 1)):
        with pytest.raises(ValidationError, match="days must increase, got"):
            ScheduleSettings(days=days)
    with pytest.raises(ValidationError, match="days must start at 0"):
        ScheduleSettings(days=(-2, 0))


def test_thresholds_are_for_all_animals_or_for_none() -> None:
    assert NetworkSettings(active_fraction=(0.1, 0.2)).active_fraction == (0.1, 0.2)
    assert NetworkSettings(active_fraction=(0.0, 0.0)).active_fraction == (0, 0)
    with pytest.raises(ValidationError, match="above 0 in all animals or 0 in all, got"):
        NetworkSettings(active_fraction=(0.0, 0.2))


def test_shipped_names_lead_to_their_functions() -> None:
    for name, function in stimulus_sets().items():
        assert stimulus_set(name) is function
    for name, function in overnight_processes().items():
        assert overnight_process(name) is function
        assert all(info.description for info in parameters_model(function).model_fields.values()), name
    for function in stimulus_sets().values():
        assert all(info.description for info in parameters_model(function).model_fields.values())
    assert list(OvernightSettings().processes()) == list(overnight_processes())
    assert StimuliSettings().parameters()["bins"] == 20


def test_annotations_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from neurofa.networks import Network\n"
        "def process(network: Network, days, draws, *, step: float = 0.1): ...\n"
        "def stimuli(generator: Network, *, number: int = 3): ...\n"
    )
    for values, key in (
        ({"overnight": {"late.py:process": 0.2}}, "overnight.late.py:process"),
        ({"stimuli": {"kind": "late.py:stimuli"}}, "stimuli.kind"),
    ):
        with pytest.raises(ProtocolError) as caught:
            protocol_from(values, tmp_path)
        assert str(caught.value).startswith(f"{key}: the annotations of function '")
        assert "name 'Network' is not defined" in str(caught.value)


def test_functions_of_users_are_found_or_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "good.py").write_text("def f(): return 7\nx = 3")
    assert load_function("good.py:f", tmp_path)() == 7
    assert load_function("neurofa.protocol:merge") is merge
    for source, message in (
        ("good.py:g", "'good.py' has no function 'g'"),
        ("good.py:x", "has no function 'x'"),
        ("good.py", "names no function"),
        ("good.py:", "names no function"),
        ("missing.py:f", "no file 'missing.py' in "),
        ("broken.py:f", "cannot be imported: ZeroDivisionError: division by zero"),
        ("no_such_package.x:f", "cannot import 'no_such_package.x'"),
    ):
        with pytest.raises(ConfigError, match=message) as caught:
            load_function(source, tmp_path)
        assert "\n" not in str(caught.value)
    assert load_module("good.py", tmp_path) is load_module(str(tmp_path / "good.py"))


def test_hints_name_what_is_close_or_else_all() -> None:
    assert did_you_mean("fixd", ["fixed", "noisy"]) == "did you mean 'fixed'?"
    assert did_you_mean("zzz", ["b", "a"]) == "expected one of a, b"
