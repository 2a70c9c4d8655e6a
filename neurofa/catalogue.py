"""Finds what ships with the package and what users bring: protocol files, and functions named in a protocol."""

import difflib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from neurofa.errors import ConfigError, NeurofaError

_PACKAGE = Path(__file__).resolve().parent


def shipped_folder(kind: str) -> Path:
    """
    Folder of the shipped protocols or analyses: inside the wheel, or at the top of a checkout.

    Parameters
    ----------
    kind : str
        ``"protocols"`` or ``"analyses"``.

    Returns
    -------
    pathlib.Path
        The folder.
    """
    inside = _PACKAGE / "shipped" / kind
    return inside if inside.is_dir() else _PACKAGE.parent / kind


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """
    A hint for a mistyped name.

    Parameters
    ----------
    given : str
        What the user wrote.
    known : iterable of str
        The names that exist.

    Returns
    -------
    str
        ``"did you mean 'x'?"`` where a known name is close, else ``"expected one of ..."``.

    Examples
    --------
    >>> did_you_mean("synaptic_nose", ["synaptic_noise", "weight_decay"])
    "did you mean 'synaptic_noise'?"
    """
    names = sorted(known)
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"expected one of {', '.join(names)}" if names else "nothing can be named here"


def load_module(source: str, near: Path | None = None) -> ModuleType:
    """
    Import a module from a dotted name or from a Python file.

    Parameters
    ----------
    source : str
        ``package.module``, or a path that ends in ``.py``, absolute or relative to `near` (else to the current folder).
    near : pathlib.Path, optional
        The folder of the protocol that names it.

    Returns
    -------
    types.ModuleType
        The module.

    Raises
    ------
    ConfigError
        Where it does not exist or cannot be imported.
    """
    if source.endswith(".py"):
        folders = [folder for folder in (near, Path.cwd()) if folder is not None]
        for folder in folders:
            file = folder / source
            if file.is_file():
                return _load_file(file.resolve())
        looked = " or ".join(str(folder) for folder in folders)
        raise ConfigError(f"no file '{source}' in {looked}; give a path relative to the protocol, or an absolute one")
    try:
        return importlib.import_module(source)
    except ImportError as error:
        raise ConfigError(
            f"cannot import '{source}' ({error}); is the package installed in this environment?"
        ) from error


def load_function(source: str, near: Path | None = None) -> Callable[..., Any]:
    """
    Import a user's function.

    Parameters
    ----------
    source : str
        ``package.module:function`` or ``file.py:function``.
    near : pathlib.Path, optional
        The folder of the protocol that names it.

    Returns
    -------
    callable
        The function.

    Raises
    ------
    ConfigError
        Where the module or the function does not exist.
    """
    module_name, _, function_name = source.rpartition(":")
    if not module_name or not function_name:
        raise ConfigError(f"'{source}' names no function; expected package.module:function or file.py:function")
    function = getattr(load_module(module_name, near), function_name, None)
    if not callable(function):
        raise ConfigError(f"'{module_name}' has no function '{function_name}'; check the part after the colon")
    return function  # type: ignore[no-any-return]


@contextmanager
def blamed_on(name: str, what: str) -> Iterator[None]:
    """
    Turn what goes wrong in a user's function into one sentence that says where.

    Parameters
    ----------
    name : str
        The function as the protocol names it; shipped functions have no colon in their names and are left alone.
    what : str
        What it is, for example ``"overnight process"``.

    Yields
    ------
    None

    Raises
    ------
    ConfigError
        With the kind of error, the file and the line.
    """
    try:
        yield
    except NeurofaError:
        raise
    except Exception as error:
        if ":" not in name:
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}, line {last.lineno}"
        raise ConfigError(f"{what} '{name}' failed: {type(error).__name__}: {error} ({place})") from error


def _load_file(file: Path) -> ModuleType:
    """Import one file, anew where it has changed, under a name that cannot clash with a package."""
    name = f"neurofa_user_{file.stem}_{abs(hash((str(file), file.stat().st_mtime_ns)))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{file} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ConfigError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    return module
