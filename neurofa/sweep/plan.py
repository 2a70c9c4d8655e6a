"""What a sweep consists of, and how far every condition has come."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurofa.errors import RunFolderError
from neurofa.provenance import read_provenance

SWEEP_FILE = "sweep.json"
CONDITIONS_FILE = "conditions.csv"
SUMMARY_FILE = "summary.csv"


@dataclass(frozen=True)
class State:
    """
    How far a condition has come.

    Attributes
    ----------
    finished : bool
        Whether its run is complete.
    failed : str
        Why it cannot be completed; empty where it can, as far as is known.
    final : bool
        Whether trying again would fail again.
    """

    finished: bool
    failed: str
    final: bool

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.finished or self.final

    @property
    def word(self) -> str:
        """One word for tables."""
        return "finished" if self.finished else "failed" if self.failed else "waiting"


def state_of(path: Path) -> State:
    """
    How far a condition has come.

    Parameters
    ----------
    path : pathlib.Path
        Its run folder.

    Returns
    -------
    State
        From what the run wrote down.
    """
    told = read_provenance(path)
    finished = "finished" in told and (path / "report.html").is_file()
    return State(finished, "" if finished else str(told.get("failed", "")), bool(told.get("final", False)))


def is_sweep(folder: Path) -> bool:
    """
    Whether a folder is that of a sweep.

    Parameters
    ----------
    folder : pathlib.Path
        Any.

    Returns
    -------
    bool
        True where its plan is there.
    """
    return (folder / SWEEP_FILE).is_file()


def read_plan(folder: Path) -> dict[str, Any]:
    """
    What a sweep consists of.

    Parameters
    ----------
    folder : pathlib.Path
        Of the sweep.

    Returns
    -------
    dict
        ``protocol`` and ``title``; ``keys``, the swept ones; ``conditions``, each with ``name`` and ``values``.

    Raises
    ------
    RunFolderError
        Where the folder is not that of a sweep.
    """
    if not is_sweep(folder):
        raise RunFolderError(f"{folder} is not the folder of a sweep: {SWEEP_FILE} is missing")
    try:
        return dict(json.loads((folder / SWEEP_FILE).read_text(encoding="utf-8")))
    except json.JSONDecodeError as error:
        raise RunFolderError(f"{folder / SWEEP_FILE} is damaged ({error}); make the sweep again") from error


def none_finished(folder: Path) -> bool:
    """
    Whether all conditions of a sweep failed.

    Parameters
    ----------
    folder : pathlib.Path
        Of the sweep.

    Returns
    -------
    bool
        False where at least one finished.
    """
    return not any(state_of(folder / condition["name"]).finished for condition in read_plan(folder)["conditions"])
