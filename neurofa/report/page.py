"""One self-contained HTML page per run: what was run, what came out, figures, comparison, provenance."""

import base64
import json
import os
import struct
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurofa import __version__
from neurofa.checking import group_label
from neurofa.comparison.files import COUNTS_FILE, further_rows, read_scorecard, why_not_compared
from neurofa.comparison.verdicts import INTERPRETATION, count_inside
from neurofa.errors import ConfigError, RunFolderError
from neurofa.recording import RECORDING_STORE, load_recording, told_stopped
from neurofa.report.findings import findings
from neurofa.report.tables import bar, cards, folded, orderings
from neurofa.run_folder import PROTOCOL_FILE

REPORT_FILE = "report.html"
_TEMPLATE = "page.html.jinja"
_WIDE_FROM_PIXELS = 1500
_FIRST = ("drift_decay", "drift_sessions", "drift_latent", "drift_cells", "drift_performance", "drift_half_lives")


def write_report(
    runs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], out: str | os.PathLike[str] | None = None
) -> Path:
    """
    Write a report of one run, or of several on one page.

    Parameters
    ----------
    runs : path-like or sequence of path-like
        Run folders, simulated or recorded.
    out : path-like, optional
        The file to write; by default ``report.html`` in the run folder, or, of several runs, in the folder that holds
        the first one.

    Returns
    -------
    pathlib.Path
        The page. It loads nothing from elsewhere: figures are embedded, and there are no scripts.

    Raises
    ------
    RunFolderError
        Where a folder is not a run folder, one of its files is damaged, or the page cannot be written.
    ConfigError
        Where no run is given.
    """
    folders = [Path(runs)] if isinstance(runs, str | os.PathLike) else [Path(run) for run in runs]
    if not folders:
        raise ConfigError("no run is given; name at least one run folder")
    sections = [_section(folder) for folder in folders]
    title = sections[0]["title"] if len(sections) == 1 else f"{len(sections)} runs"
    home = folders[0] if len(folders) == 1 else folders[0].resolve().parent
    path = Path(out) if out is not None else home / REPORT_FILE
    return write_page(_TEMPLATE, path, title=title, runs=sections, interpretation=INTERPRETATION, version=__version__)


def write_page(template: str, path: Path, **values: Any) -> Path:
    """
    Fill in a template of this folder.

    Parameters
    ----------
    template : str
        Its file.
    path : pathlib.Path
        The page to write.
    **values : object
        What it shows.

    Returns
    -------
    pathlib.Path
        The page, there whole or not at all.

    Raises
    ------
    RunFolderError
        Where it cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).resolve().parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return _write(path, environment.get_template(template).render(values))


def _section(folder: Path) -> dict[str, Any]:
    """Everything that the template shows of one run."""
    if not folder.is_dir() or not (folder / RECORDING_STORE).is_dir():
        what = "there is no such folder" if not folder.exists() else f"it has no {RECORDING_STORE}"
        raise RunFolderError(
            f"{folder} is not a finished run folder: {what}; make one with neurofa run or neurofa import"
        )
    text = _read(folder / PROTOCOL_FILE)
    protocol = _parsed(folder / PROTOCOL_FILE, text)
    provenance = _provenance(folder)
    scorecard = read_scorecard(folder)
    counts = _table(folder / COUNTS_FILE)
    counts = counts if counts.empty else count_inside(scorecard)
    facts, simulated = _facts(folder, protocol, provenance)
    labels = _labels(protocol)
    rows = folded(scorecard, labels)
    measured = _table(folder / "measures.csv")
    if not simulated and len(measured):
        measured["group"] = measured["animal"]  # recorded animals are never pooled
    return {
        "title": str(protocol.get("title") or protocol.get("name") or folder.resolve().name),
        "description": " ".join(str(protocol.get("description", "")).split()),
        "verb": "simulated" if simulated else "recorded",
        "facts": facts,
        "findings": findings(measured, counts, labels, scorecard, _nulls(protocol)),
        "stopped": told_stopped(json.loads(load_recording(folder).attrs.get("stopped", "{}"))),
        "figures": embedded_figures(folder / "figures"),
        "counts": [row | {"group": labels.get(row["group"], row["group"])} for row in counts.to_dict("records")],
        "bar": bar(counts),
        "n_rows": len(scorecard),
        "cards": cards(scorecard, labels),
        "orderings": orderings(scorecard, labels),
        "further": further_rows(folder),
        "not_compared": why_not_compared(folder),
        "folded": rows,
        "n_folded": sum(row["n"] for row in rows),
        "protocol": text,
        "provenance": [row for row in provenance if "sha256" not in row[0]],
        "checksums": [(name.partition(".")[2], value) for name, value in provenance if "sha256" in name],
    }


def _facts(
    folder: Path, protocol: Mapping[str, Any], provenance: Sequence[tuple[str, str]]
) -> tuple[list[tuple[str, str]], bool]:
    """The table at the top, and whether the animals were simulated."""
    probe = load_recording(folder)["probe"].to_dataset()
    simulated = "true_rate" in probe.data_vars
    days = probe["day"].values
    groups, sizes = np.unique(probe["group"].values.astype(str), return_counts=True)
    count = dict(zip(groups.tolist(), sizes.tolist(), strict=True))
    order = dict.fromkeys(probe["group"].values.astype(str).tolist())
    named = ", ".join(f"{group_label(protocol, group)} ({_many(count[group], 'animal')})" for group in order)
    sessions = np.isfinite(days).sum(axis=1)
    seen = probe["detected"].any("session").sum("unit").values
    rows = [
        ("Run", folder.resolve().name),
        ("Protocol", str(protocol.get("name", "")) if protocol else ""),
        ("Groups", named),
        ("Sessions per animal", f"{_span(sessions)}, on days {_day_list(days)}"),
        (
            "Stimuli and repeats",
            f"{probe.sizes['stimulus']} stimuli, {probe.sizes['repeat']} repeats in a session at most",
        ),
        ("Units seen per animal", f"{_span(seen)}, in one session at least"),
    ]
    known = {name.rpartition(".")[2]: value for name, value in reversed(provenance)}
    spent = [(name, value) for name, value in provenance if name.split(".")[0] in ("seconds", "duration_s")]
    duration = ", ".join(f"{name.partition('.')[2].replace('_', ' ')} {value} s".strip() for name, value in spent)
    seed = known.get("seed") or str(protocol.get("cohort", {}).get("seed", ""))
    rows += [("Seed", seed if simulated else ""), ("Started", known.get("started", "")), ("Duration", duration)]
    return [(name, value) for name, value in rows if value], simulated


def embedded_figures(folder: Path) -> list[dict[str, Any]]:
    """
    Every PNG of a folder, embedded.

    Parameters
    ----------
    folder : pathlib.Path
        Where PNG files stand with their captions as TXT files beside them.

    Returns
    -------
    list of dict
        name, data (base64), caption, alt, width, height and wide.

    Raises
    ------
    RunFolderError
        Where a file is no PNG image.
    """
    figures = []
    for file in sorted(folder.glob("*.png"), key=_place) if folder.is_dir() else []:
        content = file.read_bytes()
        if content[:8] != b"\x89PNG\r\n\x1a\n":
            raise RunFolderError(f"{file} is not a PNG image; delete it, or draw it again with neurofa analyse")
        width, height = struct.unpack(">II", content[16:24])
        caption = _read(file.with_suffix(".txt")).strip() or "No caption was written."
        figures.append(
            {
                "name": file.stem,
                "data": base64.b64encode(content).decode("ascii"),
                "caption": caption,
                "alt": f"{file.stem.replace('_', ' ')}: {caption.split('. ')[0].rstrip('.')}.",
                "width": width,
                "height": height,
                "wide": width >= _WIDE_FROM_PIXELS,
            }
        )
    return figures


def _place(file: Path) -> tuple[int, str]:
    """Curves first, then matrices, then the rest; a figure against a recording comes after the one without."""
    name = file.stem
    ranks = [number for number, start in enumerate(_FIRST) if name.startswith(start)]
    return (ranks[0] if ranks else len(_FIRST), name)


def _provenance(folder: Path) -> list[tuple[str, str]]:
    """Rows of provenance.json, nested names joined by dots."""
    text = _read(folder / "provenance.json")
    if not text:
        return []
    try:
        return list(_flat(json.loads(text)))
    except json.JSONDecodeError as error:
        raise RunFolderError(f"{folder / 'provenance.json'} is damaged ({error}); run or import again") from error


def _flat(value: Any, name: str = "") -> Iterable[tuple[str, str]]:
    """Leaves of nested JSON as (name, text)."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(inner, Mapping) for inner in value):
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{name}.{number}")
    else:
        yield name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _labels(protocol: Mapping[str, Any]) -> dict[str, str]:
    """Group to its label, in the order of the protocol."""
    return {str(group): group_label(protocol, str(group)) for group in protocol.get("groups", {})}


def _nulls(protocol: Mapping[str, Any]) -> list[str]:
    """Groups that are controls of others."""
    return [str(name) for name, group in protocol.get("groups", {}).items() if group.get("control_of", "")]


def _many(number: int, noun: str) -> str:
    """For example "1 animal", "2 animals"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _span(values: np.ndarray) -> str:
    """For example "8", or "6 to 8"."""
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"


def _day_list(days: np.ndarray) -> str:
    """The days of the sessions, shortened where there are many."""
    text = [f"{day:g}" for day in np.unique(days[np.isfinite(days)].round(3))]
    return ", ".join(text if len(text) <= 16 else [*text[:8], "...", *text[-3:]])


def _table(file: Path) -> pd.DataFrame:
    """A CSV file of the run; an empty table where it is not there."""
    if not file.is_file():
        return pd.DataFrame()
    try:
        return pd.read_csv(file)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise RunFolderError(
            f"{file} cannot be read ({error}); make it again with neurofa analyse or compare"
        ) from error


def _read(file: Path) -> str:
    """Text of a file; empty where it is not there."""
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def _parsed(file: Path, text: str) -> dict[str, Any]:
    """The protocol as nested values; empty where the run has none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RunFolderError(f"{file} cannot be read as TOML ({error}); was it changed by hand?") from error


def _write(path: Path, page: str) -> Path:
    """Write aside, then rename."""
    aside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(page, encoding="utf-8")
        os.replace(aside, path)
    except OSError as error:
        raise RunFolderError(f"the report cannot be written to {path} ({error}); choose another place") from error
    finally:
        aside.unlink(missing_ok=True)
    return path
