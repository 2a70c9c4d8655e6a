"""The tables of a protocol: every setting with its default, its bounds and one line that says what it is."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from neurofa.catalogue import did_you_mean, load_function
from neurofa.checking import PerAnimal, Settings, checked_parameters, parameters_model, per_animal
from neurofa.errors import ConfigError


class CohortSettings(Settings):
    """The animals."""

    animals: int = Field(6, ge=1, description="animals per group")
    seed: int = Field(1, ge=0, description="seed of everything random")


class StimuliSettings(Settings):
    """What is shown; besides these, the parameters of the stimulus set stand in the same table."""

    model_config = ConfigDict(extra="allow")

    kind: str = Field(
        "linear_track", description="stimulus set: a shipped one, package.module:function or file.py:function"
    )
    noise_sd: PerAnimal = per_animal(0.0, ge=0, description="sd of the noise on every input in every learning trial")
    session_gain_sd: PerAnimal = per_animal(0.0, ge=0, description="sd over sessions of the log gain of every input")
    folder: str = Field("", exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _check_parameters(cls, values: Any) -> Any:
        """Check the parameters of the stimulus set against its signature."""
        if not isinstance(values, Mapping):
            return values
        given = dict(values)
        own = {name: given.pop(name) for name in list(given) if name in cls.model_fields}
        function = stimulus_set(own.get("kind", "linear_track"), own.get("folder", ""))
        model = _model_of(function, "kind")
        return own | checked_parameters(model, given, also=cls.model_fields)

    def parameters(self) -> dict[str, Any]:
        """
        Parameters of the stimulus set.

        Returns
        -------
        dict
            By name, every default filled in.
        """
        return dict(self.model_extra or {})


class OvernightSettings(Settings):
    """What changes between sessions: one key per process, a number or a table of its parameters."""

    model_config = ConfigDict(extra="allow")

    folder: str = Field("", exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _check_processes(cls, values: Any) -> Any:
        """Check each process against the signature of its function; processes that are not named are off."""
        if not isinstance(values, Mapping):
            return values
        given = dict(values)
        folder = given.pop("folder", "")
        known = known_processes()
        checked: dict[str, Any] = {"folder": folder}
        for name in [*known, *(name for name in given if name not in known)]:
            function = overnight_process(name, folder)
            model = _model_of(function, name)
            main = next(iter(model.model_fields), None)
            value = given.get(name, {})
            if not isinstance(value, Mapping):
                if main is None:
                    raise ValueError(f"{name} has no parameter, got {value}; write an empty table: {name} = {{}}")
                value = {main: value}
            try:
                parameters = checked_parameters(model, value, prefix=f"{name}.")
            except ValueError as error:
                start = f"{name}.{main} "
                single = len(model.model_fields) == 1 and str(error).startswith(start)
                raise ValueError(f"{name} {str(error).removeprefix(start)}" if single else str(error)) from error
            checked[name] = next(iter(parameters.values())) if len(parameters) == 1 else parameters
        return checked

    def processes(self) -> dict[str, dict[str, Any]]:
        """
        Parameters of every process.

        Returns
        -------
        dict
            Name of the process to its parameters by name, in the order in which they act.
        """
        named: dict[str, dict[str, Any]] = {}
        for name, value in (self.model_extra or {}).items():
            model = parameters_model(overnight_process(name, self.folder))
            named[name] = dict(value) if isinstance(value, Mapping) else {next(iter(model.model_fields)): value}
        return named

    def check_animals(self, animals: int, table: str = "overnight") -> None:  # type: ignore[override]
        """Check that lists have one number per animal; see `Settings.check_animals`."""
        for name, parameters in self.processes().items():
            for parameter, value in parameters.items():
                if isinstance(value, list | tuple) and len(value) != animals:
                    raise ValueError(
                        f"{table}.{name} lists {len(value)} numbers of {parameter} for {animals} animals; "
                        "give one number, or one per animal"
                    )


class RecordSettings(Settings):
    """What is kept of every recorded session besides rates and performance."""

    stimuli: int = Field(0, ge=0, description="stimuli that the recording keeps, evenly chosen; 0 = all")
    monitors: tuple[Literal["performance", "readout", "information", "alignment", "predictive_coding"], ...] = Field(
        (),
        description="measured at every session over all stimuli: performance, readout, information, alignment, "
        "predictive_coding",
    )
    teaching_signals: bool = Field(False, description="keep the teaching signals, and those of exact backpropagation")
    bin_width: float = Field(0.1, gt=0, description="of the binned estimate of information, in units of the rates")
    time_bin_ms: float = Field(0.0, ge=0, description="bins of the recorded time within a trial, ms; 0 = every step")
    noisy_trials: int = Field(
        0,
        ge=0,
        description="trials per stimulus, noisy as in learning, that performance is judged by; 0 = one noiseless",
    )

    @model_validator(mode="after")
    def _check_monitors(self) -> Self:
        """Check that each monitor is named once."""
        if len(set(self.monitors)) < len(self.monitors):
            raise ValueError(f"monitors names one twice, got {list(self.monitors)}; give each once")
        return self


class ReferenceSettings(Settings):
    """What the results are held against."""

    tables: tuple[str, ...] = Field(("drift_statistics",), description="tables of published statistics and curves")
    why_none: str = Field("", description="why nothing can be compared, where tables is empty; told with the results")
    area: str = Field("", description="brain area that the protocol models")
    species: str = Field("", description="species that it models; empty = that of the tables of curves")
    tolerances: dict[str, float] = Field(
        default_factory=dict, description="measure to how far a recorded curve may be missed; else its spread"
    )


class EngineSettings(Settings):
    """How it is computed."""

    kind: Literal["rate", "spiking"] = Field("rate", description="networks of rates; or spiking, see [spiking]")
    dtype: Literal["float32", "float64"] = Field("float32", description="precision")
    device: str = Field("cpu", description="cpu or cuda")
    threads: int = Field(0, ge=0, description="threads over animals; 0 = one per core")


def stimulus_set(kind: str, folder: str = "") -> Callable[..., Any]:
    """
    Function behind a stimulus set.

    Parameters
    ----------
    kind : str
        A shipped name, ``package.module:function`` or ``file.py:function``.
    folder : str, optional
        Where files are looked for.

    Returns
    -------
    callable
        See :mod:`neurofa.stimuli`.

    Raises
    ------
    ValueError
        Where there is none.
    """
    from neurofa.stimuli import stimulus_sets

    return _named("kind", kind, stimulus_sets(), folder)


def _model_of(function: Callable[..., Any], key: str) -> type[Settings]:
    """Parameters of a function as settings; the key stands in front of what is wrong."""
    try:
        return parameters_model(function)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def known_processes() -> dict[str, Callable[..., Any]]:
    """
    Shipped overnight processes.

    Returns
    -------
    dict of str to callable
        In the order in which they act.
    """
    from neurofa.overnight import overnight_processes

    return dict(overnight_processes())


def overnight_process(name: str, folder: str = "") -> Callable[..., Any]:
    """
    Function behind an overnight process.

    Parameters
    ----------
    name : str
        A shipped name, ``package.module:function`` or ``file.py:function``.
    folder : str, optional
        Where files are looked for.

    Returns
    -------
    callable
        See :mod:`neurofa.overnight`.

    Raises
    ------
    ValueError
        Where there is none.
    """
    return _named(name, name, known_processes(), folder)


def _named(key: str, name: str, shipped: Mapping[str, Callable[..., Any]], folder: str) -> Callable[..., Any]:
    """A shipped function or the user's."""
    if name in shipped:
        return shipped[name]
    if ":" not in name:
        given = "" if key == name else f", got '{name}'"
        raise ValueError(
            f"{key} is unknown{given}; {did_you_mean(name, shipped)} (or name your own as file.py:function)"
        )
    try:
        return load_function(name, Path(folder) if folder else None)
    except ConfigError as error:
        raise ValueError(f"{key}: {error}") from error
