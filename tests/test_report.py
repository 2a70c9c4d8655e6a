"""The page is self-contained, complete and safe, for simulated and for recorded runs, one or several."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from neurofa import figures, references
from neurofa.analysis import write_results
from neurofa.comparison import INTERPRETATION, count_inside, curve_scorecard, published_scorecard, write_scorecard
from neurofa.errors import ConfigError, RunFolderError
from neurofa.recording import build_recording, write_recording
from neurofa.report import brief, legend, told_nulls, warning, write_report
from neurofa.report.findings import findings
from neurofa.report.tables import bar
from tests.synthetic import make_recording
from tests.test_comparison import shipped_curves_as_measured

EVIL = "<script>alert('x')</script> & \"quotes\""
PROTOCOL = """
name = "walks"
title = "Walks & <b>stops</b>"
description = "Two groups."
[groups.drifting]
label = "feedback walk"
[groups.stable]
"""


class Page(HTMLParser):
    """What a browser would load, and the structure of the page."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.ids, self.links, self.tags, self.images, self.words = [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.loaded += [attrs[name] for name in ("src", "srcset", "poster", "data", "background") if name in attrs]
        if tag in ("link", "iframe", "object", "embed"):
            self.loaded.append(attrs.get("href", tag))
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.links.append(attrs["href"])
        if tag == "img":
            self.images.append(attrs)

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def small_png(folder, name, caption):
    figure, axes = figures.new_figure(30, 20)
    axes[0].plot([0, 1], [1, 0])
    figures.save(figures.Drawing(figure, pd.DataFrame({"x": [0, 1]}), caption), folder, name)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A simulated run with everything, and a recorded one without protocol, learning or comparison."""
    root = tmp_path_factory.mktemp("runs")
    simulated, recorded = root / "walks-1", root / "mouse"
    for folder in (simulated, recorded):
        folder.mkdir()
    tree = make_recording(n_bins=3, n_units=10)
    write_recording(tree, simulated / "recording.zarr")
    (simulated / "protocol.toml").write_text(PROTOCOL)
    provenance = {
        "seed": 7,
        "duration_s": 12.5,
        "versions": {"numpy": "2.3.5"},
        "note": EVIL,
        "files_sha256": {"a.csv": "ab12"},
        "hosts": [{"cores": 2}],
    }
    (simulated / "provenance.json").write_text(json.dumps(provenance))
    _, measured = shipped_curves_as_measured(overlap_shift=0.3)
    measured = measured.assign_coords(group=("animal", ["drifting", "drifting", "stable"]))
    write_results(simulated, {"drift_over_days": measured}, {})
    write_scorecard(simulated, curve_scorecard(measured, references.load_curves()))
    write_scorecard(simulated, published_scorecard(measured, references.load_references(), area="CA1", species="mouse"))
    small_png(simulated / "figures", "decay", f"Decay of <i>everything</i>. {EVIL}")
    small_png(simulated / "figures", "matrices", "Matrices of sessions. n = 2.")
    probe = tree["probe"].to_dataset().drop_vars(["true_rate", "latent_rate", "correct"])
    write_recording(build_recording(probe), recorded / "recording.zarr")
    return simulated, recorded


@pytest.fixture(scope="module")
def page(runs):
    return Page(write_report(runs[0]).read_text(encoding="utf-8"))


def test_the_page_loads_nothing_and_has_no_scripts(page):
    assert page.loaded
    assert all(source.startswith("data:image/png;base64,") for source in page.loaded)
    assert not {"script", "link", "iframe", "object", "embed", "style script"} & set(page.tags)


def test_styles_and_links_fetch_nothing(runs, page):
    text = (runs[0] / "report.html").read_text()
    style = re.search(r"<style>(.*?)</style>", text, re.S).group(1)
    assert "url(" not in style and "@import" not in style
    outside = {link for link in page.links if not link.startswith("#")}
    assert outside and all(link.startswith("https://doi.org/10.") for link in outside)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_every_figure_stands_there_with_caption_and_alternative_text(runs, page):
    names = sorted(file.stem for file in (runs[0] / "figures").glob("*.png"))
    assert names == ["decay", "matrices"]
    assert len(page.images) == len(names)
    for name, image in zip(names, page.images, strict=True):
        caption = (runs[0] / "figures" / f"{name}.txt").read_text().strip()
        assert caption in page.text
        assert image["alt"].startswith(name)
        assert int(image["width"]) > 0


def test_text_of_users_is_shown_and_never_run(page):
    assert "Walks & <b>stops</b>" in page.text
    assert EVIL in page.text
    assert "b" not in page.tags and "i" not in page.tags


def test_what_was_run_and_what_came_out(page):
    text = page.text
    for words in ("feedback walk (2 animals), stable (2 animals)", "on days 0, 2, 4, 6", "Seed 7", "12.5 s", "cores"):
        assert words in text, words
    assert "falls from 0.59 at 2 days to 0.40 at 14 days: a loss of 0.195" in text
    assert "43 of 50 curve points lie within the tolerance, 43 of 43 without" in text
    assert INTERPRETATION in text


def test_verdicts_are_written_in_words_and_what_cannot_be_compared_is_folded(page):
    text = page.text
    assert "inside" in text and "above" in text
    folded = text[text.index("Not comparable: 198") :]
    assert "in environments that were novel" in folded and "area differs: PPC" in folded
    assert page.tags.count("details") == 4
    # 198 published statistics, and 50 points of two groups
    assert "198 of the 298 rows of the scorecard are not comparable" in text


def test_the_bar_stands_beside_the_counts_of_the_fifty_points_alone(page):
    assert "another mouse of the same publication meets 34 of C6M4's 50 points, 28 of 43 without" in page.text
    fifty = pd.DataFrame({"reference": ["C6M4 (run mouse)"], "of": [50]})
    assert "34 of C6M4's 50" in bar(fifty)
    assert bar(fifty.assign(of=29)) == bar(fifty.assign(reference="C6M40 (run mouse)")) == bar(pd.DataFrame()) == ""


def test_halves_of_a_session_outside_the_tolerance_have_their_own_sentence():
    curves, measured = shipped_curves_as_measured(shift=-0.3)
    name = "split_half_population_vector_correlation"
    card = curve_scorecard(measured, curves, {name: 0.10})
    [(_, [points, halves])] = findings(pd.DataFrame(), count_inside(card), {}, card)
    assert points.startswith("Against C6M4")
    assert halves.startswith("Halves of a session correlate at 0.34, below the 0.64 ± 0.10 of C6M4")
    assert halves.endswith("maps are noisier within a session.")
    card = curve_scorecard(measured, curves, {name: 0.40})
    [(_, sentences)] = findings(pd.DataFrame(), count_inside(card), {}, card)
    assert len(sentences) == 1


def test_headings_step_down_one_by_one_and_the_language_is_named(runs, page):
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert '<html lang="en">' in (runs[0] / "report.html").read_text()


def test_a_recorded_run_has_a_page_too(runs):
    page = Page(write_report(runs[1]).read_text())
    assert "What was recorded" in page.text
    assert "Comparison with" not in page.text
    assert "Seed" not in page.text
    assert not page.images


def test_several_runs_share_a_page(runs, tmp_path):
    path = write_report(list(runs), tmp_path / "both.html")
    page = Page(path.read_text())
    assert path == tmp_path / "both.html"
    assert "2 runs" in page.text and "What was recorded" in page.text and "What was simulated" in page.text
    assert len(page.ids) == len(set(page.ids))
    assert write_report(list(runs)) == runs[0].parent / "report.html"


def test_what_is_no_run_is_refused_in_one_sentence(runs, tmp_path):
    with pytest.raises(RunFolderError, match="there is no such folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match=r"it has no recording\.zarr"):
        write_report(tmp_path)
    with pytest.raises(ConfigError, match="no run is given"):
        write_report([])


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("provenance.json", "{", "provenance.json is damaged"),
        ("protocol.toml", "a =", "cannot be read as TOML"),
        ("measures.csv", "", "cannot be read"),
        ("scorecard.csv", "a,b\n", "other columns than a scorecard"),
        ("figures/odd.png", "no image", "is not a PNG image"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, sentence):
    write_recording(make_recording(n_animals=1, n_bins=2, n_units=5), tmp_path / "recording.zarr")
    (tmp_path / "figures").mkdir()
    (tmp_path / name).write_text(content)
    with pytest.raises(RunFolderError, match=sentence):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_findings_take_losses_within_animals():
    rows = [
        ("a", 2.0, 0.9), ("a", 2.0, 0.7), ("a", 14.0, 0.5),
        ("b", 2.0, 0.6), ("b", 14.0, 0.4),
        ("c", 2.0, 0.5),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["animal", "lag_days", "value"])
    table = table.assign(measure="population_vector_correlation", variable="rate", group="walk", layer="hidden_1")
    [(group, [sentence])] = findings(table, pd.DataFrame(), {"walk": "feedback walk"})
    assert group == "feedback walk"
    # animal c has no pair at 14 days; a loses 0.3, b 0.2: mean 0.25, sd 0.0707, t = 12.706
    assert "goes from 0.70 at 2 days to 0.45 at 14 days" in sentence and "it includes 0" in sentence
    half = 12.7062 * np.std([0.3, 0.2], ddof=1) / np.sqrt(2)
    assert f"a loss of 0.250 (95 % interval {0.25 - half:.3f} to {0.25 + half:.3f} over 2 animals" in sentence


def summary_of(rows, folder):
    table = pd.DataFrame(rows, columns=["group", "layer", "condition", "measure", "lag_days", "mean"])
    table.assign(variable=["" if row[3] == "performance" else "rate" for row in rows], step="").to_csv(
        folder / "summary.csv", index=False
    )


def test_the_brief_keeps_layers_and_conditions_apart(tmp_path):
    name = "population_vector_correlation"
    rows = [("walk", "", "", "performance", 0.0, 0.9)]
    for layer, first, last in (("hidden_1", 0.8, 0.6), ("hidden_2", 0.5, 0.3)):
        rows += [("walk", layer, "", name, 2.0, first), ("walk", layer, "", name, 14.0, last)]
        rows += [("walk", layer, "shuffled", name, 1.0, 0.11), ("walk", layer, "shuffled", name, 20.0, 0.01)]
    summary_of(rows, tmp_path)
    points = {"group": ["walk (hidden_1)", "walk (hidden_2)"], "inside": [3, 1], "of": [50, 50]}
    pd.DataFrame(points | {"reference": "M1 (Who)", "reference_kind": "recorded curve"}).to_csv(
        tmp_path / "counts.csv", index=False
    )
    assert brief(tmp_path) == [
        {"group": "walk", "layer": "hidden_1", "correct": "90.0%", "PV": "0.80→0.60", "M1 curve": "3 of 50"},
        {"group": "walk", "layer": "hidden_2", "correct": "90.0%", "PV": "0.50→0.30", "M1 curve": "1 of 50"},
    ]


def test_the_brief_of_one_layer_names_no_layer(tmp_path):
    name = "population_vector_correlation"
    rows = [("walk", "hidden_1", "", name, 2.0, 0.8), ("walk", "hidden_1", "", name, 4.0, 0.7)]
    summary_of([("walk", "", "", "performance", 0.0, 1.0), *rows], tmp_path)
    assert brief(tmp_path) == [{"group": "walk", "correct": "100.0%", "PV": "0.80→0.70"}]
    assert brief(tmp_path / "nowhere") == []


def test_groups_that_were_turned_into_nulls_are_told(tmp_path):
    path = tmp_path / "protocol.toml"
    own = '[groups.fa]\n[groups.tired]\nprediction.null = "adaptation"\n'
    assert told_nulls(tmp_path) == ""
    path.write_text(own)
    assert told_nulls(tmp_path) == ""
    path.write_text('prediction.null = "running_gain"\n' + own)
    assert told_nulls(tmp_path) == "Null models here (running gain), whatever their names say: fa."


def test_agreement_of_spikes_and_rates_is_told(tmp_path):
    values = {
        "rate_spike_correlation": (0.5, 0.998),
        "rate_spike_slope": (0.5, 1.01),
        "rate_spike_offset_hz": (9.0, 0.25),
        "accuracy_in_spikes": (0.0, 0.9),
        "accuracy_of_rate_network": (0.0, 1.0),
    }
    rows = [("spikes", "a", name, n, value) for name, of in values.items() for n, value in enumerate(of)]
    rows.append(("rates", "b", "performance", 1, 1.0))
    table = pd.DataFrame(rows, columns=["group", "animal", "measure", "session_a", "value"])
    table = table.assign(layer="hidden_1", lag_days=0.0)
    (_, sentences), (_, of_rates) = findings(table, pd.DataFrame(), {})
    assert "correlation 0.998, slope 1.010, offset 0.25 Hz; 90.0% of stimuli" in sentences[0]
    assert "100.0% by the rate network" in sentences[0]
    assert not any("spikes" in sentence for sentence in of_rates)
    summary_of([("spikes", "hidden_1", "", name, 0.0, sum(of) / 2) for name, of in values.items()], tmp_path)
    [row] = brief(tmp_path)
    assert row == {"group": "spikes", "spikes, rates": "0.749, 0.76"}
    assert "rates of the same weights" in legend([row])


def test_animals_that_switch_maps_are_told_before_any_loss(tmp_path):
    curve = [("a", "population_vector_correlation", lag, value) for lag, value in ((2.0, 0.5), (14.0, 0.2))]
    for flag in (1.0, 0.0):
        table = pd.DataFrame([*curve, ("a", "switches_maps", np.nan, flag)])
        table.columns = ["animal", "measure", "lag_days", "value"]
        table = table.assign(variable="rate", group="recorded", layer="CA1")
        table.to_csv(tmp_path / "measures.csv", index=False)
        [(_, sentences)] = findings(table, pd.DataFrame(), {})
        told = "Not to be read as drift alone: single trials of a switch between maps."
        assert sentences[:-1] == [told] * int(flag)
        assert warning(tmp_path) == (told if flag else "")


def test_the_legend_explains_the_columns_that_are_there():
    recorded = legend([{"group": "recorded", "PV": "0.60→0.40"}])
    assert "population vectors" in recorded
    assert not any(word in recorded for word in ("correct:", "latent", "tolerance"))
    simulated = legend([{"group": "walk", "correct": "100%", "PV": "", "latent PV": "", "C6M4 curve": "46 of 50"}])
    assert all(word in simulated for word in ("correct:", "latent", "tolerance"))
