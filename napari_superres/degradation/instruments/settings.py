"""Build an instrument from plain values, such as those of a recipe."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from napari_superres.degradation.instruments.conditioned import Conditioned
from napari_superres.degradation.instruments.lenses import SIGMAS_OF_CONTEXT, Movie, Optics
from napari_superres.degradation.instruments.measured import MeasuredShape
from napari_superres.degradation.instruments.noisy import Neighbours, Splits
from napari_superres.degradation.instruments.protocol import Instrument, Range
from napari_superres.degradation.instruments.reductions import Bicubic, KSpace, Recorded
from napari_superres.degradation.instruments.views import Views
from napari_superres.degradation.instruments.volumes import Slices
from napari_superres.degradation.jpeg import check_quality
from napari_superres.errors import SettingsError

_KINDS: dict[str, type[Any]] = {
    "bicubic": Bicubic,
    "optics": Optics,
    "movie": Movie,
    "views": Views,
    "slices": Slices,
    "kspace": KSpace,
    "recorded": Recorded,
    "conditioned": Conditioned,
    "splits": Splits,
    "neighbours": Neighbours,
}

_ABOVE_ZERO = ("photons", "saturation", "levels", "gain")


def make_instrument(settings: Mapping[str, Any]) -> Instrument:
    """Return an instrument from plain values.

    Parameters
    ----------
    settings
        ``{"kind": "optics", "psf_sigma": [0.8, 2.2], ...}``: a kind and its attributes, ranges as two numbers. A
        measured `psf` is a record of `degradation.psf.kernel.to_record`.

    Returns
    -------
    Instrument
        Draws each strength from its range, for each patch.

    Raises
    ------
    SettingsError
        If the kind is unknown, a setting is unknown or missing, or a range is not two increasing numbers >= 0.
    """
    values = dict(settings)
    kind = _KINDS.get(values.pop("kind", None))
    if kind is None:
        raise SettingsError(f"degradation kind must be one of {', '.join(_KINDS)}, got {settings.get('kind')!r}.")
    known = [f.name for f in fields(kind)]
    if unknown := set(values) - set(known):
        raise SettingsError(
            f"{settings['kind']} has no setting {', '.join(sorted(unknown))}.",
            remedy=f"Valid settings: {', '.join(known) or 'none'}.",
        )
    checked = {name: _check(name, value) for name, value in values.items()}
    if "jpeg" in checked and not checked.get("eight_bit", True):
        raise SettingsError("JPEG has 8 bits, got eight_bit = false.", remedy="Leave one of them out.")
    try:
        instrument: Instrument = kind(**checked)
    except TypeError as error:
        raise SettingsError(
            f"{settings['kind']} needs {' and '.join(known[:1])}, a range [lowest, highest]."
        ) from error
    return instrument


def _check(name: str, value: Any) -> Any:
    """Return a setting as the instrument takes it."""
    if name in ("eight_bit", "repeats"):
        return bool(value)
    if name == "reduction":
        return value  # checked by the instrument
    if name == "told":
        return {condition: _check_range(name, between) for condition, between in value.items()}
    if name == "psf":
        if isinstance(value, Mapping):
            return MeasuredShape.of(value)
        if value not in SIGMAS_OF_CONTEXT:
            raise SettingsError(f"psf must be one of {', '.join(SIGMAS_OF_CONTEXT)}, got {value!r}.")
        return value
    if name == "frames":
        if not isinstance(value, int) or value < 1 or value % 2 == 0:
            raise SettingsError(f"frames must be an odd number, got {value!r}.")
        return value
    lowest, highest = _check_range(name, value)
    if name == "share" and not 0 < lowest <= highest < 1:
        raise SettingsError(f"share must be a range between 0 and 1, got {value!r}.")
    return (check_quality(lowest), check_quality(highest)) if name == "jpeg" else (lowest, highest)


def _check_range(name: str, value: Any) -> Range:
    is_numeric = isinstance(value, list | tuple) and all(isinstance(v, int | float) for v in value)
    ends = tuple(map(float, value)) if is_numeric else ()
    least = "above 0" if name in _ABOVE_ZERO else "of at least 0"
    if len(ends) != 2 or not 0 <= ends[0] <= ends[1] < float("inf") or (name in _ABOVE_ZERO and not ends[0]):
        raise SettingsError(f"{name} must be a range [lowest, highest] of numbers {least}, got {value!r}.")
    return ends[0], ends[1]
