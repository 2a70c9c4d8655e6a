"""The spiking network made of Brian2's objects: run here on numpy, or written as a C++ program.

This file alone knows Brian2, which it gets from processes of their own that import it: `neurofa.spiking.child`.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from neurofa.spiking import equations, noise
from neurofa.spiking.architecture import IN_BINS, Architecture

#: variable of a call's array, and the kind of object that has it
_VARIABLES = {
    "weights": ("forward", "w"),
    "rate": ("forward", "rate"),
    "bias": ("units", "b"),
    "bias rate": ("units", "bias_rate"),
    "gain": ("units", "gain"),
    "plasticity": ("units", "plasticity"),
    "regulation": ("units", "regulation"),
    "fraction": ("units", "fraction"),
    "shift": ("units", "shift"),
    "moved": ("units", "moved"),
}


class Model:
    """
    A spiking network.

    Parameters
    ----------
    architecture : Architecture
        What it consists of.
    brian2 : module
        Brian2, its device chosen.
    """

    def __init__(self, architecture: Architecture, brian2: ModuleType) -> None:
        self.architecture = architecture
        self._b2 = b2 = brian2
        own = architecture
        hz_and_s = {"rho": b2.Hz, "rho_e": b2.Hz} | {
            name: b2.second for name in ("tau_m", "tau_s", "tau_slope", "tau_e", "tau_u")
        }
        self.constants = {name: value * hz_and_s.get(name, 1) for name, value in own.constants}
        self.constants["membrane_noise"] = self._noise()
        self.bin = own.bin_ms * b2.ms
        self._dt = own.time_step_ms * b2.ms
        self.units = [self._group("inputs", own.sizes[0], equations.inputs(own.inputs))]
        for layer in range(own.n_hidden):
            self.units.append(self._group(f"hidden_{layer}", own.sizes[layer + 1], equations.hidden(own, layer)))
        self.units.append(self._group("output", own.sizes[-1], equations.output(own)))
        self.forward = [self._forward(number) for number in range(len(own.sizes) - 1)]
        self.backward = {layer: self._backward(layer) for layer in range(own.n_hidden) if own.has_matrix(layer)}
        self.counters = [
            b2.StateMonitor(group, "n", record=True, dt=self.bin, name=f"count_{number}")
            for number, group in enumerate(self.units[1:])
        ]
        watched = self.units[1:-1] if own.spike_times else []
        self.spikes = [b2.SpikeMonitor(group, name=f"spikes_{number}") for number, group in enumerate(watched)]
        self.timed: dict[str, Any] = self.in_bins({})
        parts = [*self.units, *self.forward, *self.backward.values(), *self.counters, *self.spikes]
        self.network = b2.Network(*parts)

    def in_bins(self, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
        """
        Arrays over time as functions of time.

        Parameters
        ----------
        arrays : dict of str to numpy.ndarray
            Of a call; zeros where they are missing.

        Returns
        -------
        dict of str to brian2.TimedArray
            By name.
        """
        shapes = self.architecture.shapes()
        return {
            name: self._b2.TimedArray(
                np.asarray(arrays.get(name, np.zeros(shapes[name]))), dt=self.bin, name=f"{name}_bins"
            )
            for name in IN_BINS
            if name in shapes
        }

    def variable(self, name: str) -> tuple[Any, str] | None:
        """
        Where an array of a call lives.

        Parameters
        ----------
        name : str
            As in `Architecture.shapes` and `Architecture.results`.

        Returns
        -------
        tuple or None
            Object and name of its variable; None where the array is given in bins or belongs to nothing.
        """
        if name == "baseline":
            return self.units[-1], "baseline"
        key, _, number = name.rpartition(" ")
        if key in _VARIABLES:
            kind, variable = _VARIABLES[key]
            return (self.forward[int(number)] if kind == "forward" else self.units[int(number) + 1]), variable
        if key not in ("feedback", "magnitudes", "step", "scale"):
            return None
        layer = int(number)
        holder = self.backward[layer] if layer in self.backward else self.forward[layer + 1]
        return holder, {"feedback": "F", "magnitudes": "M"}.get(key, key)

    def run(self, arrays: dict[str, np.ndarray], seed: int, n_bins: int) -> dict[str, np.ndarray]:
        """
        Simulate from rest, on numpy.

        Parameters
        ----------
        arrays : dict of str to numpy.ndarray
            See `Architecture.shapes`.
        seed : int
            Of all random numbers of the call.
        n_bins : int
            How long.

        Returns
        -------
        dict of str to numpy.ndarray
            See `Architecture.results`.
        """
        if "start" in self.network._stored_state:
            self.network.restore("start")
        else:
            self.network.store("start")
        for name, values in arrays.items():
            place = self.variable(name)
            if place is not None:
                # the name with an underscore takes numbers without a unit
                setattr(place[0], f"{place[1]}_", values.ravel("F") if values.shape else float(values))
        for group in self.units[1:]:
            group.seed_ = seed
        self._b2.seed(seed)
        self.network.run(n_bins * self.bin, namespace=self.constants | self.in_bins(arrays))
        return self._results()

    def _results(self) -> dict[str, np.ndarray]:
        """What comes out of a call."""
        found: dict[str, np.ndarray] = {}
        for name, shape in self.architecture.results().items():
            place = self.variable(name)
            if place is not None:
                found[name] = np.array(getattr(place[0], place[1])[:]).reshape(shape, order="F")
        for number, (counter, group) in enumerate(zip(self.counters, self.units[1:], strict=True)):
            found[f"count {number}"] = np.vstack([counter.n[:].T, group.n[:]])
        for number, monitor in enumerate(self.spikes):
            found |= {
                f"spike unit {number}": np.array(monitor.i),
                f"spike time {number}": np.array(monitor.t / self._b2.second),
            }
        return found

    def write_program(self, folder: Path, seconds: str, seed: str) -> dict[str, dict[str, str]]:
        """
        Write and compile the C++ program; the device must be set to ``cpp_standalone``.

        Parameters
        ----------
        folder : pathlib.Path
            Where to.
        seconds, seed : str
            Environment variables that the program reads: how long to simulate, and the seed.

        Returns
        -------
        dict
            ``arguments``: name of an array to the program's name for it; ``results``: to the file and its type.
        """
        device = self._b2.get_device()
        # the generators are there after the start only
        device.insert_code(
            "after_start", f'brian::_random_generators[0].seed(std::strtoul(std::getenv("{seed}"), NULL, 10));'
        )
        self.network.run(0 * self._b2.second, namespace=self.constants | self.timed)
        device.insert_code("main", f'{self.network.name}.run(std::atof(std::getenv("{seconds}")), NULL, 10.0);')
        device.build(directory=str(folder), compile=True, run=False, with_output=False)
        arguments, results = {}, {}
        for name in self.architecture.shapes():
            place = self.variable(name)
            arguments[name] = f"{place[0].name}.{place[1]}" if place else f"{self.timed[name].name}.values"

        def file_of(holder: Any, variable: str) -> str:
            """Where the program leaves a variable, and of which type it is."""
            found = holder.variables[variable]
            return f"{np.dtype(found.dtype).str} {device.get_array_filename(found)}"

        for name in self.architecture.results():
            place = self.variable(name)
            if place is not None:
                results[name] = file_of(*place)
        for number, (counter, group) in enumerate(zip(self.counters, self.units[1:], strict=True)):
            results[f"count {number}"] = file_of(counter, "n")
            results[f"last count {number}"] = file_of(group, "n")
        for number, monitor in enumerate(self.spikes):
            results[f"spike unit {number}"] = file_of(monitor, "i")
            results[f"spike time {number}"] = file_of(monitor, "t")
        seeds = {group.name: f"{group.name}.seed" for group in self.units[1:]}
        return {"arguments": arguments, "results": results, "seeds": seeds}

    def _noise(self) -> Any:
        """The membranes' noise as a function of Brian2."""
        function = self._b2.Function(
            noise.membrane_noise,
            arg_units=[1, 1, 1, 1],
            return_unit=1,
            arg_types=["integer"] * 4,
            return_type="float",
        )
        function.implementations.add_implementation("cpp", noise.IN_C, name="membrane_noise")
        return function

    def _group(self, name: str, units: int, arguments: dict[str, str]) -> Any:
        """A group of neurons, with events of its error units where it has some, and of the readout's bins."""
        signs = {sign: f"z_{sign} > 1" for sign in ("plus", "minus") if f"z_{sign}" in arguments["model"]}
        own = self.architecture
        # every unit has this event in the first step of a bin
        timed = name == "output" and any(equations.by_event(own, layer) for layer in range(own.n_hidden))
        bins = {"bin": f"t_in_timesteps % {own.bin_steps} == 0"} if timed else {}
        group = self._b2.NeuronGroup(units, **arguments, events=signs | bins, dt=self._dt, name=name)
        for event in signs:
            group.run_on_event(event, f"z_{event} -= 1")
        if "aimed : 1" in arguments["model"]:
            group.run_regularly("aimed = 0", dt=self.bin, when="before_synapses")
        return group

    def _forward(self, number: int) -> Any:
        """Synapses to a layer; their order is that of the columns of weights (post, pre)."""
        model, spikes, events = equations.forward(self.architecture, number)
        below, above = self.units[number], self.units[number + 1]
        on_event = {name: name if name in events else "spike" for name in (*spikes, *events)}
        synapses = self._b2.Synapses(
            below,
            above,
            model,
            on_pre=spikes,
            on_post=events or None,
            on_event=on_event,
            dt=self._dt,
            name=f"forward_{number}",
        )
        _connect_all(synapses, len(below), len(above))
        if "M : 1" in model and self.architecture.feedback == "sign_batch":
            self._renew(synapses)
        return synapses

    def _backward(self, layer: int) -> Any:
        """Feedback synapses to a hidden layer; their order is that of the columns of weights (post, signal)."""
        model, events = equations.backward(self.architecture, layer)
        above = self.units[-1 if self.architecture.pathway == "direct" else layer + 2]
        below = self.units[layer + 1]
        synapses = self._b2.Synapses(
            above,
            below,
            model,
            on_pre=events or None,
            on_event={name: name for name in events} or "spike",
            dt=self._dt,
            name=f"feedback_{layer}",
        )
        _connect_all(synapses, len(above), len(below))
        self._renew(synapses)
        return synapses

    def _renew(self, synapses: Any) -> None:
        """Let feedback weights change at every update."""
        statement = equations.at_every_update(self.architecture.feedback)
        if statement:
            synapses.run_regularly(statement, dt=self.architecture.update_bins * self.bin)


def _connect_all(synapses: Any, pre: int, post: int) -> None:
    """One synapse from each unit to each; those of a presynaptic unit side by side, as they are read at its spikes."""
    synapses.connect(i=np.repeat(np.arange(pre), post), j=np.tile(np.arange(post), pre))
