"""Cohorts of simulated animals that learn with feedback alignment, held against recordings."""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "NeurofaError": "neurofa.errors",
    "analyse": "neurofa.analysis",
    "compare": "neurofa.comparison",
    "import_nwb": "neurofa.nwb",
    "load_protocol": "neurofa.protocol",
    "load_recording": "neurofa.recording",
    "observe": "neurofa.observation",
    "run": "neurofa.job",
    "simulate": "neurofa.simulation",
}
_MODULES = ("figures", "measures", "references")

__all__ = [*_PUBLIC, *_MODULES]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: torch, xarray and seaborn together take seconds to import."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"neurofa.{name}")
    raise AttributeError(f"module 'neurofa' has no attribute '{name}'")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, "__version__"])
