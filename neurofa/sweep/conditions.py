"""The conditions of a sweep: every combination of the values that are swept over, checked before anything runs."""

import itertools
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurofa.errors import ConfigError, NeurofaError
from neurofa.preflight import check_controls, check_names
from neurofa.protocol import Protocol, load_protocol, parse_override
from neurofa.shares import shares_of

#: what a run is called and described by, not what it is
_WORDS = ("name", "title", "description", "sources")
#: letters of a condition's folder at most
_LONGEST_NAME = 100
#: last parts of keys that say nothing without the part before
_EMPTY_WORDS = ("name", "kind")
_BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}


@dataclass(frozen=True)
class Condition:
    """
    One run of a sweep.

    Attributes
    ----------
    name : str
        Name of its folder, such as ``"2-feedback_walk=0.1,rule=nfa"``.
    values : dict of str to object
        Swept key to value.
    protocol : Protocol
        What runs.
    """

    name: str
    values: dict[str, Any]
    protocol: Protocol


def parse_over(text: str) -> tuple[str, list[Any]]:
    """
    Read one ``key=value,value`` of the command line; every value is TOML, or else text.

    Parameters
    ----------
    text : str
        For example ``overnight.feedback_walk=0,0.1,0.3``.

    Returns
    -------
    tuple of (str, list)
        Dotted key and values.

    Raises
    ------
    ConfigError
        Where there is no ``=`` or a value is empty.

    Examples
    --------
    >>> parse_over("rule.name=fa,nfa"), parse_over("schedule.days=[0, 1],[0, 2]")
    (('rule.name', ['fa', 'nfa']), ('schedule.days', [[0, 1], [0, 2]]))
    """
    key, equals, listed = text.partition("=")
    key = key.strip()
    parts = _split(listed)
    if not equals or not key or not all(part.strip() for part in parts):
        raise ConfigError(
            f"'{text}' does not say what to sweep over; expected key=value,value without gaps, "
            "for example overnight.feedback_walk=0,0.1,0.3"
        )
    return key, [parse_override(f"value={part}")[1] for part in parts]


def _split(text: str) -> list[str]:
    """Parts between the commas that stand outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if letter in "\"'" and quote in ("", letter):
            quote = "" if quote else letter
        depth += 0 if quote else _BRACKETS.get(letter, 0)
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def conditions_of(
    protocol: str | os.PathLike[str],
    over: Mapping[str, Sequence[Any]] | Sequence[str],
    overrides: Mapping[str, Any],
    animals: int | None = None,
) -> list[Condition]:
    """
    Every combination of values; the last key changes fastest.

    Parameters
    ----------
    protocol : str or path-like
        Name of a shipped protocol, or path of a TOML file.
    over : mapping or sequence of str
        Dotted keys with their values, or texts as `parse_over` reads them.
    overrides : mapping
        As in `neurofa.load_protocol`, the same in all conditions.
    animals : int, optional
        Animals per group.

    Returns
    -------
    list of Condition
        Checked: nothing in them is known to be impossible.

    Raises
    ------
    ConfigError
        Where nothing is swept over, a value comes twice, or two conditions come out the same.
    ProtocolError
        Where a condition is not possible.
    """
    swept = _swept(over)
    fixed = set(overrides) | ({"cohort.animals"} if animals is not None else set())
    for key in swept:
        if key in fixed:
            raise ConfigError(f"'{key}' is both swept over and set; leave one of them out")
    combinations = [dict(zip(swept, values, strict=True)) for values in itertools.product(*swept.values())]
    short = short_names(list(swept))
    found: list[Condition] = []
    for number, values in enumerate(combinations, 1):
        named = {short[key]: _told(value) for key, value in values.items()}
        name = f"{str(number).zfill(len(str(len(combinations))))}-{_folder_name(named)}"
        try:
            loaded = load_protocol(protocol, {**overrides, **values}, animals)
            check_names(loaded)
            check_controls(loaded)
            shares_of(loaded, Path())
        except NeurofaError as error:
            if _why_impossible(protocol, overrides, animals) == str(error):
                error.add_note("nothing was run")
            else:
                told = ",".join(f"{key}={value}" for key, value in named.items())
                error.add_note(f"nothing was run; this is condition {told}")
            raise
        found.append(Condition(name, values, loaded))
    _refuse_same(found)
    return found


def _swept(over: Mapping[str, Sequence[Any]] | Sequence[str]) -> dict[str, list[Any]]:
    """Keys with their values, none twice."""
    pairs = list(over.items()) if isinstance(over, Mapping) else [parse_over(text) for text in over]
    if not pairs:
        raise ConfigError(
            "nothing is swept over; name a setting and its values, for example --over overnight.feedback_walk=0,0.1,0.3"
        )
    swept: dict[str, list[Any]] = {}
    for key, values in pairs:
        if isinstance(values, str) or not len(values):
            raise ConfigError(f"'{key}' lists no values to sweep over; give at least one")
        if key in swept:
            raise ConfigError(f"'{key}' is swept over twice; put all its values into one list")
        swept[key] = list(values)
        for number, value in enumerate(swept[key]):
            if value in swept[key][:number]:
                raise ConfigError(f"'{key}' lists {_told(value)} twice; give every value once")
    return swept


def _refuse_same(conditions: Sequence[Condition]) -> None:
    """Refuse conditions that differ in nothing, for example since every group sets the swept key itself."""
    known: dict[str, Condition] = {}
    for condition in conditions:
        own = condition.protocol
        groups = {name: own.group(name).model_dump(mode="json", exclude=set(_WORDS)) for name in own.group_names()}
        first = known.setdefault(json.dumps(groups, sort_keys=True), condition)
        if first is not condition:
            differ = [key for key, value in condition.values.items() if first.values[key] != value]
            raise ConfigError(
                f"conditions '{first.name}' and '{condition.name}' come out the same: {' and '.join(differ)} changes "
                "nothing, or every group sets it itself; sweep over groups.NAME.KEY to change it in a group"
            )


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """
    Keys in few characters.

    Parameters
    ----------
    keys : sequence of str
        Dotted keys.

    Returns
    -------
    dict of str to str
        Key to its last part, with as many parts before as tell it from the others; ``name`` and ``kind`` say nothing
        and are left out.

    Examples
    --------
    >>> short_names(["overnight.feedback_walk", "rule.name"])
    {'overnight.feedback_walk': 'feedback_walk', 'rule.name': 'rule'}
    >>> list(short_names(["overnight.gain_drift.sd", "overnight.excitability_drift.sd"]).values())
    ['gain_drift.sd', 'excitability_drift.sd']
    """
    parts = {key: [part.strip('"') for part in re.findall(r'"[^"]*"|[^.]+', key)] for key in keys}
    parts = {key: own[:-1] if len(own) > 1 and own[-1] in _EMPTY_WORDS else own for key, own in parts.items()}
    short: dict[str, str] = {}
    for key, own in parts.items():
        others = [mate for other, mate in parts.items() if other != key]
        length = next((n for n in range(1, len(own) + 1) if all(own[-n:] != mate[-n:] for mate in others)), 0)
        short[key] = ".".join(own[-length:]) if length else key
    return short


def _folder_name(named: Mapping[str, str]) -> str:
    """Names and values in the name of a folder; where that is long the values alone, of long ones their beginning."""
    values = [_plain(value) for value in named.values()]
    whole = ",".join(f"{_plain(key)}={value}" for key, value in zip(named, values, strict=True))
    if len(whole) <= _LONGEST_NAME:
        return whole
    alone = ",".join(values)
    room = max(1, _LONGEST_NAME // len(values) - 1)
    return alone if len(alone) <= _LONGEST_NAME else ",".join(value[:room] for value in values)


def _plain(text: str) -> str:
    """Only letters that are safe in the name of a folder."""
    return re.sub(r"[^\w.=,+-]+", "_", re.sub(r"[\[\]{}\"\s]", "", text)).strip("_")


def _why_impossible(protocol: str | os.PathLike[str], overrides: Mapping[str, Any], animals: int | None) -> str:
    """Why the protocol is not possible whatever is swept over; empty where it is."""
    try:
        load_protocol(protocol, overrides, animals)
    except NeurofaError as error:
        return str(error)
    return ""


def _told(value: Any) -> str:
    """A value in few characters, without quotes around text."""
    return value if isinstance(value, str) else json.dumps(value)
