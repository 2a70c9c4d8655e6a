"""From a recording to the events of one animal in one session: names in place of codes, responses above baseline."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurofa.catalogue import did_you_mean
from neurofa.errors import ConfigError, RecordingError
from neurofa.measures.kernels import Bools, Floats

if TYPE_CHECKING:
    import xarray as xr

#: what can be taken as the response of a unit to an event
SIGNALS = ("rate", "somatic", "feedback")
_NAMED = ("identity", "condition", "block")
_NUMBERS = (
    "position",
    "exposure",
    "speed",
    "onset",
    "surprise_process",
    "surprise_observer",
    "surprise_sign",
    "signed_error",
    "unsigned_error",
)


@dataclass(frozen=True)
class SessionEvents:
    """
    Events of one animal in one session, those that never took place left out.

    Attributes
    ----------
    identity, condition, block : numpy.ndarray
        (event,) str.
    numbers : dict of str to numpy.ndarray
        (event,): position, exposure, speed, onset (s), surprise_process, surprise_observer (nat), surprise_sign,
        signed_error, unsigned_error.
    units : dict of str to numpy.ndarray
        (event, unit): rate, somatic, feedback and, where it was recorded, baseline, a.u.
    layer : numpy.ndarray
        (unit,) str.
    """

    identity: NDArray[np.str_]
    condition: NDArray[np.str_]
    block: NDArray[np.str_]
    numbers: dict[str, Floats]
    units: dict[str, Floats]
    layer: NDArray[np.str_]

    def response(self, signal: str) -> Floats:
        """
        Responses to the events: above the rate just before them, feedback as it is.

        Parameters
        ----------
        signal : str
            One of `SIGNALS`.

        Returns
        -------
        (event, unit), a.u.
            Rates minus baseline; NaN for feedback where nothing had been predicted.

        Raises
        ------
        ConfigError
            For another signal.
        """
        if signal not in SIGNALS:
            raise ConfigError(f"there is no signal '{signal}'; {did_you_mean(signal, SIGNALS)}")
        if signal == "feedback" or "baseline" not in self.units:
            return self.units[signal]
        return self.units[signal] - self.units["baseline"]

    def means(self, signal: str, chosen: dict[str, Bools]) -> dict[str, Floats]:
        """
        Mean responses over chosen events.

        Parameters
        ----------
        signal : str
            One of `SIGNALS`.
        chosen : dict of str to (event,) bool
            Condition to its events; a condition without any is left out.

        Returns
        -------
        dict of str to (unit,)
            Condition to mean response; events with NaN are left out.
        """
        values = self.response(signal)
        there = {name: own & np.isfinite(values).all(axis=1) for name, own in chosen.items()}
        return {name: values[own].mean(axis=0) for name, own in there.items() if own.any()}


def events_group(recording: "xr.DataTree") -> "xr.Dataset":
    """
    Events of a recording.

    Parameters
    ----------
    recording : xarray.DataTree
        Of animals whose events were recorded.

    Returns
    -------
    xarray.Dataset
        The group ``events``; its attribute ``seed`` is that of the run, 0 where there is none.

    Raises
    ------
    RecordingError
        Where there is none.
    """
    if "events" not in recording.children:
        raise RecordingError(
            "this recording has no events; run a protocol whose network.kind is predicting, such as oddball"
        )
    events = recording["events"].to_dataset()
    return events.assign_attrs(seed=int(recording.attrs.get("seed", 0)))


def event_names(events: "xr.Dataset", what: str) -> list[str]:
    """
    Names that stand behind the codes of events.

    Parameters
    ----------
    events : xarray.Dataset
        From `events_group`.
    what : str
        ``"identity"``, ``"condition"`` or ``"block"``.

    Returns
    -------
    list of str
        In the order of the codes.
    """
    return [str(name) for name in json.loads(events[what].attrs["names"])]


def shown_conditions(events: "xr.Dataset") -> list[str]:
    """
    Conditions of which there are events.

    Parameters
    ----------
    events : xarray.Dataset
        From `events_group`.

    Returns
    -------
    list of str
        In the order of the codes.
    """
    codes, names = events["condition"].values, event_names(events, "condition")
    return [names[int(code)] for code in np.unique(codes[np.isfinite(codes)])]


def plasticities(events: "xr.Dataset") -> list[bool]:
    """
    Whether events were recorded with plasticity off, on, or both.

    Parameters
    ----------
    events : xarray.Dataset
        From `events_group`.

    Returns
    -------
    list of bool
        False, True, or both in this order.
    """
    there = events["plasticity"].values
    return [bool(one) for one in np.unique(there[np.isfinite(there)])]


def session_events(events: "xr.Dataset", animal: int, session: int, plasticity: bool = False) -> SessionEvents:
    """
    Read the events of one animal in one session.

    Parameters
    ----------
    events : xarray.Dataset
        From `events_group`; read from disk when it is used.
    animal, session : int
        Their places.
    plasticity : bool
        Whether those with plasticity on are meant, or those with plasticity off.

    Returns
    -------
    SessionEvents
        Without any event where the animal had no such session, or was stopped.
    """
    own = events.isel(animal=animal, session=session)
    there = own["plasticity"].values == float(plasticity)
    labels = {}
    for name in _NAMED:
        known = np.array(event_names(events, name), dtype=np.str_)
        labels[name] = known[own[name].values[there].astype(np.int64)]
    return SessionEvents(
        **labels,
        numbers={name: own[name].values[there].astype(np.float64) for name in _NUMBERS if name in own},
        units={
            name: own[name].transpose("event", "unit").values[there].astype(np.float64)
            for name in ("rate", "somatic", "feedback", "baseline")
            if name in own
        },
        layer=own["layer"].values.astype(np.str_),
    )


def generator_of_animal(events: "xr.Dataset", animal: int, *purpose: str | int) -> np.random.Generator:
    """
    Random numbers that belong to an animal: they do not depend on which other animals there are, nor on its place.

    Animals of several groups that are the same individual (``fa-3`` and ``null-3``) get the same numbers, so that
    comparisons between groups stay paired: equal responses give equal results.

    Parameters
    ----------
    events : xarray.Dataset
        From `events_group`.
    animal : int
        Place of the animal among them.
    *purpose : str or int
        What is drawn, such as the session.

    Returns
    -------
    numpy.random.Generator
        Equal for equal seed of the run, name of the animal within its group, and purpose.
    """
    name = str(events["animal"].values[animal])
    if "group" in events.coords:
        name = name.removeprefix(f"{events['group'].values[animal]}-")
    path = "/".join(str(part) for part in (name, *purpose))
    digest = np.frombuffer(hashlib.sha256(path.encode()).digest(), dtype="<u4")
    seed = int(events.attrs.get("seed", 0))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(digest[:4].tolist())))


def evenly_chosen(values: NDArray[Any], most: int) -> NDArray[Any]:
    """
    Choose not more than so many events, evenly over the session.

    Parameters
    ----------
    values : (event, ...)
        Places of events, or their responses.
    most : int
        How many at most.

    Returns
    -------
    (event, ...)
        All of them where there are not more; else with the first and the last.

    Examples
    --------
    >>> evenly_chosen(np.arange(9), 3).tolist()
    [0, 4, 8]
    """
    chosen = np.linspace(0, len(values) - 1, min(len(values), most)).round().astype(int)
    return np.asarray(values[np.unique(chosen)])
