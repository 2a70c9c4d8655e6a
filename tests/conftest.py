"""What holds for every test: no window opens, and nothing global is changed."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis
import matplotlib.pyplot
import numpy as np
import pytest
import torch

# how long an example takes is the machine's business
hypothesis.settings.register_profile("neurofa", deadline=None)
hypothesis.settings.load_profile("neurofa")


def _global_state():
    """Everything that one test could change for the next one."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    return {
        "numpy's global random numbers": (kind, keys.tobytes(), *rest),
        "torch's global random numbers": torch.get_rng_state().numpy().tobytes(),
        "matplotlib's rcParams": dict(matplotlib.rcParams),
        "pyplot's open figures": matplotlib.pyplot.get_fignums(),
        "torch's number of threads": torch.get_num_threads(),
        "torch's default precision": torch.get_default_dtype(),
    }


@pytest.fixture(autouse=True)
def _nothing_global_changes():
    before = _global_state()
    yield
    after = _global_state()
    changed = [name for name, value in before.items() if after[name] != value]
    assert not changed, f"the test changed {', '.join(changed)}"
