"""What answers at once loads nothing heavy: looked up in `sys.modules` of a fresh process."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "h5py",
    "hdmf",
    "jinja2",
    "matplotlib",
    "numba",
    "pandas",
    "pynwb",
    "scipy",
    "seaborn",
    "sklearn",
    "torch",
    "xarray",
    "zarr",
}
COMMAND = """
import contextlib, io, json, sys
sys.argv = ["neurofa", *{arguments!r}]
from neurofa.cli import main
try:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        main()
except SystemExit as stop:
    assert not stop.code, stop.code
assert printed.getvalue()
json.dump(sorted(sys.modules), sys.stdout)
"""


def modules_after(code):
    """Names of the top packages that a fresh process has loaded after running some code."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["run", "--help"], ["list"], ["show", "linear_track"]], ids=" ".join
)
def test_commands_that_answer_at_once_load_nothing_heavy(arguments):
    loaded = modules_after(COMMAND.format(arguments=arguments))
    assert "neurofa" in loaded
    assert loaded & HEAVY == set()


def test_a_mistyped_protocol_is_refused_before_anything_heavy_is_loaded():
    code = COMMAND.format(arguments=["run", "linear_trak"]).replace("assert not stop.code", "assert stop.code == 2")
    assert modules_after(code.replace("assert printed.getvalue()", "")) & HEAVY == set()


def test_importing_the_package_loads_nothing_heavy():
    code = "import json, sys, neurofa; dir(neurofa); json.dump(sorted(sys.modules), sys.stdout)"
    assert modules_after(code) & (HEAVY | {"numpy", "pydantic", "typer", "rich"}) == set()


def test_a_public_name_loads_what_it_needs():
    code = "import json, sys, neurofa; neurofa.load_recording; json.dump(sorted(sys.modules), sys.stdout)"
    loaded = modules_after(code)
    assert "xarray" in loaded
    assert "torch" not in loaded


def test_measures_and_references_do_without_the_simulator():
    code = "import json, sys, neurofa; neurofa.measures, neurofa.references, neurofa.figures; "
    code += "json.dump(sorted(sys.modules), sys.stdout)"
    assert "torch" not in modules_after(code)
