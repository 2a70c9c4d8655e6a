"""Animals whose networks predict events: what is theirs alone in sessions and recordings."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter

import numpy as np
import torch
from torch import Tensor

from neurofa.cohort import Cohort, Monitored
from neurofa.draws import Draws
from neurofa.errors import ConfigError
from neurofa.event_group import PREFIX
from neurofa.learning import Learned, Session
from neurofa.measures.prediction_error.observer import observer_surprise, surprise_sign
from neurofa.members import Member, animal_stimuli
from neurofa.networks import Activity, Network, forward
from neurofa.predicting import Lived, Stream, live_changing, live_unchanged
from neurofa.prediction_settings import WITHOUT_PREDICTION
from neurofa.rules.classes import rule_class
from neurofa.rules.rule import RATE_AT_BIRTH, Rates, Rule
from neurofa.stimuli.events import Events, network_inputs, spontaneous_running

_OF_UNITS = ("rate", "baseline", "feedback", "somatic")
#: events that the monitors look at, evenly chosen
_MONITORED = 48
_PLASTICITY = {"off": (False,), "on": (True,), "both": (False, True)}


class PredictingCohort(Cohort):
    """
    Animals whose networks predict the next event from this one and its context; see `Cohort`.

    What is learned in a session is a stream of events, one after the other; what is recorded is another one of the same
    kind, without a trace in the animals.

    Parameters
    ----------
    members : sequence of Member
        Animals with equal structure.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        super().__init__(members)
        self.prediction = self.protocol.prediction
        own = [animal_stimuli(member) for member in members]
        self._streams = [one.events for one in own if one.events is not None]
        self._names = own[0].event_names
        n_inputs = self.stimuli.shape[2] - own[0].n_cues
        #: width of what is sensed of one event
        self.n_features = n_inputs // (1 + self.prediction.context)
        #: networks as they were before the session, where events are recorded in these
        self._before: Network | None = None
        self._n_learned = 0
        #: occasion of a session, and the events that are recorded in it: monitors ask for them again and again
        self._kept: tuple[tuple[str | int, ...], Stream, Tensor] | None = None
        if self.prediction.null in (*WITHOUT_PREDICTION, "untrained"):
            still = torch.zeros_like(self.rates.hidden)
            self.rates = replace(self.rates, hidden=still, readout=still)

    def session(self, stimuli: Tensor, passes: int, homeostasis: float = 1.0) -> Session:
        """Events that are learned in a session, in their order; see `Cohort.session`."""
        draws = self.draws(*self.occasion)
        stream, taught = self._stream(self._events(draws, evaluated=False), self._input_gains(draws))
        n_learned = taught.shape[1]
        if self._n_learned not in (0, n_learned):
            raise ConfigError(
                f"paradigm '{self.protocol.stimuli.kind}' gave {n_learned} events that have a successor in one session "
                f"and {self._n_learned} in another; give as many in all"
            )
        self._n_learned = n_learned
        if self.prediction.null == "regularised":
            self._remember_rates(stream)
        return Session(
            stimuli=_each(stream.inputs, taught),
            targets=_each(stream.following, taught),
            acceptable=None,
            passes=passes,
            batch_size=1,
            noise_sd=self.numbers(attrgetter("stimuli.noise_sd"), 3),
            homeostasis_rate=self._homeostasis() * homeostasis,
            in_order=True,
        )

    def learn(self, session: Session, draws: Draws) -> Learned | None:
        """Live through the events of a session; see `Cohort.learn`."""
        self._before = self.network.copy() if self.prediction.evaluated == "before" else None
        return super().learn(session, draws)

    def performance(self, stimuli: Tensor) -> Tensor:
        """NaN (animal, stimulus): predictions are no reports."""
        return torch.full(stimuli.shape[:2], torch.nan, dtype=self.dtype, device=self.device)

    def reporting(self, network: Network, stimuli: Tensor) -> Activity:
        """Activity at some of the recorded events that have a successor, without noise; see `Cohort.reporting`."""
        stream, taught = self._recorded()
        return forward(network, _each(stream.inputs, taught))

    def report_targets(self) -> Tensor:
        """What follows each of these events, (animal, event, outcome); see `Cohort.report_targets`."""
        stream, taught = self._recorded()
        return _each(stream.following, taught)

    def besides(self, stimuli: Tensor, kept: np.ndarray) -> Monitored:
        """What happens at every event, with plasticity off, on, or both in turn; see `Cohort.besides`."""
        shown = self._events(self.draws(*self.occasion), evaluated=True)
        parts = []
        for plasticity in _PLASTICITY[self.prediction.evaluation]:
            labels = self._labels(shown) | {"plasticity": np.full((len(shown), len(shown[0].block)), float(plasticity))}
            parts.append(self._measured(shown, self.evaluate(shown, plasticity)) | labels)
        return {
            f"{PREFIX}{name}": (
                ("animal", "event", *(("unit",) if name in _OF_UNITS else ())),
                np.concatenate([part[name] for part in parts], axis=1).astype(np.float32),
            )
            for name in parts[0]
        }

    def evaluate(self, shown: Sequence[Events], plasticity: bool) -> Lived:
        """
        Live through events; the animals stay as they are.

        Parameters
        ----------
        shown : sequence of Events
            One stream per animal, of equal length.
        plasticity : bool
            Whether weights change on the way, in a copy.

        Returns
        -------
        Lived
            What the units do at every event.
        """
        network = (self.network if self._before is None else self._before).copy()
        draws = self.draws(*self.occasion, "evaluation")
        stream, _ = self._stream(shown, self._input_gains(self.draws(*self.occasion)))
        noise = draws.normal(("input noise",), tuple(stream.inputs.shape[1:]))
        noise = noise * self.numbers(attrgetter("stimuli.noise_sd"), 3)
        stream = replace(stream, inputs=stream.inputs + noise, before=stream.before + noise)
        gain = self.numbers(attrgetter("prediction.feedback_gain"), 3)
        if self.prediction.null in WITHOUT_PREDICTION:
            gain = torch.zeros_like(gain)
        rule = self.build_rule(self.rates)
        rule.start_session(network, draws)
        if plasticity:
            lived = live_changing(network, rule, stream, gain, self._homeostasis())
        else:
            lived = live_unchanged(network, rule, stream, gain)
        faster = self._running(shown)
        feedback = lived.feedback * 0 if self.prediction.null in WITHOUT_PREDICTION else lived.feedback
        gained = {name: getattr(lived, name) * faster for name in ("rates", "baseline", "somatic")}
        return replace(lived, **gained, feedback=feedback)

    def _rule_builder(self) -> Callable[[Rates], Rule]:
        """Make the rule from its numbers; of a network that is regularised alone, one that sends no error."""
        choices = self.protocol.rule.choices()
        if self.protocol.prediction.null == "regularised":
            choices = choices._replace(teaching_signal="none")
        return partial(rule_class(choices), choices)

    def _remember_rates(self, stream: Stream) -> None:
        """Set points of the penalty: the mean rate of every unit over the first events that are met."""
        for number, rates in enumerate(forward(self.network, stream.inputs).rates[1:]):
            self.network.memory.setdefault(f"{RATE_AT_BIRTH} {number}", rates.mean(1, keepdim=True))

    def _events(self, draws: Draws, evaluated: bool) -> list[Events]:
        """The events of a session of every animal, drawn and checked."""
        number = int(self.occasion[1]) if self.occasion[:1] == ("session",) else -1
        purpose = ("events", "evaluated" if evaluated else "learned")
        gains = self.numbers(attrgetter("prediction.speed_gain")).tolist()
        kind, found = self.protocol.stimuli.kind, []
        for position, stream in enumerate(self._streams):
            found.append(stream(draws.generator(position, purpose), number, evaluated))
            if found[-1].speed is None and gains[position] > 0:
                onset, first = found[-1].onset, found[-1].first
                running = spontaneous_running(onset, first, draws.generator(position, ("running", *purpose[1:])))
                found[-1] = replace(found[-1], speed=running)
            found[-1].check(kind, self._names, self.n_features, self.targets.shape[2])
        if len({len(one.block) for one in found}) > 1:
            raise ConfigError(f"paradigm '{kind}' gave animals of one group different numbers of events; give as many")
        return found

    def _stream(self, shown: Sequence[Events], gains: Tensor) -> tuple[Stream, Tensor]:
        """Events as the networks meet them, and the places (animal, taught event) of those that have a successor."""
        adaptation = self.numbers(attrgetter("prediction.adaptation")).tolist()
        strength = self.numbers(attrgetter("prediction.context_strength")).tolist()
        recovery = self.numbers(attrgetter("prediction.recovery_s")).tolist()
        inputs = [
            network_inputs(
                one,
                context=self.prediction.context,
                strength=strength[number],
                adaptation=adaptation[number],
                recovery_s=recovery[number],
                alone=self.prediction.null in WITHOUT_PREDICTION,
            )
            for number, one in enumerate(shown)
        ]
        first = np.stack([one.first for one in shown])
        outcomes = self._tensor(np.stack([one.targets for one in shown]))
        sensed = self._tensor(np.stack(inputs)) * gains
        before = sensed.clone()
        before[..., : self.n_features] = 0
        stream = Stream(sensed, before, outcomes, torch.from_numpy(first).to(self.device))
        taught = [np.flatnonzero(~own[1:]) for own in first]
        least = min(len(own) for own in taught)
        return stream, torch.from_numpy(np.stack([own[:least] for own in taught])).to(self.device)

    def _recorded(self) -> tuple[Stream, Tensor]:
        """The recorded events of the session without noise, and the places of some of those that have a successor."""
        if self._kept is None or self._kept[0] != self.occasion:
            draws = self.draws(*self.occasion)
            stream, taught = self._stream(self._events(draws, evaluated=True), self._input_gains(draws))
            chosen = np.linspace(0, taught.shape[1] - 1, min(_MONITORED, taught.shape[1])).round().astype(int)
            self._kept = self.occasion, stream, taught[:, chosen]
        return self._kept[1:]

    def _homeostasis(self) -> Tensor:
        """Speed of the threshold homeostasis, (animal, 1)."""
        return self.numbers(attrgetter("network.homeostasis_rate"), 2)

    def _running(self, shown: Sequence[Events]) -> Tensor:
        """What running multiplies rates by, (animal, event, 1)."""
        still = np.zeros(len(shown[0].block))
        speed = self._tensor(np.stack([still if one.speed is None else one.speed for one in shown]))
        return 1 + self.numbers(attrgetter("prediction.speed_gain"), 3) * speed.unsqueeze(2)

    def _measured(self, shown: Sequence[Events], lived: Lived) -> dict[str, np.ndarray]:
        """What is recorded of the units, and errors and surprise."""
        n_identities = len(self._names["identity"])
        observed = [observer_surprise(one.identity, np.cumsum(one.first), n_identities) for one in shown]
        signs = [surprise_sign(one.identity, np.cumsum(one.first), one.targets.mean(1)) for one in shown]
        return {
            "rate": lived.rates.cpu().numpy(),
            "baseline": lived.baseline.cpu().numpy(),
            "feedback": lived.feedback.cpu().numpy(),
            "somatic": lived.somatic.cpu().numpy(),
            "surprise_process": -np.log(np.stack([one.probability for one in shown])),
            "surprise_observer": np.stack(observed),
            "surprise_sign": np.stack(signs),
            "signed_error": lived.error.mean(2).cpu().numpy(),
            "unsigned_error": lived.error.abs().mean(2).cpu().numpy(),
        }

    def _labels(self, shown: Sequence[Events]) -> dict[str, np.ndarray]:
        """What labels the events, (animal, event)."""
        names = ("identity", "condition", "block", "position", "onset")
        labels = {name: np.stack([getattr(one, name) for one in shown]).astype(float) for name in names}
        nothing = np.full(len(shown[0].block), np.nan)
        labels["speed"] = np.stack([nothing if one.speed is None else one.speed for one in shown])
        labels["exposure"] = np.stack([one.exposures() for one in shown]).astype(float)
        if self.prediction.null == "label_shuffled":
            draws = self.draws(*self.occasion, "evaluation")
            for animal, (own, identity) in enumerate(zip(labels["condition"], labels["identity"], strict=True)):
                generator = draws.generator(animal, ("shuffled conditions",))
                for one in np.unique(identity):
                    own[identity == one] = generator.permutation(own[identity == one])
        return labels


def _each(values: Tensor, places: Tensor) -> Tensor:
    """Values (animal, event, ...) at places (animal, chosen event) of every animal."""
    return values[torch.arange(len(values), device=values.device).unsqueeze(1), places]
