"""Units at events: rates, what the error of each event brings to them, and their somatic response to both."""

from dataclasses import dataclass

import torch
from torch import Tensor

from neurofa.networks import Activity, Network, forward, respond
from neurofa.networks.homeostasis import follow_drive, regulate_thresholds
from neurofa.rules.pathways import Reached
from neurofa.rules.rule import Rule

#: share of one event in the running moments of the drives, as in learning
_FOLLOWED = 0.05


@dataclass(frozen=True)
class Stream:
    """
    Events as the networks of several animals meet them.

    Attributes
    ----------
    inputs : torch.Tensor
        (animal, event, input).
    before : torch.Tensor
        (animal, event, input): just before the event, when only its context is there.
    outcomes : torch.Tensor
        (animal, event, outcome).
    first : torch.Tensor
        (animal, event) bool: events that nothing was predicted of.
    """

    inputs: Tensor
    before: Tensor
    outcomes: Tensor
    first: Tensor

    @property
    def following(self) -> Tensor:
        """What follows each event, (animal, event, outcome); zeros after the last."""
        return torch.cat([self.outcomes[:, 1:], torch.zeros_like(self.outcomes[:, :1])], 1)


@dataclass(frozen=True)
class Lived:
    """
    What happened in units at every event.

    Attributes
    ----------
    rates, baseline, feedback, somatic : torch.Tensor
        (animal, event, unit), all hidden layers one after the other: rate before feedback, that just before the event,
        what the error of the event brings to it (NaN where nothing had been predicted), and the rate with that as a
        further input.
    error : torch.Tensor
        (animal, event, outcome): outcome minus what had been predicted of it; NaN as above.
    """

    rates: Tensor
    baseline: Tensor
    feedback: Tensor
    somatic: Tensor
    error: Tensor


def live_unchanged(network: Network, rule: Rule, stream: Stream, gain: Tensor) -> Lived:
    """
    Live through events while nothing is learned.

    Rules that look at several trials at once, such as one with a centred target, look at all events.

    Parameters
    ----------
    network : Network
        The networks; their memory may change.
    rule : Rule
        How errors come back; its session has started.
    stream : Stream
        The events.
    gain : torch.Tensor
        (animal, 1, 1): of the feedback as a further input of the soma; 0 = none.

    Returns
    -------
    Lived
        Of all events.
    """
    activity = forward(network, stream.inputs)
    reached = rule.teaching_signals(network, activity, stream.following, 0)
    unknown = stream.first.unsqueeze(2)
    sent = [torch.where(unknown, torch.nan, _shifted(one)) for one in reached.sent]
    error = torch.where(unknown, torch.nan, stream.outcomes - _shifted(activity.output))
    return _lived(activity, forward(network, stream.before), sent, _somatic(network, activity, sent, gain), error)


def live_changing(network: Network, rule: Rule, stream: Stream, gain: Tensor, homeostasis: Tensor) -> Lived:
    """
    Live through events, learning at every one, without noise.

    Parameters
    ----------
    network : Network
        The networks, changed in place.
    rule : Rule
        How they learn; its session has started.
    stream : Stream
        The events.
    gain : torch.Tensor
        (animal, 1, 1): see `live_unchanged`.
    homeostasis : torch.Tensor
        (animal, 1): speed of the threshold homeostasis, per event.

    Returns
    -------
    Lived
        Of all events.
    """
    following, n_events = stream.following, stream.inputs.shape[1]
    parts = []
    came: Reached | None = None
    predicted = torch.full_like(stream.outcomes[:, :1], torch.nan)
    for number in range(n_events):
        here = slice(number, number + 1)
        activity = forward(network, stream.inputs[:, here])
        unknown = stream.first[:, here].unsqueeze(2)
        arrived = [torch.full_like(rates, torch.nan) for rates in activity.rates[1:]] if came is None else came.sent
        sent = [torch.where(unknown, torch.nan, one) for one in arrived]
        error = torch.where(unknown, torch.nan, stream.outcomes[:, here] - predicted)
        before_it = forward(network, stream.before[:, here])
        parts.append(_lived(activity, before_it, sent, _somatic(network, activity, sent, gain), error))
        predicted = activity.output
        came = rule.teaching_signals(network, activity, following[:, here], number)
        if number + 1 == n_events:
            break
        goes_on = (~stream.first[:, number + 1]).to(gain.dtype).reshape(-1, 1, 1)
        rule.update(network, activity, Reached(*_masked(came, goes_on)), number)
        for layer, drive in zip(network.layers[:-1], activity.drives, strict=True):
            follow_drive(layer, drive, _FOLLOWED / n_events)
            regulate_thresholds(layer, drive, homeostasis)
    return Lived(**{name: torch.cat([getattr(part, name) for part in parts], 1) for name in vars(parts[0])})


def _masked(reached: Reached, goes_on: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor] | None]:
    """What is learned from: nothing where a block ends."""
    return [one * goes_on for one in reached.sent], [one * goes_on for one in reached.deltas], reached.below


def _lived(activity: Activity, before: Activity, sent: list[Tensor], somatic: list[Tensor], error: Tensor) -> Lived:
    """All hidden layers one after the other."""
    rates, baseline = (torch.cat(one.rates[1:], 2) for one in (activity, before))
    return Lived(rates, baseline, torch.cat(sent, 2), torch.cat(somatic, 2), error)


def _somatic(network: Network, activity: Activity, sent: list[Tensor], gain: Tensor) -> list[Tensor]:
    """Rates of the hidden layers with what is sent to them as a further input."""
    return [
        respond(layer, drive + gain * one.nan_to_num(0.0), network.activation)[2]
        for layer, drive, one in zip(network.layers[:-1], activity.drives, sent, strict=True)
    ]


def _shifted(values: Tensor) -> Tensor:
    """Values of the event before; zeros at the first."""
    return torch.cat([torch.zeros_like(values[:, :1]), values[:, :-1]], 1)
