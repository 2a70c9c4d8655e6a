"""What `neurofa cite` prints: entries that parse, and the publications that a run really rests on."""

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

from neurofa import __version__, cli, measures
from neurofa.citations import bibliography, identifiers, publications, used_in
from neurofa.citations.publications import entry_of, own_entry
from neurofa.errors import RunFolderError
from neurofa.nwb import import_nwb
from neurofa.overnight import overnight_processes
from neurofa.protocol import list_protocols, load_protocol, protocol_from
from neurofa.recording import RECORDING_STORE, write_recording
from neurofa.references import list_tables, load_curves, load_orderings, load_references
from neurofa.rules.names import NAMED_RULES
from neurofa.run_folder import store_protocol
from neurofa.stimuli import stimulus_sets
from tests.nwb_files import known_session, write_session

ROOT = Path(__file__).resolve().parent.parent
CHENG, LILLICRAP, NOKLAND = "10.48550/arxiv.2304.01406", "10.1038/ncomms13276", "10.48550/arxiv.1609.01596"
HARDT = "10.1016/j.tics.2013.01.001"
SHEINTUCH, FRENKEL = "10.1016/j.cub.2020.02.018", "10.3389/fnins.2021.629892"
LIAO, MOSKOVITZ = "10.48550/arxiv.1510.05067", "10.48550/arxiv.1812.06488"
DIGITS, MNIST, ADAM = "10.24432/c50p49", "10.1109/5.726791", "10.48550/arxiv.1412.6980"
REQUIRED = {
    "article": {"author", "title", "journal", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "book": {"author", "title", "publisher", "year"},
    "misc": set(),
}


def parse(text: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Key to kind and fields, by the grammar of BibTeX; text between entries is skipped, anything else is refused."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    place = text.find("@")
    while place >= 0:
        opening = text.index("{", place)
        kind, comma = text[place + 1 : opening], text.index(",", opening)
        key, place, fields = text[opening + 1 : comma], comma + 1, {}
        assert kind.isalpha() and key and not set(key) & set(" {}\"'@#%~,="), key
        assert key not in found, f"{key} stands twice"
        while True:
            place += len(text[place:]) - len(text[place:].lstrip(" \n,"))
            if text[place] == "}":
                break
            equals = text.index("=", place)
            name, start = text[place:equals].strip(), text.index("{", equals)
            assert name.isalpha() and text[equals + 1 : start].strip() == "", f"{key}: {name}"
            depth, end = 1, start + 1
            while depth:
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += 1
            assert name not in fields, f"{key}: {name} stands twice"
            fields[name], place = text[start + 1 : end - 1], end
            assert text[place:].lstrip(" ")[0] in ",\n", f"{key}: no comma after {name}"
        found[key] = (kind, fields)
        place = text.find("@", place)
    return found


def run_of(tmp_path: Path, values: dict[str, Any]) -> Path:
    """A run folder with nothing but its protocol."""
    folder = tmp_path / "run"
    folder.mkdir()
    store_protocol(protocol_from({"observation": {"kind": "none"}} | values, tmp_path), folder)
    return folder


def test_the_parser_of_these_tests_refuses_what_is_no_bibtex() -> None:
    assert parse("% a\n@misc{a,\n  title = {An {X} b},\n  year = {2}\n}") == {
        "a": ("misc", {"title": "An {X} b", "year": "2"})
    }
    for broken in ("@misc{a,\n title = {x}\n}\n@misc{a,\n title = {x}\n}", "@misc{a b,\n title = {x}\n}"):
        with pytest.raises(AssertionError):
            parse(broken)
    with pytest.raises((AssertionError, IndexError)):
        parse("@misc{a,\n title = {x\n}")


def test_every_entry_of_the_table_parses_with_the_fields_that_its_kind_needs() -> None:
    text = (ROOT / "neurofa" / "citations" / "publications.bib").read_text(encoding="utf-8")
    entries = parse(text)
    assert len(entries) == text.count("\n@") == len(publications())
    for key, (kind, fields) in entries.items():
        assert fields.keys() >= REQUIRED[kind] | {"author", "title", "year", "doi"}, key
        assert 1900 < int(fields["year"]) < 2030 and str(fields["year"]) in key, key
        assert identifiers(fields["doi"]) == [fields["doi"].lower()], key
        if "eprint" in fields:
            assert fields["doi"] == f"10.48550/arXiv.{fields['eprint']}" and fields["archiveprefix"] == "arXiv", key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Polyak 1964, 10.1016/0041-5553(64)90137-5).", ["10.1016/0041-5553(64)90137-5"]),
        ("(Lillicrap et al. 2016, 10.1038/ncomms13276).", [LILLICRAP]),
        ("Cheng & Brown 2023, arXiv 2304.01406; arXiv:2304.01406, 10.48550/arXiv.2304.01406", [CHENG]),
        ("Nokland 2016, arXiv 1609.01596; Liao 2016, arXiv 1510.05067.", [NOKLAND, LIAO]),
        ("see https://doi.org/10.7554/eLife.51121, doi 10.1093/biomet/24.3-4.471.",
         ["10.7554/elife.51121", "10.1093/biomet/24.3-4.471"]),
        ("this project, version 10.2 of 2304.01406", []),
    ],
)  # fmt: skip
def test_dois_and_arxiv_numbers_are_found_in_texts(text: str, expected: list[str]) -> None:
    assert identifiers(text) == expected


def named_sources() -> dict[str, str]:
    """Everything that names where it comes from, to the text that does."""
    texts = {f"rule {name}": row.source for name, row in NAMED_RULES.items()}
    texts |= {f"process {name}": inspect.getdoc(one) or "" for name, one in overnight_processes().items()}
    texts |= {f"stimuli {name}": inspect.getdoc(one) or "" for name, one in stimulus_sets().items()}
    texts |= {f"protocol {name}": " ".join(load_protocol(name).sources) for name in list_protocols()}
    functions = {name: one for name, one in vars(measures).items() if callable(one)}
    texts |= {f"measure {name}": inspect.getdoc(one) or "" for name, one in functions.items()}
    for table, kind in list_tables().items():
        load = {"curves": load_curves, "orderings": load_orderings, "statistics": load_references}[kind]
        frame = load(table)
        texts[f"table {table}"] = " ".join(frame["doi"].unique())
    for folder in ("neurofa", "analyses"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            if file.parent.name != "citations":
                texts[str(file.relative_to(ROOT))] = file.read_text(encoding="utf-8")
    return texts


def test_every_source_that_anything_names_has_an_entry() -> None:
    texts = named_sources()
    missing = {name: [doi for doi in identifiers(text) if doi not in publications()] for name, text in texts.items()}
    assert {name: dois for name, dois in missing.items() if dois} == {}
    assert sum(bool(identifiers(text)) for name, text in texts.items() if name.startswith("rule ")) > 10


def test_the_entry_of_the_software_agrees_with_its_citation_file() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    fields = parse(own_entry())["neurofa"][1]
    stated = dict(line.split(": ", 1) for line in citation.splitlines() if line and line[0].isalpha() and ": " in line)
    assert fields["title"] == stated["title"] and fields["note"] == f"Version {__version__}"
    assert fields["year"] == stated["date-released"][:4]
    assert f'name: "{fields["author"].strip("{}")}"' in citation
    for doi in (CHENG, SHEINTUCH):
        ((_, known),) = parse(entry_of(doi)).values()
        assert known["doi"] in citation and known["title"].replace("{", "").replace("}", "") in citation


def test_a_rule_is_cited_by_what_it_computes_not_by_its_name(tmp_path: Path) -> None:
    stimuli = {"stimuli": {"kind": "patterns"}}
    for number, (rule, expected) in enumerate(
        (
            ({"name": "fa"}, {LILLICRAP}),
            ({"name": "dfa"}, {NOKLAND}),
            ({"name": "fa", "pathway": "direct"}, {NOKLAND}),
            ({"name": "usf"}, {LIAO, MOSKOVITZ}),
            ({"name": "dfa", "teaching_signal": "target"}, {FRENKEL}),
            ({"name": "fa", "teaching_signal": "target"}, {LILLICRAP, FRENKEL}),
            ({"name": "random_walk"}, set()),
            ({"name": "fa", "optimiser": "adam"}, {LILLICRAP, ADAM}),
            ({"name": "fa", "optimiser": "momentum"}, {LILLICRAP, "10.1016/0041-5553(64)90137-5"}),
        )
    ):
        place = tmp_path / str(number)
        place.mkdir()
        assert set(used_in(run_of(place, {"rule": rule} | stimuli))) == expected, rule


def test_each_group_is_cited_for_what_it_alone_does(tmp_path: Path) -> None:
    groups = {"walk": {}, "still": {"overnight": {"feedback_walk": 0.0}, "rule": {"name": "dfa"}}}
    own = {"stimuli": {"kind": "patterns"}, "overnight": {"feedback_walk": 0.3, "weight_decay": 0.1}, "groups": groups}
    assert used_in(run_of(tmp_path, own)) == {
        LILLICRAP: ["learning rule fa in walk"],
        CHENG: ["overnight process feedback_walk in walk"],
        HARDT: ["overnight process weight_decay"],
        NOKLAND: ["learning rule dfa in still"],
    }


def test_what_simulates_spikes_is_cited(tmp_path: Path) -> None:
    values = {"stimuli": {"kind": "patterns"}, "engine": {"kind": "spiking"}}
    for use, expected in (("learning", {"10.7554/elife.47314", "10.3389/fnins.2017.00324"}),
                          ("port", {"10.7554/elife.47314"})):  # fmt: skip
        place = tmp_path / use
        place.mkdir()
        in_spikes = set(used_in(run_of(place, values | {"spiking": {"use": use}})))
        assert expected <= in_spikes
        assert ("10.3389/fnins.2017.00324" in in_spikes) == (use == "learning")


def test_the_stimuli_the_observation_and_the_sources_of_the_protocol_are_cited(tmp_path: Path) -> None:
    for number, (values, doi, reason) in enumerate(
        (
            ({"stimuli": {"kind": "digits"}}, DIGITS, "stimulus set digits"),
            ({"stimuli": {"kind": "digits", "mnist_folder": "somewhere"}}, MNIST, "stimulus set digits"),
            ({"stimuli": {"kind": "twelve_bits"}}, "10.48550/arxiv.1703.00810", "stimulus set twelve_bits"),
            ({"stimuli": {"kind": "patterns"}, "observation": {"kind": "calcium"}}, SHEINTUCH, "model of calcium imag"),
            ({"stimuli": {"kind": "patterns"}, "sources": ["10.1234/Own"]}, "10.1234/own", "source of protocol"),
        )
    ):
        place = tmp_path / str(number)
        place.mkdir()
        used = used_in(run_of(place, values))
        assert used[doi][0].startswith(reason) and len(used) == 2, values
        assert len({DIGITS, MNIST} & set(used)) == (values["stimuli"]["kind"] == "digits")


def test_a_source_that_the_table_does_not_hold_is_cited_by_its_doi_alone(tmp_path: Path) -> None:
    process = '''
def fade(network, days, draws, *, rate: float = 0.0):
    """Fade (mine, 10.5555/ABC.1@2)."""
'''
    (tmp_path / "own.py").write_text(process)
    on = {"stimuli": {"kind": "patterns"}, "overnight": {"own.py:fade": 0.2}}
    text = bibliography(run_of(tmp_path, on))
    assert "% overnight process own.py:fade (neurofa knows no more of it than the DOI)\n@misc{doi_10_5555" in text
    assert parse(text)["doi_10_5555_abc_1_2"][1]["doi"] == "10.5555/abc.1@2"
    other = tmp_path / "other"
    other.mkdir()
    (other / "own.py").write_text(process)
    assert "fade" not in bibliography(run_of(other, on | {"overnight": {"own.py:fade": 0.0}}))


def test_measures_and_references_of_the_tables_are_cited_if_they_were_compared(tmp_path: Path) -> None:
    folder = run_of(tmp_path, {"stimuli": {"kind": "patterns"}, "analyses": ["drift_over_days"]})
    (folder / "measures.csv").write_text(
        "analysis,measure,value\nd,population_vector_correlation,1\nd,cross_day_decoding_accuracy,1\n"
        "d,population_vector_correlation,1\nd,decay_half_life_days,3\nd,something_of_my_own,3\n"
        "d,first_day_drop,0.4\nd,rotational_diffusion_constant,0.1\n"
    )
    (folder / "scorecard.csv").write_text(
        "reference,doi,verdict\nC6M4,10.1016/j.cub.2020.02.018,inside\nZiv,10.1038/nn.3329,not comparable\n"
        "my mouse,,below\n"
    )
    used = used_in(folder)
    assert used["10.7554/elife.12247"] == ["measures population_vector_correlation, cross_day_decoding_accuracy"]
    assert used["10.1038/s41593-022-01194-3"] == ["measure decay_half_life_days"]
    assert used["10.1126/science.aav9199"] == ["measure first_day_drop"]
    assert used["10.1038/s41593-022-01225-z"] == ["measure rotational_diffusion_constant"]
    assert used[SHEINTUCH] == ["compared with C6M4"]
    assert "10.1038/nn.3329" not in used and "something_of_my_own" not in str(used)


def test_an_analysis_of_ones_own_is_cited_by_what_its_file_names(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text('"""Mine (10.1038/nn.3329)."""\n\nraise SystemExit\n')
    used = used_in(run_of(tmp_path, {"stimuli": {"kind": "patterns"}, "analyses": ["mine.py"]}))
    assert used["10.1038/nn.3329"] == ["analysis mine.py"]


def test_recorded_data_are_cited_as_their_files_ask_for(tmp_path: Path) -> None:
    folder, run = tmp_path / "nwb", tmp_path / "run"
    folder.mkdir()
    run.mkdir()
    for day, named in ((0, ["doi:10.1016/j.cub.2020.02.018"]), (2, None)):
        frames, counts = known_session(seed=day)
        write_session(folder / f"{day}.nwb", frames, counts, range(5), day=day, publications=named)
    write_recording(import_nwb(folder), run / RECORDING_STORE)
    assert used_in(run) == {SHEINTUCH: ["the recorded data"]}


def test_the_command_prints_entries_with_what_they_are_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_of(tmp_path, load_protocol("linear_track").as_dict())

    def call(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["neurofa", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return int(stop.value.code or 0)

    assert call("cite", str(folder)) == 0
    printed = capsys.readouterr().out
    known = {"neurofa", "sheintuch2020", "cheng2023", "lillicrap2016", "rokni2007", "qin2023", "hardt2013"}
    assert known == set(parse(printed))
    comments = [block.splitlines()[0] for block in printed.strip().split("\n\n")]
    assert len(comments) == 7 and all(line.startswith("% ") and "@" not in line for line in comments)
    assert call("cite", str(tmp_path)) == 2
    error = capsys.readouterr().err
    assert "is no run folder; expected one made by neurofa run or neurofa import" in error.replace("\n", " ")
    with pytest.raises(RunFolderError):
        bibliography(tmp_path / "nowhere")
