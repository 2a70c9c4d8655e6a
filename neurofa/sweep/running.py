"""A sweep is a folder of run folders: made whole, worked through, and gone on with where it was interrupted."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from neurofa import __version__
from neurofa.errors import ConfigError, DivergenceError, RunFolderError
from neurofa.job import Progress, Run
from neurofa.protocol import parse_override
from neurofa.provenance import now, write_aside
from neurofa.recording import RECORDING_STORE
from neurofa.run_folder import create_run, locked, read_protocol, store_protocol
from neurofa.simulation import live_together
from neurofa.sweep.combined import combine
from neurofa.sweep.conditions import Condition, conditions_of
from neurofa.sweep.finishing import finish_condition
from neurofa.sweep.plan import CONDITIONS_FILE, SUMMARY_FILE, SWEEP_FILE, is_sweep, read_plan, state_of

#: works through conditions: sweep folder, names of the conditions, progress
Worker = Callable[[Path, Sequence[str], Progress | None], None]


@dataclass(frozen=True)
class Sweep:
    """
    A sweep whose conditions have finished or failed.

    Attributes
    ----------
    folder : pathlib.Path
        Where everything is.
    """

    folder: Path

    @property
    def conditions(self) -> pd.DataFrame:
        """One row per condition: its folder, its values, whether it finished, and why not."""
        return pd.read_csv(self.folder / CONDITIONS_FILE, keep_default_na=False)

    @property
    def summary(self) -> pd.DataFrame:
        """Means and intervals over animals of all conditions."""
        return pd.read_csv(self.folder / SUMMARY_FILE)

    @property
    def runs(self) -> dict[str, Run]:
        """Name to run of every condition that finished."""
        names = [condition["name"] for condition in read_plan(self.folder)["conditions"]]
        return {name: Run(self.folder / name) for name in names if state_of(self.folder / name).finished}

    @property
    def report(self) -> Path:
        """The page to open."""
        return self.folder / "report.html"


def sweep(
    protocol: str | os.PathLike[str],
    over: Mapping[str, Sequence[Any]] | Sequence[str],
    *,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    animals: int | None = None,
    out: str | os.PathLike[str] | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """
    Run a protocol under every combination of values; the same call again goes on with what is not finished.

    Parameters
    ----------
    protocol : str or path-like
        Name of a shipped protocol, or path of a TOML file.
    over : mapping or sequence of str
        Dotted keys with the values to sweep over, or texts such as ``"rule.name=fa,nfa"``.
    overrides : mapping or sequence of str, optional
        As in `neurofa.load_protocol`, the same in all conditions.
    animals : int, optional
        Animals per group.
    out : path-like, optional
        The folder of the sweep; by default ``runs/NAME-sweep-DIGEST``, where the digest stands for all that is run.
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the same folder; by default everything runs in this process, where
        conditions that differ only in numbers are simulated together.
    progress : callable, optional
        Called with steps done, steps in all, and what is going on.

    Returns
    -------
    Sweep
        The folder with a run folder per condition and what was found in all of them. A condition that fails is listed
        with its reason; the others go on.

    Raises
    ------
    ConfigError
        Where a condition is not possible or the scheduler cannot be used; nothing is run then.
    RunFolderError
        Where the folder holds something else, or another process works in it.
    """
    pairs = dict(overrides) if isinstance(overrides, Mapping) else dict(parse_override(text) for text in overrides)
    worker = _worker(scheduler)
    conditions = conditions_of(protocol, over, pairs, animals)
    folder = _folder_of(conditions, Path(out) if out is not None else None)
    return _work(folder, worker, progress)


def resume_sweep(
    folder: str | os.PathLike[str], scheduler: str | None = None, progress: Progress | None = None
) -> Sweep:
    """
    Go on with a sweep that was interrupted; nothing that is finished is done again.

    Parameters
    ----------
    folder : path-like
        The folder of the sweep.
    scheduler, progress
        As in `sweep`.

    Returns
    -------
    Sweep
        The finished sweep.

    Raises
    ------
    RunFolderError
        Where the folder is not that of a sweep, or another process works in it.
    """
    read_plan(Path(folder))
    return _work(Path(folder), _worker(scheduler), progress)


def _worker(scheduler: str | None) -> Worker:
    """Who works through the conditions."""
    if scheduler is None:
        return in_process
    from neurofa.sweep.cluster import on_cluster

    return on_cluster(scheduler)


def _folder_of(conditions: Sequence[Condition], out: Path | None) -> Path:
    """The folder of a sweep with a run folder per condition, made whole, or the one that is there already."""
    name = conditions[0].protocol.name
    parent = Path("runs") if out is None else out.parent
    # beside its final place, since protocols name files as seen from their run folder
    aside = create_run(name, parent / f".sweep-{uuid.uuid4().hex[:8]}")
    try:
        for condition in conditions:
            (aside / condition.name).mkdir()
            store_protocol(condition.protocol, aside / condition.name)
        keys = list(conditions[0].values)
        plan = {
            "protocol": name,
            "title": conditions[0].protocol.title,
            "neurofa": __version__,
            "keys": keys,
            "conditions": [{"name": one.name, "values": one.values} for one in conditions],
        }
        write_aside(aside / SWEEP_FILE, json.dumps(plan, indent=2) + "\n")
        made = {str(file.relative_to(aside)): file.read_bytes() for file in sorted(aside.rglob("*")) if file.is_file()}
        if out is None:
            digest = hashlib.sha256(b"\0".join(part for item in made.items() for part in (item[0].encode(), item[1])))
            out = parent / f"{name}-sweep-{digest.hexdigest()[:8]}"
        if not is_sweep(out):
            create_run(name, out).rmdir()
            aside.rename(out)
        elif any(not (out / file).is_file() or (out / file).read_bytes() != text for file, text in made.items()):
            raise RunFolderError(
                f"{out} holds another sweep, or one that was made by another version; go on with that one with: "
                f"neurofa resume {out}, or choose another folder with --out"
            )
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return out


def _work(folder: Path, worker: Worker, progress: Progress | None) -> Sweep:
    """Whatever of a sweep is not there yet."""
    with locked(folder), _told_how_to_go_on(folder):
        names = [condition["name"] for condition in read_plan(folder)["conditions"]]
        waiting = [name for name in names if not state_of(folder / name).over]
        if waiting:
            worker(folder, waiting, progress)
        if progress:
            progress(0, 0, "writing the combined report")
        combine(folder)
    return Sweep(folder)


@contextmanager
def _told_how_to_go_on(folder: Path) -> Iterator[None]:
    """Add the command that finishes a sweep to what stopped it from outside."""
    try:
        yield
    except (KeyboardInterrupt, MemoryError, OSError) as error:
        error.add_note(f"finish the sweep with: neurofa resume {folder}")
        raise


def in_process(folder: Path, names: Sequence[str], progress: Progress | None = None) -> None:
    """
    Simulate conditions together as far as they differ in numbers only, then finish one after the other.

    Parameters
    ----------
    folder : pathlib.Path
        Of the sweep.
    names : sequence of str
        Of the conditions.
    progress : callable, optional
        Called with steps done, steps in all, and what is going on.
    """
    started = now()
    protocols = {folder / name: read_protocol(folder / name) for name in names}
    waiting = {path: one for path, one in protocols.items() if not (path / RECORDING_STORE).is_dir()}
    try:
        with ExitStack() as locks:
            for path in waiting:
                locks.enter_context(locked(path))
            live_together(waiting, progress)
    except (DivergenceError, ConfigError):
        # whose fault it is comes out when each is run alone
        pass
    together = {"started": started, "simulated_with": len(waiting) - 1}
    for number, name in enumerate(names, 1):
        told = led(progress, f"condition {number} of {len(names)}: ") if progress else None
        finish_condition(folder / name, told, together if folder / name in waiting else {})


def led(progress: Progress, start: str) -> Progress:
    """
    Progress whose words all start alike.

    Parameters
    ----------
    progress : callable
        Called with steps done, steps in all, and what is going on.
    start : str
        First words.

    Returns
    -------
    callable
        The same with more words.
    """
    return lambda done, total, words: progress(done, total, start + words)
