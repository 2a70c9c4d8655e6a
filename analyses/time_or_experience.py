"""
Time or experience: whether the code changes with the days that pass or with the visits in between, and is one map.

`measure` regresses the change between sessions on days and on visits at once, over animals with different schedules;
asks whether order and day of sessions can be read from the code; and looks at single trials for animals that switch
between maps, whose curves look like fast drift and must not be read as drift. `plot` draws all three. Definitions,
sources and limits: `neurofa.measures`.
"""

import json
import os
import tomllib

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import NeurofaError, figures, measures

#: similarities whose -log adds up over time, with their names in figures
SIMILARITIES = {
    "population_vector_correlation_noise_corrected": "population vector",
    "ensemble_rate_correlation_noise_corrected": "ensemble rate",
    "tuning_curve_correlation_noise_corrected": "tuning",
}
CHANGES = {name.replace("correlation_noise_corrected", "change"): name for name in SIMILARITIES}
NAMES = dict(zip(CHANGES, SIMILARITIES.values(), strict=True))
OF_ANIMALS = {
    "switches_maps": ("similarity of trials is bimodal and a map returns (1: yes)", "1"),
    "separation_of_trial_similarity": ("separation of the two modes of trial similarity (Ashman's D)", "1"),
    "number_of_maps": ("groups of trials that are alike", "1"),
    "returns_to_maps": ("returns of trials to a map that had been left", "1"),
    "order_agreement": ("agreement of the decoded with the true order of sessions (|Kendall's tau|)", "1"),
    "order_p_value": ("probability that a random order agrees as well", "1"),
    "day_decoding_error_days": ("error of the day decoded from half of a session's repeats", "days"),
    "day_decoding_error_days_chance": ("the same for guessing", "days"),
}
OF_FITS = {
    "change_per_day": ("change per day at equal visits", "1 / day"),
    "change_per_day_lower": ("its lower bound", "1 / day"),
    "change_per_day_upper": ("its upper bound", "1 / day"),
    "change_per_visit": ("change per stimulus shown (recorded: per trial) at equal days", "1"),
    "change_per_visit_lower": ("its lower bound", "1"),
    "change_per_visit_upper": ("its upper bound", "1"),
    "share_of_days": ("part of the variance that visits leave which days explain", "1"),
    "share_of_visits": ("part of the variance that days leave which visits explain", "1"),
    "correlation_of_days_and_visits": ("correlation of days and visits", "1"),
}
N_SHOWN = 6
#: keys of a group that say when and how often, not how the animals change
SCHEDULES = ("schedule", "label", "control_of")


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Hold change against days and visits, decode the order of sessions, and look for animals that switch maps.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated or recorded. Visits: stimuli shown between two sessions; of animals recorded without that number,
        recorded trials.

    Returns
    -------
    xarray.Dataset
        Observed rates: changes of pairs on (variable, animal, layer, session_a, session_b); of animals on (variable,
        animal, layer); fits on (variable, layer, condition), where condition is what changes and the groups that
        differ in their schedule only, which are fitted together.
    """
    probe = recording["probe"].to_dataset()
    days = probe["day"].values
    if np.isfinite(days).sum(axis=1).max() < 2:
        raise NeurofaError("time and experience need two sessions of one animal at least; record or import more")
    layers = measures.recorded_layers(probe)
    each = measures.each_animal(
        lambda animal: [_of_layer(probe, animal, layer) for layer in layers],
        probe.sizes["animal"],
        map_size=probe["rate"].isel(animal=0).size,
    )
    measured = xr.Dataset(
        coords=figures.group_coords(probe)
        | figures.session_coords(probe)
        | {"variable": ["rate"], "animal": probe["animal"].values, "layer": layers}
        | {"day": (("animal", "session"), days), "visits": (("animal", "session"), _visits(probe), _counted(probe))}
    )
    first = ("variable", "animal", "layer")
    for name, text in NAMES.items():
        values = np.array([[found[name] for found, _ in of_layers] for of_layers in each])[None]
        attrs = {"long_name": f"change of {text} (-log of the correlation)", "units": "1"}
        measured[name] = ((*first, "session_a", "session_b"), values, attrs)
    for name, (long_name, units) in OF_ANIMALS.items():
        values = np.array([[found[name] for found, _ in of_layers] for of_layers in each])[None]
        measured[name] = (first, values, {"long_name": long_name, "units": units})
    measured = measured.merge(_fits(measured, families(recording)))
    return measured.merge(_trials(measured, [of_layers[0][1] for of_layers in each]))


def _visits(probe: xr.Dataset) -> np.ndarray:
    """Stimuli shown so far (animal, session); of what was recorded without them, recorded trials."""
    if "experience" in probe.coords or "experience" in probe:
        return probe["experience"].transpose("animal", "session").values.astype(float)
    shown = (probe["duration"] > 0).any("stimulus").sum("repeat").transpose("animal", "session").values
    return np.where(np.isfinite(probe["day"].values), np.cumsum(shown, axis=1), np.nan)


def _counted(probe: xr.Dataset) -> dict[str, str | int]:
    """What visits are counted in, in words, and how many of these make one unit of it."""
    if "experience" in probe.coords or "experience" in probe:
        return {"units": "thousand stimuli shown", "scale": 1000}
    return {"units": "trial", "scale": 1}


def families(recording: xr.DataTree) -> dict[str, str]:
    """
    Find the groups that differ in their schedule only: together they tell days from visits.

    Parameters
    ----------
    recording : xarray.DataTree
        Simulated or recorded.

    Returns
    -------
    dict of str to str
        Group to the first group of its family.
    """
    groups = list(dict.fromkeys(recording["probe"]["group"].values.astype(str).tolist()))
    tables = tomllib.loads(str(recording.attrs.get("protocol", ""))).get("groups", {})
    firsts: dict[str, str] = {}
    found = {}
    for group in groups:
        own = {key: value for key, value in tables.get(group, {}).items() if key not in SCHEDULES}
        text = json.dumps(own, sort_keys=True, default=str) if group in tables else group
        found[group] = firsts.setdefault(text, group)
    return found


def _of_layer(probe: xr.Dataset, animal: int, layer: str) -> tuple[dict[str, np.ndarray | float], dict[str, object]]:
    """Every measure of one layer of one animal; and the similarity of its trials."""
    maps = measures.session_maps(probe, animal, "rate", layer)
    found: dict[str, np.ndarray | float] = {}
    for name, similarity in CHANGES.items():
        whole = np.full((probe.sizes["session"],) * 2, np.nan)
        # single repeats leave noise in: a level that every pair has, no slope
        known = np.isfinite(maps.halves).any()
        values = getattr(measures, similarity)(maps.halves) if known else _uncorrected(similarity, maps.maps)
        whole[np.ix_(maps.session, maps.session)] = -np.log(np.where(values > 0, values, np.nan))
        found[name] = whole
    order = measures.decode_order(measures.population_vector_correlation(maps.maps), maps.day)
    day = measures.decode_day(maps.halves, maps.day)
    trials = measures.similarity_of_trials(measures.SessionReader(probe, animal, "rate", layer))
    switching = measures.detect_map_switching(trials)
    numbers = (
        float(switching.switches) if switching.n_maps else float("nan"),
        switching.separation,
        float(switching.n_maps) if switching.n_maps else float("nan"),
        float(switching.n_returns),
        order.agreement,
        order.p_value,
        day.mean_error_days,
        day.chance_error_days,
    )
    shown = {"similarity": trials.similarity, "session": trials.session, "threshold": switching.threshold}
    return found | dict(zip(OF_ANIMALS, numbers, strict=True)), shown


def _uncorrected(similarity: str, maps: np.ndarray) -> np.ndarray:
    """A similarity of whole maps."""
    values: np.ndarray = getattr(measures, similarity.removesuffix("_noise_corrected"))(maps)
    return values


def _fits(measured: xr.Dataset, family: dict[str, str]) -> xr.Dataset:
    """Regressions of each change on days and visits, one per family; animals that switch maps are left out."""
    groups = measured["group"].values.astype(str)
    of_animal = np.array([family[group] for group in groups])
    names, days, visits = list(dict.fromkeys(of_animal.tolist())), measured["day"].values, measured["visits"].values
    conditions = [f"{NAMES[change]}: {name}" for name in names for change in CHANGES]
    shape = (1, measured.sizes["layer"], len(conditions))
    values = {name: np.full(shape, np.nan) for name in OF_FITS}
    verdict, prevails = np.full((2, *shape), "cannot be told", dtype=object)
    row, column = np.triu_indices(measured.sizes["session"], 1)
    for place, (name, change) in enumerate((name, change) for name in names for change in CHANGES):
        for layer in range(shape[1]):
            one_map = measured["switches_maps"].values[0, :, layer] != 1
            chosen = np.flatnonzero((of_animal == name) & one_map)
            pairs = [measured[change].values[0, chosen, layer][:, row, column]]
            pairs += [kind[chosen][:, column] - kind[chosen][:, row] for kind in (days, visits)]
            labels = [np.repeat(one[chosen], len(row)) for one in (np.arange(len(groups)), groups)]
            fit = measures.time_and_experience(
                *(one.ravel() for one in pairs), labels[0], np.random.default_rng(0), group=labels[1]
            )
            numbers = (fit.per_day, *fit.per_day_interval, fit.per_visit, *fit.per_visit_interval)
            numbers += (fit.share_of_days, fit.share_of_visits, fit.correlation)
            for key, number in zip(OF_FITS, numbers, strict=True):
                values[key][0, layer, place] = number
            verdict[0, layer, place], prevails[0, layer, place] = fit.depends_on, fit.prevails
    dims = ("variable", "layer", "condition")
    fits = {name: (dims, values[name], {"long_name": text, "units": units}) for name, (text, units) in OF_FITS.items()}
    fits["depends_on"] = (dims, verdict.astype(str), {"long_name": "what the change depends on", "table": 0})
    fits["prevails"] = (dims, prevails.astype(str), {"long_name": "which of the two changes it more", "table": 0})
    of_condition = [name for name in names for _ in CHANGES]
    return xr.Dataset(
        fits,
        coords={
            "condition": conditions,
            "family": ("condition", of_condition),
            "family_of_animal": ("animal", of_animal),
        },
    )


def _trials(measured: xr.Dataset, each: list[dict[str, object]]) -> xr.Dataset:
    """Similarity of the trials of a few animals for the figure: of every group the first, and all that switch maps."""
    groups = measured["group"].values.astype(str).tolist()
    switching = np.flatnonzero(measured["switches_maps"].values[0, :, 0] == 1).tolist()
    firsts = [groups.index(group) for group in dict.fromkeys(groups)]
    recorded = [place for place, group in enumerate(groups) if group == "recorded"]
    chosen = [place for place in dict.fromkeys([*switching, *recorded, *firsts]) if len(each[place]["session"])][
        :N_SHOWN
    ]
    size = max([len(each[place]["session"]) for place in chosen], default=0)
    similarity, session = np.full((len(chosen), size, size), np.nan), np.full((len(chosen), size), np.nan)
    for number, place in enumerate(chosen):
        n_trials = len(each[place]["session"])
        similarity[number, :n_trials, :n_trials] = each[place]["similarity"]
        session[number, :n_trials] = each[place]["session"]
    attrs = {"long_name": "correlation of the maps of two trials", "units": "1", "table": 0}
    return xr.Dataset(
        {
            "trial_similarity": (("shown_animal", "trial", "other_trial"), similarity, attrs),
            "trial_session": (("shown_animal", "trial"), session, {"table": 0}),
            "trial_threshold": ("shown_animal", [each[place]["threshold"] for place in chosen], {"table": 0}),
        },
        coords={"shown_animal": [str(measured["animal"].values[place]) for place in chosen]},
    )


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        The same of a recorded run; its trials are drawn too.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure.
    """
    drawings: dict[str, figures.Drawing] = {}
    layers = measured["layer"].values.tolist()
    with figures.style():
        for layer in layers:
            suffix = f"_{layer}" if len(layers) > 1 else ""
            part = measured.sel(variable="rate", layer=layer)
            # animals that switch maps have no curves of drift: without others there is nothing to draw
            if bool(part[list(CHANGES)].where(part["switches_maps"] != 1).to_array().notnull().any()):
                drawings[f"time_or_experience{suffix}"] = draw_changes(part)
        several = {"": measured} | ({"recorded ": recorded} if isinstance(recorded, xr.Dataset) else {})
        if any(one.sizes["shown_animal"] for one in several.values()):
            drawings["time_or_experience_trials"] = draw_trials(several)
    return drawings


def draw_changes(measured: xr.Dataset) -> figures.Drawing:
    """Change against days (above) and against visits (below), with what the regressions say in the caption."""
    styles = figures.styles_of(measured)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 104, 2, len(CHANGES))
    tables, kinds = [], {"day": "Lag (days)", "visits": f"Lag ({_plural(measured)})"}
    one_map = measured["switches_maps"] != 1
    for number, (kind, label) in enumerate(kinds.items()):
        times = measured[kind].transpose("animal", "session").values
        lags = (times[:, None, :] - times[:, :, None]) / measured[kind].attrs.get("scale", 1)
        for ax, (change, text) in zip(axes[number * len(CHANGES) :], NAMES.items(), strict=False):
            values = (
                measured[change].where(one_map).assign_coords(lag_days=(("animal", "session_a", "session_b"), lags))
            )
            figures.decay_curve(values, ax=ax, styles=styles)
            ax.set_xlabel(label)
            ax.set_ylabel("- log correlation")
            ax.set_title(text.capitalize() if number == 0 else "")
            tables.append(figures.lag_table(values).assign(measure=change, against=kind))
    figures.panel_letters(axes)
    figures.group_legend(figure, styles, measured)
    words = []
    for family in dict.fromkeys(measured["family"].values.tolist()):
        fits = [measured.isel(condition=place) for place in np.flatnonzero(measured["family"].values == family)]
        told = [f"{str(fit['condition'].item()).split(':')[0]}, {_verdict(fit)}" for fit in fits]
        words.append(f"{_family_name(measured, family, styles)}: {'; '.join(told)}")
    caption = (
        "Change of the code (-log of correlations, corrected for noise where there are repeats) against the days and "
        f"the visits, in {_plural(measured)}, between two sessions. What is a matter of days alone lies on one line "
        "above, what is a matter of visits on one line below. "
        f"Regression on both (groups that differ in their schedule only, together): {'. '.join(words)}."
        f" {figures.caption_of_groups(measured[next(iter(CHANGES))])}"
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def _family_name(measured: xr.Dataset, family: str, styles: dict[str, figures.GroupStyle]) -> str:
    """What the names of the groups of a family share, up to a comma; else all of the names."""
    own = measured["group"].values[measured["family_of_animal"].values == family].astype(str)
    labels = [styles[group].label for group in dict.fromkeys(own.tolist())]
    shared = os.path.commonprefix([f"{label}," for label in labels]).rpartition(",")[0].strip()
    return shared or " / ".join(labels)


def _plural(measured: xr.Dataset) -> str:
    """What visits are counted in, of several."""
    units = str(measured["visits"].attrs["units"])
    return units if units.endswith("shown") else f"{units}s"


def _verdict(fit: xr.Dataset) -> str:
    """What a regression says, in words."""
    told = str(fit["depends_on"].item())
    if told == "cannot be told":
        alike = float(fit["correlation_of_days_and_visits"])
        return (
            f"cannot be told ({f'days and visits correlate by {alike:.2f}' if np.isfinite(alike) else 'too few pairs'})"
        )
    numbers = []
    visits = fit["visits"].attrs
    for what, unit, number in (("day", "day", 1), ("visit", visits["units"], visits["scale"])):
        low, mean, high = (number * float(fit[f"change_per_{what}{end}"]) for end in ("_lower", "", "_upper"))
        numbers.append(f"{mean:.3g} per {unit} ({low:.3g} to {high:.3g})")
    mainly = str(fit["prevails"].item())
    more = f", mainly {mainly}" if told == "both" and mainly != "cannot be told" else ""
    return f"{told}{more}, {' and '.join(numbers)}"


def draw_trials(several: dict[str, xr.Dataset]) -> figures.Drawing:
    """Similarity of all trials of an animal: matrix in the order of time, and its distribution."""
    shown = [
        (prefix, one.isel(shown_animal=number))
        for prefix, one in several.items()
        for number in range(one.sizes["shown_animal"])
    ]
    shown = shown[:N_SHOWN]
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 92, 2, len(shown))
    tables, words = [], []
    for number, (prefix, part) in enumerate(shown):
        name = str(part["shown_animal"].item())
        there = np.isfinite(part["trial_session"].values)
        matrix, session = part["trial_similarity"].values[np.ix_(there, there)], part["trial_session"].values[there]
        upper = np.triu_indices(len(matrix), 1)
        switches = bool(part["switches_maps"].sel(animal=name).isel(variable=0, layer=0) == 1)
        top, below = axes[number], axes[len(shown) + number]
        image = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
        shades = top.imshow(image, cmap="viridis", interpolation="none")
        figure.colorbar(shades, ax=top, shrink=0.7, label="Correlation" if number == len(shown) - 1 else "")
        edges = np.flatnonzero(np.diff(session)) + 0.5
        top.set_xticks(edges, [""] * len(edges))
        top.set_yticks(edges, [""] * len(edges))
        top.set_xlabel("Trial")
        top.set_title(f"{prefix}{name}\n{'switches maps' if switches else 'one map'}")
        same = session[upper[0]] == session[upper[1]]
        bins = np.linspace(np.nanmin(matrix[upper]), np.nanmax(matrix[upper]), 40)
        for what, which, colour in (("within a session", same, figures.PALETTE[0]), ("between", ~same, "0.6")):
            if not which.any():
                continue
            below.hist(matrix[upper][which], bins, density=True, histtype="step", color=colour, label=what)
        if switches:
            below.axvline(float(part["trial_threshold"]), color="0.4", linestyle=":", linewidth=0.8)
            words.append(name)
        below.set_xlabel("Correlation of trials")
        below.set_yticks([])
        tables.append(
            pd.DataFrame({"animal": name, "trial": upper[0], "other_trial": upper[1], "correlation": matrix[upper]})
        )
    axes[0].set_ylabel("Trial")
    axes[len(shown)].set_ylabel("Density")
    looks = {"within a session": figures.GroupStyle(figures.PALETTE[0], label="trials of one session")}
    figures.group_legend(figure, looks | {"between": figures.GroupStyle("0.6", label="trials of two sessions")})
    caption = (
        "Similarity of single trials (correlation of where cells are active): matrices in the order of time, ticks "
        "between sessions, and distributions. Under drift, trials are less alike the longer apart they are, with one "
        "mode; an animal that switches between maps has two, and returns to a map that it had left: "
        f"{', '.join(words) if words else 'none here'}. Animals shown: those that switch, then the first of each group."
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)
