"""Equations of the spiking network as text for Brian2; imports nothing.

Drives, apical signals, errors, weights and biases are in the activation units of the rate network, so that its weights
serve unchanged: all scaling is in the synapse, ``weight / (rho tau_s)`` per spike, and in the neuron's f-I map,
``J0 + kJ a``, which makes the neuron fire ``rho max(a, 0)`` spikes per second (`neurofa.spiking.neurons`).

Learning is the three-factor rule of event-driven random backpropagation (Neftci et al. 2017,
10.3389/fnins.2017.00324): at every presynaptic spike the weight changes by rate * apical signal * slope. In expectation
over a trial this is the rate rule. What synapses read when they learn is what no synapse writes in the same time step:
values that are worked out once per step (which is faster, too) from a smoothed copy of the activation. Were it the
slope of the activation itself, targets of the code would disagree: numpy first adds all spikes of a step and then
learns, C++ goes from synapse to synapse.

Homeostasis moves the threshold of a unit by how much more it is active, that is driven above it, than it should be.
"""

from neurofa.spiking.architecture import Architecture

#: spikes per second of an error unit for an error of 1 grow to at most this many times rho_e
_LARGEST_ERROR = 100
#: of a neuron's rate: 0 below threshold, and 0 where it fires in every time step, as fast as it can. Without the second
#: edge what noise teaches such a neuron adds up without end
_SLOPE = "int(smoothed > 0)*int(smoothed*rho*dt < 1)"
#: worked out once per time step, before anything else
_ONCE = "1 (constant over dt)\n"
#: `membrane_noise`: `neurofa.spiking.noise`
_MEMBRANE = (
    "noise = membrane_noise(t_in_timesteps, i, seed, {layer}) : 1\n"
    "dv/dt = (J0 + kJ*{drive} - v)/tau_m + sigma*sqrt(2/tau_m/dt)*noise : 1\n"
    "dI/dt = -I/tau_s : 1\na = I + b : 1\nseed : integer (shared)\n"
)


def inputs(kind: str) -> dict[str, str]:
    """
    Input units; an input below 0 is that of a unit whose synapses have the opposite sign (an OFF cell of the pair).

    Parameters
    ----------
    kind : str
        ``"regular"``: spikes at equal intervals; ``"poisson"``.

    Returns
    -------
    dict of str to str
        Arguments of a group of neurons.
    """
    sign = f"polarity = sign(stimulus(t, i)) : {_ONCE}"
    if kind == "poisson":
        rate = "firing_rate = abs(stimulus(t, i))*rho : Hz\n"
        return {"model": sign + rate, "threshold": "rand() < firing_rate*dt", "reset": ""}
    phase = "dphase/dt = abs(stimulus(t, i))*rho : 1\n"
    return {"model": sign + phase, "threshold": "phase > 1", "reset": "phase -= 1", "method": "euler"}


def hidden(architecture: Architecture, layer: int) -> dict[str, str]:
    """
    Units of a hidden layer.

    Parameters
    ----------
    architecture : Architecture
        The network.
    layer : int
        The hidden layer, from 0.

    Returns
    -------
    dict of str to str
        Arguments of a group of neurons.
    """
    model = _MEMBRANE.format(drive="a", layer=layer) + "n : 1\n"
    if not architecture.learns:
        return _neurons(model + "b : 1\n", "v -= 1; n += 1")
    slope = _SLOPE if architecture.slope == "derivative" else "1"
    model += f"dsmoothed/dt = (a - smoothed)/tau_slope : 1\nslope = {slope} : 1\ngain : 1\nplasticity : 1\n"
    model += _apical(architecture, layer)
    model += f"sent_up = slope*U : 1\ndelta = gain*sent_up : 1\nlearning = gate(t)*plasticity*delta : {_ONCE}"
    model += _bias(architecture)
    if architecture.homeostasis:
        model = model.replace("a = I + b :", "a = I + b - moved :")
        model += "dmoved/dt = regulation*gate(t)*(int(smoothed > shift) - fraction) : 1\n"
        model += "regulation : Hz\nfraction : 1\nshift : 1\n"
    if layer > 0 and architecture.pathway != "direct":
        model += _error_units(architecture, source(architecture, layer - 1))
    return _neurons(model, "v -= 1; n += 1")


def output(architecture: Architecture) -> dict[str, str]:
    """
    Units of the readout: they fire at a baseline, so that outputs and errors have both signs.

    Parameters
    ----------
    architecture : Architecture
        The network.

    Returns
    -------
    dict of str to str
        Arguments of a group of neurons.
    """
    model = _MEMBRANE.format(drive="(a + baseline)", layer=architecture.n_hidden) + "n : 1\nbaseline : 1 (shared)\n"
    if not architecture.learns:
        return _neurons(model + "b : 1\n", "v -= 1; n += 1")
    model += f"dr/dt = -r/tau_e : 1\naim = target(t, i) + baseline : {_ONCE}err = gate(t)*(aim - r) : {_ONCE}"
    if architecture.teaches_error:
        model += f"teach = err : {_ONCE}"
    else:
        model += f"aim_sent = teaching(t, i) : {_ONCE}teach = gate(t)*aim_sent : {_ONCE}"
    model += f"learning = bound(t)*err : {_ONCE}{_bias(architecture)}"
    model += _error_units(architecture, "teach")
    return _neurons(model, "v -= 1; n += 1; r += 1/(rho*tau_e)")


def forward(architecture: Architecture, number: int) -> tuple[str, dict[str, str], dict[str, str]]:
    """
    Synapses from one layer to the next.

    Parameters
    ----------
    architecture : Architecture
        The network.
    number : int
        The layer that they lead to, from 0; the last is the readout.

    Returns
    -------
    tuple
        Model; pathways at presynaptic spikes; pathways at events of the postsynaptic units, by name of the event.
    """
    sign = "polarity_pre*" if number == 0 else ""
    spikes = {"pre": f"I_post += {sign}w/(rho*tau_s)"}
    if not architecture.learns:
        return "w : 1", spikes, {}
    spikes["pre"] += f"\nw += rate*{sign}learning_post"
    model, events = "w : 1\nrate : 1 (shared)\n", {}
    kind = architecture.fed_back(number - 1) if number > 0 else ""
    if kind.startswith(("transpose", "sign")):
        # the weights themselves, or their signs, carry the signal back
        above = source(architecture, number - 1)
        weight = "w"
        if kind.startswith("sign"):
            model += "M : 1\nscale : 1 (shared)\n"
            weight = "scale*M*sign(w)"
        if architecture.error == "graded":
            model += f"U_pre = {weight}*{above}_post : 1 (summed)\n"
        else:
            events = {name: f"U_pre {sign}= {weight}/(rho_e*tau_u)" for name, sign in (("plus", "+"), ("minus", "-"))}
    return model, spikes, events


def backward(architecture: Architecture, layer: int) -> tuple[str, dict[str, str]]:
    """
    Feedback synapses onto the apical dendrites of a hidden layer.

    Parameters
    ----------
    architecture : Architecture
        The network.
    layer : int
        The hidden layer, from 0.

    Returns
    -------
    tuple
        Model; pathways at events of the presynaptic units, by name of the event.
    """
    noisy = architecture.feedback.startswith("noisy")
    weight = "(F + step*M)" if noisy else "F"
    model = "F : 1\nstep : 1 (shared)\nscale : 1 (shared)\n" + ("M : 1\n" if noisy else "")
    if by_event(architecture, layer):
        if not architecture.teaches_error:
            return model, {"bin": f"aimed_post += {weight}*aim_sent_pre"}
        # the readout's estimate of its own rates, fed back: it jumps at its spikes and decays between them
        return model, {
            "spike": f"estimated_post += {weight}/(rho*tau_e)",
            "bin": f"aimed_post += {weight}*aim_pre",
        }
    if architecture.error == "graded":
        return model + f"U_post = {weight}*{source(architecture, layer)}_pre : 1 (summed)\n", {}
    return model, {name: f"U_post {sign}= {weight}/(rho_e*tau_u)" for name, sign in (("plus", "+"), ("minus", "-"))}


def at_every_update(feedback: str) -> str:
    """
    What happens to feedback synapses at the start of every update.

    Parameters
    ----------
    feedback : str
        Kind, see `Architecture`.

    Returns
    -------
    str
        A statement; empty where nothing happens.
    """
    return {
        "walking": "F = sqrt(1 - step**2)*F + step*scale*randn()",
        "noisy_uniform": "M = rand() - 0.5",
        "noisy_normal": "M = randn()",
        "sign_batch": "M = abs(randn())",
    }.get(feedback, "")


def source(architecture: Architecture, layer: int) -> str:
    """
    Name of the variable above a hidden layer that is sent back to it.

    Parameters
    ----------
    architecture : Architecture
        The network.
    layer : int
        The hidden layer that receives, from 0.

    Returns
    -------
    str
        Of the units of the layer above, or of the readout.
    """
    if architecture.pathway == "direct" or layer == architecture.n_hidden - 1:
        return "teach"
    # folded weights hold the gain already
    return "sent_up" if architecture.fed_back(layer) == "transpose" else "delta"


def by_event(architecture: Architecture, layer: int) -> bool:
    """
    Whether feedback to a hidden layer is added up at events, not anew in every time step, which takes much longer.

    Parameters
    ----------
    architecture : Architecture
        The network.
    layer : int
        The hidden layer that receives, from 0.

    Returns
    -------
    bool
        True for graded signals of the readout through a matrix: what it aims at is new in every bin only, and its
        estimate of its own rates jumps at spikes and decays between them.
    """
    return architecture.error == "graded" and architecture.has_matrix(layer) and source(architecture, layer) == "teach"


def _apical(architecture: Architecture, layer: int) -> str:
    """Signal that reaches the apical dendrite of a hidden unit."""
    if architecture.error == "spiking":
        return "dU/dt = -U/tau_u : 1\n"
    if not by_event(architecture, layer):
        return "U : 1\n"
    if not architecture.teaches_error:
        return "aimed : 1\nU = aimed : 1\n"
    return "aimed : 1\ndestimated/dt = -estimated/tau_e : 1\nU = aimed - estimated : 1\n"


def _bias(architecture: Architecture) -> str:
    """Bias of a unit: it learns like the weight of an input that is always 1."""
    return "db/dt = bias_rate*learning : 1\nbias_rate : Hz (shared)\n" if architecture.biases else "b : 1\n"


def _error_units(architecture: Architecture, signal: str) -> str:
    """Two units per unit, for the two signs of the signal; they fire `rho_e` times its size."""
    if architecture.error == "graded":
        return ""
    return (
        f"dz_plus/dt = clip({signal}, 0, {_LARGEST_ERROR})*rho_e : 1\n"
        f"dz_minus/dt = clip(-{signal}, 0, {_LARGEST_ERROR})*rho_e : 1\n"
    )


def _neurons(model: str, reset: str) -> dict[str, str]:
    """Arguments of a group of leaky integrate-and-fire neurons that are reset by subtraction."""
    return {"model": model, "threshold": "v > 1", "reset": reset, "method": "euler"}
