"""What the README shows works as it stands there."""

import os
import re
import sys
from pathlib import Path

import pytest

from neurofa import cli

README = Path(__file__).parent.parent / "README.md"
#: the same protocol in seconds in place of minutes
QUICK = {
    "network.hidden": [40],
    "schedule.passes": 5,
    "schedule.pretraining_passes": 5,
    "schedule.burn_in_sessions": 1,
    "schedule.days": [0, 2, 4],
}


@pytest.fixture
def inside(tmp_path):
    """Work in an empty folder."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def block(language: str, holds: str) -> str:
    """The code block of the README that holds some text."""
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL) if holds in text]
    assert len(found) == 1
    return found[0]


def test_the_notebook(inside):
    code = block("python", "neurofa.simulate")
    assert "overnight.feedback_walk" in code
    scope: dict = {}
    exec(code.replace('{"overnight.feedback_walk": 0.3}', repr({"overnight.feedback_walk": 0.3} | QUICK)), scope)
    assert scope["measured"]["population_vector_correlation"].sizes["session_a"] == 3
    assert (inside / "runs/walk/report.html").is_file()


def test_ones_own_protocol_process_and_analysis(inside, monkeypatch, capsys):
    (inside / "my_track.toml").write_text(block("toml", "my_process.py:weaken"))
    (inside / "my_process.py").write_text(block("python", "# my_process.py"))
    (inside / "my_analysis.py").write_text(block("python", "# my_analysis.py"))
    arguments = ["run", "my_track.toml", "--animals", "1", "--set", "schedule.pretraining_passes=5", "--out", "run"]
    arguments += ["--set", "network.hidden=[40]", "--set", "schedule.passes=5"]
    monkeypatch.setattr(sys, "argv", ["neurofa", *arguments])
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert not done.value.code
    assert "Report" in capsys.readouterr().out
    assert "active_fraction" in (inside / "run/measures.csv").read_text()
    assert (inside / "run/figures/my_analysis.png").is_file()
