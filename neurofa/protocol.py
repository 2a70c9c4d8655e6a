"""Protocol files: what is shown, learned, changed overnight, recorded and compared; read, checked and written.

Nothing here imports torch: a protocol can be listed and shown at once.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from neurofa.catalogue import did_you_mean, shipped_folder
from neurofa.checking import Settings, group_label, sentence
from neurofa.errors import ProtocolError
from neurofa.observation_settings import ObservationSettings
from neurofa.prediction_settings import PredictionSettings
from neurofa.protocol_checks import check_whole
from neurofa.rule_settings import NetworkSettings, RuleSettings
from neurofa.schedule_settings import ScheduleSettings
from neurofa.settings import (
    CohortSettings,
    EngineSettings,
    OvernightSettings,
    RecordSettings,
    ReferenceSettings,
    StimuliSettings,
)
from neurofa.spiking_settings import SpikingSettings

#: keys of a group that describe it rather than change a setting
_GROUP_KEYS = ("label", "control_of")


class Protocol(Settings):
    """
    One experiment, checked and complete.

    Attributes
    ----------
    name, title, description : str
        What it is.
    sources : list of str
        DOIs of the publications that it is modelled on.
    cohort, network, rule, stimuli, prediction, schedule, overnight, observation, record, references, engine, spiking
        Its tables, see :mod:`neurofa.settings`.
    analyses : list of str
        Which analyses are run: shipped names, ``package.module``, or files beside the protocol.
    groups : dict
        Name to what differs in the group, for example ``{"overnight": {"feedback_walk": 0}}``; besides ``label``
        (for figures) and ``control_of`` (the group whose control it is).
    folder : str
        Where the protocol's file is: names of files are relative to it.
    """

    name: str = Field("protocol", description="name of the protocol")
    title: str = Field("", description="one line for lists and reports")
    description: str = Field("", description="what the experiment is")
    sources: tuple[str, ...] = Field((), description="DOIs of the publications that it is modelled on")
    analyses: tuple[str, ...] = Field(("drift_over_days", "cross_day_decoding"), description="analyses to run")
    cohort: CohortSettings = CohortSettings()
    network: NetworkSettings = NetworkSettings()
    rule: RuleSettings = RuleSettings()
    stimuli: StimuliSettings = StimuliSettings()
    prediction: PredictionSettings = PredictionSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    overnight: OvernightSettings = OvernightSettings()
    observation: ObservationSettings = ObservationSettings()
    record: RecordSettings = RecordSettings()
    references: ReferenceSettings = ReferenceSettings()
    engine: EngineSettings = EngineSettings()
    spiking: SpikingSettings = SpikingSettings()
    groups: dict[str, dict[str, Any]] = Field(default_factory=dict, description="what differs in each group")
    folder: str = Field("", exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _tell_where(cls, values: Any) -> Any:
        """Tables that name functions in files need the protocol's folder."""
        if isinstance(values, Mapping):
            values = dict(values)
            for table in ("stimuli", "overnight"):
                given = values.get(table, {})
                if isinstance(given, Mapping):
                    if "folder" in given:
                        raise ValueError(f"unknown key '{table}.folder'; files are looked for beside the protocol")
                    values[table] = dict(given) | {"folder": values.get("folder", "")}
        return values

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        """Check what one table alone cannot know."""
        check_whole(self)
        return self

    def group_names(self) -> list[str]:
        """
        Names of the groups.

        Returns
        -------
        list of str
            In the order of the file; a protocol without groups has one, named like the protocol.
        """
        return list(self.groups) or [self.name]

    def group(self, name: str) -> "Protocol":
        """
        The protocol of one group: everything that is common, changed by what differs.

        Parameters
        ----------
        name : str
            Name of the group.

        Returns
        -------
        Protocol
            Without groups.

        Raises
        ------
        ProtocolError
            Where there is no such group, or what differs is not possible.
        """
        if name not in self.group_names():
            raise ProtocolError(f"the protocol has no group '{name}'; " + did_you_mean(name, self.group_names()))
        differs = {key: value for key, value in self.groups.get(name, {}).items() if key not in _GROUP_KEYS}
        for key in ("groups", "folder"):
            if key in differs:
                raise ProtocolError(f"unknown key 'groups.{name}.{key}'; a group holds only what differs in it")
        common = self.as_dict() | {"groups": {}, "folder": self.folder}
        other = differs.get("stimuli")
        if isinstance(other, Mapping) and other.get("kind", self.stimuli.kind) != self.stimuli.kind:
            parameters = self.stimuli.parameters()
            common["stimuli"] = {key: value for key, value in common["stimuli"].items() if key not in parameters}
        return _checked(merge(common, differs), prefix=f"groups.{name}.", also=_GROUP_KEYS)

    def label(self, name: str) -> str:
        """
        Name of a group for figures.

        Parameters
        ----------
        name : str
            Name of the group.

        Returns
        -------
        str
            Its label, or its name with spaces; and the null model that the whole protocol was made, unless the group
            has its own.
        """
        return group_label({"groups": self.groups, "prediction": {"null": self.prediction.null}}, name)

    def as_dict(self) -> dict[str, Any]:
        """
        All settings as plain values, every default filled in.

        Returns
        -------
        dict
            Nested as in the file.
        """
        return self.model_dump(mode="json")


def load_protocol(
    source: str | os.PathLike[str], overrides: Mapping[str, Any] | Sequence[str] = (), animals: int | None = None
) -> Protocol:
    """
    Read and check a protocol.

    Parameters
    ----------
    source : str or path-like
        Name of a shipped protocol (``"linear_track"``), or path of a TOML file.
    overrides : mapping or sequence of str, optional
        Dotted keys with values, or texts such as ``"overnight.feedback_walk=0.3"``.
    animals : int, optional
        Animals per group, in place of the protocol's.

    Returns
    -------
    Protocol
        Complete: every default filled in.

    Raises
    ------
    ProtocolError
        With one sentence: what was given, what was expected, how to mend it.

    Examples
    --------
    >>> load_protocol("linear_track", {"overnight.feedback_walk": 0.3}).overnight.feedback_walk
    0.3
    """
    path = find_protocol(source)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ProtocolError(f"{path} cannot be read as TOML: {error}") from error
    values.setdefault("name", path.stem)
    pairs = dict(overrides) if isinstance(overrides, Mapping) else dict(parse_override(text) for text in overrides)
    if animals is not None:
        pairs["cohort.animals"] = animals
    for key, value in pairs.items():
        _assign(values, key, value)
    return protocol_from(values, folder=path.resolve().parent)


def protocol_from(values: Mapping[str, Any], folder: str | os.PathLike[str] = "") -> Protocol:
    """
    Check a protocol given as nested values; also every group is checked.

    Parameters
    ----------
    values : mapping
        Nested as in a TOML file.
    folder : path-like, optional
        Where files named in it are looked for.

    Returns
    -------
    Protocol
        Complete.

    Raises
    ------
    ProtocolError
        With one sentence.
    """
    if "folder" in values:
        raise ProtocolError("unknown key 'folder'; files are looked for beside the protocol")
    protocol = _checked(dict(values) | {"folder": str(folder)})
    for name in protocol.group_names():
        protocol.group(name)
    return protocol


def find_protocol(source: str | os.PathLike[str]) -> Path:
    """
    Path of a protocol.

    Parameters
    ----------
    source : str or path-like
        A shipped name, or a path.

    Returns
    -------
    pathlib.Path
        A file that exists.

    Raises
    ------
    ProtocolError
        Where there is none.
    """
    path = Path(source)
    if path.suffix == ".toml" or len(path.parts) > 1:
        if path.is_file():
            return path
        raise ProtocolError(
            f"no protocol file at {path}; give a path to a .toml file, or one of {', '.join(list_protocols())}"
        )
    shipped = shipped_folder("protocols") / f"{path}.toml"
    if not shipped.is_file():
        raise ProtocolError(
            f"there is no protocol '{source}'; {did_you_mean(str(source), list_protocols())} "
            "(or give the path of a .toml file)"
        )
    return shipped


def list_protocols() -> list[str]:
    """
    Names of the shipped protocols.

    Returns
    -------
    list of str
        In alphabetical order.
    """
    return sorted(path.stem for path in shipped_folder("protocols").glob("*.toml"))


def parse_override(text: str) -> tuple[str, Any]:
    """
    Read one ``key=value`` of the command line; the value is TOML, or else text.

    Parameters
    ----------
    text : str
        For example ``overnight.feedback_walk=0.3``.

    Returns
    -------
    tuple of (str, object)
        Dotted key and value.

    Raises
    ------
    ProtocolError
        Where there is no ``=``.

    Examples
    --------
    >>> parse_override("schedule.days=[0, 2]"), parse_override("rule.name=nfa")
    (('schedule.days', [0, 2]), ('rule.name', 'nfa'))
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ProtocolError(f"'{text}' sets nothing; expected key=value, for example overnight.feedback_walk=0.3")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def merge(common: Mapping[str, Any], differs: Mapping[str, Any]) -> dict[str, Any]:
    """
    Nested values with some of them replaced.

    Parameters
    ----------
    common, differs : mapping
        Nested values; tables are merged, anything else is replaced.

    Returns
    -------
    dict
        A new one.
    """
    merged = dict(common)
    for key, value in differs.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _assign(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; a part may be quoted to hold dots, as in TOML."""
    parts = key.split(".")
    if '"' in key:
        try:
            parts, node = [], tomllib.loads(f"{key} = 0")
        except tomllib.TOMLDecodeError as error:
            raise ProtocolError(f"'{key}' is no key: {error}; expected table.key, quoted as in TOML") from error
        while isinstance(node, dict):
            parts.append(next(iter(node)))
            node = node[parts[-1]]
    table = values
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ProtocolError(f"'{key}' cannot be set: '{part}' is a value, not a table")
    table[parts[-1]] = value


def _checked(values: Mapping[str, Any], prefix: str = "", also: Sequence[str] = ()) -> Protocol:
    """Validate, with one sentence where something is wrong."""
    try:
        return Protocol.model_validate(dict(values))
    except ValidationError as error:
        raise ProtocolError(sentence(error, Protocol, prefix, also)) from error
