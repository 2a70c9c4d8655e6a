"""Running through a tunnel whose flow follows the animal: halts of it, playback, open loop, darkness, two rearings."""

from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from neurofa.errors import ConfigError
from neurofa.stimuli import Stimuli
from neurofa.stimuli.events import Events, refuse_frequent

BLOCKS = ("coupled", "playback", "open_loop", "dark", "reared", "reared_dark")
IDENTITIES = ("no_flow", "flow", "darkness")
CONDITIONS = (
    *("baseline", "matched", "mismatch", "halt_still"),
    *("playback", "playback_running", "running_without_flow", "playback_halt", "playback_halt_running"),
    *("dark_still", "dark_running"),
)
#: flow, and running speed, at which channels come to 63 % of their response: from the most sensitive to the least
_SLOWEST, _FASTEST = 0.3, 3.0
#: events that are learned in the light before as many in the dark
_IN_TURN = 20


def visuomotor(
    generator: np.random.Generator,
    *,
    rearing: Annotated[
        Literal["coupled", "uncoupled"], Field(description="whether the flow that is learned from follows running")
    ] = "coupled",
    coupled_from: Annotated[
        int, Field(ge=-1, description="session from which on animals of either rearing learn coupled; -1 = none")
    ] = -1,
    block_events: Annotated[int, Field(ge=60, description="events in each recorded block, and in each learned")] = 1500,
    interval_s: Annotated[float, Field(gt=0, description="of an event, and so of a halt, s")] = 1.0,
    halts_per_minute: Annotated[float, Field(description="halts of the flow, whether the animal runs or not")] = 4.0,
    run_fraction: Annotated[float, Field(gt=0, lt=1, description="fraction of the time spent running")] = 0.22,
    bout_s: Annotated[float, Field(gt=0, description="mean duration of a bout of running, s")] = 5.0,
    speed_sd: Annotated[float, Field(ge=0, le=0.3, description="of the speed while running; its mean is 1")] = 0.2,
    flow_gain: Annotated[float, Field(gt=0, description="flow per running speed")] = 1.0,
    channels: Annotated[int, Field(ge=1, description="input channels of flow, and of running speed")] = 8,
) -> Stimuli:
    """
    Flow that follows running, and the ways in which it does not.

    A recorded session has four blocks: *coupled* (flow is gain times speed; now and then it halts), *playback* (the
    same flow again, halts included, whatever the animal does), *open loop* (the flow of another run, without halts)
    and *dark*. What is learned is flow without halts, coupled or not, and then running in the dark. The efference copy
    of the speed to come is known one event ahead. Halts are called mismatch where the animal runs, and halt_still
    where it does not (nothing changes on the screen); halts of the playback are told apart in the same way. The
    position of an event counts the events since running, or the flow where it is not coupled, began or ended; its
    probability is that there is flow or not, given what has been seen and, where it is coupled, running.

    Parameters
    ----------
    generator : numpy.random.Generator
        Of the animal; not used: all animals see flow through the same channels, and run in their own way.
    rearing, coupled_from, block_events, interval_s, halts_per_minute, run_fraction, bout_s, speed_sd, flow_gain
        See the protocol's table.
    channels : int
        Channel i responds to flow (or speed) x with 1 - exp(-x / x_i), x_i from 0.3 to 3.

    Returns
    -------
    Stimuli
        With a stream of events; the probe shows no flow, flow and darkness.

    Raises
    ------
    ConfigError
        Where halts are not rare, or bouts shorter than an event.

    References
    ----------
    Keller et al. 2012, Neuron 74:809, doi 10.1016/j.neuron.2012.03.040 (halts, playback; fraction of the time
    running); Attinger et al. 2017, Cell 169:1291, doi 10.1016/j.cell.2017.05.023 (coupled and non-coupled rearing).
    """
    p_halt = halts_per_minute * interval_s / 60
    refuse_frequent("halts_per_minute times interval_s / 60", p_halt, "flow", f"halts_per_minute {6 / interval_s:.3g}")
    ends = interval_s / bout_s
    begins = ends * run_fraction / (1 - run_fraction)
    if ends >= 1 or begins >= 1:
        raise ConfigError(
            f"bouts of {bout_s:g} s at a run_fraction of {run_fraction:g} end or begin faster than events of "
            f"{interval_s:g} s can show; choose longer bouts"
        )
    scale = np.geomspace(_SLOWEST, _FASTEST, channels)
    own = _Tunnel(scale, (begins, ends), p_halt, speed_sd, flow_gain, block_events, interval_s)
    inputs = own.sensed(np.array([0.0, flow_gain, 0.0]), np.array([True, True, False]))
    return Stimuli(
        inputs=inputs,
        targets=np.zeros_like(inputs),
        labels={"identity": np.array(IDENTITIES)},
        events=partial(_session, own, rearing == "coupled", coupled_from),
        event_names={"identity": IDENTITIES, "condition": CONDITIONS, "block": BLOCKS},
        n_cues=channels,
    )


class _Tunnel:
    """What does not change from session to session, and how running, flow and events are made."""

    def __init__(
        self,
        scale: np.ndarray,
        hazards: tuple[float, float],
        p_halt: float,
        speed_sd: float,
        flow_gain: float,
        n_events: int,
        interval_s: float,
    ) -> None:
        self.scale, self.p_halt, self.speed_sd, self.flow_gain = scale, p_halt, speed_sd, flow_gain
        self.begins, self.ends = hazards
        self.n_events, self.interval_s = n_events, interval_s

    def run(self, generator: np.random.Generator) -> np.ndarray:
        """Running speed of every event, 0 where the animal is still; mean 1 while it runs."""
        chance = generator.random(self.n_events)
        runs = np.zeros(self.n_events, dtype=bool)
        moving = bool(chance[0] < self.begins / (self.begins + self.ends))
        for number, value in enumerate(chance):
            if number:
                moving = value >= self.ends if moving else value < self.begins
            runs[number] = moving
        speed = 1 + self.speed_sd * np.clip(generator.standard_normal(self.n_events), -3, 3)
        return np.where(runs, speed, 0.0)

    def sensed(self, flow: np.ndarray, light: np.ndarray) -> np.ndarray:
        """Channels of the flow, and one that tells light from darkness."""
        return np.column_stack([self.channels(flow), light.astype(float)])

    def channels(self, values: np.ndarray) -> np.ndarray:
        """Saturating channels of a flow or speed (event, channel)."""
        return np.asarray(1 - np.exp(-values[:, None] / self.scale))

    def chance_of_flow(self, flowing: np.ndarray, p_halt: float) -> np.ndarray:
        """Probability of what is seen, flow or none, given what was seen before; running is not known."""
        found = np.empty(len(flowing))
        expected = self.begins / (self.begins + self.ends)
        for number, there in enumerate(flowing):
            p_flow = expected * (1 - p_halt)
            found[number] = p_flow if there else 1 - p_flow
            runs = 1.0 if there else expected * p_halt / (1 - p_flow)
            expected = runs * (1 - self.ends) + (1 - runs) * self.begins
        return found

    def block(
        self, name: str, speed: np.ndarray, flow: np.ndarray, halts: np.ndarray, p_halt: float, coupled: bool
    ) -> dict[str, np.ndarray]:
        """Everything about the events of a block in the light: flow is what would be seen without halts."""
        runs, flows = speed > 0, (flow > 0) & ~halts
        if coupled:
            condition = _named((halts & runs, "mismatch"), (halts, "halt_still"), (runs, "matched"))
            probability = np.where(runs, np.where(halts, p_halt, 1 - p_halt), 1.0)
        else:
            stopped = halts & (flow > 0)
            condition = _named(
                (stopped & runs, "playback_halt_running"),
                (stopped, "playback_halt"),
                (flows & runs, "playback_running"),
                (flows, "playback"),
                (runs, "running_without_flow"),
            )
            probability = self.chance_of_flow(flows, p_halt)
        seen = np.where(flows, flow, 0.0)
        return {
            "sensed": self.sensed(seen, np.ones(len(seen), dtype=bool)),
            "identity": flows.astype(np.int64),
            "condition": condition,
            "block": np.full(len(seen), BLOCKS.index(name)),
            "position": _since_change(flow > 0),
            "probability": probability,
            **self._of_running(speed),
        }

    def dark(self, name: str, speed: np.ndarray) -> dict[str, np.ndarray]:
        """Running in the dark."""
        n_events = len(speed)
        return {
            "sensed": self.sensed(np.zeros(n_events), np.zeros(n_events, dtype=bool)),
            "identity": np.full(n_events, IDENTITIES.index("darkness")),
            "condition": np.where(speed > 0, CONDITIONS.index("dark_running"), CONDITIONS.index("dark_still")),
            "block": np.full(n_events, BLOCKS.index(name)),
            "position": _since_change(speed > 0),
            "probability": np.ones(n_events),
            **self._of_running(speed),
        }

    def _of_running(self, speed: np.ndarray) -> dict[str, np.ndarray]:
        """Speed, and its efference copy one event ahead; nothing is announced at the end of a block."""
        return {"speed": speed, "cue": self.channels(np.append(speed[1:], 0.0))}


def _session(
    own: _Tunnel, coupled: bool, coupled_from: int, generator: np.random.Generator, session: int, evaluated: bool
) -> Events:
    """The four recorded blocks, or the two that are learned from."""
    none = np.zeros(own.n_events, dtype=bool)
    runs = [own.run(generator) for _ in range(6)]
    if evaluated:
        halts = generator.random(own.n_events) < own.p_halt
        shown = own.flow_gain * runs[0]
        parts = [
            own.block("coupled", runs[0], shown, halts, own.p_halt, True),
            own.block("playback", runs[1], shown, halts, own.p_halt, False),
            own.block("open_loop", runs[2], own.flow_gain * runs[3], none, 0.0, False),
            own.dark("dark", runs[4]),
        ]
    else:
        coupled = coupled or 0 <= coupled_from <= session
        flow = own.flow_gain * runs[0 if coupled else 1]
        light = own.block("reared", runs[0], flow, none, 0.0, coupled)
        dark = own.dark("reared_dark", runs[2])
        # in turn, light last: what is learned in the dark would cover what was learned before it
        parts = [
            {name: values[start : start + _IN_TURN] for name, values in part.items()}
            for start in range(0, own.n_events, _IN_TURN)
            for part in (dark, light)
        ]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Events(onset=np.arange(len(joined["block"])) * own.interval_s, **joined)


def _named(*choices: tuple[np.ndarray, str]) -> np.ndarray:
    """The first condition that holds of every event, baseline where none does."""
    masks, names = zip(*choices, strict=True)
    return np.select(masks, [CONDITIONS.index(name) for name in names], CONDITIONS.index("baseline"))


def _since_change(state: np.ndarray) -> np.ndarray:
    """Events since a state began or ended."""
    places = np.arange(len(state))
    changed = np.append(True, state[1:] != state[:-1])
    return np.asarray(places - np.maximum.accumulate(np.where(changed, places, 0)))
