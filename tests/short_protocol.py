"""A protocol that runs in seconds, for tests of commands and run folders."""

from pathlib import Path

SHORT = """
title = "A short walk"
analyses = ["drift_over_days", "cross_day_decoding"]
[cohort]
animals = 2
[network]
hidden = [30]
active_fraction = 0.3
homeostasis_rate = 0.01
[rule]
learning_rate = 0.2
feedback_scale = 2.0
[stimuli]
kind = "linear_track"
bins = 20
inputs = 40
[schedule]
days = [0, 2, 4, 8]
passes = 5
pretraining_passes = 10
burn_in_sessions = 1
[observation]
repeats = 3
[references]
area = "CA1"
tables = ["ca1_linear_track_curves", "drift_statistics"]
[groups.walking]
overnight.feedback_walk = 0.3
[groups.fixed]
control_of = "walking"
"""

#: an analysis that takes no time: the mean rate of every session
TINY_ANALYSIS = '''
"""How active the cells are."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure


def measure(recording):
    """Mean rate of every session."""
    probe = recording["probe"].to_dataset()
    rate = np.nanmean(probe["rate"].values, axis=(2, 3, 4))
    coords = {name: probe[name] for name in ("animal", "group", "day")}
    return xr.Dataset({"mean_rate": (("animal", "session"), rate)}, coords=coords)


def plot(measured, recorded=None):
    """Rates over sessions."""
    figure = Figure()
    figure.subplots().plot(measured["mean_rate"].values.T)
    return figure
'''


def write_short(folder: Path, name: str = "short", *changes: tuple[str, str]) -> Path:
    """The protocol as a file; each change replaces one text, which must be there."""
    text = SHORT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def write_tiny(folder: Path, name: str = "tiny") -> Path:
    """The same with the analysis that takes no time."""
    (folder / "activity.py").write_text(TINY_ANALYSIS, encoding="utf-8")
    return write_short(folder, name, ('["drift_over_days", "cross_day_decoding"]', '["activity.py"]'))
