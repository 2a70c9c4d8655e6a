"""The table ``[schedule]`` of a protocol: when sessions take place, and what is shown in them."""

from typing import Self

from pydantic import Field, model_validator

from neurofa.checking import Settings


class ScheduleSettings(Settings):
    """When sessions take place; between sessions only overnight processes act."""

    days: tuple[float, ...] = Field((0.0, 2.0), min_length=2, description="days of the recorded sessions, from 0")
    passes: int | tuple[int, ...] = Field(
        40, description="how often all stimuli are shown in a session; a list has a number for each recorded session"
    )
    batch_size: int = Field(0, ge=0, description="stimuli per update; 0 = all of them, 1 = trial by trial")
    naive_first: bool = Field(False, description="nothing is learned on day 0: it shows the animals as they are born")
    pretraining_passes: int = Field(0, ge=0, description="passes before the first burn-in session")
    burn_in_sessions: int = Field(0, ge=0, description="sessions before day 0, not recorded")
    burn_in_interval_days: float = Field(1.0, gt=0, description="days between burn-in sessions, and to day 0")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        """Check that time runs forward, that something is learned, and that naive animals have learned nothing."""
        passes = self.passes_of_sessions()
        if min(passes) < 1 or len(passes) != len(self.days):
            raise ValueError(
                "passes must be a whole number from 1, or a list of them with one for each of the "
                f"{len(self.days)} days; got {self.passes if isinstance(self.passes, int) else list(self.passes)}"
            )
        if self.naive_first and (self.pretraining_passes or self.burn_in_sessions):
            raise ValueError(
                "naive_first cannot go with pretraining_passes or burn_in_sessions, which teach the animals before "
                "day 0; set those to 0, or naive_first to false"
            )
        if self.days[0] != 0:
            raise ValueError(f"days must start at 0, the day of the first recorded session; got {self.days[0]:g}")
        for before, after in zip(self.days[:-1], self.days[1:], strict=True):
            if after <= before:
                raise ValueError(
                    f"days must increase, got {after:g} after {before:g}; list the sessions in their order"
                )
        return self

    def passes_of_sessions(self) -> tuple[int, ...]:
        """
        How often all stimuli are shown in each recorded session, unless animals are naive.

        Returns
        -------
        tuple of int
            As `passes` says.
        """
        return self.passes if isinstance(self.passes, tuple) else (self.passes,) * len(self.days)
