"""A spiking network as a function: arrays, a seed and a number of bins in; weights and spike counts out.

Every call has a folder of its own that is gone afterwards, and starts from rest. The compiled program is built once per
architecture, aside, and renamed when complete; then it is only read.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from neurofa.errors import ConfigError, NeurofaError, ShapeError
from neurofa.spiking.architecture import IN_BINS, Architecture
from neurofa.spiking.places import (
    ARCHITECTURE_FILE,
    MANIFEST_FILE,
    PROGRAM,
    SECONDS,
    SEED,
    brian2_version,
    cache_folder,
    check_installed,
    code_target,
    compiler,
    exchange_folder,
)

Arrays = dict[str, np.ndarray]
#: of Brian2 in processes of its own: no files in other places
_PREFERENCES = "logging.file_log = False\nlogging.save_script = False\n"


class SpikingNetwork(ABC):
    """
    A spiking network that can be called, also by several threads at once.

    Parameters
    ----------
    architecture : Architecture
        What it consists of.
    """

    #: what the code is made for
    code_target: str

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture

    def call(self, arrays: Mapping[str, np.ndarray], seed: int, n_bins: int) -> Arrays:
        """
        Simulate from rest.

        Parameters
        ----------
        arrays : mapping of str to numpy.ndarray
            All of `Architecture.shapes`, finite numbers.
        seed : int
            Of all random numbers of the call.
        n_bins : int
            How long, at most as long as the architecture says.

        Returns
        -------
        dict of str to numpy.ndarray
            See `Architecture.results`; of spike times also ``spike unit L`` (spike,) and ``spike time L`` (spike,), s.

        Raises
        ------
        ShapeError
            Where arrays are missing or have other shapes; nothing is simulated then.
        """
        shapes = self.architecture.shapes()
        if arrays.keys() != shapes.keys():
            differ = ", ".join(sorted(arrays.keys() ^ shapes.keys()))
            raise ShapeError(f"this spiking network takes {', '.join(shapes)}; missing or unknown: {differ}")
        given = {name: np.ascontiguousarray(values, dtype=np.float64) for name, values in arrays.items()}
        for name, values in given.items():
            if np.shape(arrays[name]) != shapes[name]:
                raise ShapeError(f"'{name}' of a spiking network must be {shapes[name]}, got {np.shape(arrays[name])}")
            if not np.isfinite(values).all():
                raise ShapeError(f"'{name}' of the spiking network has values that are not finite numbers")
        if not 0 < n_bins <= self.architecture.n_bins:
            raise ShapeError(f"this spiking network runs for 1 to {self.architecture.n_bins} bins, got {n_bins}")
        with tempfile.TemporaryDirectory(prefix="neurofa-spikes-", dir=exchange_folder()) as folder:
            return self._call(given, seed, n_bins, Path(folder))

    def close(self) -> None:
        """End what was started for the calls."""
        return

    @abstractmethod
    def _call(self, arrays: Arrays, seed: int, n_bins: int, folder: Path) -> Arrays:
        """Simulate with checked arrays; the folder is this call's own."""


class Compiled(SpikingNetwork):
    """
    A network compiled as a C++ program.

    Parameters
    ----------
    architecture : Architecture
        What it consists of.
    cache : pathlib.Path
        Where programs are kept.
    """

    code_target = "cpp_standalone"

    def __init__(self, architecture: Architecture, cache: Path) -> None:
        super().__init__(architecture)
        self.folder = build(architecture, cache)
        self._manifest = json.loads((self.folder / MANIFEST_FILE).read_text(encoding="utf-8"))

    def _call(self, arrays: Arrays, seed: int, n_bins: int, folder: Path) -> Arrays:
        """Run the program; see `SpikingNetwork.call`."""
        named = []
        for number, (name, values) in enumerate(arrays.items()):
            file = folder / f"argument_{number}.dat"
            # synapses lie in the order of the columns; what is given in bins of time, in that of the rows
            (values if name in IN_BINS else values.T).tofile(file)
            named.append(f"{self._manifest['arguments'][name]}={file}")
        named += [f"{name}={seed}" for name in self._manifest["seeds"].values()]
        results = folder / "results"
        results.mkdir()
        seconds = n_bins * self.architecture.bin_ms / 1000
        done = subprocess.run(
            [str(self.folder / PROGRAM), "--results_dir", f"{results}{os.sep}", *named],
            cwd=self.folder,
            env=os.environ | {SECONDS: repr(seconds), SEED: str(seed), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        # a file of the wrong size is ignored by the program, which says so and goes on
        if done.returncode or done.stderr.strip():
            raise NeurofaError(
                f"the compiled spiking network failed ({done.returncode}): {done.stderr.strip()[-300:]}; "
                f"delete {self.folder} to build it again, or set spiking.code_target to numpy"
            )
        return self._read(results)

    def _read(self, folder: Path) -> Arrays:
        """What the program left."""
        raw = {}
        for name, described in self._manifest["results"].items():
            dtype, _, file = described.partition(" ")
            raw[name] = np.fromfile(folder / file, dtype=np.dtype(dtype))
        shapes = self.architecture.results()
        found: Arrays = {}
        for name, values in raw.items():
            if name.startswith("count"):
                found[name] = np.vstack([values.reshape(shapes[name]), raw[f"last {name}"]])
            elif not name.startswith("last"):
                found[name] = values.reshape(shapes.get(name, (-1,)), order="F")
        return found


class Interpreted(SpikingNetwork):
    """A network on numpy, in processes of their own that wait for the next call."""

    code_target = "numpy"

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self._home = tempfile.TemporaryDirectory(prefix="neurofa-spiking-")
        Path(self._home.name, ARCHITECTURE_FILE).write_text(architecture.to_text(), encoding="utf-8")
        self._idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        self._started: list[subprocess.Popen[str]] = []

    def _call(self, arrays: Arrays, seed: int, n_bins: int, folder: Path) -> Arrays:
        """Let a waiting process simulate, or a new one; see `SpikingNetwork.call`."""
        process = self._start() if self._idle.empty() else self._idle.get()
        np.savez(folder / "in.npz", allow_pickle=False, seed=np.array(seed), n_bins=np.array(n_bins), **arrays)
        answer = ""
        if process.stdin is not None and process.stdout is not None:
            process.stdin.write(f"{folder}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        if answer != "done\n":
            raise NeurofaError(f"the process that simulates spikes ended: {self._last_words()}")
        self._idle.put(process)
        with np.load(folder / "out.npz", allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def close(self) -> None:
        """End the processes."""
        for process in self._started:
            if process.stdin is not None:
                process.stdin.close()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._started.clear()
        self._home.cleanup()

    def _start(self) -> "subprocess.Popen[str]":
        """Start one more process."""
        home = Path(self._home.name)
        with (home / "stderr.txt").open("a", encoding="utf-8") as errors:
            process = subprocess.Popen(
                _child("serve", home),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=_environment(home),
                cwd=home,
            )
        self._started.append(process)
        return process

    def _last_words(self) -> str:
        """What a process said before it ended."""
        return Path(self._home.name, "stderr.txt").read_text(encoding="utf-8").strip()[-400:] or "it said nothing"


def spiking_network(architecture: Architecture, wanted: str = "auto", cache: str = "") -> SpikingNetwork:
    """
    Make a spiking network that can be called.

    Parameters
    ----------
    architecture : Architecture
        What it consists of.
    wanted : str, optional
        ``"numpy"``, ``"cpp_standalone"`` or ``"auto"``.
    cache : str, optional
        Where programs are kept; see `neurofa.spiking.places.cache_folder`.

    Returns
    -------
    SpikingNetwork
        To be closed at the end.

    Raises
    ------
    ConfigError
        Where Brian2 or the compiler is missing, or the program cannot be built.
    """
    check_installed()
    if code_target(wanted) == "numpy":
        return Interpreted(architecture)
    return Compiled(architecture, cache_folder(cache))


def build(architecture: Architecture, cache: Path) -> Path:
    """
    Build the program of an architecture, unless it is there.

    Parameters
    ----------
    architecture : Architecture
        What it consists of.
    cache : pathlib.Path
        Where programs are kept.

    Returns
    -------
    pathlib.Path
        Folder of the program, complete.

    Raises
    ------
    ConfigError
        Where it cannot be built.
    """
    folder = cache / architecture.fingerprint(brian2_version(), _compiler_version(), _program_text())
    if folder.is_dir():
        return folder
    aside = cache / f".{folder.name}-{uuid.uuid4().hex[:8]}"
    try:
        aside.mkdir(parents=True)
        (aside / ARCHITECTURE_FILE).write_text(architecture.to_text(), encoding="utf-8")
        done = subprocess.run(
            _child("build", aside), cwd=aside, env=_environment(aside), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ConfigError(
                f"the spiking network could not be compiled: {done.stderr.strip()[-400:]}; "
                "set spiking.code_target to numpy to do without a compiler"
            )
        for path in aside.iterdir():
            if path.name not in (PROGRAM, "static_arrays", ARCHITECTURE_FILE, MANIFEST_FILE):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        try:
            aside.rename(folder)
        except OSError:
            # another process was faster: its program is the same
            if not folder.is_dir():
                raise
    except OSError as error:
        raise ConfigError(
            f"the compiled spiking network cannot be kept in {cache} ({error.strerror}); "
            "set spiking.cache to a folder that can be written, or spiking.code_target to numpy"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


@lru_cache
def _program_text() -> str:
    """What programs are written by: where any of it has changed, they are built anew."""
    names = ("architecture", "child", "equations", "model", "noise")
    return "\n".join(Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8") for name in names)


def _compiler_version() -> str:
    """What the compiler says it is."""
    return subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def _child(task: str, folder: Path) -> list[str]:
    """Command of a process for Brian2."""
    return [sys.executable, "-W", "ignore", "-m", "neurofa.spiking.child", task, str(folder)]


def _environment(folder: Path) -> dict[str, Any]:
    """Environment of a process for Brian2: one thread, and no files but in its folder."""
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH", "")])])
    (folder / "brian_preferences").write_text(_PREFERENCES, encoding="utf-8")
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path, "MPLBACKEND": "Agg"}
