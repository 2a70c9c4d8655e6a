"""Conditions of a sweep on a Dask cluster: every worker takes one at a time, in the folder that all of them see."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module, util
from pathlib import Path
from typing import Any

from neurofa import __version__
from neurofa.errors import ConfigError
from neurofa.job import Progress
from neurofa.provenance import read_provenance, write_provenance
from neurofa.run_folder import locked
from neurofa.sweep.finishing import finish_condition

_ANSWER_S, _LOOK_S = 10, 2
#: threads of a worker take turns: results depend on how many threads the linear algebra of a process has
_ONE_AT_A_TIME = threading.Lock()


def on_cluster(address: str) -> Callable[[Path, Sequence[str], Progress | None], None]:
    """
    Who works through conditions on a cluster.

    Parameters
    ----------
    address : str
        Of a Dask scheduler, such as ``tcp://10.0.0.1:8786``.

    Returns
    -------
    callable
        Takes the sweep's folder, names of conditions and a progress callable.

    Raises
    ------
    ConfigError
        Where Dask is not installed, nobody answers at the address, there are no workers, or scheduler or workers lack
        neurofa or have another version of it.
    """
    if util.find_spec("distributed") is None:
        raise ConfigError(
            'a scheduler needs Dask, which is not installed; install it with: pip install "neurofa[dask]", '
            "or leave --scheduler out"
        )
    with _connected(address) as client:
        _check_versions(address, client)
    return partial(_send, address)


def _check_versions(address: str, client: Any) -> None:
    """Scheduler and workers need the same version of neurofa: both unpack what is sent."""
    workers = client.run(_facts, on_error="return")
    if not workers:
        raise ConfigError(f"the scheduler at {address} has no workers; start some with: dask worker {address}")
    try:
        told = {"the scheduler": client.run_on_scheduler(_facts)}
    except ImportError as error:
        told = {"the scheduler": error}
    told |= {f"the worker {name}": answer for name, answer in workers.items()}
    failed = {name: answer for name, answer in told.items() if isinstance(answer, BaseException)}
    if failed:
        first, reason = next(iter(failed.items()))
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise ConfigError(
            f"{first}{more} at {address} cannot import neurofa ({' '.join(str(reason).split())}); install version "
            f"{__version__} where dask scheduler and dask worker run, as here"
        )
    others = {name: answer for name, answer in told.items() if answer != __version__}
    if others:
        raise ConfigError(
            f"{', '.join(others)} at {address} has neurofa {', '.join(sorted(set(others.values())))}, here it is "
            f"{__version__}; install the same version on all of them"
        )


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """A client of the scheduler."""
    distributed: Any = import_module("distributed")
    try:
        client = distributed.Client(address, timeout=_ANSWER_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no Dask scheduler answers at {address} ({error or type(error).__name__}); start one with: dask scheduler"
        ) from error
    with client, client.as_current():
        yield client


def _send(address: str, folder: Path, names: Sequence[str], progress: Progress | None) -> None:
    """Send conditions to the workers and wait for them; what one of them cannot do, another one does."""
    distributed: Any = import_module("distributed")
    place = folder.resolve()
    with _connected(address) as client:
        blind = [worker for worker, sees in client.run(_sees, str(place)).items() if not sees]
        if blind:
            raise ConfigError(
                f"workers {', '.join(blind)} do not see {place}; give --out a folder on a disk that all of them share"
            )
        futures = {client.submit(_take, str(place / name), pure=False): name for name in names}
        left = set(futures)
        while left:
            # where nothing has finished meanwhile: look how many workers there are
            with suppress(TimeoutError):
                _, left = distributed.wait(left, timeout=_LOOK_S, return_when="FIRST_COMPLETED")
            if client.status != "running":
                raise ConnectionError(f"the connection to the Dask scheduler at {address} was lost")
            if progress:
                n_workers = len(client.nthreads())
                words = f"conditions on {n_workers} worker{'s' if n_workers != 1 else ''}"
                progress(len(futures) - len(left), len(futures), words)
        _settle(folder, {name: future.exception() for future, name in futures.items()})


def _settle(folder: Path, errors: dict[str, BaseException | None]) -> None:
    """Write down conditions that killed their workers; anything else that went wrong is told."""
    distributed: Any = import_module("distributed")
    for name, error in errors.items():
        if isinstance(error, distributed.KilledWorker):
            with locked(folder / name):
                reason = "every worker that tried it died; is there enough memory on them?"
                write_provenance(folder / name, read_provenance(folder / name) | {"failed": reason, "final": False})
        elif error is not None:
            raise error


def _take(path: str) -> None:
    """Finish one condition, on a worker."""
    distributed: Any = import_module("distributed")
    with _ONE_AT_A_TIME:
        # a worker that was given up may still be at it
        with locked(Path(path), patient=True):
            pass
        threads = distributed.get_worker().state.nthreads
        finish_condition(Path(path), facts={"scheduled_on": "Dask"}, threads=threads)


def _facts() -> str:
    """Version of neurofa on the scheduler or a worker."""
    return __version__


def _sees(place: str) -> bool:
    """Whether a worker sees a folder."""
    return Path(place).is_dir()
