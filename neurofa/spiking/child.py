"""A process of its own for Brian2, so that nothing of it leaks: `python -m neurofa.spiking.child build|serve FOLDER`.

``build`` writes the C++ program of ``FOLDER/architecture.json``; ``serve`` simulates on numpy, one call per line that
comes in: the folder of the call with ``in.npz``, which gets ``out.npz``.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from neurofa.spiking.architecture import Architecture
from neurofa.spiking.places import ARCHITECTURE_FILE, MANIFEST_FILE, SECONDS, SEED

#: for any machine of the kind
_COMPILED_WITH = ["-w", "-O3", "-std=c++11"]


def main(task: str, folder: Path) -> None:
    """
    Do what the process is for.

    Parameters
    ----------
    task : str
        ``"build"`` or ``"serve"``.
    folder : pathlib.Path
        With the architecture.
    """
    import brian2 as b2

    from neurofa.spiking.model import Model

    architecture = Architecture.from_text((folder / ARCHITECTURE_FILE).read_text(encoding="utf-8"))
    if task == "build":
        # make would take all cores; and the program may be read by another machine that shares the folder
        b2.prefs.devices.cpp_standalone.extra_make_args_unix = ["-j1"]
        b2.prefs.codegen.cpp.extra_compile_args = _COMPILED_WITH
        b2.set_device("cpp_standalone", build_on_run=False, directory=str(folder))
        manifest = Model(architecture, b2).write_program(folder, SECONDS, SEED)
        (folder / MANIFEST_FILE).write_text(json.dumps(manifest), encoding="utf-8")
        return
    b2.prefs.codegen.target = "numpy"
    model = Model(architecture, b2)
    for line in sys.stdin:
        call = Path(line.rstrip("\n"))
        with np.load(call / "in.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        seed, n_bins = int(arrays.pop("seed")), int(arrays.pop("n_bins"))
        results: dict[str, Any] = model.run(arrays, seed, n_bins)
        np.savez(call / "out.npz", allow_pickle=False, **results)
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
