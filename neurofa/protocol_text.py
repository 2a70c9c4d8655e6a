"""A protocol as TOML text, complete: every default filled in, every setting with one line that says what it is."""

from collections.abc import Mapping
from typing import Any

import tomlkit
from pydantic import BaseModel
from tomlkit.items import InlineTable, Table

from neurofa.checking import Settings, parameters_model
from neurofa.protocol import Protocol
from neurofa.settings import OvernightSettings, StimuliSettings, overnight_process, stimulus_set


def protocol_text(protocol: Protocol, comments: bool = True) -> str:
    """
    Write a protocol as TOML.

    Parameters
    ----------
    protocol : Protocol
        Any.
    comments : bool, optional
        Whether every setting is followed by what it is.

    Returns
    -------
    str
        Can be read again by `neurofa.load_protocol`.
    """
    values = protocol.as_dict()
    document = tomlkit.document()
    for name, value in values.items():
        if not isinstance(value, Mapping):
            document.add(name, tomlkit.item(value))
    for name, value in values.items():
        if isinstance(value, Mapping) and name != "groups":
            document.add(tomlkit.nl())
            document.add(name, _table(value, _descriptions(getattr(protocol, name)) if comments else {}))
    if values["groups"]:
        groups = tomlkit.table(is_super_table=True)
        for name, differs in values["groups"].items():
            groups.add(name, _table(differs, {}))
        document.add(tomlkit.nl())
        document.add("groups", groups)
    return tomlkit.dumps(document)


def _table(values: Mapping[str, Any], comments: Mapping[str, str]) -> Table:
    """One table, in order: a table inside it ends it, so one that is followed by plain values is written in line."""
    table = tomlkit.table()
    plain = [number for number, value in enumerate(values.values()) if not isinstance(value, Mapping)]
    for number, (key, value) in enumerate(values.items()):
        if isinstance(value, Mapping) and plain and number < plain[-1]:
            line = _inline(value)
            said = "; ".join(f"{name}: {comments[f'{key}.{name}']}" for name in value if comments.get(f"{key}.{name}"))
            if said:
                line.comment(said)
            table.add(key, line)
        elif isinstance(value, Mapping):
            table.add(key, _table(value, {name: comments.get(f"{key}.{name}", "") for name in value}))
        else:
            item = tomlkit.item(value)
            if comments.get(key):
                item.comment(comments[key])
            table.add(key, item)
    return table


def _inline(values: Mapping[str, Any]) -> InlineTable:
    """One table in one line."""
    table = tomlkit.inline_table()
    for key, value in values.items():
        table.add(key, _inline(value) if isinstance(value, Mapping) else tomlkit.item(value))
    return table


def _descriptions(settings: Settings) -> dict[str, str]:
    """What each key of a table is."""
    found = _of_model(type(settings))
    if isinstance(settings, StimuliSettings):
        found |= _of_model(parameters_model(stimulus_set(settings.kind, settings.folder)))
    if isinstance(settings, OvernightSettings):
        for name in settings.processes():
            own = _of_model(parameters_model(overnight_process(name, settings.folder)))
            found |= {f"{name}.{key}": text for key, text in own.items()}
            if len(own) == 1:
                found[name] = next(iter(own.values()))
    return found


def _of_model(model: type[BaseModel]) -> dict[str, str]:
    """Descriptions of a model's fields."""
    return {name: info.description or "" for name, info in model.model_fields.items()}
