"""How settings are checked: bounds, one value per animal, parameters of functions, and one sentence per mistake."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Self, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator
from pydantic.fields import FieldInfo

from neurofa.catalogue import did_you_mean

#: a number for all animals of a group, or one number per animal
PerAnimal = float | tuple[float, ...]

#: marks a text parameter of a function as the place of a file or folder: ``Field(json_schema_extra=PLACE)``
PLACE: dict[str, Any] = {"place": True}

_BOUNDS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "ge": ("at least", lambda value, bound: value >= bound),
    "gt": ("greater than", lambda value, bound: value > bound),
    "le": ("at most", lambda value, bound: value <= bound),
    "lt": ("less than", lambda value, bound: value < bound),
    "zero_or_gt": ("0 or greater than", lambda value, bound: value == 0 or value > bound),
}


def per_animal(default: float, *, description: str = "", **bounds: float) -> Any:
    """
    Declare a setting that is a number, or one number per animal.

    Parameters
    ----------
    default : float
        Value where the protocol says nothing.
    description : str
        One line.
    **bounds : float
        Any of ``ge``, ``gt``, ``le``, ``lt``, ``zero_or_gt``.

    Returns
    -------
    object
        To stand as the default of a model's field or of an overnight process' parameter.
    """
    return Field(default=default, description=description, json_schema_extra={"bounds": dict(bounds)})


def is_on(value: PerAnimal) -> bool:
    """
    Whether any animal has more than 0 of something.

    Parameters
    ----------
    value : float or tuple of float
        One number, or one per animal.

    Returns
    -------
    bool
        True where any is above 0.
    """
    return any(number > 0 for number in (value if isinstance(value, tuple) else (value,)))


class Settings(BaseModel):
    """Base of all tables: frozen, unknown keys refused, numbers finite, bounds of per-animal numbers checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        """Check every number of the settings declared by `per_animal`."""
        for name, info in type(self).model_fields.items():
            extra = info.json_schema_extra
            if not isinstance(extra, dict) or "bounds" not in extra:
                continue
            value = getattr(self, name)
            bounds: Any = extra["bounds"]
            for number in value if isinstance(value, tuple) else (value,):
                for kind, bound in bounds.items():
                    word, holds = _BOUNDS[kind]
                    if not holds(number, bound):
                        raise ValueError(f"{name} must be {word} {bound:g}, got {number:g}")
        return self

    def check_animals(self, table: str, animals: int) -> None:
        """
        Check that lists have one number per animal.

        Parameters
        ----------
        table : str
            Name of this table, for messages.
        animals : int
            Animals per group.

        Raises
        ------
        ValueError
            Where a list is longer or shorter.
        """
        for name, info in type(self).model_fields.items():
            extra = info.json_schema_extra
            value = getattr(self, name)
            if isinstance(extra, dict) and "bounds" in extra and isinstance(value, tuple) and len(value) != animals:
                raise ValueError(
                    f"{table}.{name} lists {len(value)} numbers for {animals} animals; "
                    "give one number, or one per animal"
                )


#: parameters that a function gets from the engine, not from its table of the protocol
FROM_ENGINE = ("time_step_ms", "learn")


@cache
def parameters_model(function: Callable[..., Any]) -> type[Settings]:
    """
    Settings made of a function's keyword-only parameters.

    Parameters
    ----------
    function : callable
        Annotated parameters are checked by their annotation; those declared by `per_animal`, and plain numbers, by
        their bounds.

    Returns
    -------
    type
        A table.
    """
    fields: dict[str, Any] = {}
    hints: dict[str, Any] | None = None
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY or name in FROM_ENGINE:
            continue
        default = parameter.default
        if isinstance(default, FieldInfo):
            fields[name] = (PerAnimal, default)
            continue
        if hints is None:
            hints = _hints(function)
        fields[name] = (hints.get(name, Any), ... if default is inspect.Parameter.empty else default)
    model: type[Settings] = create_model(getattr(function, "__name__", "parameters"), __base__=Settings, **fields)
    return model


def places(function: Callable[..., Any]) -> list[str]:
    """
    Parameters of a function that say where a file or folder is, relative to the protocol's folder or absolute.

    Parameters
    ----------
    function : callable
        See `PLACE`.

    Returns
    -------
    list of str
        Their names.
    """
    fields = parameters_model(function).model_fields
    return [name for name, info in fields.items() if (info.json_schema_extra or {}) == PLACE]


def placed(function: Callable[..., Any], parameters: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """
    Parameters with which a function is called.

    Parameters
    ----------
    function : callable
        Some of its parameters may be places.
    parameters : mapping
        As the protocol gives them.
    folder : str
        The protocol's folder.

    Returns
    -------
    dict
        Places that exist below the protocol's folder are given from there; all else is left as it is.
    """
    given = dict(parameters)
    for name in places(function):
        if given.get(name) and (Path(folder) / given[name]).exists():
            given[name] = str(Path(folder) / given[name])
    return given


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations of a function, or one sentence where they cannot be read."""
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ValueError(
            f"the annotations of function '{getattr(function, '__name__', function)}' cannot be read ({error}); "
            "import what they name, outside of TYPE_CHECKING"
        ) from error


def checked_parameters(
    model: type[Settings], given: Mapping[str, Any], also: Iterable[str] | None = None, prefix: str = ""
) -> dict[str, Any]:
    """
    Validate parameters of a function.

    Parameters
    ----------
    model : type
        From `parameters_model`.
    given : mapping
        What the protocol says.
    also : iterable of str, optional
        Further names to offer where one is mistyped.
    prefix : str, optional
        What stands before every name in messages.

    Returns
    -------
    dict
        Every default filled in; lists as lists.

    Raises
    ------
    ValueError
        With one sentence that starts with the parameter's name.
    """
    try:
        return model.model_validate(dict(given)).model_dump(mode="json")
    except ValidationError as error:
        raise ValueError(sentence(error, model, prefix, also)) from error


def sentence(
    error: ValidationError, model: type[BaseModel], prefix: str = "", also: Iterable[str] | None = None
) -> str:
    """
    The first thing that is wrong, as one sentence.

    Parameters
    ----------
    error : pydantic.ValidationError
        What pydantic found.
    model : type
        The table that was read.
    prefix : str, optional
        What stands before every key.
    also : iterable of str, optional
        Further keys of the table itself to offer where one is mistyped.

    Returns
    -------
    str
        What was given, what was expected, and how to mend it.
    """
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if not str(part).startswith(("float", "tuple[", "function-"))]
    key = prefix + ".".join(place)
    if first["type"] == "value_error":
        message = str(first["ctx"]["error"])
        inside = f"{key}." if place else prefix
        unknown = "unknown key '"
        return unknown + inside + message.removeprefix(unknown) if message.startswith(unknown) else inside + message
    if first["type"] == "extra_forbidden":
        table: Any = model
        for part in place[:-1]:
            annotation = table.model_fields[part].annotation
            table = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else table
        known = [name for name, info in table.model_fields.items() if not info.exclude]
        known += list(also or ()) if len(place) == 1 else []
        return f"unknown key '{key}'; {did_you_mean(place[-1], known)}"
    expected = first["msg"].replace("Input should be", "must be").replace("Tuple should have", "must list")
    expected = expected.split(" after validation")[0].replace("must be a valid tuple", "must be a list")
    expected = expected.replace("a valid dictionary or instance of", "a table, see")
    expected = expected.replace("String should have", "must have").replace("should have", "must have")
    if first["type"] == "missing":
        return f"{key} is missing; set it"
    return f"{key} {expected[0].lower()}{expected[1:]}, got {first['input']!r}"


def group_label(protocol: Mapping[str, Any], name: str) -> str:
    """
    Name of a group in text.

    Parameters
    ----------
    protocol : mapping
        A protocol as plain values.
    name : str
        Name of the group.

    Returns
    -------
    str
        Its label, or its name with spaces; and the null model that the whole protocol was made, unless the group has
        its own.
    """
    text = str(protocol.get("groups", {}).get(name, {}).get("label", "") or name.replace("_", " "))
    null = null_of_protocol(protocol, name)
    return f"{text}, {null} (null)" if null else text


def null_of_protocol(protocol: Mapping[str, Any], name: str) -> str:
    """
    Null model that the whole protocol turned a group into.

    Parameters
    ----------
    protocol : mapping
        A protocol as plain values.
    name : str
        Name of the group.

    Returns
    -------
    str
        In words; empty where there is none, or the group has its own.
    """
    null = str(protocol.get("prediction", {}).get("null", "none"))
    own = protocol.get("groups", {}).get(name, {}).get("prediction", {})
    return "" if null == "none" or "null" in own else null.replace("_", " ")
