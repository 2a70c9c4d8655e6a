"""A run is a folder: its files and its lock. Nothing in it is ever half written."""

import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from neurofa.checking import places
from neurofa.errors import NeurofaError, RunFolderError
from neurofa.protocol import Protocol, load_protocol, protocol_from
from neurofa.protocol_text import protocol_text
from neurofa.provenance import write_aside
from neurofa.settings import stimulus_set

PROTOCOL_FILE = "protocol.toml"
_LOCK = ".lock"
_LEFTOVER = re.compile(r"^\..+(-[0-9a-f]{8}|\.part)$")
_USER_FILE = re.compile(r"^(?P<file>.+\.(py|csv))(?P<function>:\w+)?$")


def create_run(name: str, out: str | os.PathLike[str] | None = None) -> Path:
    """
    Make the folder of a new run.

    Parameters
    ----------
    name : str
        Name of the protocol, or of what was imported.
    out : path-like, optional
        The folder to make; by default ``runs/NAME-DATE-NUMBER`` below the current folder.

    Returns
    -------
    pathlib.Path
        An empty folder.

    Raises
    ------
    RunFolderError
        Where the folder holds something already, or cannot be made.
    """
    if out is not None:
        path = Path(out)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            what = "finish it with neurofa resume, or " if (path / PROTOCOL_FILE).is_file() else ""
            raise RunFolderError(f"{path} is there already; {what}choose another folder with --out")
        _make(path, exist_ok=True)
        return path
    today = datetime.now().strftime("%Y%m%d")
    number = 1
    while True:
        path = Path("runs") / f"{name}-{today}-{number}"
        try:
            _make(path, exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return path


def _make(path: Path, exist_ok: bool) -> None:
    """Make a folder that can be written to."""
    try:
        path.mkdir(parents=True, exist_ok=exist_ok)
        probe = path / f".{uuid.uuid4().hex[:8]}"
        probe.touch()
        probe.unlink()
    except FileExistsError:
        if exist_ok:
            raise RunFolderError(f"{path} is a file, expected a folder; choose another with --out") from None
        raise
    except OSError as error:
        raise RunFolderError(
            f"cannot write to {path} ({error.strerror or error}); choose a folder that you may write to with --out"
        ) from error


@contextmanager
def locked(folder: Path, patient: bool = False) -> Iterator[None]:
    """
    Keep other processes out of a run folder; the lock vanishes with the process.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.
    patient : bool, optional
        Whether to wait for another process to finish.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    RunFolderError
        Where another process works in it.
    """
    # the file stays: taking it away would let two processes hold locks of the same name
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=-1 if patient else 0)
    except Timeout:
        raise RunFolderError(f"another process works in {folder}; wait for it to finish, or stop it") from None
    except OSError as error:
        raise RunFolderError(
            f"cannot write to {folder} ({error.strerror or error}); work on a copy in a folder that you may write to"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def new_run(name: str, out: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """
    Make the folder of a new run and keep others out; it goes again if nothing was computed before the input is refused.

    Parameters
    ----------
    name, out
        As in `create_run`.

    Yields
    ------
    pathlib.Path
        An empty folder, locked.

    Raises
    ------
    RunFolderError
        Where the folder holds something already, or cannot be made.
    """
    folder = create_run(name, out)
    with locked(folder):
        try:
            yield folder
        except NeurofaError:
            computed = [*folder.glob("*.zarr"), *folder.glob("sessions/*.zarr")]
            if not computed:
                shutil.rmtree(folder, ignore_errors=True)
            raise


def remove_leftovers(folder: Path) -> None:
    """
    Take away what a process that was killed had half written beside its place.

    Parameters
    ----------
    folder : pathlib.Path
        A run folder that no process works in.
    """
    for path in [*folder.glob(".*"), *folder.glob("figures/.*")]:
        if not _LEFTOVER.match(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def store_protocol(protocol: Protocol, folder: Path) -> Protocol:
    """
    Write a protocol into its run folder, with the user's files that it names, so that the run stands on its own.

    Parameters
    ----------
    protocol : Protocol
        What will run.
    folder : pathlib.Path
        The run folder.

    Returns
    -------
    Protocol
        The same, with names of files relative to the run folder.
    """
    source = Path(protocol.folder or ".")
    values = _with_files(protocol.as_dict(), source, folder)
    for table in (values, *values["groups"].values()):
        _point_from(folder, source, table.get("observation", {}), ["occupancy"])
        stimuli = table.get("stimuli", {})
        shown = stimulus_set(stimuli.get("kind", values["stimuli"]["kind"]), str(folder))
        _point_from(folder, source, stimuli, places(shown))
    stored = protocol_from(values, folder=folder.resolve())
    write_aside(folder / PROTOCOL_FILE, protocol_text(stored))
    return stored


def _point_from(folder: Path, source: Path, table: dict[str, Any], keys: list[str]) -> None:
    """Name what stands outside of the run folder, such as a recording, as seen from there."""
    for key in keys:
        given = table.get(key, "")
        found = [place for place in (source / given, Path(given)) if place.exists()]
        if given not in ("", "task") and found:
            table[key] = os.path.relpath(found[0].resolve(), folder.resolve())


def read_protocol(folder: Path) -> Protocol:
    """
    The protocol of a run.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.

    Returns
    -------
    Protocol
        As it ran.

    Raises
    ------
    RunFolderError
        Where the folder is not that of a simulated run.
    """
    path = Path(folder) / PROTOCOL_FILE
    if not path.is_file():
        raise RunFolderError(f"{folder} is not the folder of a simulated run: {PROTOCOL_FILE} is missing")
    return load_protocol(path)


def _with_files(value: Any, source: Path, folder: Path) -> Any:
    """Nested values in which the user's files are named by their copies in the run folder."""
    if isinstance(value, Mapping):
        return {_with_files(key, source, folder): _with_files(one, source, folder) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_files(one, source, folder) for one in value]
    found = _USER_FILE.match(value) if isinstance(value, str) else None
    if found is None:
        return value
    places = [place / found["file"] for place in (source, Path.cwd()) if (place / found["file"]).is_file()]
    if not places:
        return value
    copy = folder / Path(found["file"]).name
    if copy.exists() and copy.read_bytes() != places[0].read_bytes():
        raise RunFolderError(f"the protocol names two different files called {copy.name}; rename one of them")
    if not copy.exists():
        shutil.copyfile(places[0], copy)
    return copy.name + (found["function"] or "")
