"""What an importer of NWB sessions needs to know about the files; the defaults fit a mouse on a linear track."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from neurofa.catalogue import did_you_mean
from neurofa.errors import ConfigError


class NWBOptions(BaseModel):
    """
    Names, units and processing with which sessions are read; frozen, unknown names are refused.

    A series is named by its own name (``velocity``) or, where the file has several of that name, by the end of its
    path (``behavior/velocity``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: str = Field("*.nwb", description="which files of a folder are sessions, for example '*envA*.nwb'")
    position_series: str = Field("linearized_position", description="series with the position along the track")
    velocity_series: str = Field("velocity", description="series with the signed velocity")
    events_series: str = Field("event_amplitude", description="series with the events, one column per ROI")
    registration_column: str = Field(
        "global_cell_id", description="column of the ROI table: the cell's number across sessions, -1 if unregistered"
    )
    position_unit: str = Field("", description="'fraction', 'm', 'cm' or 'mm'; empty: as the file says")
    velocity_unit: str = Field("", description="'cm/s', 'm/s' or 'mm/s'; empty: as the file says")
    track_start_cm: float | None = Field(None, description="where the track begins, for positions in a length")
    track_end_cm: float | None = Field(None, description="where the track ends, for positions in a length")
    bins: int = Field(24, ge=2, description="position bins along the track")
    kept_bins: tuple[int, int] = Field((3, 22), description="first and last bin that are kept, counted from 1")
    minimum_speed_cm_s: float = Field(1.0, gt=0, description="frames below this speed are not used (cm/s)")
    smoothing_frames: int = Field(8, ge=1, description="boxcar over the velocity (frames); 1 for none")
    layer: str = Field("", description="name of the recorded layer; empty: the location that the files give")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        first, last = self.kept_bins
        if not 1 <= first <= last <= self.bins:
            raise ValueError(f"kept_bins must be a first and a last bin between 1 and {self.bins}, got {first}, {last}")
        start, end = self.track_start_cm, self.track_end_cm
        if (start is None) != (end is None):
            raise ValueError("track_start_cm and track_end_cm must be given together")
        if start is not None and end is not None and not start < end:
            raise ValueError(f"track_start_cm must be below track_end_cm, got {start:g} and {end:g}")
        return self

    @property
    def n_kept(self) -> int:
        """Number of bins that are kept, per direction."""
        return self.kept_bins[1] - self.kept_bins[0] + 1


def read_options(options: dict[str, Any]) -> NWBOptions:
    """
    Check options as a user gives them.

    Parameters
    ----------
    options : dict
        Names and values of `NWBOptions`.

    Returns
    -------
    NWBOptions
        The options, defaults filled in.

    Raises
    ------
    ConfigError
        For an unknown name or an impossible value.
    """
    for name in options:
        if name not in NWBOptions.model_fields:
            raise ConfigError(f"the import has no option '{name}'; {did_you_mean(name, NWBOptions.model_fields)}")
    try:
        return NWBOptions(**options)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise ConfigError(first["msg"].removeprefix("Value error, ")) from None
        name = str(first["loc"][0])
        reason = first["msg"][0].lower() + first["msg"][1:]
        raise ConfigError(f"option '{name}' of the import: {reason}, got {options.get(name)!r}") from None
