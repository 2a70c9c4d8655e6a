"""The `neurofa` commands: they parse, call and print; no science here, and nothing heavy before it is needed."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from neurofa import __version__, terminal
from neurofa.errors import ConfigError, NeurofaError, RecordingError, RunFolderError, ShapeError
from neurofa.terminal import say

app = typer.Typer(
    name="neurofa",
    help="Simulate animals that learn with feedback alignment, record from them for weeks, compare with recordings.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
_state = terminal.STATE
#: errors that the user can mend: exit code 2
_USER_ERRORS = (ConfigError, RecordingError, RunFolderError, ShapeError)

Out = Annotated[Path | None, typer.Option("--out", help="Run folder to make [default: runs/NAME-DATE-NUMBER].")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set any field, e.g. overnight.feedback_walk=0.3."),
]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="Dask scheduler that a sweep's conditions are sent to."),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


@app.callback(invoke_without_command=True)
def _common(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    _state["debug"] |= debug
    if version:
        say(f"neurofa {__version__}")
        raise typer.Exit


@app.command()
def run(
    protocol: Annotated[
        str, typer.Argument(help="A shipped protocol (see neurofa list), or the path of a .toml file.")
    ],
    animals: Annotated[int | None, typer.Option(help="Animals per group.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    settings: Set = None,
    out: Out = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
) -> None:
    """Simulate a protocol, analyse it, compare it with its references, and report."""
    from neurofa.protocol import load_protocol, parse_override

    pairs = dict(parse_override(text) for text in settings or ())
    pairs |= {} if seed is None else {"cohort.seed": seed}
    pairs |= {} if device is None else {"engine.device": device}
    checked = load_protocol(protocol, pairs, animals)
    with terminal.progress(checked.title or checked.name) as progress:
        from neurofa.job import run as run_protocol

        done = run_protocol(checked, out, progress=progress)
    terminal.conclude(done.folder)


@app.command()
def sweep(
    protocol: Annotated[
        str, typer.Argument(help="A shipped protocol (see neurofa list), or the path of a .toml file.")
    ],
    over: Annotated[
        list[str] | None,
        typer.Option("--over", metavar="KEY=VALUE,VALUE", help="Values of a field, e.g. rule.name=fa,nfa."),
    ] = None,
    animals: Annotated[int | None, typer.Option(help="Animals per group.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    settings: Set = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the sweep [default: runs/NAME-sweep-DIGEST].")
    ] = None,
    scheduler: Scheduler = None,
) -> None:
    """Run a protocol under every combination of values: a run folder each, and one report; again to go on."""
    from neurofa.protocol import parse_override

    pairs = dict(parse_override(text) for text in settings or ())
    pairs |= {} if seed is None else {"cohort.seed": seed}
    with terminal.progress(f"sweep of {protocol}") as progress:
        from neurofa.sweep import sweep as sweep_protocol

        swept = sweep_protocol(
            protocol, over or (), overrides=pairs, animals=animals, out=out, scheduler=scheduler, progress=progress
        )
    _conclude_sweep(swept.folder)


def _conclude_sweep(folder: Path) -> None:
    """Say what a sweep found; fail where no condition finished."""
    from neurofa.sweep.plan import none_finished

    terminal.conclude_sweep(folder)
    if none_finished(folder):
        raise NeurofaError(f"no condition finished; reasons are above and in {folder / 'conditions.csv'}")


@app.command()
def resume(folder: RunFolder, scheduler: Scheduler = None) -> None:
    """Finish a run or a sweep that was interrupted; the result is the same as without the interruption."""
    from neurofa.sweep.plan import is_sweep

    if is_sweep(folder):
        with terminal.progress(f"resuming {folder}") as progress:
            from neurofa.sweep import resume_sweep

            swept = resume_sweep(folder, scheduler, progress)
        _conclude_sweep(swept.folder)
        return
    with terminal.progress(f"resuming {folder}") as progress:
        from neurofa.job import resume as resume_run

        done = resume_run(folder, progress)
    terminal.conclude(done.folder)


@app.command("list")
def list_known(
    kind: Annotated[
        str,
        typer.Argument(
            help="protocols, rules, noise, overnight, stimuli, analyses, measures, references, import; nothing for all."
        ),
    ] = "",
) -> None:
    """List protocols, rules, overnight processes, stimulus sets, analyses, measures and references."""
    from neurofa.listing import listings

    for title, rows in listings(kind).items():
        say(title, style="bold")
        width = max((len(name) for name, _ in rows), default=0)
        for name, text in rows:
            say(f"  {name:<{width}}  {text}")


@app.command()
def show(
    protocol: Annotated[str, typer.Argument(help="A shipped protocol, or the path of a .toml file.")],
    settings: Set = None,
) -> None:
    """Print a protocol, every default filled in."""
    from neurofa.protocol import load_protocol
    from neurofa.protocol_text import protocol_text

    say(protocol_text(load_protocol(protocol, settings or ())))


@app.command("import")
def import_recordings(
    folder: Annotated[
        Path, typer.Argument(metavar="NWB_FOLDER", help="Folder with NWB sessions of one or more subjects.")
    ],
    out: Out = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="How to read the files; see neurofa list import."),
    ] = None,
) -> None:
    """Make a run of recorded NWB sessions and analyse it like a simulated one."""
    from neurofa.protocol import parse_override

    for text in option or ():
        if not text.partition("=")[1]:
            raise ConfigError(f"'{text}' sets nothing; expected key=value with a key of neurofa list import")
    options = dict(parse_override(text) for text in option or ())
    with terminal.progress(f"importing {folder}") as progress:
        from neurofa.job import import_run

        done = import_run(folder, out, options=options, progress=progress)
    terminal.conclude(done.folder)


@app.command()
def analyse(
    folder: RunFolder,
    analysis: Annotated[
        list[str] | None, typer.Option("--analysis", help="Besides the protocol's: name, package.module or file.py.")
    ] = None,
) -> None:
    """Analyse a finished run again, for example with your own analysis."""
    with terminal.progress(f"analysing {folder}") as progress:
        from neurofa.job import analyse_run

        done = analyse_run(folder, analysis or (), progress)
    terminal.conclude(done.folder)


@app.command()
def compare(
    folder: RunFolder,
    recorded: Annotated[
        Path | None, typer.Argument(metavar="[RUN2]", help="A recorded run [default: the protocol's references].")
    ] = None,
) -> None:
    """Hold a run against a recorded one, observed with the recording's own frames, trials and number of cells."""
    with terminal.progress(f"comparing {folder}") as progress:
        from neurofa.job import compare_run

        compare_run(folder, recorded, progress)
    terminal.conclude(folder)


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="One or more run folders, or one sweep.")],
    out: Annotated[Path | None, typer.Option("--out", help="The page to write.")] = None,
) -> None:
    """Write the report of one run, of several on one page, or of a sweep."""
    from neurofa.report import write_report
    from neurofa.sweep.plan import is_sweep

    sweeps = [folder for folder in folders if is_sweep(folder)]
    if sweeps and (len(folders) > 1 or out is not None):
        raise ConfigError(
            f"{sweeps[0]} is a sweep, whose page stands in its folder and takes no others; give it alone, without --out"
        )
    if sweeps:
        from neurofa.sweep.combined import combine

        combine(sweeps[0])
        say(f"Report: {sweeps[0] / 'report.html'}")
        return

    say(f"Report: {write_report(folders, out)}")


@app.command()
def export(
    folder: RunFolder,
    nwb: Annotated[Path, typer.Option("--nwb", metavar="FOLDER", help="Folder to make, with a folder per animal.")],
    spikes: Annotated[bool, typer.Option("--spikes", help="Times of spikes too, where the run kept them.")] = False,
) -> None:
    """Write a simulated run as NWB files, one per animal and session; neurofa import reads them back."""
    with terminal.progress(f"exporting {folder}") as progress:
        from neurofa.nwb.writing import export_nwb

        files = export_nwb(folder, nwb, spikes=spikes, progress=progress)
    say(f"NWB files: {nwb} ({len(files)} files)")


@app.command()
def cite(folder: RunFolder) -> None:
    """Print BibTeX for the rules, mechanisms, measures and data that a run used, and for neurofa."""
    from neurofa.citations import bibliography

    say(bibliography(folder))


def main() -> None:
    """Run the command line; exit codes: 0 done, 1 failed while running, 2 the user's input is wrong, 130 stopped."""
    arguments = [text for text in sys.argv[1:] if text != "--debug"]
    _state["debug"] = len(arguments) < len(sys.argv) - 1
    try:
        app(arguments, prog_name="neurofa")
    except _USER_ERRORS as error:
        terminal.fail(error, 2)
    except (NeurofaError, MemoryError) as error:
        terminal.fail(error, 1)
    except OSError as error:
        terminal.fail(error, 1)
