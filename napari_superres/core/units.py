"""Names and sizes of physical units; decibels. Each unit has one spelling: its UDUNITS name, as OME-Zarr requires."""

from math import inf, log10

from napari_superres.errors import GridError

METRES = {
    "angstrom": 1e-10,
    "picometer": 1e-12,
    "nanometer": 1e-9,
    "micrometer": 1e-6,
    "millimeter": 1e-3,
    "centimeter": 1e-2,
    "meter": 1.0,
    "inch": 0.0254,
}
SECONDS = {
    "nanosecond": 1e-9,
    "microsecond": 1e-6,
    "millisecond": 1e-3,
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
}
_ALIASES = {
    "a": "angstrom",
    "å": "angstrom",
    "pm": "picometer",
    "nm": "nanometer",
    "um": "micrometer",
    "µm": "micrometer",
    "μm": "micrometer",
    "micron": "micrometer",
    "microns": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "in": "inch",
    "ns": "nanosecond",
    "us": "microsecond",
    "µs": "microsecond",
    "μs": "microsecond",
    "ms": "millisecond",
    "msec": "millisecond",
    "usec": "microsecond",
    "s": "second",
    "sec": "second",
    "min": "minute",
    "h": "hour",
    "hr": "hour",
    "d": "day",
}


def unit_name(text: str) -> str:
    """Return the UDUNITS name of a unit given in any common spelling, such as ``um`` or ``micrometre``.

    Raises
    ------
    GridError
        If it is not a unit of length or time.
    """
    name = text.strip().lower()
    name = _ALIASES.get(name, name)
    if name.endswith("metre"):
        name = name[:-5] + "meter"
    if name not in METRES and name not in SECONDS:
        raise GridError(f"unknown unit {text!r}.", remedy=f"Use one of: {', '.join((*METRES, *SECONDS))}.")
    return name


def convert(value: float, unit: str, to: str) -> float:
    """Convert a length or time from one unit to another.

    Parameters
    ----------
    value
        Length or time in `unit`.
    unit, to
        Units, in any common spelling.

    Raises
    ------
    GridError
        If a unit is unknown, or one is a length and the other a time.
    """
    unit, to = unit_name(unit), unit_name(to)
    for sizes in (METRES, SECONDS):
        if unit in sizes and to in sizes:
            return value * (sizes[unit] / sizes[to])
    raise GridError(
        f"{unit} cannot be converted to {to}: one is a length, the other a time.",
        remedy="Use two units of length or two of time.",
    )


def peak_to_error_db(peak: float, mean_squared_error: float) -> float:
    """Return ``10 log10(peak^2 / mean_squared_error)``, in dB; infinite without error, minus infinite without peak.

    Parameters
    ----------
    peak
        Largest possible difference of two values.
    mean_squared_error
        Mean of the squared differences.
    """
    if mean_squared_error == 0:
        return inf
    return 10 * log10(peak**2 / mean_squared_error) if peak else -inf


def precision_text(precision: str, decibels: float | None) -> str:
    """Return a precision and, where it was measured, its ratio of peak to error: ``"bf16 (73 dB against fp32)"``."""
    return precision if decibels is None else f"{precision} ({decibels:.0f} dB against fp32)"
