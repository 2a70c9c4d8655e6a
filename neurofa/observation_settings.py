"""The table ``[observation]`` of a protocol: from true rates to what an experimenter would record."""

from typing import Literal, Self

from pydantic import Field, model_validator

from neurofa.checking import Settings


class ObservationSettings(Settings):
    """From true rates to what a microscope and a cell registration would show."""

    kind: Literal["calcium", "none"] = Field("calcium", description="none = the true rates are recorded")
    occupancy: str = Field("task", description="task = drawn as below; or a run folder whose occupancy is taken")
    repeats: int = Field(5, ge=1, description="passes over all stimuli that are recorded in a session")
    seconds_per_stimulus: float | tuple[float, ...] = Field(
        1.0, description="mean time recorded per stimulus and repeat, s; a list is taken over the stimuli in turn"
    )
    seconds_spread: float = Field(0.0, ge=0, description="sd of the log of that time over stimuli and repeats")
    repeat_seconds_spread: float = Field(0.0, ge=0, description="the same over repeats, common to all their stimuli")
    frame_rate_hz: float = Field(20.0, gt=0, description="of the microscope, Hz")
    event_rate_hz: float = Field(0.045, gt=0, description="mean rate of events of the detected cells, Hz")
    largest_event_probability: float = Field(0.9, gt=0, le=1, description="per frame")
    rate_exponent: float = Field(1.0, gt=0, description="events grow with this power of the true rate")
    background: float = Field(0.0, ge=0, le=1, description="fraction of events that have nothing to do with the rate")
    cell_gain_sd: float = Field(0.0, ge=0, description="sd over cells of the log event rate, the same in all sessions")
    session_gain_sd: float = Field(0.0, ge=0, description="sd of the log event rate over cells and sessions")
    trial_gain_sd: float = Field(0.0, ge=0, description="sd of the log event rate over cells and repeats")
    misregistered: float = Field(
        0.0, ge=0, le=1, description="fraction of cells whose identities are mixed up in a session"
    )
    identity_loss: float = Field(
        0.0, ge=0, le=1, description="the same, but for good: errors add up from session to session"
    )
    detected_fraction: float = Field(1.0, gt=0, le=1, description="fraction of the cells seen in a session")
    visibility_time_constant_days: float = Field(
        10.5, gt=0, description="of the slow part of a cell's visibility, days"
    )
    visibility_white: float = Field(0.28, ge=0, le=1, description="share of visibility that is new in every session")
    visibility_rate_weight: float = Field(0.3, ge=0, le=1, description="weight of a cell's log rate in its visibility")

    @model_validator(mode="after")
    def _check_seconds(self) -> Self:
        """Check that time is positive."""
        seconds = self.seconds_per_stimulus
        if seconds == ():
            raise ValueError("seconds_per_stimulus must list at least one number, got []")
        for one in seconds if isinstance(seconds, tuple) else (seconds,):
            if one <= 0:
                raise ValueError(f"seconds_per_stimulus must be greater than 0, got {one:g}")
        return self
