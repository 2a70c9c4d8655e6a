"""Finds analyses, shipped or the user's own, runs them on a recording, and writes tables and figures.

An analysis is a Python file with ``measure(recording) -> xarray.Dataset`` and
``plot(measured, recorded=None) -> dict of figures.Drawing, or one matplotlib figure``.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import xarray as xr
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from neurofa import figures
from neurofa.catalogue import did_you_mean, load_module, shipped_folder
from neurofa.errors import ConfigError, NeurofaError, RecordingError, RunFolderError
from neurofa.recording import check_recording, load_recording
from neurofa.switching import animals_of_recording, warning_of_switching
from neurofa.tables import tidy, write_tables

MEASURES_FILE = "measures.csv"
SUMMARY_FILE = "summary.csv"
FIGURES_FOLDER = "figures"
DEFAULT_ANALYSES = ("drift_over_days", "cross_day_decoding")


def list_analyses() -> dict[str, Path]:
    """
    List the analyses that ship.

    Returns
    -------
    dict of str to pathlib.Path
        Name to file.

    Examples
    --------
    >>> "drift_over_days" in list_analyses()
    True
    """
    files = sorted(shipped_folder("analyses").glob("*.py"))
    return {file.stem: file for file in files if not file.name.startswith("_")}


def find_analysis(source: str | os.PathLike[str], near: str | os.PathLike[str] | None = None) -> ModuleType:
    """
    Import an analysis and check that it is one.

    Parameters
    ----------
    source : str or path-like
        A shipped name, a path to a ``.py`` file (absolute, or relative to `near` or to the current folder), or a module
        ``package.module``.
    near : path-like, optional
        The folder of the protocol that names the analysis.

    Returns
    -------
    types.ModuleType
        The module, with the functions ``measure`` and ``plot``.

    Raises
    ------
    ConfigError
        Where there is no such analysis, it cannot be imported, or it lacks a function.
    """
    text = os.fspath(source)
    shipped = list_analyses()
    if text in shipped:
        module = load_module(str(shipped[text]))
    elif text.endswith(".py") or ("." in text and os.sep not in text):
        module = load_module(text, None if near is None else Path(near))
    else:
        raise ConfigError(
            f"no analysis '{text}'; {did_you_mean(text, shipped)} (analyses that ship: {', '.join(shipped) or 'none'}; "
            "your own: a path that ends in .py, or package.module)"
        )
    for function in ("measure", "plot"):
        if not callable(getattr(module, function, None)):
            raise ConfigError(
                f"the analysis '{text}' has no function '{function}'; an analysis needs measure(recording) and "
                "plot(measured, recorded=None)"
            )
    return module


def analyse(
    recording: xr.DataTree | str | os.PathLike[str],
    analyses: Sequence[str | os.PathLike[str]] = DEFAULT_ANALYSES,
    *,
    recorded: xr.DataTree | str | os.PathLike[str] | Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    near: str | os.PathLike[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, xr.Dataset]:
    """
    Run analyses on a recording, and write what they measure and draw.

    Captions of recorded animals that switch between maps (`neurofa.measures.detect_map_switching`) warn that what is
    drawn is not drift alone.

    Parameters
    ----------
    recording : xarray.DataTree or path-like
        A recording, or the run folder that holds one.
    analyses : sequence of str or path-like
        As `find_analysis` takes them.
    recorded : xarray.DataTree, path-like or mapping, optional
        A recorded run to draw over the figures; or what was measured of it, analysis to measured results.
    out : path-like, optional
        Folder for ``measures.csv``, ``summary.csv`` and ``figures/``; by default the run folder, where the rows and
        figures of other analyses stay. Without either nothing is written.
    near : path-like, optional
        The folder of the protocol that names the analyses.
    metadata : mapping, optional
        Written into the figures' files, for example run, seed and version.
    progress : callable, optional
        Called with a few words before each step.

    Returns
    -------
    dict of str to xarray.Dataset
        Name of the analysis (of a file: without ``.py``) to what it measured.

    Raises
    ------
    ConfigError
        Where an analysis cannot be found or imported.
    NeurofaError
        Where an analysis fails, or returns something else than measured results or drawings.
    RunFolderError
        Where `out` cannot be written to.

    Examples
    --------
    >>> analyse("runs/c6m4", ["drift_over_days"])  # doctest: +SKIP
    """
    modules = _modules(analyses, near)
    tree, folder = _opened(recording, out)
    tell = progress or (lambda words: None)
    others = _measured_of_recorded(modules, recorded, tell)
    warning = "" if folder is None else _warning(tree, recorded)
    measured: dict[str, xr.Dataset] = {}
    drawings: dict[str, dict[str, figures.Drawing]] = {}
    for name, module in modules.items():
        tell(f"{name}: measure")
        measured[name] = _measure(name, module, tree)
        if folder is not None:
            tell(f"{name}: draw")
            drawn = _plot(name, module, measured[name], others.get(name))
            drawings[name] = {key: replace(one, caption=f"{one.caption}{warning}") for key, one in drawn.items()}
    if folder is not None:
        tell("write tables and figures")
        write_results(folder, measured, drawings, metadata, keep=out is None)
    return measured


def write_results(
    out: str | os.PathLike[str],
    measured: Mapping[str, xr.Dataset],
    drawings: Mapping[str, Mapping[str, figures.Drawing]],
    metadata: Mapping[str, Any] | None = None,
    *,
    keep: bool = False,
) -> None:
    """
    Write tables and figures, each file aside first, then renamed.

    Parameters
    ----------
    out : path-like
        A folder; made if it is not there.
    measured : mapping
        Analysis to its results.
    drawings : mapping
        Analysis to its figures by name.
    metadata : mapping, optional
        Written into the figures' files.
    keep : bool, optional
        Whether rows of other analyses that stand in the tables stay: only where they are of the same recording.

    Raises
    ------
    RunFolderError
        Where the folder cannot be written to, or a table that is there has other columns.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for drawn in drawings.values():
            for name, drawing in drawn.items():
                figures.save(drawing, folder / FIGURES_FOLDER, name, metadata)
        write_tables(measured, folder / MEASURES_FILE, folder / SUMMARY_FILE, keep=keep)
    except RunFolderError:
        raise
    except OSError as error:
        raise RunFolderError(
            f"cannot write results to {folder} ({error}); choose a folder that can be written"
        ) from error


def _modules(analyses: Sequence[str | os.PathLike[str]], near: str | os.PathLike[str] | None) -> dict[str, ModuleType]:
    """Name to module; a name that stands twice is refused."""
    if isinstance(analyses, str | os.PathLike):
        analyses = [analyses]
    modules: dict[str, ModuleType] = {}
    for source in analyses:
        text = os.fspath(source)
        name = Path(text).stem if text.endswith(".py") else text
        if name in modules:
            raise ConfigError(f"the analysis '{name}' is named twice; give each analysis once, or rename one file")
        modules[name] = find_analysis(source, near)
    return modules


def _opened(
    recording: xr.DataTree | str | os.PathLike[str], out: str | os.PathLike[str] | None
) -> tuple[xr.DataTree, Path | None]:
    """The recording, and the folder to write to: by default the run folder."""
    if not isinstance(recording, xr.DataTree):
        folder = Path(recording)
        out = (folder.parent if folder.suffix == ".zarr" else folder) if out is None else out
        recording = load_recording(folder)
    check_recording(recording)
    return recording, None if out is None else Path(out)


def _measured_of_recorded(
    modules: Mapping[str, ModuleType],
    recorded: xr.DataTree | str | os.PathLike[str] | Mapping[str, Any] | None,
    tell: Callable[[str], None],
) -> Mapping[str, Any]:
    """What the same analyses measure in a recorded run."""
    if recorded is None:
        return {}
    if isinstance(recorded, Mapping) and not isinstance(recorded, xr.DataTree):
        return recorded
    tree = recorded if isinstance(recorded, xr.DataTree) else load_recording(recorded)
    check_recording(tree)
    tell("measure the recorded run")
    return {name: _measure(name, module, tree) for name, module in modules.items()}


def _measure(name: str, module: ModuleType, recording: xr.DataTree) -> xr.Dataset:
    """Run one analysis; what goes wrong inside it names it."""
    try:
        # many small products: threads of BLAS would only wait for each other, and for those of each_animal
        with threadpool_limits(1, user_api="blas"):
            measured = module.measure(recording)
    except NeurofaError as error:
        if type(error) is not NeurofaError:
            raise
        # what an analysis refuses is a recording that lacks what it needs: the user's to mend
        raise RecordingError(str(error)) from error
    except Exception as error:
        raise NeurofaError(f"the analysis '{name}' failed in measure(): {type(error).__name__}: {error}") from error
    if not isinstance(measured, xr.Dataset):
        raise NeurofaError(
            f"measure() of the analysis '{name}' must return an xarray.Dataset, got {type(measured).__name__}"
        )
    tidy({name: measured})
    return figures.with_lags(measured) if _has_lags(measured) else measured


def _has_lags(measured: xr.Dataset) -> bool:
    """Whether there are pairs of sessions whose days are known."""
    pairs = {"animal", "session_a", "session_b"} <= set(measured.dims)
    return pairs and "day" in measured.coords and set(measured["day"].dims) == {"animal", "session"}


def _plot(name: str, module: ModuleType, measured: xr.Dataset, recorded: Any) -> dict[str, figures.Drawing]:
    """Draw one analysis; a bare figure gets the measured table as its numbers."""
    try:
        with figures.style():
            drawn = module.plot(measured, recorded)
    except NeurofaError:
        raise
    except Exception as error:
        raise NeurofaError(f"the analysis '{name}' failed in plot(): {type(error).__name__}: {error}") from error
    if isinstance(drawn, Figure | figures.Drawing):
        drawn = {name: drawn}
    if not isinstance(drawn, Mapping) or not all(isinstance(one, Figure | figures.Drawing) for one in drawn.values()):
        raise NeurofaError(
            f"plot() of the analysis '{name}' must return a matplotlib figure or a dict of name to figure or Drawing, "
            f"got {type(drawn).__name__}"
        )
    numbers, caption = tidy({name: measured}), _caption(name, module)
    for one in drawn.values():
        if isinstance(one, Figure) and one.get_layout_engine() is None:
            one.set_layout_engine("constrained")
    return {
        str(key): figures.Drawing(one, numbers, caption) if isinstance(one, Figure) else one
        for key, one in drawn.items()
    }


def _caption(name: str, module: ModuleType) -> str:
    """Caption of a bare figure: the first line of what the analysis says of itself."""
    lines = (module.__doc__ or "").strip().splitlines()
    return lines[0].strip() if lines else f"Figure of the analysis {name}."


def _warning(recording: xr.DataTree, recorded: Any) -> str:
    """What every caption says of animals that switch between maps, the run's own and those drawn over them."""
    animals = animals_of_recording(recording)
    if isinstance(recorded, str | os.PathLike):
        recorded = load_recording(recorded)
    if isinstance(recorded, xr.DataTree):
        animals += animals_of_recording(recorded)
    warning = warning_of_switching(animals)
    return f" {warning}" if warning else ""
