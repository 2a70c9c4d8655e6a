"""A run held against recorded animals, published statistics or another run: scorecard, counts, figures, report."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import figures, references
from neurofa.analysis import SUMMARY_FILE, analyse, find_analysis
from neurofa.comparison.definitions import CURVE_MEASURES, MEASURED_DEFINITIONS, NOISE_CORRECTED
from neurofa.comparison.files import reference_settings, write_scorecard
from neurofa.comparison.orderings import orderings_of_run
from neurofa.comparison.published import asked_for, facts_of, published_scorecard
from neurofa.comparison.sizes import Sizes, sessions_of_days, sizes_of, subsample, with_sizes
from neurofa.comparison.verdicts import INTERPRETATION, count_inside, curve_scorecard, curves_by_lag, joined
from neurofa.errors import ConfigError, RecordingError, RunFolderError
from neurofa.provenance import read_provenance
from neurofa.recording import RECORDING_STORE, build_recording, load_recording
from neurofa.switching import animals_of_measured, warning_of_switching, with_warning
from neurofa.tables import SUMMARY_KEYS

ANALYSIS = "drift_over_days"
#: figures of the analysis that show recorded values beside the simulated ones
_WITH_RECORDED = ("drift_decay", "drift_sessions")

Progress = Callable[[str], object]


def compare(
    run: str | os.PathLike[str],
    recorded: str | os.PathLike[str] | None = None,
    *,
    tolerances: Mapping[str, float] | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """
    Hold a run against recorded animals, or against the reference tables that its protocol names.

    Simulated animals are observed again as the recorded animal was (sessions of the same days, the same frames and
    trials, no more cells) before anything is measured, and the scorecard says how many these were; a recorded run and
    another simulated run are taken as they are. Every recorded animal is a reference of its own; those of a single
    session are left out.

    Parameters
    ----------
    run : str or path-like
        The run folder.
    recorded : str or path-like, optional
        The folder of a recorded run, or of another simulated one (no figures then). By default the tables that the
        run's protocol names under ``[references]``.
    tolerances : mapping of str to float, optional
        Measure id to tolerance in the measure's unit; else those of the protocol; else the recorded spread.
    out : str or path-like, optional
        Where scorecard, counts and figures go; by default the run folder, whose report is refreshed.
    progress : callable, optional
        Called with one line of text at each step.

    Returns
    -------
    pandas.DataFrame
        The new rows of the scorecard, columns `neurofa.comparison.COLUMNS`. ``attrs["counts"]`` has the points inside
        (records as from `neurofa.comparison.count_inside`), ``attrs["interpretation"]`` what they cannot say.

    Raises
    ------
    RunFolderError
        Where one of the folders is not a run folder.
    RecordingError
        Where a recording has fewer than two sessions, the two share no stimuli or no measure, both are the same run,
        or a recorded run is held against a simulated one.
    ConfigError
        Where a tolerance or a table is not known.
    """
    folder, say = _run_folder(run), progress or _silent
    settings = reference_settings(folder)
    limits = dict(settings.get("tolerances", {})) | dict(tolerances or {})
    recording = load_recording(folder)
    _check_sessions(recording, folder)
    drawings: dict[str, figures.Drawing] = {}
    if recorded is None:
        say("comparing with the reference tables")
        rows = scorecard_of_tables(summary_of_run(folder, recording), settings, limits, recording=recording)
        rows = joined([rows, orderings_of_run(folder, settings)])
    else:
        rows, drawings = _against_run(recording, folder, _run_folder(recorded), limits, say)
    say("writing the scorecard and figures")
    _write(folder, Path(out) if out is not None else folder, rows, drawings)
    rows.attrs = {"counts": count_inside(rows).to_dict("records"), "interpretation": INTERPRETATION}
    return rows


def _write(folder: Path, target: Path, rows: pd.DataFrame, drawings: Mapping[str, figures.Drawing]) -> None:
    """Scorecard, counts and figures; the report too where they go into the run folder itself."""
    write_scorecard(target, rows)
    for name, drawing in drawings.items():
        figures.save(drawing, target / "figures", name, {"run": folder.name})
    if target == folder:
        from neurofa.report import write_report

        write_report(folder)


def scorecard_of_tables(
    measured: xr.Dataset | pd.DataFrame,
    settings: Mapping[str, Any],
    tolerances: Mapping[str, float] | None = None,
    *,
    recording: xr.DataTree | None = None,
) -> pd.DataFrame:
    """
    Hold what was measured against the reference tables that a protocol names.

    Parameters
    ----------
    measured : xarray.Dataset or pandas.DataFrame
        Of the analysis ``drift_over_days``; or the run's ``summary.csv``.
    settings : mapping
        As from `reference_settings`: ``tables`` (names of tables, or CSV files), ``tolerances``, and optionally
        ``area``, ``species`` and ``sources``, which decide on the published statistics that are listed.
    tolerances : mapping of str to float, optional
        In place of the protocol's.
    recording : xarray.DataTree, optional
        What was measured: with it, animals of more cells, repeats or sessions than a recorded curve rests on are cut
        down to as many and measured again before they are held against it, and the scorecard says how many they were.

    Returns
    -------
    pandas.DataFrame
        Columns `neurofa.comparison.COLUMNS`.
    """
    limits = settings.get("tolerances", {}) if tolerances is None else tolerances
    kinds = {str(table): references.kind_of(str(table)) for table in settings.get("tables", ())}
    curves = [references.load_curves(table) for table, kind in kinds.items() if kind == "curves"]
    facts = facts_of(settings)
    cards = [_against_curve(measured, table, limits, recording) for table in curves]
    for table, kind in kinds.items():
        if kind == "statistics":
            published = references.load_references(table)
            published = published[asked_for(published, settings)]
            card = published_scorecard(measured, published, novel=settings.get("novel", ()), **facts)
            cards.append(card if recording is None else with_sizes(card, recording))
    return joined(cards)


def _against_curve(
    measured: xr.Dataset | pd.DataFrame, curves: pd.DataFrame, limits: Mapping[str, float], recording: Any
) -> pd.DataFrame:
    """Scorecard of a table of curves; animals with more than was recorded are cut down and measured again."""
    if recording is None:
        return curve_scorecard(measured, curves, limits)
    cards = []
    for _, of_animal in curves.groupby("animal", sort=False):
        stated = Sizes(*(float(of_animal[name].iloc[0]) for name in Sizes._fields))
        alike = subsample(recording, stated) if _is_simulated(recording) else recording
        own = measured if alike is recording else _measure(alike)
        cards.append(with_sizes(curve_scorecard(own, of_animal, limits), alike))
    return pd.concat(cards, ignore_index=True)


def curves_of_recording(
    measured: xr.Dataset, *, by: str = "animal", variable: str = "rate", doi: str = "", note: str = ""
) -> pd.DataFrame:
    """
    Curves of recorded animals, or of groups of simulated ones, in the form of the tables of curves.

    Parameters
    ----------
    measured : xarray.Dataset
        Of the analysis ``drift_over_days``.
    by : str
        ``"animal"``: one curve per animal, spread over its session pairs. ``"group"``: one curve per group, the mean
        over its animals.
    variable : str
        Which rates.
    doi, note : str
        What is known about the source.

    Returns
    -------
    pandas.DataFrame
        Columns `neurofa.references.CURVES_COLUMNS`; ``animal`` is the name of the animal or group.
    """
    named = measured.assign_coords(group=("animal", measured[by].values.astype(str)))
    means = curves_by_lag(named, variable)
    means = means[means["measure"].isin((*CURVE_MEASURES, *NOISE_CORRECTED))]
    curves = means.rename(
        columns={"group": "animal", "sd_over_pairs": "sd_over_session_pairs", "n_pairs": "n_session_pairs"}
    )
    curves["definition"] = curves["measure"].map(MEASURED_DEFINITIONS)
    curves = curves.assign(species="", area="", citation="", year="", doi=doi, note=note)
    return curves.reindex(columns=list(references.CURVES_COLUMNS)).reset_index(drop=True)


def _against_run(
    recording: xr.DataTree, folder: Path, other: Path, limits: Mapping[str, float], say: Progress
) -> tuple[pd.DataFrame, dict[str, figures.Drawing]]:
    """Scorecard and figures of a run against the animals or groups of another run."""
    theirs = load_recording(other)
    _check_order(recording, folder, theirs, other)
    _check_sessions(theirs, other)
    if _is_simulated(theirs):
        return _against_simulated(recording, theirs, other, say, limits), {}
    names = theirs["probe"].to_dataset()["animal"].values.astype(str).tolist()
    alone = {name: one_animal(theirs, number) for number, name in enumerate(names)}
    alone = {name: animal for name, animal in alone.items() if animal["probe"].sizes["session"] > 1}
    say(f"measuring {other.name}")
    measured_there = {name: _measure(animal) for name, animal in alone.items()}
    simulated, switching = _is_simulated(recording), animals_of_measured(measured_there)
    cards: list[pd.DataFrame] = []
    drawings: dict[str, figures.Drawing] = {}
    for name, recorded in measured_there.items():
        curves = _named(curves_of_recording(recorded, doi=str(theirs.attrs.get("doi", "")), note="recorded run"), other)
        curves = curves.assign(**sizes_of(alone[name])[0]._asdict())
        say(f"observing the run as {name} was recorded" if simulated else "measuring the run")
        alike = _observed_like(recording, alone[name]) if simulated else recording
        measured = _measure(alike)
        card = _scored(measured if simulated else _apart(measured), curves, limits)
        cards.append(with_sizes(card, alike))
        for mate in [mate for mate in measured_there if simulated and mate != name]:
            cards.append(curve_scorecard(_apart(measured_there[mate]), curves, limits, reference_kind="recorded run"))
        suffix = f"against_{_plain(other.name)}" + (f"_{_plain(name)}" if len(names) > 1 else "")
        how = f"Simulated animals observed again as {name} was recorded." if simulated else f"Held against {name}."
        how += f" {warning_of_switching([name])}" if name in switching else ""
        drawings |= _drawings(measured, recorded, suffix, how)
    return with_warning(pd.concat(cards, ignore_index=True), switching), drawings


def _against_simulated(
    recording: xr.DataTree, theirs: xr.DataTree, other: Path, say: Progress, limits: Mapping[str, float]
) -> pd.DataFrame:
    """Scorecard against the groups of a simulated run, both as observed; the figures would call them recorded."""
    say(f"measuring {other.name} and the run")
    measured_there, measured = _measure(theirs), _measure(recording)
    curves = _named(curves_of_recording(measured_there, by="group", note="simulated run"), other, "group ")
    return with_sizes(curve_scorecard(measured, curves, limits, reference_kind="simulated run"), recording)


def _scored(measured: xr.Dataset, curves: pd.DataFrame, limits: Mapping[str, float]) -> pd.DataFrame:
    """A scorecard of a recorded animal's curves; refused where nothing at all can be compared."""
    card = curve_scorecard(measured, curves, limits, reference_kind="recorded run")
    if card.empty or not (card["verdict"] != "not comparable").any():
        why = card["reason"].iloc[0] if len(card) else "no pair of sessions has a value"
        raise RecordingError(f"the run and {curves['reference'].iloc[0]} share no measure that can be compared: {why}")
    return card


def _observed_like(recording: xr.DataTree, like: xr.DataTree) -> xr.DataTree:
    """Simulated animals as the recorded one was observed: its days, frames and repeats, and as many cells."""
    mine, theirs = recording["probe"].sizes["stimulus"], like["probe"].sizes["stimulus"]
    if mine != theirs:
        raise RecordingError(
            f"the run has {mine} stimuli, the recording {theirs}; compare runs of the same stimulus set"
        )
    from neurofa.observation import observe

    observed: xr.DataTree = observe(sessions_of_days(recording, like), like=like)
    return subsample(observed, sizes_of(like)[0])


def one_animal(recording: xr.DataTree, animal: int) -> xr.DataTree:
    """
    Cut one animal out of a recording, without the padding that the others need.

    Parameters
    ----------
    recording : xarray.DataTree
        A recording.
    animal : int
        Its index.

    Returns
    -------
    xarray.DataTree
        One animal; its sessions, the repeats that were shown to it and the units that were detected once at least.
    """
    probe = recording["probe"].to_dataset().isel(animal=[animal])
    sessions = np.isfinite(probe["day"].values[0])
    repeats = (probe["duration"].isel(animal=0) > 0).any(["session", "stimulus"]).values
    units = probe["detected"].isel(animal=0).any("session").values
    chosen = probe.isel(session=np.nonzero(sessions)[0], repeat=np.nonzero(repeats)[0], unit=np.nonzero(units)[0])
    return build_recording(chosen, attrs={str(key): value for key, value in recording.attrs.items()})


def summary_of_run(
    folder: Path, recording: xr.DataTree, measured: xr.Dataset | None = None
) -> xr.Dataset | pd.DataFrame:
    """
    Read what all analyses of a simulated run measured; of recorded animals drift alone.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.
    recording : xarray.DataTree
        Its recording.
    measured : xarray.Dataset, optional
        Of the analysis ``drift_over_days``, where it was measured already.

    Returns
    -------
    xarray.Dataset or pandas.DataFrame
        As `scorecard_of_tables` takes it: the run's summary, or drift, measured again where there is neither (not where
        events were recorded).
    """
    if _is_simulated(recording) and (folder / SUMMARY_FILE).is_file():
        summary = pd.read_csv(folder / SUMMARY_FILE)
        if ANALYSIS in set(summary["analysis"]):
            # analyses may share a measure: it is the same number
            keys = [key for key in SUMMARY_KEYS if key != "analysis"]
            first = summary.sort_values("analysis", key=lambda names: names != ANALYSIS, kind="stable")
            return first.drop_duplicates(keys, ignore_index=True)
        if "events" in recording.children and measured is None:
            return summary
    return _measure(recording) if measured is None else measured


def _measure(recording: xr.DataTree) -> xr.Dataset:
    """The analysis of drift, without any files."""
    return analyse(recording, (ANALYSIS,))[ANALYSIS]


def _apart(measured: xr.Dataset) -> xr.Dataset:
    """Every recorded animal as a group of its own: recorded animals are never pooled."""
    return measured.assign_coords(group=("animal", [f"{animal} (recorded)" for animal in measured["animal"].values]))


def _drawings(measured: xr.Dataset, recorded: xr.Dataset, suffix: str, how: str) -> dict[str, figures.Drawing]:
    """Figures of the analysis with recorded points over the curves, under names of their own."""
    drawn = find_analysis(ANALYSIS).plot(measured, recorded)
    return {
        f"{name}_{suffix}": replace(drawing, caption=f"{how} {drawing.caption}")
        for name, drawing in drawn.items()
        if name.startswith(_WITH_RECORDED)
    }


def _named(curves: pd.DataFrame, other: Path, prefix: str = "") -> pd.DataFrame:
    """Curves with the name that the scorecard gives to their reference."""
    if curves.empty:
        raise RecordingError(f"nothing that can be compared was measured in {other}; it needs two sessions or more")
    return curves.assign(reference=prefix + curves["animal"] + f" (run {other.name})")


def _run_folder(path: str | os.PathLike[str]) -> Path:
    """A folder that holds a recording."""
    folder = Path(path)
    if not folder.is_dir() or not (folder / RECORDING_STORE).is_dir():
        what = "there is no such folder" if not folder.exists() else f"it has no {RECORDING_STORE}"
        raise RunFolderError(
            f"{folder} is not a finished run folder: {what}; make one with neurofa run or neurofa import"
        )
    return folder


def _check_sessions(recording: xr.DataTree, folder: Path) -> None:
    """Refuse a recording without any pair of sessions."""
    most = int(np.isfinite(recording["probe"].to_dataset()["day"].values).sum(axis=1).max(initial=0))
    if most < 2:
        raise RecordingError(f"{folder} has {most} session(s) per animal; drift can be compared from two sessions on")


def _check_order(recording: xr.DataTree, folder: Path, theirs: xr.DataTree, other: Path) -> None:
    """Refuse a run against itself, and a recorded run against a simulated one."""
    if folder.resolve() == other.resolve():
        raise RecordingError(f"{folder} cannot be compared with itself; name another run to hold it against")
    if _is_simulated(theirs) and not _is_simulated(recording):
        raise RecordingError(
            f"{other} is a simulated run and {folder} a recorded one; swap them: neurofa compare {other} {folder}"
        )
    kinds = ["events" if "events" in one.children else "sessions" for one in (recording, theirs)]
    if kinds[0] != kinds[1]:
        raise RecordingError(f"{folder} holds curves of {kinds[0]} and {other} of {kinds[1]}; compare runs of one kind")
    facts = read_provenance(other)
    if "started" in facts and "finished" not in facts:
        raise RunFolderError(f"the run in {other} is not finished; finish it with: neurofa resume {other}")


def _is_simulated(recording: xr.DataTree) -> bool:
    """Whether the true rates are known."""
    return "true_rate" in recording["probe"].data_vars


def _plain(name: str) -> str:
    """A name that can stand in a file name."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    if not plain:
        raise ConfigError(f"'{name}' has no letter or digit that a file name could be made of; rename the folder")
    return plain


def _silent(text: str) -> None:
    """Show no progress."""
