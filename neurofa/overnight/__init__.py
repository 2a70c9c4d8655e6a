"""What changes between two sessions; one file per published drift mechanism.

A process is a function ``name(network, days, draws, *, parameters...)`` that changes the networks in place by what
happens in `days` days; parameters are per day and arrive as tensors, one value per animal. At birth it is called once
with 0 days, so that it can lay the state that it needs; nothing else may happen then. Users name their own as
``package.module:function`` or ``file.py:function``. A process with a keyword-only parameter `learn` gets from the
engine what lets animals learn without a session, see `neurofa.overnight.offline_replay`.
"""

from collections.abc import Callable

from neurofa.checking import per_animal as per_animal

OvernightProcess = Callable[..., None]


def overnight_processes() -> dict[str, OvernightProcess]:
    """
    The processes that ship with the package, in the order in which they act in a night.

    Returns
    -------
    dict of str to callable
        By name.
    """
    from neurofa.overnight.decay import decay_to_birth, readout_decay, weight_decay
    from neurofa.overnight.drift_speed import drift_speed
    from neurofa.overnight.excitability_drift import excitability_drift
    from neurofa.overnight.feedback_walk import feedback_walk
    from neurofa.overnight.gain_drift import gain_drift
    from neurofa.overnight.homeostatic_scaling import homeostatic_scaling
    from neurofa.overnight.offline_replay import offline_replay
    from neurofa.overnight.spine_turnover import spine_turnover
    from neurofa.overnight.synaptic_noise import synaptic_noise

    return {
        "drift_speed": drift_speed,
        "feedback_walk": feedback_walk,
        "weight_decay": weight_decay,
        "readout_decay": readout_decay,
        "decay_to_birth": decay_to_birth,
        "synaptic_noise": synaptic_noise,
        "spine_turnover": spine_turnover,
        "homeostatic_scaling": homeostatic_scaling,
        "excitability_drift": excitability_drift,
        "gain_drift": gain_drift,
        "offline_replay": offline_replay,
    }
