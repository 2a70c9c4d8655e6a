"""The table of a protocol that says how its networks spike, and what cannot be done in spikes."""

from typing import Literal, Self

from pydantic import Field, model_validator

from neurofa.checking import Settings, is_on
from neurofa.rule_settings import NetworkSettings, RuleSettings
from neurofa.rules.names import LATERAL, LEARNING_NOISE, PATHWAYS

#: feedback weights that spiking networks learn with
_FEEDBACK_WEIGHTS = ("transpose", "fixed", "noisy", "walking", "sign")
#: spikes per time step for a rate of 1: a neuron that fires in every time step follows rates up to 4
_LARGEST_PER_STEP = 0.25


class SpikingSettings(Settings):
    """How the networks spike, where engine.kind is spiking."""

    use: Literal["learning", "port"] = Field(
        "learning", description="learning = learn and are probed in spikes; port = learn as rates, probed in spikes"
    )
    inputs: Literal["regular", "poisson"] = Field("regular", description="spikes of the inputs; regular = no noise")
    error: Literal["graded", "spiking"] = Field("graded", description="what carries the teaching signal")
    hz_per_unit: float = Field(50.0, gt=0, le=500, description="spikes per second per unit of a rate, Hz")
    membrane_ms: float = Field(20.0, gt=0, description="time constant of the membrane, ms")
    membrane_noise: float = Field(0.15, gt=0, description="sd of the membrane's noise, in units of the threshold")
    synapse_ms: float = Field(20.0, gt=0, description="time constant of the synaptic currents, ms")
    slope_ms: float = Field(20.0, gt=0, description="of the smoothing of the activation that decides who learns, ms")
    readout_ms: float = Field(50.0, gt=0, description="of the readout's own estimate of its rate, ms")
    apical_ms: float = Field(20.0, gt=0, description="of the apical dendrite that collects error spikes, ms")
    error_hz: float = Field(100.0, gt=0, description="spikes per second of error units for an error of 1, Hz")
    baseline: float = Field(0.25, gt=0, description="rate of the readout for an output of 0, in units of the rates")
    time_step_ms: float = Field(1.0, gt=0, description="of the integration, ms")
    bin_ms: float = Field(50.0, gt=0, description="in which spikes are counted, ms")
    trial_ms: float = Field(400.0, gt=0, description="of a learning trial, ms")
    settling_ms: float = Field(150.0, ge=0, description="of it, before anything is learned, ms")
    probe_ms: float = Field(350.0, gt=0, description="of a trial of the probe, ms")
    probe_settling_ms: float = Field(50.0, ge=0, description="of it, before spikes count for rates, ms")
    spike_times: bool = Field(False, description="keep the times of all spikes of the probe")
    code_target: Literal["auto", "numpy", "cpp_standalone"] = Field(
        "auto", description="cpp_standalone needs a compiler; auto = where there is one"
    )
    cache: str = Field("", description="folder of the compiled networks; empty = the user's cache")

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        """Check that durations are whole bins, and that something is left after settling."""
        for name, unit in (
            ("bin_ms", "time_step_ms"),
            *((name, "bin_ms") for name in ("trial_ms", "settling_ms", "probe_ms", "probe_settling_ms")),
        ):
            ratio = getattr(self, name) / getattr(self, unit)
            if abs(ratio - round(ratio)) > 1e-6 or (name == "bin_ms" and ratio < 1):
                raise ValueError(
                    f"{name} must be a multiple of {unit}, got {getattr(self, name):g} and {getattr(self, unit):g}"
                )
        for name, settling in (("trial_ms", "settling_ms"), ("probe_ms", "probe_settling_ms")):
            if getattr(self, settling) >= getattr(self, name):
                raise ValueError(
                    f"{settling} must be less than {name}, got {getattr(self, settling):g} and {getattr(self, name):g}"
                )
        if self.use == "learning" and self.settling_ms <= self.probe_settling_ms:
            raise ValueError(
                "settling_ms must be more than probe_settling_ms: between them a learning trial's report is taken; "
                f"got {self.settling_ms:g} and {self.probe_settling_ms:g}"
            )
        fastest = min(self.membrane_ms, self.synapse_ms, self.slope_ms, self.readout_ms, self.apical_ms)
        if self.time_step_ms > fastest / 4:
            raise ValueError(
                f"time_step_ms must be at most a quarter of the shortest time constant, got {self.time_step_ms:g} and "
                f"{fastest:g}; make it shorter"
            )
        if self.hz_per_unit * self.time_step_ms / 1000 > _LARGEST_PER_STEP:
            raise ValueError(
                f"hz_per_unit times time_step_ms must be at most {1000 * _LARGEST_PER_STEP:g}, got "
                f"{self.hz_per_unit:g} and {self.time_step_ms:g}: a neuron fires once per time step at most, and would "
                f"follow rates up to {1000 / (self.hz_per_unit * self.time_step_ms):.2g} only; make one of them smaller"
            )
        return self

    def bins(self, name: str) -> int:
        """
        Number of bins in a duration.

        Parameters
        ----------
        name : str
            Of the setting, for example ``"trial_ms"``.

        Returns
        -------
        int
            Whole bins.
        """
        return round(float(getattr(self, name)) / self.bin_ms)

    @property
    def probe_seconds(self) -> float:
        """Time of a probe trial that counts for rates, s."""
        return (self.probe_ms - self.probe_settling_ms) / 1000


def why_not_in_spikes(network: NetworkSettings, rule: RuleSettings, spiking: SpikingSettings) -> str:
    """
    Reason why a protocol cannot run with spiking neurons.

    Parameters
    ----------
    network : NetworkSettings
        The rate networks.
    rule : RuleSettings
        How they learn.
    spiking : SpikingSettings
        How they should spike.

    Returns
    -------
    str
        What is not possible and how to mend it; empty where it is possible.
    """
    start = "engine.kind spiking "
    if network.kind != "feedforward":
        return f"{start}has no {network.kind} networks; set network.kind to feedforward, or engine.kind to rate"
    if network.activation != "relu":
        return (
            f"{start}has neurons whose f-I map is that of a rectified linear unit, which network.activation "
            f"{network.activation} is not; set network.activation to relu, or engine.kind to rate"
        )
    if network.loss != "squared_error":
        return (
            f"{start}has no softmax readout, which network.loss {network.loss} needs; "
            "set network.loss to squared_error, or engine.kind to rate"
        )
    if rule.choices().pathway == LATERAL:
        return f"{start}has no lateral inhibition; choose another rule than similarity_matching, or engine.kind rate"
    if spiking.use == "port":
        return ""
    choices, port = rule.choices(), "; or let them learn as rates and probe them in spikes: set spiking.use to port"
    if choices.feedback_weights not in _FEEDBACK_WEIGHTS:
        return (
            f"{start}learns with feedback weights {', '.join(_FEEDBACK_WEIGHTS)}, not yet with "
            f"'{choices.feedback_weights}'; set rule.feedback_weights to fixed{port}"
        )
    if choices.pathway not in PATHWAYS:
        return (
            f"{start}learns on the pathways {', '.join(PATHWAYS)}, not yet on '{choices.pathway}'; "
            f"set rule.pathway to layerwise{port}"
        )
    if choices.optimiser != "gradient":
        return (
            f"{start}changes weights at every spike, which rule.optimiser {choices.optimiser} cannot; "
            f"set rule.optimiser to gradient{port}"
        )
    if network.output_gain:
        return f"{start}does not learn output gains; set network.output_gain to false{port}"
    for name in (*LEARNING_NOISE, "activity_penalty"):
        if is_on(getattr(rule, name)):
            return f"{start}does not learn with rule.{name}; set it to 0{port}"
    return ""
