"""What a spiking network consists of: everything that its code depends on, and the arrays that go in and come out."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Self

#: arrays of a call that are given in bins of time: name in the equations
IN_BINS = ("stimulus", "target", "teaching", "gate", "bound")


@dataclass(frozen=True)
class Architecture:
    """
    A spiking network and how it learns; networks with equal architectures share their code.

    Attributes
    ----------
    sizes : tuple of int
        Units from the inputs to the outputs.
    learns : bool
        Whether the network has what it takes to learn.
    pathway : str
        ``"layerwise"``, ``"direct"`` or ``"readout"``, see `neurofa.rules.pathways`.
    feedback : str
        ``"fixed"``, ``"walking"``, ``"noisy_uniform"``, ``"noisy_normal"``, ``"transpose"``, ``"sign"`` (magnitudes
        that stay) or ``"sign_batch"`` (drawn at every update).
    teaches_error : bool
        Whether the error is sent back; else a signal that is given in advance.
    slope : str
        ``"derivative"`` (of the smoothed activation) or ``"one"``.
    inputs : str
        ``"regular"`` or ``"poisson"``.
    error : str
        ``"graded"`` or ``"spiking"``: what carries the teaching signal.
    biases : bool
        Whether biases are learned.
    homeostasis : bool
        Whether thresholds move while it learns.
    spike_times : bool
        Whether times of all spikes of hidden units come out.
    time_step_ms, bin_ms : float
        Of the integration; of stimuli, targets and spike counts.
    n_bins : int
        At most so many bins in one call.
    update_bins : int
        Bins of one update, where the feedback weights change at every update; else 0.
    constants : tuple of (str, float)
        Numbers of the neurons by name, in Hz and s: see `neurofa.spiking.equations`.
    """

    sizes: tuple[int, ...]
    learns: bool
    pathway: str
    feedback: str
    teaches_error: bool
    slope: str
    inputs: str
    error: str
    biases: bool
    homeostasis: bool
    spike_times: bool
    time_step_ms: float
    bin_ms: float
    n_bins: int
    update_bins: int
    constants: tuple[tuple[str, float], ...]

    @property
    def n_hidden(self) -> int:
        """Number of hidden layers."""
        return len(self.sizes) - 2

    @property
    def bin_steps(self) -> int:
        """Time steps in a bin."""
        return round(self.bin_ms / self.time_step_ms)

    def to_text(self) -> str:
        """
        Write the architecture as JSON.

        Returns
        -------
        str
            Can be read by `from_text`.
        """
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """
        Read what `to_text` wrote.

        Parameters
        ----------
        text : str
            JSON.

        Returns
        -------
        Architecture
            Equal to the one that was written.
        """
        values: dict[str, Any] = json.loads(text)
        pairs = tuple((str(name), float(value)) for name, value in values.pop("constants"))
        return cls(**values | {"sizes": tuple(values["sizes"]), "constants": pairs})

    def fingerprint(self, *more: str) -> str:
        """
        Name of a build.

        Parameters
        ----------
        *more : str
            What else the build depends on, such as versions.

        Returns
        -------
        str
            Hexadecimal.
        """
        return hashlib.sha256("\n".join([self.to_text(), *more]).encode()).hexdigest()[:24]

    def fed_back(self, layer: int) -> str:
        """
        How the teaching signal reaches a hidden layer.

        Parameters
        ----------
        layer : int
            The hidden layer, from 0.

        Returns
        -------
        str
            A kind of `feedback`; on the pathway ``readout`` the lower layers get the exact gradient.
        """
        below = self.pathway == "readout" and layer < self.n_hidden - 1
        return "transpose" if below else self.feedback

    def has_matrix(self, layer: int) -> bool:
        """
        Tell whether feedback weights of their own lead to a hidden layer.

        Parameters
        ----------
        layer : int
            The hidden layer, from 0.

        Returns
        -------
        bool
            False where they are made of the forward weights.
        """
        return self.learns and self.fed_back(layer).split("_")[0] in ("fixed", "walking", "noisy")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """
        Arrays that go into a call.

        Returns
        -------
        dict of str to tuple of int
            ``stimulus`` (bin, input); ``weights L`` (post, pre) and ``bias L`` (post,) of layer L from 0, in folded
            units; ``baseline`` (). Where it learns also ``target`` and, unless the error is sent, ``teaching`` (bin,
            output); ``gate`` and ``bound`` (bin,); ``rate L`` and ``bias rate L`` (); ``gain L`` and ``plasticity L``
            (post,); with homeostasis ``regulation L``, ``fraction L`` and ``shift L`` (post,); ``feedback L`` (post,
            signal) with ``step L`` and ``scale L`` (), or ``magnitudes L`` (signal, post) with ``scale L``.
        """
        pairs = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        shapes: dict[str, tuple[int, ...]] = {"stimulus": (self.n_bins, self.sizes[0]), "baseline": ()}
        for number, (pre, post) in enumerate(pairs):
            shapes |= {f"weights {number}": (post, pre), f"bias {number}": (post,)}
        if not self.learns:
            return shapes
        timed = ("target",) if self.teaches_error else ("target", "teaching")
        shapes |= {name: (self.n_bins, self.sizes[-1]) for name in timed}
        shapes |= {name: (self.n_bins,) for name in ("gate", "bound")}
        for number, (_, post) in enumerate(pairs):
            shapes |= {f"rate {number}": ()} | ({f"bias rate {number}": ()} if self.biases else {})
            if number < self.n_hidden:
                above = self.sizes[-1] if self.pathway == "direct" else self.sizes[number + 2]
                regulated = ("regulation", "fraction", "shift") if self.homeostasis else ()
                shapes |= {f"{name} {number}": (post,) for name in ("gain", "plasticity", *regulated)}
                if self.has_matrix(number):
                    shapes |= {f"feedback {number}": (post, above), f"step {number}": (), f"scale {number}": ()}
                elif self.fed_back(number).startswith("sign"):
                    shapes |= {f"magnitudes {number}": (above, post), f"scale {number}": ()}
        return shapes

    def results(self) -> dict[str, tuple[int, ...]]:
        """
        Arrays that come out of a call.

        Returns
        -------
        dict of str to tuple of int
            ``count L`` (bin + 1, unit): spikes so far at the start of every bin and at the end; where it learns also
            ``weights L``, ``bias L`` and, where they have changed, ``feedback L`` and ``moved L`` (post,), by how much
            thresholds have. -1 = as long as was simulated.
        """
        found: dict[str, tuple[int, ...]] = {}
        for number, units in enumerate(self.sizes[1:]):
            found[f"count {number}"] = (-1, units)
        if self.learns:
            given = self.shapes()
            kept = ["weights", "bias", *(["feedback"] if self.feedback == "walking" else [])]
            found |= {name: shape for name, shape in given.items() if name.split(" ")[0] in kept and shape}
        if self.homeostasis:
            found |= {f"moved {number}": (units,) for number, units in enumerate(self.sizes[1:-1])}
        return found
