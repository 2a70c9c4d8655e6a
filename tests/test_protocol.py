"""Protocol files: every mistake gets one sentence, every default is written out, what is written is read again."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurofa.errors import ProtocolError
from neurofa.protocol import (
    Protocol,
    find_protocol,
    list_protocols,
    load_protocol,
    merge,
    parse_override,
    protocol_from,
)
from neurofa.protocol_text import protocol_text
from neurofa.rules import NAMED_RULES, PATHWAYS
from tests.engine import SMALL, small


def refusal(values: dict[str, Any], folder: str = "") -> str:
    """What a user is told; always one line."""
    with pytest.raises(ProtocolError) as caught:
        protocol_from(values, folder)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 250
    return message


MISTYPED = [
    ({"overnigth": {}}, "unknown key 'overnigth'; did you mean 'overnight'?"),
    ({"cohort": {"animal": 3}}, "unknown key 'cohort.animal'; did you mean 'animals'?"),
    ({"network": {"hiden": [3]}}, "unknown key 'network.hiden'; did you mean 'hidden'?"),
    ({"rule": {"lerning_rate": 0.1}}, "unknown key 'rule.lerning_rate'; did you mean 'learning_rate'?"),
    ({"stimuli": {"bin": 3}}, "unknown key 'stimuli.bin'; did you mean 'bins'?"),
    ({"stimuli": {"noise_ds": 3}}, "unknown key 'stimuli.noise_ds'; did you mean 'noise_sd'?"),
    ({"schedule": {"day": [0, 1]}}, "unknown key 'schedule.day'; did you mean 'days'?"),
    ({"overnight": {"synaptic_nose": 0.1}}, "overnight.synaptic_nose is unknown; did you mean"),
    (
        {"overnight": {"excitability_drift": {"slowest_day": 3}}},
        "unknown key 'overnight.excitability_drift.slowest_day'; did you mean 'slowest_days'?",
    ),
    ({"observation": {"repeat": 3}}, "unknown key 'observation.repeat'; did you mean 'repeats'?"),
    ({"references": {"tolerance": {}}}, "unknown key 'references.tolerance'; did you mean 'tolerances'?"),
    ({"engine": {"dtyp": "float32"}}, "unknown key 'engine.dtyp'; did you mean 'dtype'?"),
    ({"groups": {"a": {"rul": {}}}}, "unknown key 'groups.a.rul'; did you mean 'rule'?"),
    ({"groups": {"a": {"labl": "A"}}}, "unknown key 'groups.a.labl'; did you mean 'label'?"),
    ({"groups": {"a": {"rule": {"nam": "fa"}}}}, "unknown key 'groups.a.rule.nam'; did you mean 'name'?"),
    ({"groups": {"a": {"stimuli": {"input": 3}}}}, "unknown key 'groups.a.stimuli.input'; did you mean 'inputs'?"),
    ({"groups": {"a": {"overnight": {"feedback_wlk": 0}}}}, "groups.a.overnight.feedback_wlk is unknown"),
    ({"groups": {"a": {"groups": {}}}}, "unknown key 'groups.a.groups'; a group holds only what differs"),
    ({"groups": {"a": {"folder": "x"}}}, "unknown key 'groups.a.folder'"),
    ({"folder": "x"}, "unknown key 'folder'"),
    ({"stimuli": {"folder": "x"}}, "unknown key 'stimuli.folder'"),
    ({"overnight": {"folder": "x"}}, "unknown key 'overnight.folder'"),
]

IMPOSSIBLE = [
    ({"cohort": {"animals": 0}}, "cohort.animals must be greater than or equal to 1, got 0"),
    ({"cohort": {"seed": -1}}, "cohort.seed must be greater than or equal to 0, got -1"),
    ({"rule": {"learning_rate": -0.1}}, "rule.learning_rate must be at least 0, got -0.1"),
    ({"rule": {"learning_rate": [0.1, -2] + [0.1] * 4}}, "rule.learning_rate must be at least 0, got -2"),
    ({"rule": {"readout_step_bound": -1}}, "rule.readout_step_bound must be at least 0, got -1"),
    ({"rule": {"walk_per_update": 1}}, "rule.walk_per_update must be less than 1, got 1"),
    ({"rule": {"learning_rate": float("nan")}}, "rule.learning_rate must be a finite number, got nan"),
    ({"rule": {"learning_rate": "fast"}}, "rule.learning_rate must be a valid number"),
    ({"rule": {"learning_rate": [0.1, 0.2]}}, "rule.learning_rate lists 2 numbers for 6 animals; give one number, or"),
    ({"stimuli": {"noise_sd": [0.1]}}, "stimuli.noise_sd lists 1 numbers for 6 animals"),
    ({"network": {"gain_sd": [0.1]}}, "network.gain_sd lists 1 numbers for 6 animals"),
    ({"overnight": {"weight_decay": [0.1, 0.2]}}, "overnight.weight_decay lists 2 numbers of rate for 6 animals"),
    ({"rule": {"name": "fb"}}, "rule.name is no learning rule, got 'fb'; "),
    ({"rule": {"pathway": "layerwize"}}, "rule.pathway is unknown, got 'layerwize'; did you mean 'layerwise'?"),
    ({"rule": {"teaching_signal": "eror"}}, "rule.teaching_signal is unknown, got 'eror'; did you mean 'error'?"),
    ({"rule": {"feedback_weights": "fixd"}}, "rule.feedback_weights is unknown, got 'fixd'; did you mean 'fixed'?"),
    (
        {"network": {"hidden": []}},
        "network.hidden is empty, but the rule sends its teaching signal to a hidden layer; ",
    ),
    ({"network": {"hidden": [10, 0]}}, "network.hidden must list at least one unit per layer, got [10, 0]"),
    ({"network": {"hidden": 10}}, "network.hidden must be a list, got 10"),
    ({"network": {"hidden": [2.5]}}, "network.hidden.0 must be a valid integer"),
    (
        {"network": {"activation": "sigmoid"}},
        "network.activation must be 'tanh', 'relu', 'softplus' or 'identity', got",
    ),
    ({"network": {"biases": "perhaps"}}, "network.biases must be a valid boolean"),
    ({"network": {"active_fraction": 1.0}}, "network.active_fraction must be less than 1, got 1"),
    (
        {"network": {"active_fraction": [0, 0.2] + [0.1] * 4}},
        "network.active_fraction must be above 0 in all animals or 0 in all",
    ),
    ({"stimuli": {"kind": "linear_trak"}}, "stimuli.kind is unknown, got 'linear_trak'; did you mean 'linear_track'?"),
    ({"stimuli": {"bins": 1}}, "stimuli.bins must be greater than or equal to 2, got 1"),
    ({"stimuli": {"field_width": 0}}, "stimuli.field_width must be greater than 0, got 0"),
    ({"stimuli": 3}, "stimuli must be "),
    ({"cohort": 3}, "cohort must be "),
    ({"schedule": {"days": [0, 4, 2]}}, "schedule.days must increase, got 2 after 4"),
    ({"schedule": {"days": [1, 2]}}, "schedule.days must start at 0"),
    ({"schedule": {"days": [0]}}, "schedule.days must list at least 2 items, got [0]"),
    ({"schedule": {"days": [0, float("inf")]}}, "schedule.days.1 must be a finite number"),
    ({"schedule": {"passes": 0}}, "schedule.passes must be a whole number from 1, or a list of them"),
    ({"schedule": {"passes": [1, 2, 3]}}, "one for each of the 2 days; got [1, 2, 3]"),
    ({"schedule": {"naive_first": True, "burn_in_sessions": 1}}, "schedule.naive_first cannot go with pretraining"),
    ({"record": {"monitors": ["alignmnt"]}}, "record.monitors"),
    ({"record": {"monitors": ["readout", "readout"]}}, "record.monitors names one twice"),
    ({"groups": {"a": {"record": {"stimuli": 3}}}}, "groups.a.record cannot differ between groups"),
    ({"rule": {"sign_magnitudes": "unit"}}, "rule.sign_magnitudes belongs to feedback_weights 'sign'"),
    ({"rule": {"name": "kp", "learned_by": "weight_miror"}}, "did you mean 'weight_mirror'?"),
    ({"rule": {"name": "kp", "pathway": "direct"}, "network": {"hidden": [5, 5]}}, "'learned' cannot go with"),
    ({"schedule": {"burn_in_interval_days": 0}}, "schedule.burn_in_interval_days must be greater than 0, got 0"),
    ({"overnight": {"feedback_walk": -0.1}}, "overnight.feedback_walk must be at least 0, got -0.1"),
    ({"overnight": {"feedback_walk": "much"}}, "overnight.feedback_walk must be a valid number"),
    ({"observation": {"kind": "voltage"}}, "observation.kind must be 'calcium' or 'none', got 'voltage'"),
    ({"observation": {"seconds_per_stimulus": [1, 0]}}, "observation.seconds_per_stimulus must be greater than 0"),
    ({"observation": {"detected_fraction": 1.2}}, "observation.detected_fraction must be less than or equal to 1"),
    ({"engine": {"dtype": "float16"}}, "engine.dtype must be 'float32' or 'float64', got 'float16'"),
    ({"groups": {"a": {"cohort": {"animals": 0}}}}, "groups.a.cohort.animals must be greater than or equal to 1"),
    ({"groups": {"a": {"rule": {"name": "xx"}}}}, "groups.a.rule.name is no learning rule, got 'xx'"),
    ({"groups": {"a": {"control_of": "b"}, "bb": {}}}, "groups.a.control_of names no group, got 'b'; did you mean"),
    ({"groups": {"a": 3}}, "groups.a must be "),
    (
        {"rule": {"name": "dfa", "feedback_weights": "transpose"}, "network": {"hidden": [5, 5]}},
        "rule.feedback_weights 'transpose' cannot go with rule.pathway 'direct' and 2 hidden layers",
    ),
    ({"references": {"tolerances": {"angle": "wide"}}}, "references.tolerances.angle must be a valid number"),
]


@pytest.mark.parametrize(("values", "message"), MISTYPED, ids=[message[:60] for _, message in MISTYPED])
def test_a_mistyped_key_gets_a_hint(values: dict[str, Any], message: str) -> None:
    assert message in refusal(values)


@pytest.mark.parametrize(("values", "message"), IMPOSSIBLE, ids=[message[:60] for _, message in IMPOSSIBLE])
def test_an_impossible_value_is_refused_with_its_key_and_what_was_given(values: dict[str, Any], message: str) -> None:
    assert message in refusal(values)


def test_direct_transposed_feedback_is_legal_with_one_hidden_layer() -> None:
    protocol = protocol_from({"rule": {"name": "dfa", "feedback_weights": "transpose"}, "network": {"hidden": [5]}})
    assert protocol.rule.choices()[:3] == ("error", "direct", "transpose")


def test_defaults_and_a_name_make_a_protocol() -> None:
    protocol = protocol_from({})
    assert protocol.group_names() == ["protocol"]
    assert protocol.group("protocol").as_dict() == protocol.as_dict()
    assert protocol.label("protocol") == "protocol"


def test_groups_that_the_whole_protocol_made_a_null_say_so_in_their_names() -> None:
    oddball = load_protocol("oddball", ["prediction.null=untrained"])
    assert oddball.label("fa") == "FA, untrained (null)"
    # those that are a null of their own stay it
    assert oddball.label("adaptation") == "adaptation (null)"
    assert load_protocol("oddball").label("fa") == "FA"


def test_a_protocol_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        protocol_from({}).cohort.animals = 3  # type: ignore[misc]


def test_groups_hold_what_differs_and_nothing_else() -> None:
    groups = {
        "tf": {"label": "target", "rule": {"name": "tf"}},
        "nf": {"rule": {"name": "nf", "pathway": "layerwise"}, "control_of": "tf"},
        "plain_group": {},
        "many": {"cohort": {"animals": 9}, "overnight": {"excitability_drift": {"sd": 0.2}}},
    }
    protocol = small({"groups": groups})
    assert protocol.group_names() == ["tf", "nf", "plain_group", "many"]
    assert protocol.group("tf").rule.choices()[:3] == ("centred_target", "readout", "fixed")
    assert protocol.group("nf").rule.choices()[:3] == ("error", "layerwise", "network")
    assert protocol.group("plain_group").rule.choices()[:3] == tuple(NAMED_RULES["fa"][:3])
    assert protocol.group("tf").network == protocol.network
    assert protocol.group("many").cohort.animals == 9 and protocol.group("many").cohort.seed == 1
    drift = protocol.group("many").overnight.processes()["excitability_drift"]
    defaults = {"fastest_days": 5.0, "slowest_days": 65.0, "log_spread": 0.0, "degrees_of_freedom": 0.0}
    assert drift == {"sd": 0.2} | defaults
    assert [protocol.label(name) for name in protocol.groups] == ["target", "nf", "plain group", "many"]
    assert not protocol.group("tf").groups
    with pytest.raises(ProtocolError, match="no group 'plain'; did you mean 'plain_group'"):
        protocol.group("plain")


def test_a_choice_of_the_common_rule_stays_when_a_group_names_another_rule() -> None:
    protocol = small({"rule": {"pathway": "readout"}, "groups": {"walk": {"rule": {"name": "random_walk"}}}})
    assert protocol.group("walk").rule.choices()[:3] == ("error", "readout", "walking")


def test_a_group_may_show_another_stimulus_set() -> None:
    protocol = small({"groups": {"odours": {"stimuli": {"kind": "patterns", "stimuli": 6, "classes": 3}}}})
    own = protocol.group("odours").stimuli
    assert own.parameters() == {"stimuli": 6, "inputs": 40, "classes": 3, "orthogonal": True}
    assert own.noise_sd == protocol.stimuli.noise_sd


EVERYTHING: dict[str, Any] = {
    "name": "all",
    "title": 'A title with "quotes" and a backslash \\',
    "description": "Several\nlines, with # and = and ü.",
    "sources": ["10.1038/ncomms13276"],
    "analyses": ["drift_over_days"],
    "cohort": {"animals": 2, "seed": 12345678901234567890},
    "network": {"hidden": [7, 5], "activation": "tanh", "loss": "squared_error", "biases": True, "gain_sd": [0.1, 0.2]},
    "rule": {
        "name": "nfa",
        "teaching_signal": "target",
        "pathway": "direct",
        "feedback_weights": "noisy",
        "learning_rate": [1e-7, 0.3],
        "noise_amplitude": 0.25,
    },
    "stimuli": {"kind": "patterns", "stimuli": 4, "classes": 2, "orthogonal": False, "noise_sd": [0.0, 0.5]},
    "schedule": {"days": [0, 0.5, 7.25], "passes": 3, "batch_size": 2, "burn_in_sessions": 1},
    "overnight": {
        "excitability_drift": {"sd": [0.1, 0.2], "fastest_days": 2.0, "slowest_days": 30.0},
        "feedback_walk": [0.1, 0.2],
        "drift.py:second": {"step": 0.5, "kind": "a"},
        "drift.py:first": 0.25,
        "drift.py:empty": {},
    },
    "observation": {"kind": "none", "seconds_per_stimulus": [1.0, 2.5]},
    "references": {"tables": [], "tolerances": {"angle_unaligned_deg": 3.5}, "area": "CA1"},
    "engine": {"dtype": "float64", "threads": 2},
    "groups": {
        "a b": {"label": "A & B"},
        "c.d": {"overnight": {"drift.py:second": {"kind": "b"}, "drift.py:first": 0.5}, "control_of": "a b"},
    },
}

DRIFT = """
def first(network, days, draws, *, step: float = 0.1): ...
def second(network, days, draws, *, step: float = 0.1, kind: str = "x"): ...
def empty(network, days, draws): ...
"""


def again(protocol: Protocol, comments: bool = True) -> Protocol:
    return protocol_from(tomllib.loads(protocol_text(protocol, comments)), protocol.folder)


@pytest.mark.parametrize("comments", [True, False])
def test_what_is_written_is_read_again(tmp_path: Path, comments: bool) -> None:
    (tmp_path / "drift.py").write_text(DRIFT)
    everything = protocol_from(EVERYTHING, tmp_path)
    for protocol in [everything, protocol_from({}), *(load_protocol(name) for name in list_protocols())]:
        copy = again(protocol, comments)
        assert copy == protocol
        assert protocol_text(copy, comments) == protocol_text(protocol, comments)
        for name in protocol.group_names():
            assert copy.group(name) == protocol.group(name)
            assert list(copy.group(name).overnight.processes()) == list(protocol.group(name).overnight.processes())
    order = list(again(everything).overnight.processes())
    assert order[-3:] == ["drift.py:second", "drift.py:first", "drift.py:empty"]
    assert again(everything).group("c.d").overnight.processes()["drift.py:second"] == {"step": 0.5, "kind": "b"}


positive = st.floats(0, 1e6, allow_nan=False, exclude_min=True)
fraction = st.floats(0, 0.999)
feedforward_rules = st.sampled_from([name for name, row in NAMED_RULES.items() if row.pathway in PATHWAYS])
later = st.lists(positive, min_size=1, unique=True)
labels = st.fixed_dictionaries({}, optional={"label": st.text("xy #=\"'")})
tables = st.fixed_dictionaries(
    {},
    optional={
        "title": st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])),
        "cohort": st.fixed_dictionaries({"animals": st.just(3), "seed": st.integers(0, 2**63)}),
        "network": st.fixed_dictionaries(
            {},
            optional={
                "hidden": st.lists(st.integers(1, 10**6), min_size=1, max_size=4),
                "weight_scale": positive | st.lists(positive, min_size=3, max_size=3),
                "activation": st.sampled_from(["tanh", "relu", "softplus", "identity"]),
                "biases": st.booleans(),
            },
        ),
        "rule": st.fixed_dictionaries({"name": feedforward_rules, "target_scale": positive}),
        "schedule": st.fixed_dictionaries({"days": later.map(lambda days: [0, *sorted(days)])}),
        "overnight": st.fixed_dictionaries(
            {},
            optional={
                "feedback_walk": fraction | st.lists(fraction, min_size=3, max_size=3),
                "excitability_drift": st.fixed_dictionaries({"sd": positive}),
            },
        ),
        "groups": st.dictionaries(st.text("abc_-. é", min_size=1, max_size=5), labels),
    },
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(tables)
def test_any_legal_protocol_survives_being_written(values: dict[str, Any]) -> None:
    protocol = protocol_from({"cohort": {"animals": 3}} | values)
    assert again(protocol) == protocol


def test_every_setting_is_written_with_what_it_is(tmp_path: Path) -> None:
    for name, info in (
        (f"{table}.{key}", field)
        for table, field_of in Protocol.model_fields.items()
        if hasattr(field_of.annotation, "model_fields")
        for key, field in field_of.annotation.model_fields.items()
        if not field.exclude
    ):
        assert info.description and len(info.description) < 110, name
    text = protocol_text(load_protocol("linear_track"))
    table = ""
    for line in text.split("\n[groups")[0].splitlines():
        table = line if line.startswith("[") else table
        if table and " = " in line and "tolerances" not in line and "tolerances" not in table:
            assert "# " in line, line
    for key in ("feedback_walk = 0.35", "readout_step_bound = 0.8", "tolerance_bins = 1", "visibility_white = 0.28"):
        assert key in text
    assert "folder =" not in text


def test_overrides_are_checked_like_the_file() -> None:
    changed = load_protocol("linear_track", ["overnight.feedback_walk=0.3", "schedule.days=[0, 5]", "rule.name = nfa"])
    assert changed.overnight.processes()["feedback_walk"] == {"step": 0.3}
    assert changed.schedule.days == (0, 5) and changed.rule.name == "nfa"
    assert load_protocol("linear_track", {"groups.no_drift.rule.learning_rate": 0.5}).group(
        "no_drift"
    ).rule.learning_rate == pytest.approx(0.5)
    assert load_protocol("linear_track", animals=2).cohort.animals == 2
    with pytest.raises(ProtocolError, match="unknown key 'overnight.feedback_wolk|overnight.feedback_wolk is unknown"):
        load_protocol("linear_track", {"overnight.feedback_wolk": 0.3})
    with pytest.raises(ProtocolError, match="cohort.animals must be greater than or equal to 1, got 0"):
        load_protocol("linear_track", animals=0)
    with pytest.raises(ProtocolError, match="'cohort.animals.x' cannot be set: 'animals' is a value, not a table"):
        load_protocol("linear_track", {"cohort.animals.x": 0})


def test_overrides_may_quote_names_that_hold_dots(tmp_path: Path) -> None:
    (tmp_path / "drift.py").write_text(DRIFT)
    (tmp_path / "own.toml").write_text("[cohort]\nanimals = 1\n")
    protocol = load_protocol(tmp_path / "own.toml", ['overnight."drift.py:first"=0.75'])
    assert protocol.overnight.processes()["drift.py:first"] == {"step": 0.75}
    assert protocol.name == "own"
    with pytest.raises(ProtocolError, match="is no key"):
        load_protocol(tmp_path / "own.toml", {'overnight."drift.py:first': 0.75})


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("a.b=0.3", ("a.b", 0.3)),
        ("a = true", ("a", True)),
        ("a=[1, 2]", ("a", [1, 2])),
        ("a='x=y'", ("a", "x=y")),
        ("a=x=y", ("a", "x=y")),
        ("a=", ("a", "")),
        ("a={b = 1}", ("a", {"b": 1})),
        ("stimuli.kind=mine.py:set", ("stimuli.kind", "mine.py:set")),
    ],
)
def test_overrides_are_toml_or_else_text(text: str, parsed: tuple[str, Any]) -> None:
    assert parse_override(text) == parsed


@pytest.mark.parametrize("text", ["", "a", "=3", " = 3"])
def test_an_override_that_sets_nothing_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError, match="sets nothing; expected key=value"):
        parse_override(text)


def test_merging_replaces_values_and_merges_tables() -> None:
    common = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merge(common, {"a": {"c": [3]}, "d": {"e": 2}}) == {"a": {"b": 1, "c": [3]}, "d": {"e": 2}}
    assert common == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


def test_protocols_are_found_by_name_and_by_path(tmp_path: Path) -> None:
    assert "linear_track" in list_protocols()
    assert find_protocol("linear_track").name == "linear_track.toml"
    with pytest.raises(ProtocolError, match="no protocol 'linear_trak'; did you mean 'linear_track'"):
        load_protocol("linear_trak")
    with pytest.raises(ProtocolError, match="no protocol file at .*missing.toml; give a path"):
        load_protocol(tmp_path / "missing.toml")
    broken = tmp_path / "broken.toml"
    for content in (b"[cohort\nanimals = 1", b"\xff\xfe", b"a = 1\na = 2"):
        broken.write_bytes(content)
        with pytest.raises(ProtocolError, match=r"broken.toml cannot be read as TOML: ") as caught:
            load_protocol(broken)
        assert "\n" not in str(caught.value)


def test_the_small_protocol_of_the_tests_has_the_structure_of_the_shipped_one() -> None:
    shipped, own = load_protocol("linear_track").as_dict(), protocol_from(SMALL).as_dict()
    assert shipped["network"].keys() == own["network"].keys()
    for key in ("gain_sd", "active_fraction", "homeostasis_rate", "pretraining_homeostasis", "weight_scale"):
        assert shipped["network"][key] == own["network"][key]
