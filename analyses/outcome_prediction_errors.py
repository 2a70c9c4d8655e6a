"""
Reward prediction errors: units that answer surprising rewards and are depressed where an announced one stays away.

`measure` tests single outcomes of every unit, follows the mean responses over graded surprise, and looks how much of
them
one response function shared by all units explains. `plot` draws them. Definitions and sources: `neurofa.measures`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from neurofa import figures, measures, references

SIGNALS = ("somatic", "rate")
N_PERMUTATIONS, MOST_EVENTS, TAIL = 199, 200, 0.025
#: outcome to the prediction error that the validity of its cue leaves: reward minus probability
OUTCOMES = {
    "omission_75": -0.75,
    "omission_50": -0.5,
    "omission_25": -0.25,
    "reward_75": 0.25,
    "reward_50": 0.5,
    "reward_25": 0.75,
    # out of the pause, where one trial in ten begins with a reward
    "surprising_reward": 0.9,
}
VARIABLES = {
    "fraction_of_reward_prediction_errors": ("Units: reward prediction error", "fraction"),
    "fraction_of_inverted_prediction_errors": ("Units: the same, inverted", "fraction"),
    "share_of_common_response_function": ("Explained by one shared response", "fraction"),
    "correlation_with_surprise": ("Rewards follow surprise", "r"),
}


def require_controls(shown: Sequence[str]) -> None:
    """Refuse to measure where a control is not among the conditions that are shown."""
    measures.require_conditions(shown, list(OUTCOMES), "reward prediction errors")


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Test units for reward prediction errors.

    Parameters
    ----------
    recording : xarray.DataTree
        With events of all `OUTCOMES`.

    Returns
    -------
    xarray.Dataset
        `VARIABLES` on (variable, animal, layer, condition, session): variable is the rate with (somatic) or without
        feedback, condition whether plasticity was on. A unit has a reward prediction error where it responds more to
        rewards without a cue than to those of validity 75, and less to their omission than to that after validity 25
        (permutation, 2.5 % in each tail); inverted: both the other way round. One response function: share of the first
        singular value in the squared mean responses (unit, outcome) about each unit's mean. Correlation: of a unit's
        mean response to rewards with the prediction error, its size, mean over units. `error_of_outcomes`: the
        network's own error; in tables outcome by outcome, as ``error_of_reward_75`` and so on.

    Raises
    ------
    RecordingError
        Where there are no events, or an outcome was not recorded.
    """
    events = measures.events_group(recording)
    require_controls(measures.shown_conditions(events))
    measured = measures.measures_of_layers(events, _of_units, SIGNALS, VARIABLES)
    # the error of the network is the same for all signals and layers
    errors = measures.values_of_layers(events, _errors, SIGNALS[:1], (len(OUTCOMES),))[:, 0, :, 0]
    dims = ("animal", "condition", "session")
    measured["error_of_outcomes"] = (("outcome", *dims), errors, {"table": 0})
    # tables know no outcomes: the same, outcome by outcome
    for name, own in zip(OUTCOMES, errors, strict=True):
        attrs = {"long_name": f"Error of the network: {name.replace('_', ' ')}", "units": "1"}
        measured[f"error_of_{name}"] = (dims, own, attrs)
    return measured.assign_coords(figures.group_coords(events) | {"outcome": list(OUTCOMES)})


def _errors(own: measures.SessionEvents, *_: object) -> list[float]:
    """Mean error of the network at every outcome."""
    errors = own.numbers["signed_error"]
    return [measures.mean_of_finite(errors[own.condition == name]) for name in OUTCOMES]


def _of_units(
    own: measures.SessionEvents, signal: str, units: np.ndarray, _: str, rng: np.random.Generator
) -> list[float]:
    """Every measure of some units, in the order of `VARIABLES`; NaN where an outcome came less than twice."""
    values = own.units[signal][:, units]
    chosen = {name: values[own.condition == name] for name in OUTCOMES}
    if min(len(own) for own in chosen.values()) < 2:
        return [float("nan")] * len(VARIABLES)
    tests = []
    for one, other in (("surprising_reward", "reward_75"), ("omission_25", "omission_75")):
        parts = [chosen[name][:MOST_EVENTS] for name in (one, other)]
        label = np.arange(sum(len(part) for part in parts)) < len(parts[0])
        tests.append(measures.permutation_p_values(np.concatenate(parts), label, rng, N_PERMUTATIONS))
    upright, inverted = (np.mean((tests[0][tail] <= TAIL) & (tests[1][tail] <= TAIL)) for tail in (0, 1))
    means = np.stack([own.mean(axis=0) for own in chosen.values()])
    centred = means - means.mean(axis=0)
    powers = np.linalg.svd(centred, compute_uv=False) ** 2
    rewards = np.array([error > 0 for error in OUTCOMES.values()])
    surprise = np.array(list(OUTCOMES.values()))[rewards]
    of_rewards = means[rewards]
    moving = np.ptp(of_rewards, axis=0) > 0
    strength = [abs(np.corrcoef(own, surprise)[0, 1]) for own in of_rewards[:, moving].T]
    return [
        float(upright),
        float(inverted),
        float(powers[0] / powers.sum()) if powers.sum() > 0 else float("nan"),
        float(np.mean(strength)) if strength else float("nan"),
    ]


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used: published fractions are drawn.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure; one for each state of plasticity and layer.
    """
    drawings = {}
    for condition in measured["condition"].values.astype(str):
        for layer in measured["layer"].values.astype(str):
            suffix = f"_{layer}" if measured.sizes["layer"] > 1 else ""
            name = f"outcome_prediction_errors_{condition.replace(' ', '_')}{suffix}"
            drawings[name] = draw_outcomes(
                measured.sel(variable="somatic", condition=condition, layer=layer), condition
            )
    return drawings


def draw_outcomes(measured: xr.Dataset, condition: str) -> figures.Drawing:
    """The error of every outcome, and the measures animal by animal."""
    styles, last = figures.styles_of(measured), measured.isel(session=-1)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 118, 2, 3, 5)
    groups, tables = last["group"].values.astype(str), []
    surprise = list(OUTCOMES.values())
    for group, look in styles.items():
        over = measures.mean_and_interval(
            last["error_of_outcomes"].transpose("animal", "outcome").values[groups == group]
        )
        axes[0].errorbar(
            surprise, over.mean, np.nan_to_num(over.high - over.mean), marker="o", markersize=2.5, **look.line
        )
        columns = {"outcome": list(OUTCOMES), "mean": over.mean, "lower": over.low, "upper": over.high}
        tables.append(pd.DataFrame(columns).assign(group=group, measure="error_of_outcomes"))
    axes[0].axline((0, 0), slope=1, color="0.7", linewidth=0.6, zorder=0)
    axes[0].set_xlabel("Reward minus its probability")
    axes[0].set_ylabel("Error of the network")
    for ax, name in zip(axes[1:], VARIABLES, strict=True):
        figures.animal_points(last[name], ax=ax, styles=styles)
        ax.set_xticks([])
        title, unit = VARIABLES[name]
        ax.set_title(title)
        ax.set_ylabel({"fraction": "Fraction", "r": "Size of the correlation"}[unit])
        ax.set_ylim(-0.03, 1.03)
        tables.append(
            pd.DataFrame({"group": groups, "animal": last["animal"].values, "mean": last[name].values}).assign(
                measure=name
            )
        )
    row = references.load_references("prediction_error_statistics").set_index("id").loc["cohen2012_typeI"]
    axes[1].axhspan(row["lower"], row["upper"], color="0.9", linewidth=0, zorder=0)
    axes[1].axhline(row["value"], color="0.55", linewidth=0.8, zorder=0)
    figures.panel_letters(axes)
    figures.group_legend(figure, styles)
    caption = (
        f"Last session, {condition}. a: error of the prediction of reward after graded validities (line: what a "
        f"perfect "
        "predictor is left with), mean and 95 % interval (Student t) over animals. b: units that respond more to a "
        "reward "
        "without a cue than to one of validity 75, and less to its omission than to that after validity 25; c: the "
        "other "
        "way round (2.5 % in each tail, each). Grey: type I neurons of Cohen et al. 2012 (10.1038/nature10754), 49 "
        "of 95 in "
        "the ventral tegmental area with Wilson's 95 % interval, by another criterion. d: share of the mean "
        "responses that "
        "one response function explains, scaled unit by unit. e: size of the correlation of responses to reward "
        "with the "
        "prediction error. Dots: animals; bars: medians. "
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption + figures.sizes_text(measured) + ".")
