"""
Spikes against rates: whether spiking networks do what rate networks with the same weights would do.

`measure` holds the spikes of every probe against the rates of the same weights: unit by unit, as population vectors and
as geometry; and the drift of both over days. `plot` draws them, and on one axis the drift of groups that live in spikes
and of those that live in rates, where the recording has both. Definitions of the measures of maps: `neurofa.measures`.
"""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from neurofa import NeurofaError, figures, measures

#: measure id to (long name, units): one value per animal, layer and session
OF_SESSIONS = {
    "rate_spike_correlation": ("correlation of spikes and rates, all units and stimuli", "1"),
    "rate_spike_slope": ("slope of spikes on rates, 1 = as mapped", "1"),
    "rate_spike_offset_hz": ("offset of spikes on rates", "Hz"),
    "rate_spike_rmse_hz": ("root mean square difference of spikes and rates", "Hz"),
    "unit_correlation_median": ("correlation of a unit's tuning in spikes and rates, median over units", "1"),
    "unit_correlation_tenth_percentile": ("the same, tenth percentile over units", "1"),
    "silent_units": ("units without a rate for any stimulus, left out of tuning", "1"),
    "population_vector_agreement": ("correlation of population vectors in spikes and rates", "1"),
    "similarity_matrix_agreement": ("correlation of similarity matrices in spikes and rates", "1"),
}
DRIFT = ("population_vector_correlation", "representational_similarity_correlation")
#: whose maps drift: spikes, rates of a rate network with the weights of the spiking one, and rates of rate networks
VARIABLES = ("spikes", "same_weights", "rates")
#: agreement over days: measure id to label
OVER_DAYS = {
    "unit_correlation_median": "tuning of units (median)",
    "population_vector_agreement": "population vectors",
    "similarity_matrix_agreement": "similarity matrices",
}

#: engine that at least one group must have
ENGINE = "spiking"


def measure(recording: xr.DataTree) -> xr.Dataset:
    """
    Hold spikes against rates.

    Parameters
    ----------
    recording : xarray.DataTree
        With spiking networks, at least one group of them.

    Returns
    -------
    xarray.Dataset
        Agreement on (animal, layer, session), accuracy in spikes and of the rate network on (animal, session), drift on
        (variable, animal, layer, session_a, session_b). Gaps: NaN in animals without spikes, and where nothing varies.
        Units that are silent in the rate network have no tuning: they are counted, not averaged.
    """
    probe = recording["probe"].to_dataset()
    if "spike_count" not in probe.data_vars:
        raise NeurofaError(
            "the recording has no spikes to hold against rates; run the protocol with --set engine.kind=spiking"
        )
    layers = measures.recorded_layers(probe)
    shape = (probe.sizes["animal"], len(layers), probe.sizes["session"])
    agreement = {name: np.full(shape, np.nan) for name in OF_SESSIONS}
    tuning = np.full((*shape[::2], probe.sizes["unit"]), np.nan)
    drift = {name: np.full((len(VARIABLES), *shape, shape[2]), np.nan) for name in DRIFT}
    hz = probe["hz_per_unit"].transpose("animal", "session").values
    spiking = np.isfinite(hz).any(axis=1)
    for animal, layer in np.ndindex(shape[:2]):
        kept, units, maps = _maps(probe, animal, layers[layer])
        sources = {"spikes": "true_rate", "same_weights": "rate_network_rate"} if spiking[animal] else {}
        for variable, source in (sources or {"rates": "true_rate"}).items() if len(kept) else ():
            for name in DRIFT:
                place = (VARIABLES.index(variable), animal, layer, *np.ix_(kept, kept))
                drift[name][place] = getattr(measures, name)(maps[source])
        for number, session in enumerate(kept if spiking[animal] else ()):
            spikes, rates = (maps[source][number] * hz[animal, session] for source in sources.values())
            values, tuning[animal, session, units] = _agreement(spikes, rates)
            for name, value in values.items():
                agreement[name][animal, layer, session] = value
    return _labelled(probe, layers, agreement, drift, tuning)


def _maps(probe: xr.Dataset, animal: int, layer: str) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Sessions and units that one animal has in a layer, and (session, stimulus, unit) of spikes and of rates."""
    inside = np.flatnonzero(probe["layer"].values == layer)
    maps = {
        source: probe[source].isel(animal=animal, unit=inside).transpose("session", "stimulus", "unit").values
        for source in ("true_rate", "rate_network_rate")
    }
    there = np.isfinite(maps["true_rate"])
    kept, units = np.flatnonzero(there.any((1, 2))), np.flatnonzero(there.any((0, 1)))
    return kept, inside[units], {source: values[kept][:, :, units] for source, values in maps.items()}


def _agreement(spikes: np.ndarray, rates: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
    """Values of `OF_SESSIONS` for maps (stimulus, unit) in Hz, and the correlation of every unit's tuning."""
    centred_spikes, centred_rates = spikes - spikes.mean(), rates - rates.mean()
    variance = float((centred_rates**2).mean())
    slope = float((centred_spikes * centred_rates).mean()) / variance if variance > 0 else np.nan
    size = np.sqrt(variance * float((centred_spikes**2).mean()))
    tuned = rates.std(axis=0) > 0
    of_units = np.full(rates.shape[1], np.nan)
    for unit in np.flatnonzero(tuned & (spikes.std(axis=0) > 0)):
        of_units[unit] = np.corrcoef(spikes[:, unit], rates[:, unit])[0, 1]
    # a tuned unit that fires no spikes differently has no tuning in spikes at all
    of_units[tuned & ~np.isfinite(of_units)] = 0.0
    both = np.stack([spikes, rates])
    return {
        "rate_spike_correlation": slope * variance / size if size > 0 else np.nan,
        "rate_spike_slope": slope,
        "rate_spike_offset_hz": float(spikes.mean() - slope * rates.mean()),
        "rate_spike_rmse_hz": float(np.sqrt(((spikes - rates) ** 2).mean())),
        "unit_correlation_median": float(np.median(of_units[tuned])) if tuned.any() else np.nan,
        "unit_correlation_tenth_percentile": float(np.percentile(of_units[tuned], 10)) if tuned.any() else np.nan,
        "silent_units": float((rates.max(axis=0) == 0).sum()),
        "population_vector_agreement": float(measures.population_vector_correlation(both)[0, 1]),
        "similarity_matrix_agreement": float(measures.representational_similarity_correlation(both)[0, 1]),
    }, of_units


def _labelled(
    probe: xr.Dataset,
    layers: list[str],
    agreement: dict[str, np.ndarray],
    drift: dict[str, np.ndarray],
    tuning: np.ndarray,
) -> xr.Dataset:
    """Everything that was measured with its names, and what the figures need of the recording."""
    numbers = np.arange(probe.sizes["session"])
    sessions = {name: numbers for name in ("session", "session_a", "session_b")}
    named = {"animal": probe["animal"].values, "layer": layers, "variable": list(VARIABLES)}
    days = {"day": (("animal", "session"), probe["day"].values), "unit_layer": ("unit", probe["layer"].values)}
    measured = xr.Dataset(coords=figures.group_coords(probe) | named | sessions | days)
    for name, values in agreement.items():
        long_name, units = OF_SESSIONS[name]
        measured[name] = (("animal", "layer", "session"), values, {"long_name": long_name, "units": units})
    for name, values in drift.items():
        dims = ("variable", "animal", "layer", "session_a", "session_b")
        measured[name] = (dims, values, {"long_name": name.replace("_", " "), "units": "1"})
    for name, source in (("accuracy_in_spikes", "correct"), ("accuracy_of_rate_network", "rate_network_correct")):
        share = probe[source].astype(float).mean("stimulus").transpose("animal", "session").values
        spiking = np.isfinite(probe["hz_per_unit"].transpose("animal", "session").values)
        attrs = {"long_name": f"stimuli reported correctly, {name.replace('_', ' ')}", "units": "1"}
        measured[name] = (("animal", "session"), np.where(spiking, share, np.nan), attrs)
    measured["unit_correlation"] = (("animal", "session", "unit"), tuning, {"table": 0})
    hz = probe["hz_per_unit"].transpose("animal", "session").values[:, -1]
    for name, source in (("shown_spikes", "true_rate"), ("shown_rates", "rate_network_rate")):
        last = probe[source].isel(session=-1).transpose("animal", "stimulus", "unit").values
        measured[name] = (("animal", "stimulus", "unit"), last * hz[:, None, None], {"table": 0, "units": "Hz"})
    return measured


def plot(measured: xr.Dataset, recorded: xr.Dataset | None = None) -> dict[str, figures.Drawing]:
    """
    Draw what was measured.

    Parameters
    ----------
    measured : xarray.Dataset
        From `measure`.
    recorded : xarray.Dataset, optional
        Not used: recorded animals have no weights.

    Returns
    -------
    dict of str to neurofa.figures.Drawing
        File name to figure.
    """
    measured = figures.with_lags(measured)
    drawings: dict[str, figures.Drawing] = {}
    layers = measured["layer"].values.tolist()
    for layer in layers:
        suffix = f"_{layer}" if len(layers) > 1 else ""
        own = measured.sel(layer=layer).isel(unit=(measured["unit_layer"] == layer).values)
        drawings[f"spiking_agreement{suffix}"] = draw_agreement(own)
        drawings[f"spiking_drift{suffix}"] = draw_drift(own)
    return drawings


def draw_agreement(measured: xr.Dataset) -> figures.Drawing:
    """Rates against spikes, correlations of units, and agreement over days; spiking groups in colour."""
    spiking = _spiking(measured)
    styles = {name: look for name, look in figures.styles_of(measured).items() if name in spiking["group"].values}
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 66, 1, 3)
    points, units = _draw_points(axes[0], spiking, styles), _draw_units(axes[1], spiking, styles)
    tables = [points.assign(panel="a"), units.assign(panel="b")]
    markers = dict(zip(OVER_DAYS, ("o", "s", "^"), strict=True))
    for name, label in OVER_DAYS.items():
        table = figures.day_table(spiking[name])
        for group, rows in table.groupby("group", sort=False):
            mean = rows.groupby("day")["mean"].mean()
            look = styles[str(group)].line | {"marker": markers[name], "markersize": 3, "linewidth": 0.8}
            axes[2].plot(mean.index, mean.values, **look)
        axes[2].plot([], [], markers[name], color="0.3", markersize=3, label=label)
        tables.append(table.assign(panel="c", measure=name))
    axes[2].set(xlabel="Day", ylabel="Correlation, spikes and rates", title="Agreement over days")
    # room for the legend below the curves
    span = 1 - axes[2].get_ylim()[0]
    axes[2].set_ylim(1 - 1.5 * span, 1 + 0.04 * span)
    axes[2].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[2].legend(frameon=False, fontsize=6, loc="lower left")
    figures.panel_letters(axes)
    figures.group_legend(figure, styles)
    caption = (
        "Spikes in the probe (means over its trials) against the rates of a rate network with the same weights. a, "
        "last session, every dot a unit and a stimulus of the first animal of each group; line: as the neurons are "
        "mapped. b, correlation of each unit's tuning over stimuli, last session, all animals. c, median over units, "
        f"population vectors and similarity matrices, mean over animals. {_numbers_text(spiking)}"
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def draw_drift(measured: xr.Dataset) -> figures.Drawing:
    """Drift of spikes and rates on one axis, and of spikes beside the rates of the same weights."""
    styles = figures.styles_of(measured)
    columns = list(DRIFT)
    figure, axes = figures.new_figure(figures.DOUBLE_COLUMN_MM, 72, 1, 3)
    titles = ("Population vector,\nspikes and rates", "Representational similarity,\nspikes and rates")
    tables = []
    for ax, name, title in zip(axes, columns, titles, strict=False):
        own = measured[name].sel(variable="spikes").fillna(measured[name].sel(variable="rates"))
        own.attrs = measured[name].attrs
        figures.decay_curve(own, ax=ax, styles=styles)
        ax.set_title(title)
        ax.set_ylabel("Correlation")
        tables.append(figures.lag_table(own).assign(measure=name, of="spikes, or rates in groups of rates"))
    spiking = _spiking(measured)
    for variable, dash in (("spikes", "-"), ("same_weights", ":")):
        own = spiking[DRIFT[0]].sel(variable=variable)
        looks = {
            name: figures.GroupStyle(look.colour, dash, look.control_of, look.label) for name, look in styles.items()
        }
        figures.decay_curve(own, ax=axes[2], styles=looks)
        tables.append(figures.lag_table(own).assign(measure=DRIFT[0], of=variable))
    axes[2].set_title("Population vector,\nspikes; dotted: same weights")
    axes[2].set_ylabel("Correlation")
    figures.panel_letters(axes)
    figures.group_legend(figure, styles, measured)
    caption = (
        "Similarity of two sessions against the days between them. a, b, groups that live in spikes and groups that "
        "live in rates. c, groups in spikes: their spikes, and (dotted) the rates of rate networks with their weights. "
        f"{figures.caption_of_groups(measured[DRIFT[0]].sel(variable='spikes'))}"
    )
    return figures.Drawing(figure, pd.concat(tables, ignore_index=True), caption)


def _spiking(measured: xr.Dataset) -> xr.Dataset:
    """The animals that spike."""
    return measured.isel(animal=np.isfinite(measured["accuracy_in_spikes"]).any("session").values)


def _draw_points(ax: Axes, spiking: xr.Dataset, styles: dict[str, figures.GroupStyle]) -> pd.DataFrame:
    """Spikes against rates of the first animal of every group."""
    tables, highest = [], 1.0
    for group, look in styles.items():
        first = spiking.isel(animal=int(np.flatnonzero(spiking["group"].values == group)[0]))
        rates, spikes = first["shown_rates"].values.ravel(), first["shown_spikes"].values.ravel()
        ax.plot(rates, spikes, ".", color=look.colour, markersize=3, alpha=0.4, markeredgewidth=0)
        tables.append(pd.DataFrame({"group": group, "rate_hz": rates, "spikes_hz": spikes}))
        highest = max(highest, float(np.nanmax(rates)), float(np.nanmax(spikes)))
    ax.plot([0, highest], [0, highest], color="0.3", linewidth=0.7, zorder=0)
    ax.set(xlabel="Rate network (Hz)", ylabel="Spikes (Hz)", title="Units and stimuli")
    return pd.concat(tables, ignore_index=True)


def _draw_units(ax: Axes, spiking: xr.Dataset, styles: dict[str, figures.GroupStyle]) -> pd.DataFrame:
    """Cumulative distribution of the correlation of units' tuning."""
    tables = []
    for group, look in styles.items():
        own = spiking["unit_correlation"].isel(animal=spiking["group"].values == group, session=-1).values.ravel()
        values = np.sort(own[np.isfinite(own)])
        share = np.arange(1, len(values) + 1) / max(len(values), 1)
        ax.step(values, share, where="post", linewidth=1.0, **look.line)
        tables.append(pd.DataFrame({"group": group, "unit_correlation": values, "share_of_units": share}))
    ax.set(xlabel="Correlation of tuning", ylabel="Cumulative share of units", title="Tuning of units", ylim=(0, 1.02))
    return pd.concat(tables, ignore_index=True)


def _numbers_text(spiking: xr.Dataset) -> str:
    """What the last session gives, group by group."""
    texts, styles = [], figures.styles_of(spiking)
    for group in dict.fromkeys(spiking["group"].values.tolist()):
        last = spiking.isel(session=-1, animal=np.flatnonzero(spiking["group"].values == group))
        mean = {name: float(last[name].mean()) for name in OF_SESSIONS}
        texts.append(
            f"{styles[group].label or group} (n = {last.sizes['animal']}): "
            f"pooled correlation {mean['rate_spike_correlation']:.3f}, slope "
            f"{mean['rate_spike_slope']:.3f} of the map's, offset {mean['rate_spike_offset_hz']:.2f} Hz, "
            f"{mean['silent_units']:.1f} units silent in the rate network, reported correctly "
            f"{float(last['accuracy_in_spikes'].mean()):.3f} in spikes and "
            f"{float(last['accuracy_of_rate_network'].mean()):.3f} by the rate network"
        )
    return f"Last session, means over animals. {'; '.join(texts)}."
