"""Recorded sessions in: a folder of NWB 2 files becomes a recording in the one data format."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurofa.errors import ConfigError, RecordingError
from neurofa.nwb.options import NWBOptions, read_options

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["NWBOptions", "import_nwb"]


def import_nwb(
    folder: str | os.PathLike[str], *, progress: Callable[[int, int], None] | None = None, **options: Any
) -> "xr.DataTree":
    """
    Read recorded sessions of one or several animals on a linear track into a recording.

    A stimulus is a direction and a position bin, a repeat is a trial, a unit is a cell registered across sessions.
    In each trial frames without position or velocity are left out, the velocity is smoothed, and frames of movement
    are counted per direction and bin; ``rate`` is the number of frames with an event divided by the time spent.
    Cells that were not registered are left out and counted in ``attrs["unregistered_units"]``.
    Files that ``neurofa export`` wrote, of any protocol, give back the simulated recording that they came from.

    Parameters
    ----------
    folder : path-like
        A folder with the ``.nwb`` files of one animal, or with one folder of files per animal (``sub-*/``).
    progress : callable, optional
        Called with the number of files read and the number of files, after each file.
    **options
        Fields of `NWBOptions`: names of series and columns, units, bins, speed threshold.

    Returns
    -------
    xarray.DataTree
        Group ``probe`` with ``rate (animal, session, stimulus, repeat, unit)`` in Hz, ``duration`` in s and
        ``detected``; missing sessions, repeats and cells are padded.

    Raises
    ------
    RecordingError
        Where files are missing, cannot be read, or contradict each other.
    ConfigError
        For an unknown option or an impossible value.

    References
    ----------
    Sheintuch et al. 2020, Current Biology 30:1467, doi 10.1016/j.cub.2020.02.018 (task and processing).

    Examples
    --------
    >>> import_nwb("no_such_folder")
    Traceback (most recent call last):
    neurofa.errors.RecordingError: no folder or file no_such_folder; expected a folder with .nwb files of ...
    """
    from neurofa.nwb.assembly import assemble
    from neurofa.nwb.exported import is_exported, read_exported
    from neurofa.nwb.reading import read_session

    chosen = read_options(options)
    paths = _session_files(Path(folder), chosen.files)
    if is_exported(paths[0]):
        for name in options:
            if name != "files":
                raise ConfigError(f"{paths[0]} was exported by neurofa and needs no option '{name}'; leave it out")
        return read_exported(paths, progress)
    sessions = []
    for path in paths:
        sessions.append(read_session(path, chosen))
        if progress is not None:
            progress(len(sessions), len(paths))
    return assemble(sessions, chosen)


def _session_files(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder and of the folders directly in it; a single file is itself."""
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise RecordingError(
            f"no folder or file {folder}; expected a folder with .nwb files of one animal, "
            "or with one such folder per animal"
        )
    files = [*folder.glob(pattern), *folder.glob(f"*/{pattern}")]
    found = sorted(file for file in files if file.is_file() and not file.name.startswith("."))
    if not found:
        raise RecordingError(
            f"{folder} holds no file '{pattern}', nor does a folder in it; give the folder with an animal's sessions, "
            "or the folder above several of them"
        )
    return found
