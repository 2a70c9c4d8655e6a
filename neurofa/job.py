"""The main job: simulate, merge, analyse, compare, report; and the same for recordings that are brought in."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from neurofa import __version__
from neurofa.analysis import DEFAULT_ANALYSES, analyse
from neurofa.comparison import (
    compare,
    joined,
    orderings_of_run,
    reference_settings,
    scorecard_of_tables,
    summary_of_run,
    write_scorecard,
)
from neurofa.errors import RecordingError, RunFolderError
from neurofa.merging import merge_sessions
from neurofa.nwb import import_nwb
from neurofa.preflight import check_controls, check_names
from neurofa.protocol import Protocol, load_protocol
from neurofa.provenance import now, read_provenance, write_provenance
from neurofa.recording import RECORDING_STORE, load_recording, write_recording
from neurofa.report import write_report
from neurofa.run_folder import PROTOCOL_FILE, locked, new_run, read_protocol, remove_leftovers, store_protocol
from neurofa.shares import SESSIONS
from neurofa.simulation import live

#: called with steps done, steps in all, and what is going on
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Run:
    """
    A finished run.

    Attributes
    ----------
    folder : pathlib.Path
        Where everything is.
    """

    folder: Path

    @property
    def recording(self) -> xr.DataTree:
        """The recording; values are read when they are used."""
        return load_recording(self.folder)

    @property
    def measures(self) -> pd.DataFrame:
        """One row per measure, animal and pair of sessions."""
        return pd.read_csv(self.folder / "measures.csv")

    @property
    def summary(self) -> pd.DataFrame:
        """Means and intervals over animals."""
        return pd.read_csv(self.folder / "summary.csv")

    @property
    def scorecard(self) -> pd.DataFrame:
        """What the results were held against."""
        return pd.read_csv(self.folder / "scorecard.csv")

    @property
    def report(self) -> Path:
        """The page to open."""
        return self.folder / "report.html"


def run(
    protocol: Protocol | str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    animals: int | None = None,
    progress: Progress | None = None,
) -> Run:
    """
    Simulate a protocol, analyse it, hold it against its references and report.

    Parameters
    ----------
    protocol : Protocol, str or path-like
        A protocol, the name of a shipped one, or the path of a TOML file.
    out : path-like, optional
        The run folder to make; by default ``runs/NAME-DATE-NUMBER``.
    overrides : mapping or sequence of str, optional
        As in `neurofa.load_protocol`; only where `protocol` is a name or path.
    animals : int, optional
        Animals per group; only where `protocol` is a name or path.
    progress : callable, optional
        Called with steps done, steps in all, and what is going on.

    Returns
    -------
    Run
        The run folder and what is in it.

    Raises
    ------
    ProtocolError
        Where the protocol is not possible.
    RunFolderError
        Where the run folder is there already or cannot be written.
    """
    if not isinstance(protocol, Protocol):
        protocol = load_protocol(protocol, overrides, animals)
    check_names(protocol)
    check_controls(protocol)
    with new_run(protocol.name, out) as folder, _told_how_to_go_on(folder):
        stored = store_protocol(protocol, folder)
        _finish(folder, stored.engine.threads or os.cpu_count() or 1, progress, {})
    return Run(folder)


def resume(folder: str | os.PathLike[str], progress: Progress | None = None) -> Run:
    """
    Finish a run that was interrupted; nothing that is finished is done again.

    Parameters
    ----------
    folder : path-like
        The run folder.
    progress : callable, optional
        Called with steps done, steps in all, and what is going on.

    Returns
    -------
    Run
        The finished run, bit-identical to one that was not interrupted.

    Raises
    ------
    RunFolderError
        Where the folder is not that of a simulated run, or another process works in it.
    """
    path = Path(folder)
    if (path / RECORDING_STORE).is_dir() and not (path / PROTOCOL_FILE).is_file():
        raise RunFolderError(
            f"the run in {path} was imported, not simulated; analyse it again with: neurofa analyse {path}"
        )
    read_protocol(path)
    with _told_how_to_go_on(path):
        return finish_run(path, progress)


def finish_run(
    folder: Path, progress: Progress | None = None, facts: Mapping[str, Any] | None = None, threads: int = 0
) -> Run:
    """
    Do whatever of a run is not there yet.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder, with its protocol.
    progress : callable, optional
        Called with steps done, steps in all, and what is going on.
    facts : mapping, optional
        Further entries of its provenance.
    threads : int, optional
        Threads over animals where the protocol leaves them open; 0 = one per core.

    Returns
    -------
    Run
        The finished run.
    """
    with locked(folder):
        remove_leftovers(folder)
        if "finished" not in read_provenance(folder) or not Run(folder).report.is_file():
            threads = read_protocol(folder).engine.threads or threads or os.cpu_count() or 1
            _finish(folder, threads, progress, facts or {})
    return Run(folder)


@contextmanager
def _told_how_to_go_on(folder: Path) -> Iterator[None]:
    """Add the command that finishes a run to what stopped it from outside."""
    try:
        yield
    except (KeyboardInterrupt, MemoryError, OSError) as error:
        error.add_note(f"finish the run with: neurofa resume {folder}")
        raise


def _finish(folder: Path, threads: int, progress: Progress | None, more: Mapping[str, Any]) -> None:
    """Whatever of a run is not there yet."""
    protocol = read_protocol(folder)
    facts: dict[str, Any] = {
        "protocol": protocol.name,
        "seed": protocol.cohort.seed,
        "started": read_provenance(folder).get("started", now()),
        "threads": threads,
        "engine": f"{protocol.engine.kind}, {protocol.engine.dtype}, {protocol.engine.device}",
    } | dict(more)
    write_provenance(folder, facts)
    started = time.perf_counter()
    if not (folder / RECORDING_STORE).is_dir():
        live(protocol, folder, progress, threads)
        _tell(progress, "merging sessions")
        merge_sessions(
            protocol,
            folder / SESSIONS,
            folder / RECORDING_STORE,
            {"run": folder.resolve().name, "seed": protocol.cohort.seed, "neurofa": __version__},
        )
    shutil.rmtree(folder / SESSIONS, ignore_errors=True)
    simulated = time.perf_counter()
    results(folder, protocol.analyses, progress)
    attrs = load_recording(folder).attrs
    facts |= {name: json.loads(attrs.get(name, "{}")) for name in ("engines", "stopped")}
    facts["seconds"] = {
        "simulation": round(simulated - started, 2),
        "analysis": round(time.perf_counter() - simulated, 2),
    }
    write_provenance(folder, facts | {"finished": now()})
    _tell(progress, "writing the report")
    write_report(folder)


def results(folder: Path, analyses: Sequence[str] = DEFAULT_ANALYSES, progress: Progress | None = None) -> None:
    """
    Analyse a run, simulated or recorded, and hold it against the tables that its protocol names.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.
    analyses : sequence of str, optional
        Which analyses.
    progress : callable, optional
        Called with steps done, steps in all, and what is going on.
    """
    metadata = {"run": folder.resolve().name, "version": __version__}
    protocol = read_protocol(folder) if (folder / PROTOCOL_FILE).is_file() else None
    if protocol is not None:
        metadata["seed"] = str(protocol.cohort.seed)
    measured = analyse(
        folder, list(analyses), near=folder, metadata=metadata, progress=lambda words: _tell(progress, words)
    )
    if protocol is None:
        return
    _tell(progress, "comparing with references")
    settings, recording = reference_settings(folder), load_recording(folder)
    cards = [orderings_of_run(folder, settings)]
    if "drift_over_days" in measured or "events" in recording.children:
        summary = summary_of_run(folder, recording, measured.get("drift_over_days"))
        cards.append(scorecard_of_tables(summary, settings, recording=recording))
    if "drift_over_days" in measured or any(len(card) for card in cards):
        write_scorecard(folder, joined(cards))


def import_run(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Run:
    """
    Make a run of recorded NWB sessions: import, analyse, report.

    Parameters
    ----------
    source : path-like
        Folder with the sessions of one or several subjects.
    out : path-like, optional
        The run folder to make.
    options : mapping, optional
        As in `neurofa.import_nwb`.
    progress : callable, optional
        Called with steps done, steps in all, and what is going on.

    Returns
    -------
    Run
        The run folder and what is in it.

    Raises
    ------
    RecordingError
        Where the sessions cannot be read or do not fit each other.
    RunFolderError
        Where the run folder is there already or cannot be written.
    """
    with new_run(Path(source).resolve().name, out) as folder:
        _tell(progress, "reading sessions")
        recording = import_nwb(
            source,
            progress=lambda done, total: progress(done, total, "reading sessions") if progress else None,
            **dict(options or {}),
        )
        write_recording(recording, folder / RECORDING_STORE)
        facts = {"source": "imported NWB sessions", "started": now()}
        write_provenance(folder, facts)
        results(folder, progress=progress)
        write_provenance(folder, facts | {"finished": now()})
        write_report(folder)
    return Run(folder)


def analyse_run(folder: str | os.PathLike[str], analyses: Sequence[str] = (), progress: Progress | None = None) -> Run:
    """
    Analyse a finished run again.

    Parameters
    ----------
    folder : path-like
        The run folder.
    analyses : sequence of str, optional
        Which, besides those of its protocol; rows and figures of analyses that are not done again stay.
    progress : callable, optional
        Called with steps done, steps in all, and what is going on.

    Returns
    -------
    Run
        The run.

    Raises
    ------
    RunFolderError
        Where there is no run.
    """
    path = Path(folder)
    if not (path / RECORDING_STORE).is_dir():
        if (path / PROTOCOL_FILE).is_file():
            raise RunFolderError(f"the run in {path} is not finished; finish it with: neurofa resume {path}")
        raise RecordingError(f"no recording in {path}; expected a run folder made by neurofa run or neurofa import")
    standing = read_protocol(path).analyses if (path / PROTOCOL_FILE).is_file() else DEFAULT_ANALYSES
    chosen = list(dict.fromkeys([*standing, *analyses]))
    with locked(path):
        results(path, chosen, progress)
        _note(path, "analysed", ", ".join(chosen))
    return Run(path)


def compare_run(
    folder: str | os.PathLike[str], recorded: str | os.PathLike[str] | None = None, progress: Progress | None = None
) -> Run:
    """
    Hold a finished run against another one, or against the references of its protocol.

    Parameters
    ----------
    folder : path-like
        The run folder.
    recorded : path-like, optional
        Folder of a recorded run, or of another simulated one.
    progress : callable, optional
        Called with steps done, steps in all, and what is going on.

    Returns
    -------
    Run
        The run, its scorecard, figures and report renewed.

    Raises
    ------
    RunFolderError
        Where one of the folders is not a run folder.
    RecordingError
        Where the two cannot be compared.
    """
    path = Path(folder)
    if not path.is_dir():
        raise RunFolderError(f"no run folder at {path}; expected one made by neurofa run or neurofa import")
    with locked(path):
        compare(path, recorded, progress=lambda words: _tell(progress, words))
        _note(path, "compared", Path(recorded).resolve().name if recorded else "the protocol's references")
    return Run(path)


def _note(folder: Path, what: str, with_what: str) -> None:
    """Write into the provenance what was done to a finished run, and what its files are now."""
    facts = read_provenance(folder)
    later = [*facts.get("later", ()), {"at": now(), what: with_what}]
    write_provenance(folder, facts | {"later": later})
    write_report(folder)


def _tell(progress: Progress | None, words: str) -> None:
    """Say what is going on, without a count."""
    if progress:
        progress(0, 0, words)
