"""What the terminal shows: texts, tables, progress bars, and one sentence where something went wrong."""

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

_console = Console()
_errors = Console(stderr=True)
#: whether errors are shown with their traceback
STATE = {"debug": False}
#: exit code where the user stops the process, as shells have it: 128 + SIGINT
STOPPED = 130


def say(text: str, style: str = "") -> None:
    """
    Print a text as it is.

    Parameters
    ----------
    text : str
        Lines are not broken.
    style : str, optional
        As rich names it, for example "bold".
    """
    _console.print(text, style=style or None, markup=False, highlight=False, soft_wrap=True)


def fail(error: BaseException, code: int) -> None:
    """
    End the process with one sentence; the traceback only with ``--debug``.

    Parameters
    ----------
    error : BaseException
        What went wrong; notes on it are told too.
    code : int
        Exit code.
    """
    if STATE["debug"]:
        traceback.print_exception(error)
    told = [" ".join(str(part).split()) for part in (error, *getattr(error, "__notes__", ()))]
    told[0] = told[0] or ("stopped" if isinstance(error, KeyboardInterrupt) else type(error).__name__)
    _errors.print("neurofa: ", style="bold red", end="")
    _errors.print("; ".join(told), markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """
    Show a progress bar with the time left.

    Parameters
    ----------
    title : str
        What is going on as a whole.

    Yields
    ------
    callable
        Takes steps done, steps in all, and words; steps without a count only change the words.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    columns += [TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()]
    _console.print(title, style="bold", markup=False, highlight=False)
    # typer would end the process in silence where the user stops it
    with (
        _stopped_in_words(),
        Progress(*columns, console=_errors, transient=True, disable=not _errors.is_terminal) as bars,
    ):
        task = bars.add_task("starting", total=None)

        def step(done: int, total: int, words: str) -> None:
            if total:
                bars.update(task, completed=done, total=total, description=words)
            else:
                bars.update(task, completed=0, total=None, description=words)

        yield step


@contextmanager
def _stopped_in_words() -> Iterator[None]:
    """Say how to go on where the user stopped the process."""
    try:
        yield
    except KeyboardInterrupt as error:
        fail(error, STOPPED)


def conclude(folder: Path) -> None:
    """
    Say what a run found and where it is.

    Parameters
    ----------
    folder : pathlib.Path
        A finished run.
    """
    from neurofa.comparison import why_not_compared
    from neurofa.provenance import read_provenance
    from neurofa.recording import told_stopped
    from neurofa.report import brief, legend, told_nulls, told_orderings, warning

    rows = brief(folder)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    counts = [name for name in columns if any(" of " in row.get(name, "") for row in rows)]
    if any(len(row) > 1 for row in rows):
        # several references do not fit beside the numbers
        beside = counts if len(counts) < 2 else []
        print_table(rows, [name for name in columns if name not in counts] + beside)
        if not beside and counts:
            print_table(rows, [columns[0], *counts])
        _console.print(legend(rows), style="dim", highlight=False)
    orderings = told_orderings(folder)
    if orderings:
        print_table(orderings, list(orderings[0]))
    if why_not_compared(folder):
        say(why_not_compared(folder), style="dim")
    for told in (told_nulls(folder), warning(folder)):
        if told:
            say(told, style="yellow")
    stopped = told_stopped(read_provenance(folder).get("stopped", {}))
    if stopped:
        _errors.print("Stopped: ", style="bold red", end="")
        _errors.print(stopped, markup=False, highlight=False, soft_wrap=True)
    say(f"Run folder: {folder}")
    say(f"Report:     {folder / 'report.html'}")


def conclude_sweep(folder: Path) -> None:
    """
    Say what a sweep found, what failed and where everything is.

    Parameters
    ----------
    folder : pathlib.Path
        Of the sweep.
    """
    from neurofa.report import legend
    from neurofa.sweep.combined import told_rows, told_warnings
    from neurofa.sweep.plan import read_plan, state_of

    rows = told_rows(folder)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if rows:
        # what does not fit into a line is in the report
        shown = [name for name in columns if not any(" of " in row.get(name, "") for row in rows) and name != "RSM"]
        print_table(rows, shown)
        said = [{name: row[name] for name in shown if name in row} for row in rows]
        _console.print(legend(said), style="dim", highlight=False)
    for text in told_warnings(folder):
        say(text, style="yellow")
    conditions = read_plan(folder)["conditions"]
    states = {condition["name"]: state_of(folder / condition["name"]) for condition in conditions}
    for name, state in states.items():
        if state.failed:
            _errors.print("Failed: ", style="bold red", end="")
            _errors.print(f"{name}: {state.failed}", markup=False, highlight=False, soft_wrap=True)
    finished = sum(state.finished for state in states.values())
    say(f"Sweep:  {folder} ({finished} of {len(states)} conditions finished)")
    say(f"Report: {folder / 'report.html'}")


def print_table(rows: list[dict[str, str]], columns: list[str]) -> None:
    """
    Print some columns of a table.

    Parameters
    ----------
    rows : list of dict of str to str
        Title to text.
    columns : list of str
        Titles, from left to right.
    """
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(escape(column), no_wrap=True)
    for row in rows:
        table.add_row(*(escape(row.get(column, "")) for column in columns))
    _console.print(table, highlight=False)
