"""Which publications a run rests on: read from its protocol, its tables and its recording."""

import ast
import csv
import inspect
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from neurofa.citations.publications import entry_of, identifiers, own_entry, publications
from neurofa.errors import RunFolderError
from neurofa.members import is_number, is_on
from neurofa.protocol import Protocol
from neurofa.rules.names import LEARNING_NOISE, NAMED_RULES, NamedRule
from neurofa.run_folder import PROTOCOL_FILE, read_protocol
from neurofa.settings import overnight_process, stimulus_set

#: choices that make a rule, from the one that says most about where it comes from
_CHOICES = ("teaching_signal", "pathway", "feedback_weights", "slope", "sign_magnitudes", "learned_by")
#: choices that play a role only with these feedback weights
_ONLY_WITH = {"sign_magnitudes": "sign", "learned_by": "learned"}
_OPTIMISERS = {"adam": "10.48550/arxiv.1412.6980", "momentum": "10.1016/0041-5553(64)90137-5"}
_BRIAN2, _THREE_FACTORS = "10.7554/elife.47314", "10.3389/fnins.2017.00324"
_SMALL_DIGITS, _MNIST = "10.24432/c50p49", "10.1109/5.726791"
#: measure ids that are not called like the function that says where they come from
_MEASURED_BY = {
    "decay_time_constant_days": "fit_exponential",
    "decay_half_life_days": "fit_exponential",
    "first_day_drop": "two_stage_decay",
    "rotational_diffusion_exponent": "fit_diffusion",
    "rotational_diffusion_constant": "fit_diffusion",
}
#: DOI to what it is cited for
Used = dict[str, list[str]]


def bibliography(folder: str | os.PathLike[str]) -> str:
    """
    BibTeX of everything that a run rests on.

    Parameters
    ----------
    folder : path-like
        A run folder, simulated or imported, finished or not.

    Returns
    -------
    str
        The software and every publication, each entry below a comment line that says what it is for.

    Raises
    ------
    RunFolderError
        Where the folder is no run.
    """
    entries = [f"% the software\n{own_entry()}"]
    for doi, reasons in used_in(folder).items():
        known = "" if doi in publications() else " (neurofa knows no more of it than the DOI)"
        # BibTeX takes an at sign for the start of an entry, even in a comment
        what = "; ".join(reasons).replace("@", "(at)").replace("\n", " ")
        entries.append(f"% {what}{known}\n{entry_of(doi)}")
    return "\n\n".join(entries)


def used_in(folder: str | os.PathLike[str]) -> Used:
    """
    Publications that a run rests on.

    Parameters
    ----------
    folder : path-like
        A run folder.

    Returns
    -------
    dict of str to list of str
        DOI in lower case to what it is cited for.

    Raises
    ------
    RunFolderError
        Where the folder is no run.
    """
    from neurofa.recording import RECORDING_STORE

    path = Path(folder)
    simulated = (path / PROTOCOL_FILE).is_file()
    if not simulated and not (path / RECORDING_STORE).is_dir():
        raise RunFolderError(f"{path} is no run folder; expected one made by neurofa run or neurofa import")
    used: Used = {}
    if simulated:
        _of_protocol(read_protocol(path), used)
    else:
        _of_imported_data(path, used)
    _of_measures(path, used)
    _of_references(path, used)
    return used


def _of_protocol(protocol: Protocol, used: Used) -> None:
    """What the protocol names, and what its groups use."""
    _add(used, protocol.sources, f"source of protocol {protocol.name}")
    names = protocol.group_names()
    reasons: dict[tuple[str, str], list[str]] = {}
    for group in names:
        for doi, why in _of_group(protocol.group(group)):
            reasons.setdefault((doi, why), []).append(group)
    for (doi, why), groups in reasons.items():
        some = "" if len(groups) == len(names) else f" in {', '.join(groups)}"
        _add(used, [doi], why + some)
    for analysis in protocol.analyses:
        file = Path(protocol.folder) / analysis
        if file.suffix == ".py" and file.is_file():
            _add(used, [_docstring(file)], f"analysis {analysis}")


def _of_group(own: Protocol) -> list[tuple[str, str]]:
    """DOI and reason, of everything that the animals of one group do and undergo."""
    found = _of_rule(own)
    if own.rule.optimiser in _OPTIMISERS:
        found.append((_OPTIMISERS[own.rule.optimiser], f"optimiser {own.rule.optimiser}"))
    for name, (_, source) in LEARNING_NOISE.items():
        if is_on(getattr(own.rule, name)):
            found += [(doi, f"noise while learning, rule.{name}") for doi in identifiers(source)]
    if own.engine.kind == "spiking":
        found.append((_BRIAN2, "simulator of the spiking networks"))
        if own.spiking.use == "learning":
            found.append((_THREE_FACTORS, "learning in spikes"))
    show = stimulus_set(own.stimuli.kind, own.stimuli.folder)
    unused = _SMALL_DIGITS if own.stimuli.parameters().get("mnist_folder") else _MNIST
    shown = [doi for doi in _sources(show) if own.stimuli.kind != "digits" or doi != unused]
    found += [(doi, f"stimulus set {own.stimuli.kind}") for doi in shown]
    for name, parameters in own.overnight.processes().items():
        if _acts(parameters):
            process = overnight_process(name, own.overnight.folder)
            found += [(doi, f"overnight process {name}") for doi in _sources(process)]
    if own.observation.kind == "calcium":
        text = _docstring(Path(__file__).resolve().parents[1] / "observation.py")
        found += [(doi, "model of calcium imaging") for doi in identifiers(text)]
    return found


def _of_rule(own: Protocol) -> list[tuple[str, str]]:
    """The rule that a group learns with, whatever it is called in the protocol."""
    chosen = own.rule.choices()
    decisive = [name for name in _CHOICES if chosen.feedback_weights == _ONLY_WITH.get(name, chosen.feedback_weights)]

    def same(row: NamedRule, choices: Iterable[str]) -> bool:
        return all(getattr(row, name) == getattr(chosen, name) for name in choices)

    names = [name for name, row in NAMED_RULES.items() if same(row, decisive)]
    if names:
        name = own.rule.name if own.rule.name in names else names[0]
        return [(doi, f"learning rule {name}") for doi in identifiers(NAMED_RULES[name].source)]
    # a combination without a name: the named rule that it starts from, and the first rule with each choice that differs
    base = NAMED_RULES[own.rule.name]
    found = [(doi, f"learning rule {own.rule.name}, with other choices") for doi in identifiers(base.source)]
    for name in decisive:
        if not same(base, [name]):
            value = getattr(chosen, name)
            needed = [name, "feedback_weights"] if name in _ONLY_WITH else [name]
            first = [row.source for row in NAMED_RULES.values() if same(row, needed)][:1]
            found += [(doi, f"learning rule with {name} {value}") for doi in identifiers("".join(first))]
    return found


def _acts(parameters: Mapping[str, Any]) -> bool:
    """Whether an overnight process does anything: its first parameter is above 0 in any animal, or it has none."""
    first = next(iter(parameters.values()), 1)
    if not is_number(first):
        return True
    return is_on(tuple(first) if isinstance(first, list) else first)


def _of_imported_data(folder: Path, used: Used) -> None:
    """What the recorded files say of their own publications."""
    from neurofa.recording import load_recording

    named = load_recording(folder).attrs.get("publications", "[]")
    _add(used, json.loads(named), "the recorded data")


def _of_measures(folder: Path, used: Used) -> None:
    """Where the measures in the run's table come from."""
    from neurofa import measures

    functions = {name: function for name, function in vars(measures).items() if inspect.isfunction(function)}
    found: dict[str, list[str]] = {}
    for measure in dict.fromkeys(row["measure"] for row in _rows(folder / "measures.csv")):
        # cross_day_decoding_accuracy comes from cross_day_decoding
        starts = [name for name in functions if measure.startswith(name)]
        name = _MEASURED_BY.get(measure) or max(starts, key=len, default="")
        for doi in _sources(functions[name]) if name else []:
            found.setdefault(doi, []).append(measure)
    for doi, named in found.items():
        _add(used, [doi], ("measures " if len(named) > 1 else "measure ") + ", ".join(named))


def _of_references(folder: Path, used: Used) -> None:
    """What the run was held against; references that could not be compared are left out."""
    compared = (row for row in _rows(folder / "scorecard.csv") if row["verdict"] != "not comparable")
    for reference, doi in dict.fromkeys((row["reference"], row["doi"]) for row in compared):
        _add(used, [doi], f"compared with {reference}")


def _add(used: Used, texts: Iterable[str], reason: str) -> None:
    """Note a reason for everything that some texts name."""
    for text in texts:
        for doi in identifiers(text):
            reasons = used.setdefault(doi, [])
            if reason not in reasons:
                reasons.append(reason)


def _sources(function: Callable[..., Any]) -> list[str]:
    """What the docstring of a function names."""
    return identifiers(inspect.getdoc(function) or "")


def _docstring(file: Path) -> str:
    """Docstring of a Python file, which is read, not run."""
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""


def _rows(file: Path) -> Iterator[dict[str, str]]:
    """Rows of a table of the run; none where the run is not that far."""
    if file.is_file():
        with file.open(encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines)
