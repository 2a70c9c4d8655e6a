"""
Responses to what does not come: ramps through the omitted interval, latencies, and whether they follow the omission.

`measure` follows units from the last picture on through omissions, in a fast and in a slow rhythm, and through the
silence of the slow one that is equally long. A unit responds to omissions where its mean rate rises above the silence
before, and its single events above those of the equal silence (permutation). `plot` draws the courses and what a
response is locked to. Definitions and sources: `neurofa.measures`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import figures, measures

SIGNALS = ("somatic", "rate")
#: course to (conditions of the omitted part, block)
COURSES = {
    "omission, fast": ("fast", ("omission", "after_omission")),
    "omission, slow": ("slow", ("slow_omission", "after_slow_omission")),
    "equal silence, slow": ("slow", ("same_silence", "gap")),
}
VARIABLES = {
    "omission_response": ("Omission minus equal silence", "a.u."),
    "omission_ramp": ("Slope through the omission", "a.u./s"),
    "omission_ramp_of_equal_silence": ("Slope through equal silence", "a.u./s"),
    "omission_latency_s": ("Latency after the omitted picture was due", "s"),
    "fraction_with_latency": ("Units that respond to omissions", "fraction"),
    "omission_locking": ("Locking: 0 last picture, 1 omission", "1"),
}
#: standard deviations above baseline that are a response
THRESHOLD = 3.0
#: level of the test against equal silence, shared by the moments of the omitted interval, and its permutations
TAIL, PERMUTATIONS = 0.025, 999


def require_controls(shown: Sequence[str]) -> None:
    """Refuse to measure where a control is not among the conditions that are shown."""
    measures.require_conditions(shown, ("omission", "slow_omission", "same_silence"), "omission locking")


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Follow units through omissions.

    Parameters
    ----------
    recording : xarray.DataTree
        With events of the conditions omission, slow_omission (the control with a slower rhythm) and same_silence.

    Returns
    -------
    xarray.Dataset
        `VARIABLES` on (variable, animal, layer, condition, session): variable is the rate with (somatic) or without
        feedback, condition whether plasticity was on. The response, slopes: of the mean over units. A unit responds to
        omissions where its mean rate exceeds that before by `THRESHOLD` standard deviations, and where its single
        events at that moment exceed those of the equal silence (permutation, 2.5 % over all moments of the interval).
        Latency and locking: medians over these. `rate_since_picture` (not in tables) also has what is followed and the
        time since the last picture. Gaps: NaN where no unit responds.

    Raises
    ------
    RecordingError
        Where there are no events, or a condition was not recorded.
    """
    events = measures.events_group(recording)
    require_controls(measures.shown_conditions(events))
    first = measures.session_events(events, 0, 0, measures.plasticities(events)[0])
    bin_s = float(np.diff(first.numbers["onset"][:2])[0])
    period = int(first.numbers["position"][first.block == "fast"].max() + 1) // 2
    length = 4 * period

    def of_units(
        own: measures.SessionEvents, signal: str, units: np.ndarray, _: str, rng: np.random.Generator
    ) -> list[float]:
        """Every measure of some units."""
        values = own.units[signal][:, units]
        passed = _exceed_silence(own, values, period, rng)
        return _of_units(_courses(own, values, length), passed, period, bin_s)

    def mean_courses(own: measures.SessionEvents, signal: str, units: np.ndarray, *_: object) -> np.ndarray:
        """Mean courses of some units."""
        return np.asarray(_courses(own, own.units[signal][:, units], length).mean(axis=2))

    measured = measures.measures_of_layers(events, of_units, SIGNALS, VARIABLES)
    courses = measures.values_of_layers(events, mean_courses, SIGNALS, (len(COURSES), length))
    attrs = {"long_name": "Rate", "units": "a.u.", "table": 0, "period_s": period * bin_s}
    measured["rate_since_picture"] = (("course", "time", *measured["omission_response"].dims), courses, attrs)
    of_courses = {"course": list(COURSES), "time": np.arange(length) * bin_s}
    return measured.assign_coords(figures.group_coords(events) | of_courses)


def _courses(own: measures.SessionEvents, values: np.ndarray, length: int) -> np.ndarray:
    """Mean rate of every unit since the last picture, (course, time, unit); NaN where the rhythm has no such time."""
    found = np.full((len(COURSES), length, values.shape[1]), np.nan)
    for number, course in enumerate(COURSES):
        for place in range(length):
            chosen = _at(own, course, place)
            if chosen.any():
                found[number, place] = values[chosen].mean(axis=0)
    return found


def _at(own: measures.SessionEvents, course: str, place: int) -> np.ndarray:
    """Which events are at a place of a course, in bins since the last picture, (event,) bool."""
    block, conditions = COURSES[course]
    position = own.numbers["position"].astype(int)
    period = (position[own.block == block].max() + 1) // 2
    named = conditions if place >= period or "same_silence" in conditions else ("stimulus", "gap", "same_silence")
    named = (*named, "stimulus") if place == 0 else named
    return np.asarray((own.block == block) & (position == place) & np.isin(own.condition, named))


def _exceed_silence(
    own: measures.SessionEvents, values: np.ndarray, period: int, rng: np.random.Generator
) -> np.ndarray:
    """Whether single omissions exceed the equal silence at each moment of the omitted interval, (moment, unit)."""
    passed = np.zeros((period, values.shape[1]), dtype=bool)
    for number in range(period):
        omitted, silent = (
            values[_at(own, name, period + number)] for name in ("omission, fast", "equal silence, slow")
        )
        if min(len(omitted), len(silent)) >= 2:
            label = np.arange(len(omitted) + len(silent)) < len(omitted)
            both = np.concatenate([omitted, silent])
            above, _ = measures.permutation_p_values(both, label, rng, PERMUTATIONS)
            passed[number] = above <= TAIL / period
    return passed


def _of_units(courses: np.ndarray, passed: np.ndarray, period: int, bin_s: float) -> list[float]:
    """Every measure of some units, in the order of `VARIABLES`."""
    time = np.arange(courses.shape[1]) * bin_s
    fast, slow, silence = courses
    interval = (period * bin_s, (2 * period - 1) * bin_s)
    ramps = [float(measures.omission_ramp(one.mean(axis=1), time, *interval)) for one in (fast, silence)]
    latencies = []
    for course, due in ((fast, period), (slow, 2 * period)):
        shown = slice(1, 2 * due)
        latencies.append(
            measures.response_latency(course[shown].T, time[shown], due * bin_s, THRESHOLD, 1)
            if np.isfinite(course[shown]).all()
            else np.full(course.shape[1], np.nan)
        )
    # in the fast rhythm, where the equal silence is the control
    moment = np.nan_to_num(latencies[0] / bin_s).round().astype(int)
    responds = np.isfinite(latencies[0]) & passed[moment, np.arange(passed.shape[1])]
    latencies = [np.where(responds, one, np.nan) for one in latencies]
    since = np.stack(latencies) + np.array([[period], [2 * period]]) * bin_s
    locking = measures.omission_locking(since, np.array([period, 2 * period]) * bin_s)
    response = fast[period] - silence[period]
    return [
        float(response.mean()),
        *ramps,
        _median(latencies[0]),
        float(np.isfinite(latencies[0]).mean()),
        _median(np.asarray(locking)),
    ]


def _median(values: np.ndarray) -> float:
    """Median of what is there."""
    return float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else float("nan")


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure; one for each state of plasticity and layer.
    """
    drawings = {}
    for condition in measured["condition"].values.astype(str):
        for layer in measured["layer"].values.astype(str):
            suffix = f"_{layer}" if measured.sizes["layer"] > 1 else ""
            name = f"omission_responses_{condition.replace(' ', '_')}{suffix}"
            drawings[name] = draw_courses(measured.sel(variable="somatic", condition=condition, layer=layer), condition)
    return drawings


def draw_courses(measured: xr.Dataset, condition: str) -> figures.Drawing:
    """Mean courses of every group since the last picture, and the measures animal by animal."""
    styles, last = figures.styles_of(measured), measured.isel(session=-1)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 112, 2, 3)
    tables, courses = [], last["rate_since_picture"]
    groups, period = last["group"].values.astype(str), float(courses.attrs["period_s"])
    for ax, course in zip(axes[:3], COURSES, strict=True):
        due = 2 * period if course == "omission, slow" else period
        shown = courses["time"].values < 2 * due - 1e-9
        for group, look in styles.items():
            own = courses.sel(course=course).transpose("animal", "time").values[groups == group][:, shown]
            over = measures.mean_and_interval(own)
            ax.plot(courses["time"].values[shown], over.mean, marker="o", markersize=2, **look.line)
            columns = {
                "time_s": courses["time"].values[shown],
                "mean": over.mean,
                "lower": over.low,
                "upper": over.high,
            }
            tables.append(pd.DataFrame(columns).assign(group=group, course=course, measure="rate_since_picture"))
        ax.axvline(due, color="0.5", linestyle=":", linewidth=0.8)
        ax.set_title(course.capitalize())
        ax.set_xlabel("Time since the last picture (s)")
        ax.set_ylabel("Mean rate (a.u.)" if ax is axes[0] else "")
        ax.set_ylim(0, 1.05 * float(courses.max()))
    for ax, name in zip(axes[3:], ("omission_response", "omission_ramp", "omission_locking"), strict=True):
        figures.animal_points(last[name], ax=ax, styles=styles)
        ax.set_xticks([])
        ax.set_title(VARIABLES[name][0])
        ax.set_ylabel(VARIABLES[name][1] if name != "omission_locking" else "Slope of latency on interval")
        ax.axhline(0, color="0.7", linewidth=0.6, zorder=0)
        columns = {"group": groups, "animal": last["animal"].values, "mean": last[name].values}
        tables.append(pd.DataFrame(columns).assign(measure=name))
    figures.panel_letters(axes)
    figures.group_legend(figure, styles)
    told = last["fraction_with_latency"].groupby("group").mean()
    shares = ", ".join(f"{styles[str(one['group'].values)].label} {float(one):.2f}" for one in told)
    caption = (
        f"Last session, {condition}. a-c: soma with feedback, mean over units and animals, since the last picture; "
        f"dotted: "
        "when the omitted picture was due (c: when it would have been due in the fast rhythm). d: at that moment, "
        "omission minus equal silence. e: slope from then to the next picture. f: whether the first response above "
        f"{THRESHOLD:g} sd of the silence before follows the omitted picture (1) or the last one (0), from both "
        "rhythms, median over units that have one in both. Units with a response to omissions (the same, and single "
        "omissions above the equal silence at that moment; permutation, 2.5 % by chance at most): "
        f"{shares}. Courses go by the place in the rhythm: "
        "where labels are shuffled, few animals keep an omission at such a place, and it is then a true one. Dots: "
        "animals; bars: medians. "
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption + figures.sizes_text(measured) + ".")
