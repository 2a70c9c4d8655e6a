"""What there is to choose from, for `neurofa list`."""

import ast
import inspect
import tomllib
from pathlib import Path

from neurofa.catalogue import did_you_mean, shipped_folder
from neurofa.errors import ConfigError

#: what can be listed
KINDS = ("protocols", "rules", "noise", "overnight", "stimuli", "analyses", "measures", "references", "import")


def listings(kind: str = "") -> dict[str, list[tuple[str, str]]]:
    """
    Names with one line each.

    Parameters
    ----------
    kind : str, optional
        One of `KINDS`; empty for all.

    Returns
    -------
    dict of str to list of tuple
        Title to (name, text) rows.

    Raises
    ------
    ConfigError
        For another kind.
    """
    makers = {
        "protocols": _protocols,
        "rules": _rules,
        "noise": _noise,
        "overnight": _overnight,
        "stimuli": _stimuli,
        "analyses": _analyses,
        "measures": _measures,
        "references": _references,
        "import": _import_options,
    }
    titles = {
        "protocols": "Protocols",
        "rules": "Learning rules (teaching signal, pathway, feedback weights)",
        "noise": "Noise while learning (settings of the rule)",
        "overnight": "Overnight processes",
        "stimuli": "Stimulus sets",
        "analyses": "Analyses",
        "measures": "Measures in neurofa.measures (what they return)",
        "references": "References",
        "import": "Options of neurofa import",
    }
    if kind and kind not in makers:
        raise ConfigError(f"nothing called '{kind}' can be listed; {did_you_mean(kind, makers)}")
    return {titles[name]: maker() for name, maker in makers.items() if kind in ("", name)}


def _protocols() -> list[tuple[str, str]]:
    """Shipped protocols with their titles."""
    rows = []
    for path in sorted(shipped_folder("protocols").glob("*.toml")):
        rows.append((path.stem, str(tomllib.loads(path.read_text(encoding="utf-8")).get("title", ""))))
    return rows


def _rules() -> list[tuple[str, str]]:
    """Named rules with their choices, equation and source."""
    from neurofa.rules import NAMED_RULES

    return [
        (name, f"({row.teaching_signal}, {row.pathway}, {row.feedback_weights})  {row.equation}  [{row.source}]")
        for name, row in NAMED_RULES.items()
    ]


def _noise() -> list[tuple[str, str]]:
    """Noise while learning: the setting, what it predicts, and its source."""
    from neurofa.rule_settings import RuleSettings
    from neurofa.rules.names import LEARNING_NOISE

    fields = RuleSettings.model_fields
    return [
        (f"rule.{name}", f"{fields[name].description} [{fields[name].default:g}]. Predicts {predicts}. [{source}]")
        for name, (predicts, source) in LEARNING_NOISE.items()
    ]


def _overnight() -> list[tuple[str, str]]:
    """Overnight processes with their parameters and sources."""
    from neurofa.checking import parameters_model
    from neurofa.citations import identifiers
    from neurofa.overnight import overnight_processes

    rows = []
    for name, process in overnight_processes().items():
        parameters = parameters_model(process).model_fields
        texts = "; ".join(f"{key}: {info.description} [{info.default:g}]" for key, info in parameters.items())
        text = inspect.getdoc(process) or ""
        rows.append((name, f"{_first_line(text)} {texts}. [{', '.join(identifiers(text))}]"))
    return rows


def _stimuli() -> list[tuple[str, str]]:
    """Stimulus sets."""
    from neurofa.stimuli import stimulus_sets

    return [(name, _first_line(inspect.getdoc(function))) for name, function in stimulus_sets().items()]


def _analyses() -> list[tuple[str, str]]:
    """Shipped analyses; their files are read, not run."""
    return [(path.stem, _first_line(_docstring(path))) for path in sorted(shipped_folder("analyses").glob("[!_]*.py"))]


def _measures() -> list[tuple[str, str]]:
    """Public functions of `neurofa.measures` with their first sentence and what they return; files are not run."""
    root = Path(__file__).resolve().parent.parent
    public: dict[str, set[str]] = {}
    for line in ast.parse((root / "neurofa" / "measures" / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(line, ast.ImportFrom) and (line.module or "").startswith("neurofa.measures."):
            public.setdefault(str(line.module), set()).update(alias.name for alias in line.names)
    rows = []
    for module, names in public.items():
        file = root.joinpath(*module.split(".")).with_suffix(".py")
        file = file if file.is_file() else file.with_suffix("") / "__init__.py"
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name in names:
                text = ast.get_docstring(node) or ""
                returned = _returned(text)
                rows.append((node.name, f"{_first_line(text)} {f'[{returned}]' if returned else ''}".rstrip()))
    return sorted(rows)


def _returned(text: str) -> str:
    """What a docstring says that a function returns: dimensions, unit or range."""
    return text.partition("\nReturns\n-------\n")[2].partition("\n")[0].strip()


def _references() -> list[tuple[str, str]]:
    """Tables of published statistics."""
    from neurofa.references import list_tables

    return list(list_tables().items())


def _import_options() -> list[tuple[str, str]]:
    """Options with which NWB files are read."""
    from neurofa.nwb.options import NWBOptions

    return [(name, f"{info.description} [{info.default!r}]") for name, info in NWBOptions.model_fields.items()]


def _docstring(path: Path) -> str | None:
    """Docstring of a Python file."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def _first_line(text: str | None) -> str:
    """First line of a docstring."""
    return (text or "").strip().split("\n")[0]
