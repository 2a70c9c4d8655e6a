"""Animals of several runs simulated as one tensor: each run keeps its own share, as if it had been simulated alone."""

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr

from neurofa.common import common_event_names, common_labels, common_time
from neurofa.members import Member, batches, structure
from neurofa.protocol import Protocol
from neurofa.recording import replace_folder

SESSIONS = "sessions"
#: tables of a protocol that the life of an animal does not depend on
_NOT_LIVED = ("name", "title", "description", "sources", "analyses", "cohort", "references", "groups")


@dataclass(frozen=True)
class Share:
    """
    One batch of one run, and where its sessions are kept.

    Attributes
    ----------
    sessions : pathlib.Path
        Folder of the run's finished sessions.
    number : int
        Number of the batch within its run.
    members : tuple of Member
        Its animals.
    alone : bool
        Whether it is the only batch of its run.
    """

    sessions: Path
    number: int
    members: tuple[Member, ...]
    alone: bool

    @property
    def checkpoint(self) -> Path:
        """File of the state after the last finished occasion."""
        return self.sessions / f"batch-{self.number}-checkpoint.npz"

    def position(self) -> int:
        """
        How far it has come.

        Returns
        -------
        int
            Finished occasions.
        """
        return int(self._stored("occasions").get("occasions", 0))

    def stopped(self) -> dict[int, str]:
        """
        Animals that do not go on.

        Returns
        -------
        dict of int to str
            Number of the animal in this batch to the reason.
        """
        return {int(key): why for key, why in json.loads(str(self._stored("stopped").get("stopped", "{}"))).items()}

    def state(self) -> dict[str, np.ndarray]:
        """
        State of the networks after the last finished occasion.

        Returns
        -------
        dict of str to numpy.ndarray
            (animal, ...) each; empty where nothing is finished.
        """
        stored = self._stored()
        return {name: values for name, values in stored.items() if name not in ("occasions", "stopped")}

    def _stored(self, *names: str) -> dict[str, np.ndarray]:
        """What stands in the checkpoint."""
        if not self.checkpoint.is_file():
            return {}
        with np.load(self.checkpoint, allow_pickle=False) as stored:
            return {name: stored[name] for name in names or stored.files}

    def keep_session(self, dataset: xr.Dataset, number: int, stopped: Mapping[int, str]) -> None:
        """
        Write a recorded session, aside and renamed.

        Parameters
        ----------
        dataset : xarray.Dataset
            Of these animals.
        number : int
            Number of the session.
        stopped : mapping of int to str
            As `stopped` gives it.
        """
        named = {self.members[animal].name: why for animal, why in stopped.items()}
        path = self.sessions / f"batch-{self.number}-session-{number:04d}.zarr"
        aside = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
        dataset.assign_attrs(stopped=json.dumps(named)).to_zarr(aside, zarr_format=3, consolidated=False)
        replace_folder(aside, path)

    def keep_state(self, state: Mapping[str, np.ndarray], n_occasions: int, stopped: Mapping[int, str]) -> None:
        """
        Write a checkpoint, aside and renamed.

        Parameters
        ----------
        state : mapping of str to numpy.ndarray
            (animal, ...) each.
        n_occasions : int
            Finished occasions.
        stopped : mapping of int to str
            As `stopped` gives it.
        """
        aside = self.checkpoint.with_name(f".{self.checkpoint.name}-{uuid.uuid4().hex[:8]}")
        with aside.open("wb") as file:
            told = np.array(json.dumps(dict(stopped)))
            np.savez(file, allow_pickle=False, occasions=np.array(n_occasions), stopped=told, **state)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.checkpoint)


class Company:
    """
    Shares that are simulated as one tensor; animals that are the same in several of them are simulated once.

    Parameters
    ----------
    shares : iterable of Share
        Of equal structure, equally far.
    """

    def __init__(self, shares: Iterable[Share]) -> None:
        self.shares = tuple(shares)
        rows: dict[str, int] = {}
        self.members: list[Member] = []
        self.rows: list[np.ndarray] = []
        for share in self.shares:
            own = []
            for member in share.members:
                row = rows.setdefault(_individual(member), len(self.members))
                if row == len(self.members):
                    self.members.append(member)
                own.append(row)
            self.rows.append(np.array(own))

    @cached_property
    def _whole(self) -> bool:
        """Whether there is one share, which is everything."""
        return len(self.shares) == 1 and len(self.members) == len(self.shares[0].members)

    def stopped(self) -> dict[int, str]:
        """
        Animals that do not go on.

        Returns
        -------
        dict of int to str
            Number among all members to the reason.
        """
        found: dict[int, str] = {}
        for share, rows in zip(self.shares, self.rows, strict=True):
            found |= {int(rows[animal]): why for animal, why in share.stopped().items()}
        return found

    def state(self) -> dict[str, np.ndarray]:
        """
        State of all networks.

        Returns
        -------
        dict of str to numpy.ndarray
            (member, ...) each.
        """
        joined: dict[str, np.ndarray] = {}
        for share, rows in zip(self.shares, self.rows, strict=True):
            for name, values in share.state().items():
                whole = joined.setdefault(name, np.empty((len(self.members), *values.shape[1:]), dtype=values.dtype))
                whole[rows] = values
        return joined

    def over(self, stopped: Mapping[int, str]) -> bool:
        """
        Whether nobody is left and nobody waits for the sessions.

        Parameters
        ----------
        stopped : mapping of int to str
            As `stopped` gives it.

        Returns
        -------
        bool
            False where another batch of one of the runs needs empty sessions beside its own.
        """
        return len(stopped) == len(self.members) and all(share.alone for share in self.shares)

    def keep(
        self,
        recorded: tuple[int, xr.Dataset] | None,
        state: Mapping[str, np.ndarray],
        n_occasions: int,
        stopped: Mapping[int, str],
    ) -> None:
        """
        Write every share's part: the session, if it was recorded, then the checkpoint.

        Parameters
        ----------
        recorded : tuple of (int, xarray.Dataset), optional
            Number of the session and what was recorded, (member, ...).
        state : mapping of str to numpy.ndarray
            (member, ...) each.
        n_occasions : int
            Finished occasions.
        stopped : mapping of int to str
            As `stopped` gives it.
        """
        for share, rows in zip(self.shares, self.rows, strict=True):
            own = {number: stopped[int(row)] for number, row in enumerate(rows) if int(row) in stopped}
            if recorded is not None:
                number, dataset = recorded
                share.keep_session(dataset if self._whole else dataset.isel(animal=rows), number, own)
            part = state if self._whole else {name: values[rows] for name, values in state.items()}
            share.keep_state(part, n_occasions, own)


def shares_of(protocol: Protocol, folder: Path) -> list[Share]:
    """
    The batches of one run.

    Parameters
    ----------
    protocol : Protocol
        What is simulated.
    folder : pathlib.Path
        Its run folder.

    Returns
    -------
    list of Share
        In order.

    Raises
    ------
    ConfigError
        Where the stimuli of the groups do not fit each other.
    """
    found = batches(protocol)
    common_labels(found)
    common_time(found)
    common_event_names(found)
    return [Share(folder / SESSIONS, number, tuple(members), len(found) == 1) for number, members in enumerate(found)]


def companies(shares: Iterable[Share]) -> list[Company]:
    """
    Shares that can be simulated together: they differ in numbers only, and are equally far.

    Parameters
    ----------
    shares : iterable of Share
        Of one run, or of several.

    Returns
    -------
    list of Company
        Shares of one run always stand in different ones.
    """
    found: dict[tuple[str, int], list[Share]] = {}
    for share in shares:
        found.setdefault((_company(share), share.position()), []).append(share)
    return [Company(together) for together in found.values()]


def _company(share: Share) -> str:
    """What must be equal in runs that share a tensor, besides what must be equal within one run."""
    protocol = share.members[0].protocol
    # lists of spikes and events are as long as the longest of all animals that are simulated together
    lists = (
        protocol.engine.kind == "spiking" and protocol.spiking.spike_times
    ) or protocol.network.kind == "predicting"
    rule, observation = protocol.rule, protocol.observation
    rates = [rule.learning_rate, rule.readout_learning_rate]
    same = {
        "record": protocol.record.model_dump(mode="json"),
        "frozen": [0 in rate if isinstance(rate, tuple) else rate == 0 for rate in rates],
        # networks that live in time or spike are probed trial by trial
        "trials": [observation.kind, observation.repeats] if _by_trials(protocol) else [],
        "apart": str(share.sessions) if lists else "",
    }
    return structure(protocol) + json.dumps(same, sort_keys=True)


def _by_trials(protocol: Protocol) -> bool:
    """Whether single trials of a probe are simulated."""
    return protocol.network.kind == "recurrent" or protocol.engine.kind == "spiking"


def _individual(member: Member) -> str:
    """What makes an animal the same animal: everything that its life depends on; how it is observed comes after."""
    settings = member.protocol.as_dict()
    same = {name: value for name, value in settings.items() if name not in _NOT_LIVED}
    same |= {"seed": settings["cohort"]["seed"], "index": member.index}
    if not _by_trials(member.protocol):
        del same["observation"]
    return json.dumps(same, sort_keys=True)
