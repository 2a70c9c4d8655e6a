"""Units that NWB files declare for positions and velocities."""

from neurofa.catalogue import did_you_mean
from neurofa.errors import RecordingError

_LENGTHS = {
    "m": ("m", "meter", "meters", "metre", "metres"),
    "cm": ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
    "mm": ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
}
_PER_SECOND = ("/s", "/sec", "/second", "/seconds", "persecond", "s-1", "s^-1", "*s^-1", "s**-1")
_FRACTIONS = ("fraction", "fractionoftrack", "normalized", "normalised")

_POSITION = {name: unit for unit, names in _LENGTHS.items() for name in names} | dict.fromkeys(_FRACTIONS, "fraction")
_VELOCITY = {name + per: f"{unit}/s" for unit, names in _LENGTHS.items() for name in names for per in _PER_SECOND}

#: centimetres in one unit of length, centimetres per second in one unit of velocity
CENTIMETRES = {"m": 100.0, "cm": 1.0, "mm": 0.1, "m/s": 100.0, "cm/s": 1.0, "mm/s": 0.1}


def position_unit(declared: str, where: str) -> str:
    """
    Canonical unit of a position.

    Parameters
    ----------
    declared : str
        As in the file or in the option.
    where : str
        What carries it, for the message.

    Returns
    -------
    str
        ``"fraction"`` (of the track), ``"m"``, ``"cm"`` or ``"mm"``.

    Raises
    ------
    RecordingError
        For any other unit.
    """
    return _canonical(declared, _POSITION, ("fraction", "m", "cm", "mm"), where, "position_unit")


def velocity_unit(declared: str, where: str) -> str:
    """
    Canonical unit of a velocity.

    Parameters
    ----------
    declared : str
        As in the file or in the option.
    where : str
        What carries it, for the message.

    Returns
    -------
    str
        ``"m/s"``, ``"cm/s"`` or ``"mm/s"``.

    Raises
    ------
    RecordingError
        For any other unit.
    """
    return _canonical(declared, _VELOCITY, ("cm/s", "m/s", "mm/s"), where, "velocity_unit")


def _canonical(declared: str, names: dict[str, str], units: tuple[str, ...], where: str, option: str) -> str:
    """Look a unit up, whatever its spaces and capitals."""
    key = "".join(declared.lower().split())
    if key not in names:
        hint = did_you_mean(declared, units)
        raise RecordingError(f"{where} has the unknown unit '{declared}'; {hint}; name the true one with {option}")
    return names[key]
