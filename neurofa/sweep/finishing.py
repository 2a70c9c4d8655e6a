"""One condition of a sweep is finished, or it is written down why it fails."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurofa.errors import DivergenceError, NeurofaError, RunFolderError
from neurofa.job import Progress, finish_run
from neurofa.provenance import read_provenance, write_provenance
from neurofa.run_folder import locked, remove_leftovers
from neurofa.shares import SESSIONS


def finish_condition(
    path: Path, progress: Progress | None = None, facts: Mapping[str, Any] | None = None, threads: int = 0
) -> None:
    """
    Finish one condition, or write down why it fails.

    Parameters
    ----------
    path : pathlib.Path
        Its run folder.
    progress : callable, optional
        Called with steps done, steps in all, and what is going on.
    facts : mapping, optional
        Further entries of its provenance.
    threads : int, optional
        Threads over animals where its protocol leaves them open; 0 = one per core.

    Raises
    ------
    RunFolderError
        Where the folder cannot be worked in, which is no fault of the condition.
    """
    try:
        finish_run(path, progress, facts, threads)
    except RunFolderError:
        raise
    except NeurofaError as error:
        final = isinstance(error, DivergenceError)
        with locked(path):
            remove_leftovers(path)
            if final:
                shutil.rmtree(path / SESSIONS, ignore_errors=True)
            reason = " ".join(" ".join(map(str, [error, *getattr(error, "__notes__", ())])).split())
            write_provenance(path, read_provenance(path) | {"failed": reason, "final": final})
