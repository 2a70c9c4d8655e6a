"""Days, sessions and trials: the only place that knows time.

A cohort lives through pretraining, burn-in sessions and recorded sessions; between two of them overnight processes act
for as many days as have passed. Every finished recorded session is a zarr store of its own, written aside and renamed,
followed by a checkpoint; a kill loses at most the session in progress.
"""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from neurofa.cohort import Cohort
from neurofa.errors import DivergenceError
from neurofa.learning import Learned, Session, learn_session
from neurofa.members import batches, common_labels
from neurofa.merging import merge_sessions
from neurofa.protocol import Protocol
from neurofa.recording import load_recording, replace_folder

SESSIONS = "sessions"
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
        How often all stimuli are shown.
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
        Pretraining, burn-in sessions, recorded sessions.
    """
    schedule = protocol.schedule
    interval, n_burn_in = schedule.burn_in_interval_days, schedule.burn_in_sessions
    life: list[Occasion] = []
    if schedule.pretraining_passes:
        day = -(n_burn_in + 1) * interval
        homeostasis = protocol.network.pretraining_homeostasis
        life.append(Occasion(("pretraining",), day, schedule.pretraining_passes, None, homeostasis))
    for before in range(n_burn_in, 0, -1):
        life.append(Occasion(("burn in", before), -before * interval, schedule.passes, None))
    for number, day in enumerate(schedule.days):
        life.append(Occasion(("session", number), day, schedule.passes, number))
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
        Where learning makes weights infinite.
    """
    with tempfile.TemporaryDirectory(prefix="neurofa-") as folder:
        path = Path(folder)
        live(protocol, path, progress)
        store = merge_sessions(protocol, path / SESSIONS, path / "recording.zarr")
        recording = load_recording(store).load()
    recording.attrs["folder"] = protocol.folder
    return recording


def live(protocol: Protocol, folder: Path, progress: Progress | None = None) -> None:
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

    Raises
    ------
    ConfigError
        Where the stimuli of the groups do not fit each other.
    DivergenceError
        Where learning makes weights infinite.
    """
    sessions = folder / SESSIONS
    sessions.mkdir(parents=True, exist_ok=True)
    found = batches(protocol)
    common_labels(found)
    lives = [occasions(members[0].protocol) for members in found]
    total, done = sum(len(life) for life in lives), 0
    for number, (members, life) in enumerate(zip(found, lives, strict=True)):
        checkpoint = sessions / f"batch-{number}-checkpoint.npz"
        start = 0
        state: dict[str, np.ndarray] = {}
        if checkpoint.is_file():
            with np.load(checkpoint, allow_pickle=False) as stored:
                state = {key: stored[key] for key in stored.files}
            start = int(state.pop("occasions"))
        if start < len(life):
            with one_thread_each():
                cohort = Cohort(members)
                cohort.restore(state)
                for position in range(start, len(life)):
                    if progress:
                        progress(done + position, total, _text(life[position]))
                    _live_occasion(cohort, life, position, sessions, number)
                    _write_checkpoint(checkpoint, cohort, position + 1)
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
        yield
    finally:
        torch.set_num_threads(before)


def _text(occasion: Occasion) -> str:
    """What is going on, for progress bars."""
    return f"day {occasion.day:g}" if occasion.number is not None else f"{occasion.name[0]}, day {occasion.day:g}"


def _live_occasion(cohort: Cohort, life: list[Occasion], position: int, sessions: Path, batch: int) -> None:
    """Let the nights pass, then learn, then record."""
    occasion = life[position]
    if position > 0:
        cohort.overnight(occasion.day - life[position - 1].day, cohort.draws("night before", *occasion.name))
    draws = cohort.draws(*occasion.name)
    stimuli = cohort.session_stimuli(draws)
    schedule = cohort.protocol.schedule
    session = Session(
        stimuli=stimuli,
        targets=cohort.targets,
        acceptable=cohort.acceptable,
        passes=occasion.passes,
        batch_size=schedule.batch_size or stimuli.shape[1],
        noise_sd=cohort.numbers(lambda own: own.stimuli.noise_sd, 3),
        homeostasis_rate=cohort.numbers(lambda own: own.network.homeostasis_rate, 2) * occasion.homeostasis,
    )
    learned = learn_session(
        cohort.network, cohort.build_rule, cohort.rates, session, draws, cohort.protocol.engine.threads
    )
    _refuse_divergence(cohort, learned, occasion)
    if occasion.number is None:
        return
    experience = sum(one.passes for one in life[: position + 1]) * stimuli.shape[1]
    dataset = _record(cohort, stimuli, learned, occasion, experience)
    path = sessions / f"batch-{batch}-session-{occasion.number:04d}.zarr"
    aside = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    dataset.to_zarr(aside, zarr_format=3, consolidated=False)
    replace_folder(aside, path)


def _record(cohort: Cohort, stimuli: torch.Tensor, learned: Learned, occasion: Occasion, experience: int) -> xr.Dataset:
    """Probe without learning; the rates of all hidden layers, one after the other."""
    true_rate, output, correct = cohort.probe(stimuli)
    latent_rate, _, _ = cohort.probe(cohort.stimuli)
    return xr.Dataset(
        {
            "true_rate": (("animal", "stimulus", "unit"), true_rate),
            "latent_rate": (("animal", "stimulus", "unit"), latent_rate),
            "output": (("animal", "stimulus", "output_unit"), output),
            "correct": (("animal", "stimulus"), correct),
            "learning_correct": (("animal", "trial"), learned.correct.cpu().numpy()),
            "learning_loss": (("animal", "trial"), learned.loss.cpu().numpy()),
        },
        attrs={"day": occasion.day, "experience": experience},
    )


def _refuse_divergence(cohort: Cohort, learned: Learned, occasion: Occasion) -> None:
    """Stop where the loss of an animal, or what it has learned, is not finite."""
    bad = ~torch.isfinite(learned.loss).all(1)
    lost = [f"{cohort.members[n].group}-{cohort.members[n].index}" for n in bad.nonzero().flatten().tolist()]
    names = lost or cohort.broken_animals()
    if names:
        raise DivergenceError(
            f"learning diverged on {_text(occasion)} in {', '.join(names)}; "
            "lower rule.learning_rate or rule.readout_learning_rate"
        )


def _write_checkpoint(path: Path, cohort: Cohort, n_occasions: int) -> None:
    """State of the networks after so many occasions, written aside and renamed."""
    aside = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    state = {name: value.cpu().numpy() for name, value in cohort.network.state().items()}
    with aside.open("wb") as file:
        np.savez(file, allow_pickle=False, occasions=np.array(n_occasions), **state)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
