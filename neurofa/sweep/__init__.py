"""Many runs of one protocol: one condition per combination of values, one folder, one report."""

from neurofa.sweep.plan import is_sweep
from neurofa.sweep.running import Sweep, resume_sweep, sweep

__all__ = ["Sweep", "is_sweep", "resume_sweep", "sweep"]
