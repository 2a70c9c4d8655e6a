"""How long the main job takes and how much memory it needs: ``python tests/benchmarks/main_job.py``.

Every figure comes from a process of its own. Goals on 2 cores: `neurofa run linear_track` under 60 s and under 2 GB;
memory that does not grow with the number of sessions.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

SCRIPT = Path(sys.executable).with_name("neurofa")
#: ru_maxrss is in KiB on Linux, in bytes on macOS
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
SESSIONS = (10, 100)
SMALL = """
[cohort]
animals = 4
[network]
hidden = [100]
active_fraction = 0.3
[stimuli]
bins = 20
inputs = 60
[schedule]
days = {days}
passes = 5
[overnight]
synaptic_noise = 0.1
"""
STAGES = """
import json, resource, sys, time
from pathlib import Path

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

from neurofa.analysis import analyse
from neurofa.merging import merge_sessions
from neurofa.protocol import load_protocol
from neurofa.simulation import SESSIONS, live

folder = Path(sys.argv[2])
protocol = load_protocol(sys.argv[1])
stages, start = {"start": [0.0, peak()]}, time.perf_counter()
live(protocol, folder)
stages["simulate"] = [time.perf_counter() - start, peak()]
merge_sessions(protocol, folder / SESSIONS, folder / "recording.zarr")
stages["merge"] = [time.perf_counter() - start, peak()]
analyse(folder)
stages["analyse"] = [time.perf_counter() - start, peak()]
json.dump(stages, sys.stdout)
"""


def measured(command: list[str], folder: Path) -> tuple[float, float]:
    """Wall time (s) and peak memory (bytes) of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - start, usage.ru_maxrss * RSS_UNIT


def main_job(protocol: str, folder: Path) -> Table:
    """The whole job, as a user runs it."""
    seconds, peak = measured([str(SCRIPT), "run", protocol, "--out", "job"], folder)
    provenance = json.loads((folder / "job" / "provenance.json").read_text(encoding="utf-8"))
    table = Table(title=f"neurofa run {protocol}")
    for column in ("cores", "wall time", "simulation", "analysis", "the rest", "peak memory"):
        table.add_column(column, justify="right")
    inside = provenance["seconds"]
    rest = seconds - sum(inside.values())
    times = [f"{value:.1f} s" for value in (seconds, inside["simulation"], inside["analysis"], rest)]
    table.add_row(str(os.cpu_count()), *times, f"{peak / 1e9:.2f} GB")
    return table


def memory(folder: Path) -> Table:
    """Peak memory after each stage of a small cohort, with few and with many sessions."""
    table = Table(title="a small cohort: time and peak memory after each stage")
    table.add_column("sessions", justify="right")
    for stage in ("start", "simulate", "merge", "analyse"):
        table.add_column(stage, justify="right")
    for n_sessions in SESSIONS:
        protocol = folder / f"sessions_{n_sessions}.toml"
        protocol.write_text(SMALL.format(days=list(range(n_sessions))), encoding="utf-8")
        command = [sys.executable, "-c", STAGES, str(protocol), str(folder / f"run_{n_sessions}")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        stages = json.loads(done.stdout).values()
        table.add_row(
            str(n_sessions), *(f"{seconds:.1f} s, {peak * RSS_UNIT / 1e6:.0f} MB" for seconds, peak in stages)
        )
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", default="linear_track")
    parser.add_argument("--only", choices=("job", "memory"))
    chosen = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="neurofa-benchmark-") as folder:
        if chosen.only != "memory":
            console.print(main_job(chosen.protocol, Path(folder)))
        if chosen.only != "job":
            console.print(memory(Path(folder)))


if __name__ == "__main__":
    main()
