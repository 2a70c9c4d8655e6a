"""Days, sessions and trials: the only place that knows time.

A cohort lives through pretraining, burn-in sessions and recorded sessions; between two of them overnight processes act
for as many days as have passed. Every finished recorded session is a zarr store of its own, written aside and renamed,
followed by a checkpoint; a kill loses at most the session in progress.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import xarray as xr
from threadpoolctl import threadpool_limits

from neurofa.cohort import Cohort
from neurofa.errors import DivergenceError
from neurofa.merging import merge_sessions
from neurofa.probing import record
from neurofa.protocol import Protocol
from neurofa.recording import load_recording, told_stopped
from neurofa.recurrent_cohort import cohort_of
from neurofa.shares import SESSIONS, companies, shares_of

#: called with sessions done, sessions in all, and what is going on
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Occasion:
    """
    One session in the life of a cohort.

    Attributes
    ----------
    name : tuple of str or int
        Name of its random numbers.
    day : float
        Days since the first recorded session; negative before it.
    passes : int
        How often all stimuli are shown; 0 = nothing is learned, the session only probes.
    number : int or None
        Number of the recorded session; None = not recorded.
    homeostasis : float
        Speed of the threshold homeostasis, relative.
    """

    name: tuple[str | int, ...]
    day: float
    passes: int
    number: int | None
    homeostasis: float = 1.0

    def __str__(self) -> str:
        """What is going on, in words."""
        return f"day {self.day:g}" if self.number is not None else f"{self.name[0]}, day {self.day:g}"


def occasions(protocol: Protocol) -> list[Occasion]:
    """
    The life of a cohort, in order.

    Parameters
    ----------
    protocol : Protocol
        Of the batch.

    Returns
    -------
    list of Occasion
        Pretraining, burn-in sessions, then recorded sessions and exposures that are not recorded.
    """
    schedule = protocol.schedule
    interval, n_burn_in = schedule.burn_in_interval_days, schedule.burn_in_sessions
    life: list[Occasion] = []
    if schedule.pretraining_passes:
        day = -(n_burn_in + 1) * interval
        homeostasis = protocol.network.pretraining_homeostasis
        life.append(Occasion(("pretraining",), day, schedule.pretraining_passes, None, homeostasis))
    first = schedule.passes_of_sessions()[0]
    for before in range(n_burn_in, 0, -1):
        life.append(Occasion(("burn in", before), -before * interval, first, None))
    numbers = {day: number for number, day in enumerate(schedule.days)}
    for day, passes in schedule.passes_of_days().items():
        number = numbers.get(day)
        # named by its day: groups that are exposed on the same days see the same
        name = ("exposure", str(day)) if number is None else ("session", number)
        life.append(Occasion(name, day, passes, number))
    return life


def simulate(protocol: Protocol, *, progress: Progress | None = None) -> xr.DataTree:
    """
    Live a protocol and return the recording, in memory.

    Parameters
    ----------
    protocol : Protocol
        From `neurofa.load_protocol`.
    progress : callable, optional
        Called with sessions done, sessions in all, and what is going on.

    Returns
    -------
    xarray.DataTree
        The recording, see :mod:`neurofa.recording`.

    Raises
    ------
    DivergenceError
        Where learning makes weights infinite in all animals; where some are left, the others are stopped, and what was
        recorded of them before is kept.
    """
    with tempfile.TemporaryDirectory(prefix="neurofa-") as folder:
        path = Path(folder)
        live(protocol, path, progress)
        store = merge_sessions(protocol, path / SESSIONS, path / "recording.zarr")
        recording = load_recording(store).load()
    recording.attrs["folder"] = protocol.folder
    return recording


def live(protocol: Protocol, folder: Path, progress: Progress | None = None, threads: int = 0) -> None:
    """
    Simulate all sessions that are not there yet.

    Parameters
    ----------
    protocol : Protocol
        With its groups.
    folder : pathlib.Path
        Run folder; sessions and checkpoints are written below it.
    progress : callable, optional
        Called after every session.
    threads : int, optional
        Threads over animals in place of the protocol's; results do not depend on them.

    Raises
    ------
    ConfigError
        Where the stimuli of the groups do not fit each other.
    DivergenceError
        Where learning makes weights infinite in all animals; where some are left, the others are stopped, and what was
        recorded of them before is kept.
    """
    engine = protocol.engine.model_copy(update={"threads": threads or protocol.engine.threads})
    protocol = protocol.model_copy(update={"engine": engine})
    live_together({folder: protocol}, progress)
    shares = shares_of(protocol, folder)
    lost = {share.members[animal].name: why for share in shares for animal, why in share.stopped().items()}
    if len(lost) == sum(len(share.members) for share in shares):
        raise DivergenceError(told_stopped(lost))


def live_together(runs: Mapping[Path, Protocol], progress: Progress | None = None) -> None:
    """
    Simulate all sessions of several runs that are not there yet; animals that differ in numbers only share a tensor.

    Every run keeps what it would have kept alone. Runs in which all animals diverge end early; `live` says so.

    Parameters
    ----------
    runs : mapping of pathlib.Path to Protocol
        Run folder to what is simulated in it.
    progress : callable, optional
        Called after every session.

    Raises
    ------
    ConfigError
        Where the stimuli of the groups of a run do not fit each other.
    """
    shares = [share for folder, protocol in runs.items() for share in shares_of(protocol, folder)]
    for share in shares:
        share.sessions.mkdir(parents=True, exist_ok=True)
    found = companies(shares)
    lives = [occasions(company.members[0].protocol) for company in found]
    total, done = sum(len(life) for life in lives), 0
    for company, life in zip(found, lives, strict=True):
        start, stopped = company.shares[0].position(), company.stopped()
        if start < len(life) and not company.over(stopped):
            with one_thread_each(), closing(cohort_of(company.members)) as cohort:
                cohort.stopped = stopped
                cohort.restore(company.state())
                for position in range(start, len(life)):
                    if progress:
                        progress(done + position, total, str(life[position]))
                    recorded = _live_occasion(cohort, life, position)
                    state = {name: value.cpu().numpy() for name, value in cohort.network.state().items()}
                    company.keep(recorded, state, position + 1, stopped)
                    if company.over(stopped):
                        break
        done += len(life)
    if progress:
        progress(total, total, "simulated")


@contextmanager
def one_thread_each() -> Iterator[None]:
    """
    One thread for the linear algebra, since the engine has threads over animals; put back at the end.

    Yields
    ------
    None
        Nothing.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


def _live_occasion(cohort: Cohort, life: list[Occasion], position: int) -> tuple[int, xr.Dataset] | None:
    """Let the nights pass, then learn, then record: number of the recorded session, and what was recorded."""
    occasion = life[position]
    if position > 0:
        cohort.overnight(occasion.day - life[position - 1].day, cohort.draws("night before", *occasion.name))
    cohort.occasion, draws = occasion.name, cohort.draws(*occasion.name)
    stimuli = cohort.session_stimuli(draws)
    session = cohort.session(stimuli, occasion.passes, occasion.homeostasis)
    learned = cohort.learn(session, draws) if len(cohort.stopped) < len(cohort.members) else None
    bad = cohort.broken()
    if learned is not None:
        bad |= ~torch.isfinite(learned.loss).all(1)
    cohort.stop(bad, f"learning diverged on {occasion}; lower rule.learning_rate or rule.readout_learning_rate")
    if occasion.number is None:
        return None
    updates = [one.passes * session.stimuli.shape[1] // session.batch_size for one in life]
    n_updates = sum(updates[: position + 1])
    trials = max(number for number, one in zip(updates, life, strict=True) if one.number is not None)
    dataset = record(cohort, stimuli, learned, trials)
    dataset.attrs = {
        "day": occasion.day,
        "updates": n_updates,
        "experience": n_updates * session.batch_size,
        "engine": "" if learned is None else learned.engine,
    }
    return occasion.number, dataset
