"""The tables of a protocol that say what the networks are and how they learn."""

from typing import Literal, Self

from pydantic import Field, model_validator

from neurofa.catalogue import did_you_mean
from neurofa.checking import PerAnimal, Settings, is_on, per_animal
from neurofa.rules.names import (
    FEEDBACK_WEIGHTS,
    LATERAL,
    LEARNED_BY,
    LEARNING_NOISE,
    NAMED_RULES,
    NO_FEEDBACK,
    PATHWAYS,
    PATHWAYS_BY_INFERENCE,
    PATHWAYS_IN_TIME,
    SIGN_MAGNITUDES,
    SLOPES,
    TEACHING_SIGNALS,
    Choices,
    Inference,
    Matching,
)

#: choices of a rule that its name makes and a setting of the same name may change
_OPTIONS = {
    "teaching_signal": TEACHING_SIGNALS,
    "pathway": (*PATHWAYS, *PATHWAYS_BY_INFERENCE, LATERAL, *PATHWAYS_IN_TIME),
    "feedback_weights": (*FEEDBACK_WEIGHTS, NO_FEEDBACK),
    "slope": SLOPES,
    "sign_magnitudes": SIGN_MAGNITUDES,
    "learned_by": LEARNED_BY,
}


class NetworkSettings(Settings):
    """The rate networks."""

    kind: Literal["feedforward", "recurrent", "predicting"] = Field(
        "feedforward", description="recurrent: one layer, lives in time; predicting: feedforward, predicts events"
    )
    hidden: tuple[int, ...] = Field((100,), description="units of each hidden layer")
    activation: Literal["tanh", "relu", "softplus", "identity"] = Field("relu", description="of the hidden layers")
    loss: Literal["squared_error", "cross_entropy"] = Field("squared_error", description="what learning reduces")
    biases: bool = Field(False, description="trainable biases")
    output_gain: bool = Field(False, description="a trainable gain of the rates of each hidden layer, at first 1")
    weight_scale: PerAnimal = per_animal(
        1.0, gt=0, description="sd of the hidden layers' first weights, times sqrt(inputs)"
    )
    readout_scale: PerAnimal = per_animal(0.0, ge=0, description="the same for the readout; 0 = it starts at zero")
    gain_sd: PerAnimal = per_animal(0.0, ge=0, description="sd over units of the log gain (mean gain 1)")
    active_fraction: PerAnimal = per_animal(
        0.0, ge=0, lt=1, description="fraction of stimuli a unit should be active for; 0 = no thresholds"
    )
    active_fraction_spread: PerAnimal = per_animal(0.0, ge=0, description="sd over units of the logit of that fraction")
    homeostasis_rate: PerAnimal = per_animal(0.0, ge=0, description="speed of the threshold homeostasis, per update")
    pretraining_homeostasis: float = Field(1.0, ge=0, description="that speed in pretraining, relative")
    recurrent_scale: PerAnimal = per_animal(
        1.0, ge=0, description="sd of the first recurrent weights, times sqrt(units); 1 = on the edge of chaos"
    )
    time_constant_ms: PerAnimal = per_animal(100.0, gt=0, description="of the units of a recurrent network, ms")
    time_step_ms: float = Field(20.0, gt=0, description="of a recurrent network, at most half its time constant, ms")

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        """Check that every layer has units."""
        if any(units < 1 for units in self.hidden):
            raise ValueError(f"hidden must list at least one unit per layer, got {list(self.hidden)}")
        active = self.active_fraction
        if isinstance(active, tuple) and 0 in active and any(active):
            raise ValueError(
                f"active_fraction must be above 0 in all animals or 0 in all, got {list(active)}; "
                "put animals without thresholds into a group of their own"
            )
        return self

    @model_validator(mode="after")
    def _check_recurrent(self) -> Self:
        """Check that a recurrent network has one layer, fine time steps, and nothing that it does not know."""
        if self.kind != "recurrent":
            return self
        if len(self.hidden) != 1:
            raise ValueError(
                f"hidden lists {len(self.hidden)} layers, but a recurrent network has one; for example hidden = [100]"
            )
        shortest = min(self.time_constant_ms if isinstance(self.time_constant_ms, tuple) else (self.time_constant_ms,))
        if self.time_step_ms > shortest / 2:
            raise ValueError(
                f"time_step_ms must be at most half of time_constant_ms, got {self.time_step_ms:g} and {shortest:g}; "
                "make it shorter"
            )
        for name in ("gain_sd", "active_fraction", "homeostasis_rate", "output_gain"):
            value = getattr(self, name)
            if any(value) if isinstance(value, tuple) else value:
                raise ValueError(f"{name} is for feedforward networks; leave it out, or set kind to feedforward")
        return self


class RuleSettings(Settings):
    """The learning rule: a name of the table, and any of the three choices in place of the name's."""

    name: str = Field("fa", description="named rule; see neurofa list rules")
    teaching_signal: str = Field("", description="error, target or centred_target; empty = as the name says")
    pathway: str = Field(
        "",
        description="layerwise, direct, readout, equilibrium, fixed_prediction, lateral, eligibility, through_time; "
        "empty: by name",
    )
    feedback_weights: str = Field(
        "",
        description="transpose, fixed, noisy, network, walking, sign, learned, informative, none; empty: by name",
    )
    slope: str = Field("", description="derivative (of the activation) or one; empty = as the name says")
    sign_magnitudes: str = Field("", description="of sign: unit, batch or fixed; empty = as the name says")
    learned_by: str = Field("", description="of learned: kolen_pollack or weight_mirror; empty = as the name says")
    optimiser: Literal["gradient", "momentum", "adam"] = Field("gradient", description="of all weights that learn")
    online: bool = Field(
        False, description="recurrent networks: weights change at every time step, not after the trials of an update"
    )
    learning_rate: PerAnimal = per_animal(0.1, ge=0, description="of the hidden layers, per update of averaged trials")
    readout_learning_rate: PerAnimal = per_animal(0.1, ge=0, description="of the readout; 0 = frozen readout")
    readout_step_bound: PerAnimal = per_animal(
        0.8, ge=0, description="a plain step of the readout is at most this / its summed squared inputs; 0 = any"
    )
    feedback_scale: PerAnimal = per_animal(1.0, ge=0, description="sd of the feedback weights, times sqrt(signals)")
    target_scale: PerAnimal = per_animal(0.01, ge=0, description="scale of the centred target as teaching signal")
    noise_amplitude: PerAnimal = per_animal(0.001, ge=0, description="of noisy feedback weights")
    noise_kind: Literal["uniform", "normal"] = Field(
        "uniform", description="of noisy feedback weights: uniform from -1/2 to 1/2, or normal"
    )
    walk_per_update: PerAnimal = per_animal(
        0.01, ge=0, lt=1, description="step of walking feedback weights, per update"
    )
    network_units: int = Field(50, ge=1, description="units of the feedback network")
    network_scale: PerAnimal = per_animal(
        1.0, ge=0, description="of the second stage of the feedback network, relative to feedback_scale"
    )
    feedback_decay: PerAnimal = per_animal(
        0.001, ge=0, lt=1, description="Kolen-Pollack: decay of forward and feedback weights, per update"
    )
    feedback_rate: PerAnimal = per_animal(
        0.01, ge=0, lt=1, description="weight mirror: share of F renewed; informative: relative step; per update"
    )
    precisions: tuple[float, ...] = Field(
        (), description="predictive coding: precision of each hidden layer and of the output; empty = 1"
    )
    inference_step: float = Field(0.5, gt=0, description="predictive coding: largest step of the inference")
    inference_tolerance: float = Field(
        1e-5, gt=0, lt=1, description="predictive coding: inference ends when no rate moves by more than this, relative"
    )
    inference_max_steps: int = Field(
        10_000, ge=1, description="predictive coding: when inference is given up, and told"
    )
    matching_offset: float = Field(
        1.0, ge=0, description="similarity matching: taken from the similarities of inputs, squares of their units"
    )
    matching_threshold: float = Field(0.02, ge=0, description="similarity matching: threshold of every unit")
    matching_leak: float = Field(0.05, gt=0, description="similarity matching: leak of every unit")
    lateral_rate: float = Field(
        1.0, ge=0, description="similarity matching: learning rate of lateral weights, relative to learning_rate"
    )
    unit_dropout: PerAnimal = per_animal(
        0.0,
        ge=0,
        lt=1,
        description="probability that a hidden unit is silent in a learning trial; others scaled up",
    )
    weight_dropout: PerAnimal = per_animal(
        0.0, ge=0, lt=1, description="the same of a synapse onto the hidden layers, for all trials of an update"
    )
    update_noise: PerAnimal = per_animal(
        0.0, ge=0, description="sd of the noise in the ascent of every weight, before the learning rate; per update"
    )
    label_noise: PerAnimal = per_animal(
        0.0, ge=0, description="sd of the noise on every value of a target, in every learning trial"
    )
    activity_penalty: PerAnimal = per_animal(
        0.0,
        ge=0,
        description="pull of hidden rates towards 0, or with prediction.null regularised towards those at birth",
    )
    learning_rate_spread: PerAnimal = per_animal(
        0.0, ge=0, description="sd over hidden units of the log of their learning rate (mean 1)"
    )

    @model_validator(mode="after")
    def _check_choices(self) -> Self:
        """Check that the name and the choices exist."""
        if self.name not in NAMED_RULES:
            raise ValueError(f"name is no learning rule, got '{self.name}'; {did_you_mean(self.name, NAMED_RULES)}")
        for choice, options in _OPTIONS.items():
            given = getattr(self, choice)
            if given and given not in options:
                raise ValueError(f"{choice} is unknown, got '{given}'; {did_you_mean(given, options)}")
        feedback = self.choices().feedback_weights
        for choice, needed in (("sign_magnitudes", "sign"), ("learned_by", "learned")):
            if getattr(self, choice) and feedback != needed:
                raise ValueError(
                    f"{choice} belongs to feedback_weights '{needed}', but this rule has '{feedback}'; "
                    f"leave it out, or set feedback_weights to {needed}"
                )
        if min(self.precisions, default=1.0) <= 0:
            raise ValueError(f"precisions must be greater than 0, got {list(self.precisions)}")
        if self.precisions and self.choices().pathway not in PATHWAYS_BY_INFERENCE:
            raise ValueError("precisions are for predictive coding; leave them out, or set name to predictive_coding")
        if self.optimiser == "adam" and is_on(self.learning_rate_spread):
            raise ValueError(
                "learning_rate_spread has no effect with optimiser adam, which makes all steps equal; "
                "set optimiser to gradient or momentum, or learning_rate_spread to 0"
            )
        return self

    def choices(self) -> Choices:
        """
        The choices that the rule consists of.

        Returns
        -------
        Choices
            Those that are set, else those of the named rule.
        """
        row = NAMED_RULES[self.name]
        chosen = {name: getattr(self, name) or getattr(row, name) for name in _OPTIONS}
        return Choices(
            **chosen,
            noise_kind=self.noise_kind,
            optimiser=self.optimiser,
            network_units=self.network_units,
            online=self.online,
            inference=Inference(
                self.precisions, self.inference_step, self.inference_tolerance, self.inference_max_steps
            ),
            matching=Matching(self.matching_offset, self.matching_threshold, self.matching_leak, self.lateral_rate),
        )


def why_noise_illegal(rule: RuleSettings, network: NetworkSettings) -> str:
    """
    Reason why a network, or noise while learning, does not go with a rule.

    Parameters
    ----------
    rule, network : RuleSettings, NetworkSettings
        Tables of one protocol.

    Returns
    -------
    str
        What contradicts what and how to mend it; empty where all is well.
    """
    for name in (*LEARNING_NOISE, "learning_rate_spread", "activity_penalty"):
        if network.kind == "recurrent" and is_on(getattr(rule, name)):
            return f"rule.{name} is for feedforward networks; set it to 0, or network.kind to feedforward"
    unknown = network.output_gain or is_on(rule.unit_dropout) or is_on(rule.activity_penalty)
    if rule.choices().pathway in PATHWAYS_BY_INFERENCE and unknown:
        return (
            "predictive coding knows neither network.output_gain nor rule.unit_dropout nor rule.activity_penalty; "
            "set them to false and 0, or choose another rule, such as bp"
        )
    if rule.choices().pathway == LATERAL:
        return _why_matching_illegal(rule, network)
    if network.loss == "cross_entropy" and is_on(rule.label_noise):
        return (
            "rule.label_noise makes targets that are no probabilities, which network.loss cross_entropy needs; "
            "set network.loss to squared_error, or rule.label_noise to 0"
        )
    return ""


def _why_matching_illegal(rule: RuleSettings, network: NetworkSettings) -> str:
    """Reason why similarity matching does not go with a network; empty where all is well."""
    start = "rule similarity_matching "
    if network.kind != "feedforward":
        return f"{start}is for feedforward networks; set network.kind to feedforward, got {network.kind}"
    if network.activation != "relu":
        return f"{start}has rates that are not negative; set network.activation to relu, got {network.activation}"
    if is_on(network.active_fraction):
        return f"{start}moves thresholds by a rule of its own; set network.active_fraction to 0"
    if network.biases or network.output_gain or network.loss != "squared_error":
        return f"{start}has no biases, output gains or softmax; set network.biases and network.output_gain to false"
    if rule.optimiser != "gradient":
        return f"{start}takes plain steps; set rule.optimiser to gradient, got {rule.optimiser}"
    if is_on(rule.unit_dropout) or is_on(rule.weight_dropout):
        return f"{start}knows no dropout; set rule.unit_dropout and rule.weight_dropout to 0"
    fastest = max(rule.learning_rate) if isinstance(rule.learning_rate, tuple) else rule.learning_rate
    if fastest * max(1.0, rule.lateral_rate) > 1:
        return f"{start}averages over updates; rule.learning_rate must be at most 1, and so times rule.lateral_rate"
    return ""
