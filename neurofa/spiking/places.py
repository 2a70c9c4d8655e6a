"""Where compiled networks are kept, and what Brian2 and its compiler are there; imports neither."""

import os
import shutil
import sys
from functools import cache
from importlib import metadata, util
from pathlib import Path

from neurofa.errors import ConfigError

ARCHITECTURE_FILE, MANIFEST_FILE, PROGRAM = "architecture.json", "manifest.json", "main"
#: environment variables that a compiled network reads
SECONDS, SEED = "NEUROFA_SECONDS", "NEUROFA_SEED"
_IN_MEMORY, _ROOM = Path("/dev/shm"), 2**30  # bytes


def check_installed() -> None:
    """
    Check that the optional extra is there.

    Raises
    ------
    ConfigError
        With the command that installs it.
    """
    if util.find_spec("brian2") is None:
        raise ConfigError(
            'engine.kind spiking needs Brian2, which is not installed; install it with: pip install "neurofa[spiking]"'
        )


def brian2_version() -> str:
    """
    Version of Brian2.

    Returns
    -------
    str
        As its package says.
    """
    return metadata.version("brian2")


@cache
def compiler() -> str:
    """
    The compiler that C++ programs are built with.

    Returns
    -------
    str
        Its path; empty where there is none, or no ``make``, or the system is not one where this is known to work.
    """
    found = shutil.which(os.environ.get("CXX", "g++"))
    usable = found and shutil.which("make") and not sys.platform.startswith("win")
    return str(found) if usable else ""


def code_target(wanted: str) -> str:
    """
    What the network's code is made for.

    Parameters
    ----------
    wanted : str
        ``"numpy"``, ``"cpp_standalone"`` or ``"auto"``: the latter where there is a compiler.

    Returns
    -------
    str
        ``"numpy"`` or ``"cpp_standalone"``.

    Raises
    ------
    ConfigError
        Where C++ is wanted without a compiler.
    """
    if wanted == "cpp_standalone" and not compiler():
        raise ConfigError(
            "spiking.code_target cpp_standalone needs g++ and make, which are not found here; "
            "install them, or set spiking.code_target to numpy"
        )
    return ("cpp_standalone" if compiler() else "numpy") if wanted == "auto" else wanted


def cache_folder(chosen: str = "") -> Path:
    """
    Where compiled networks are kept for the next run.

    Parameters
    ----------
    chosen : str, optional
        A folder; by default that of the environment variable ``NEUROFA_CACHE``, or the user's cache.

    Returns
    -------
    pathlib.Path
        Not yet made.
    """
    named = chosen or os.environ.get("NEUROFA_CACHE", "")
    if named:
        return Path(named).expanduser().resolve()
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache")
    return base / "neurofa" / "spiking"


def exchange_folder() -> str | None:
    """
    Where the arrays of single calls are handed over.

    Returns
    -------
    str or None
        A folder in memory, with room left, where the system has one: a call writes and reads a hundred small files.
        Otherwise, or where ``TMPDIR`` is set, None: the usual place for temporary files.
    """
    if os.environ.get("TMPDIR") or not os.access(_IN_MEMORY, os.W_OK):
        return None
    return str(_IN_MEMORY) if shutil.disk_usage(_IN_MEMORY).free > _ROOM else None
