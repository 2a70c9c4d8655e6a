"""The rules of the house, read from the source: who imports whom, how long things are, what is documented."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import neurofa

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "neurofa"
PACKAGE_FILES = sorted(PACKAGE.rglob("*.py"))
ANALYSES = sorted((ROOT / "analyses").glob("*.py"))
FILES = [*PACKAGE_FILES, *ANALYSES]
LONGEST_FILE, LONGEST_FUNCTION = 400, 60

#: rooms from top to bottom: a module imports from its own row and the rows below, never from above
LAYERS = [
    {"__main__"},
    {"cli"},
    {"terminal"},
    {"sweep"},
    {"job", "listing"},
    {"preflight", "citations"},
    {"report", "comparison", "analysis", "simulation"},
    {"probing"},
    {"yardsticks"},
    {"recurrent_cohort"},
    {"spiking_cohort", "predicting_cohort"},
    {"cohort", "recurrent_learning"},
    {"spiking", "predicting"},
    {"renewal", "replay", "tables", "birth", "learning", "merging", "observation", "nwb", "switching"},
    {"references", "run_folder", "shares"},
    {"figures"},
    {"common", "compiled", "measures", "rules", "members", "occupancy", "provenance"},
    {"networks", "recording", "event_group", "protocol_text"},
    {"draws", "protocol"},
    {"protocol_checks"},
    {"spiking_settings", "prediction_settings"},
    {"settings", "rule_settings", "schedule_settings", "observation_settings"},
    {"overnight", "stimuli", "rules.names"},
    {"checking", "seeds"},
    {"catalogue", "errors"},
]
#: work on recorded data alone: nothing of the simulator
WITHOUT_SIMULATOR = {"measures", "figures"}
SIMULATOR = {
    "birth",
    "cohort",
    "common",
    "compiled",
    "draws",
    "job",
    "learning",
    "members",
    "merging",
    "networks",
    "observation",
    "observation_settings",
    "overnight",
    "predicting",
    "predicting_cohort",
    "prediction_settings",
    "probing",
    "protocol",
    "protocol_checks",
    "recurrent_cohort",
    "recurrent_learning",
    "renewal",
    "replay",
    "rule_settings",
    "rules",
    "run_folder",
    "schedule_settings",
    "seeds",
    "settings",
    "shares",
    "simulation",
    "spiking",
    "spiking_cohort",
    "spiking_settings",
    "stimuli",
    "yardsticks",
}


def name_of(path):
    """For example ``neurofa/rules/rule.py``."""
    return str(path.relative_to(ROOT))


def parsed(path):
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def rooms_imported(path):
    """Names of the rooms of neurofa that a file imports; inside functions too, for the type checker alone not."""
    rooms = set()
    stack = [parsed(path)]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            stack += node.orelse
            continue
        stack += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("neurofa.")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "neurofa":
            parts = node.module.split(".")
            names = {alias.name for alias in node.names}
            rooms |= {room_named(parts[1:])} if len(parts) > 1 else names
    return rooms - {"__version__"}


def room_of(path):
    """The room that a file of the package belongs to."""
    return room_named(path.relative_to(PACKAGE).with_suffix("").parts)


def room_named(parts):
    """Room of a module below neurofa; the table of named rules is light, and has a room of its own."""
    return "rules.names" if tuple(parts) == ("rules", "names") else parts[0]


def level(room):
    """Row of a room, counted from the top."""
    return next(number for number, rooms in enumerate(LAYERS) if room in rooms)


def functions(tree):
    """Every function of a file, methods and inner ones too."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_print_no_assert_no_bare_except_no_pickle(path):
    found = []
    for node in ast.walk(parsed(path)):
        line = f"line {getattr(node, 'lineno', 0)}: "
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "eval", "exec"):
            found.append(f"{line}{node.func.id}()")
        if isinstance(node, ast.Assert):
            found.append(f"{line}assert; raise an error that says what to do")
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append(f"{line}except without a kind of error")
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [f"{line}{name}" for name in names if name.split(".")[0] in ("pickle", "dill", "joblib", "shelve")]
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            found.append(f"{line}allow_pickle")
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "torch.save", "pd.read_pickle"):
            found.append(f"{line}{ast.unparse(node)}")
    assert found == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_global_random_numbers(path):
    tree = parsed(path)
    names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    allowed = {"np.random.Generator", "np.random.default_rng", "np.random.SeedSequence", "np.random.PCG64", "np.random"}
    allowed |= {"np.random.Philox", "np.random.BitGenerator"}
    found = {name for name in names if re.match(r"(np|numpy)\.random\b", name)} - allowed
    found |= names & {"torch.manual_seed", "torch.random", "torch.seed", "torch.cuda.manual_seed"}
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert found | (imported & {"random"}) == set()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_are_short(path):
    n_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert n_lines <= LONGEST_FILE
    lengths = {node.name: node.end_lineno - first_line(node) + 1 for node in functions(parsed(path))}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def first_line(function):
    """Line from which a function's length counts: its docstring is not code."""
    has_docstring = ast.get_docstring(function) is not None
    return function.body[0].end_lineno if has_docstring else function.lineno


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_everything_public_is_documented(path):
    tree = parsed(path)
    missing = [] if ast.get_docstring(tree) else ["the file"]
    stack = [("", tree)]
    while stack:
        where, node = stack.pop()
        for inner in ast.iter_child_nodes(node):
            if not isinstance(inner, ast.FunctionDef | ast.ClassDef) or inner.name.startswith("_"):
                continue
            if ast.get_docstring(inner) is None:
                missing.append(where + inner.name)
            if isinstance(inner, ast.ClassDef):
                stack.append((f"{inner.name}.", inner))
    assert missing == []


@pytest.mark.parametrize("path", [path for path in PACKAGE_FILES if path.name != "__init__.py"], ids=name_of)
def test_nothing_is_imported_from_above(path):
    own = level(room_of(path))
    above = {room for room in rooms_imported(path) if level(room) < own}
    assert above == set()


def test_every_room_has_its_place():
    rooms = {room_of(path) for path in PACKAGE_FILES} - {"__init__"}
    assert rooms == set().union(*LAYERS)


@pytest.mark.parametrize("path", [path for path in PACKAGE_FILES if room_of(path) in WITHOUT_SIMULATOR], ids=name_of)
def test_measures_and_figures_know_nothing_of_the_simulator(path):
    assert rooms_imported(path) & SIMULATOR == set()


@pytest.mark.parametrize("path", ANALYSES, ids=name_of)
def test_analyses_import_public_names_only(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.startswith("neurofa")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("neurofa"):
            assert node.module == "neurofa"
            assert {alias.name for alias in node.names} <= set(neurofa.__all__)


def test_there_are_at_most_twelve_public_names_and_they_all_work():
    assert len(neurofa.__all__) == len(set(neurofa.__all__)) <= 12
    assert set(dir(neurofa)) == {*neurofa.__all__, "__version__"}
    for name in neurofa.__all__:
        assert getattr(neurofa, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'simulator'"):
        neurofa.simulator  # noqa: B018


def test_the_stub_says_what_the_package_does():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    origin = {
        alias.asname: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert origin.keys() == set(neurofa.__all__)
    for name, module in origin.items():
        known = getattr(importlib.import_module(module), name, None) or importlib.import_module(f"{module}.{name}")
        assert getattr(neurofa, name) is known
    others = [ast.unparse(node) for node in stub.body if not isinstance(node, ast.ImportFrom)]
    assert others == ["__version__: str"]


def test_the_version_stands_everywhere():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == neurofa.__version__
    assert f"version: {neurofa.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## [{neurofa.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_what_can_be_named_in_a_protocol_is_listed():
    from neurofa.listing import listings
    from neurofa.overnight import overnight_processes
    from neurofa.rules import NAMED_RULES
    from neurofa.stimuli import stimulus_sets

    listed = {title.split()[0]: {name for name, _ in rows} for title, rows in listings().items()}
    assert listed["Overnight"] == set(overnight_processes())
    assert listed["Stimulus"] == set(stimulus_sets())
    assert listed["Learning"] == set(NAMED_RULES) >= {"bp", "fa", "dfa", "tf", "nf", "nfa", "random_walk"}
    assert listed["Analyses"] == {path.stem for path in ANALYSES}
    assert listed["Protocols"] == {path.stem for path in (ROOT / "protocols").glob("*.toml")}


def test_plain_python_without_asserts_imports_the_package():
    code = "import neurofa; [getattr(neurofa, name) for name in neurofa.__all__]"
    subprocess.run([sys.executable, "-OO", "-W", "ignore", "-c", code], check=True, capture_output=True)
