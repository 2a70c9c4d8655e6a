"""A run is a folder: its files, its lock, its provenance. Nothing in it is ever half written."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from neurofa import __version__
from neurofa.errors import RunFolderError
from neurofa.protocol import Protocol, load_protocol, protocol_from
from neurofa.protocol_text import protocol_text

PROTOCOL_FILE = "protocol.toml"
PROVENANCE_FILE = "provenance.json"
_LOCK = ".lock"
_USER_FILE = re.compile(r"^(?P<file>.+\.py)(?P<function>:\w+)?$")
_DEPENDENCIES = (
    "numpy",
    "torch",
    "xarray",
    "zarr",
    "scipy",
    "pandas",
    "scikit-learn",
    "matplotlib",
    "seaborn",
    "pydantic",
)


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
def locked(folder: Path) -> Iterator[None]:
    """
    Keep other processes out of a run folder; the lock vanishes with the process.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    RunFolderError
        Where another process works in it.
    """
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunFolderError(f"another process works in {folder}; wait for it to finish, or stop it") from None
    try:
        yield
    finally:
        lock.release()
        (folder / _LOCK).unlink(missing_ok=True)


def write_aside(path: Path, text: str) -> None:
    """
    Write a text file: there whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    text : str
        Its content.
    """
    aside = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


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
    values = _with_files(protocol.as_dict(), Path(protocol.folder or "."), folder)
    stored = protocol_from(values, folder=folder.resolve())
    write_aside(folder / PROTOCOL_FILE, protocol_text(stored))
    return stored


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


def write_provenance(folder: Path, facts: Mapping[str, Any]) -> None:
    """
    Write down what a run came from and what it wrote.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.
    facts : mapping
        Seeds, durations and what else belongs to this run.
    """
    provenance = {"run": folder.resolve().name, "neurofa": __version__} | dict(facts) | host_facts()
    provenance["files_sha256"] = checksums(folder)
    write_aside(folder / PROVENANCE_FILE, json.dumps(provenance, indent=2) + "\n")


def read_provenance(folder: Path) -> dict[str, Any]:
    """
    What is known of a run so far.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.

    Returns
    -------
    dict
        Empty where nothing is written yet.
    """
    path = folder / PROVENANCE_FILE
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise RunFolderError(f"{path} is damaged ({error}); delete it and try again") from error
    return dict(found)


def host_facts() -> dict[str, Any]:
    """
    Versions and machine, without anything that names a person or a place.

    Returns
    -------
    dict
        Plain values.
    """
    versions = {}
    for name in _DEPENDENCIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "dependencies": versions,
        "commit": _commit(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }


def _commit() -> str:
    """Commit of a checkout; empty for an installed package."""
    root = Path(__file__).resolve().parent.parent
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return ""
    done = subprocess.run([git, "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def checksums(folder: Path) -> dict[str, str]:
    """
    SHA-256 of everything a run wrote.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.

    Returns
    -------
    dict of str to str
        File, or store as a whole, to digest; the report and the provenance itself are left out.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in (PROVENANCE_FILE, "report.html", "sessions"):
            continue
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        if path.is_dir() and path.suffix != ".zarr":
            found |= {str(one.relative_to(folder)): _digest([one], folder) for one in files}
        else:
            found[path.name] = _digest(files, path.parent)
    return found


def _digest(files: list[Path], base: Path) -> str:
    """One digest over names and contents."""
    digest = hashlib.sha256()
    for file in files:
        if len(files) > 1:
            digest.update(str(file.relative_to(base)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def now() -> str:
    """
    The time, for provenance.

    Returns
    -------
    str
        ISO 8601, UTC.
    """
    return datetime.now(UTC).isoformat(timespec="seconds")
