"""Where a run came from: versions, machine, seeds, durations, and checksums of what was written."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from neurofa import __version__
from neurofa.errors import RunFolderError

PROVENANCE_FILE = "provenance.json"
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
