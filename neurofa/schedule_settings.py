"""The table ``[schedule]`` of a protocol: when animals learn, and when they are recorded."""

from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from neurofa.checking import Settings


class ScheduleSettings(Settings):
    """When sessions take place; between sessions only overnight processes act."""

    days: tuple[float, ...] = Field((0.0, 2.0), min_length=2, description="days of the recorded sessions, from 0")
    exposure_days: tuple[float, ...] = Field(
        (), description="days on which stimuli are shown and learned, recorded or not; empty = the recorded days"
    )
    passes: int | tuple[int, ...] = Field(
        40, description="how often all stimuli are shown in a session; a list has a number for each day of exposure"
    )
    batch_size: int = Field(0, ge=0, description="stimuli per update; 0 = all of them, 1 = trial by trial")
    naive_first: bool = Field(False, description="nothing is learned on day 0: it shows the animals as they are born")
    pretraining_passes: int = Field(0, ge=0, description="passes before the first burn-in session")
    burn_in_sessions: int = Field(0, ge=0, description="sessions before day 0, not recorded")
    burn_in_interval_days: float = Field(1.0, gt=0, description="days between burn-in sessions, and to day 0")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        """Check that time runs forward, that something is learned, and that naive animals have learned nothing."""
        if self.naive_first and (self.pretraining_passes or self.burn_in_sessions):
            raise ValueError(
                "naive_first cannot go with pretraining_passes or burn_in_sessions, which teach the animals before "
                "day 0; set those to 0, or naive_first to false"
            )
        if self.naive_first and self.exposure_days:
            raise ValueError("naive_first cannot go with exposure_days; leave it out, and 0 out of exposure_days")
        if self.days[0] != 0:
            raise ValueError(f"days must start at 0, the day of the first recorded session; got {self.days[0]:g}")
        for name, days in (("days", self.days), ("exposure_days", self.exposure_days)):
            for before, after in pairwise(days):
                if after <= before:
                    raise ValueError(
                        f"{name} must increase, got {after:g} after {before:g}; list the sessions in their order"
                    )
        if self.exposure_days and not 0 <= self.exposure_days[0] <= self.exposure_days[-1] <= self.days[-1]:
            raise ValueError(
                f"exposure_days must lie between day 0 and the last recorded day, {self.days[-1]:g}, got "
                f"{self.exposure_days[0]:g} to {self.exposure_days[-1]:g}; for sessions before day 0 set "
                "burn_in_sessions"
            )
        shown = self.exposure_days or self.days
        passes = self.passes_of_sessions()
        if min(passes) < 1 or len(passes) != len(shown):
            raise ValueError(
                "passes must be a whole number from 1, or a list of them with one for each of the "
                f"{len(shown)} {'exposure_days' if self.exposure_days else 'days'}; "
                f"got {self.passes if isinstance(self.passes, int) else list(self.passes)}"
            )
        return self

    def passes_of_sessions(self) -> tuple[int, ...]:
        """
        How often all stimuli are shown on each day of exposure, unless animals are naive.

        Returns
        -------
        tuple of int
            As `passes` says.
        """
        shown = self.exposure_days or self.days
        return self.passes if isinstance(self.passes, tuple) else (self.passes,) * len(shown)

    def passes_of_days(self) -> dict[float, int]:
        """
        How often all stimuli are shown on each day from day 0 on.

        Returns
        -------
        dict of float to int
            Day to passes, in order: all days that are recorded, with 0 where they only probe, and the other days of
            exposure.
        """
        learned = dict(zip(self.exposure_days or self.days, self.passes_of_sessions(), strict=True))
        if self.naive_first:
            learned[self.days[0]] = 0
        return {day: learned.get(day, 0) for day in sorted({*self.days, *learned})}
