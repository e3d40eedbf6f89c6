"""What instruments would have recorded of patches for training, each drawn with a strength of its own.

An `Instrument` is what a recipe says under ``[degradation]``. Intensities are those of the model: 0 is
darkness, 1 the brightest.

``base``    what an instrument is
``simple``  `Bicubic`, `KSpace`, `Recorded`
``lenses``  `Optics`, `Movie`
``volumes`` `Slices`
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from napari_superres.degradation.instruments.base import Instrument as Instrument
from napari_superres.degradation.instruments.base import Scale as Scale
from napari_superres.degradation.instruments.lenses import SIGMAS_OF_CONTEXT, Movie, Optics
from napari_superres.degradation.instruments.simple import Bicubic, KSpace, Recorded
from napari_superres.degradation.instruments.volumes import Slices
from napari_superres.degradation.jpeg import check_quality
from napari_superres.errors import SettingsError

_KINDS: dict[str, type[Any]] = {
    "bicubic": Bicubic,
    "optics": Optics,
    "movie": Movie,
    "slices": Slices,
    "kspace": KSpace,
    "recorded": Recorded,
}

_ABOVE_ZERO = ("photons", "saturation", "levels")


def make_instrument(settings: Mapping[str, Any]) -> Instrument:
    """Return an instrument from plain values.

    Parameters
    ----------
    settings
        ``{"kind": "optics", "psf_sigma": [0.8, 2.2], ...}``: a kind and its fields, ranges as two numbers.

    Returns
    -------
    Instrument
        What degrades images as it says, drawn anew each time from the ranges.

    Raises
    ------
    SettingsError
        If the kind is unknown, a setting is unknown or missing, or a range is not two increasing numbers >= 0.
    """
    given = dict(settings)
    kind = _KINDS.get(given.pop("kind", None))
    if kind is None:
        raise SettingsError(f"degradation kind must be one of {', '.join(_KINDS)}, got {settings.get('kind')!r}.")
    known = [f.name for f in fields(kind)]
    if unknown := set(given) - set(known):
        raise SettingsError(
            f"{settings['kind']} has no setting {', '.join(sorted(unknown))}. There are: {', '.join(known) or 'none'}."
        )
    for name, value in given.items():
        if name == "eight_bit":
            given[name] = bool(value)
            continue
        if name == "psf":
            if value not in SIGMAS_OF_CONTEXT:
                raise SettingsError(f"psf must be one of {', '.join(SIGMAS_OF_CONTEXT)}, got {value!r}.")
            continue
        if name == "frames":
            if not isinstance(value, int) or value < 1 or value % 2 == 0:
                raise SettingsError(f"frames must be an odd number, got {value!r}.")
            continue
        numbers = isinstance(value, list | tuple) and all(isinstance(v, int | float) for v in value)
        ends = tuple(map(float, value)) if numbers else ()
        least = "above 0" if name in _ABOVE_ZERO else "of at least 0"
        if len(ends) != 2 or not 0 <= ends[0] <= ends[1] < float("inf") or (name in _ABOVE_ZERO and not ends[0]):
            raise SettingsError(f"{name} must be a range [lowest, highest] of numbers {least}, got {value!r}.")
        given[name] = ends
        if name == "jpeg":
            given[name] = tuple(check_quality(end) for end in ends)
    if "jpeg" in given and not given.get("eight_bit", True):
        raise SettingsError("JPEG has 8 bits: leave out eight_bit = false, or jpeg.")
    try:
        made: Instrument = kind(**given)
    except TypeError as error:
        raise SettingsError(
            f"{settings['kind']} needs {' and '.join(known[:1])}, a range [lowest, highest]."
        ) from error
    return made
