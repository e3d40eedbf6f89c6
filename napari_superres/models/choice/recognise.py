"""What kind of image it is: fluorescence, electron microscopy, CT, MRI or a photograph, and how that is known.

What the file says decides first: modality, channel names, unit and pixel size. The grey levels decide only between
kinds that the file leaves open: a dark ground with a few bright structures is fluorescence where pixels are as large as
those of light microscopes, or where a scientific camera has added its offset. Where nothing decides, nothing is said.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.intensity import COLOURS
from napari_superres.core.units import METRES
from napari_superres.models.choice.blemishes import sample_planes

FLUORESCENCE, ELECTRON, CT, MRI, PHOTOGRAPH = "fluorescence", "electron microscopy", "CT", "MRI", "photograph"
KINDS = (FLUORESCENCE, ELECTRON, CT, MRI, PHOTOGRAPH)
"""Modalities of the shipped models."""

_NAMES = {
    FLUORESCENCE: re.compile(
        r"dapi|hoechst|draq|sytox|\w?gfp|[rcy]fp|cherry|tomato|venus|fitc|tritc|rhodamine|texas ?red|alexa|\baf\d{3}|"
        r"\bcy ?[2357]\b|phalloidin|mitotracker|fluo|\b(405|488|532|546|555|561|568|594|633|640|647)( ?nm)?\b",
        re.IGNORECASE,
    ),
    MRI: re.compile(r"\bt[12]\*?w\b|flair|\bdwi\b|mprage|\bmri\b", re.IGNORECASE),
    ELECTRON: re.compile(r"\b(bse|haadf|s?tem|sem|etd|inlens)\b", re.IGNORECASE),
    CT: re.compile(r"\b(cbct|hounsfield|hu)\b", re.IGNORECASE),
}
_UNSTAINED = re.compile(r"bright ?field|phase|\bdic\b|\btl\b|transmi|\bbf\b|h&e|h ?e stain", re.IGNORECASE)
"""Channel names of transmitted light, for which no model is shipped."""

_SMALLEST, _LARGEST = 1e-11, 0.05
"""Pixel sizes in metres that are believed. Programs that know none write 1 in any unit."""

_ELECTRON = 25e-9
"""Pixels up to this size, in metres, are those of electron microscopes: light microscopes sample no finer."""

_BODY = 1e-4
"""Pixels from this size on, in metres, are those of scanners of bodies."""

_THIN, _AIR = -200.0, (-1100.0, -800.0)
"""Hounsfield units below that of all tissue but lung, and those of air with the noise and blur around -1000."""

_DENSEST = 4000.0
"""Hounsfield units that at most a few pixels in a thousand exceed: scanners store up to 3071, and metal beyond."""

_LEAST_AIR = 0.01
"""Least share of the pixels that is air in CT. Interpolation undershoots in MRI, in far fewer pixels."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """What kind of image it is.

    Attributes
    ----------
    kind
        Modality; None if nothing decides.
    reason
        How it is known, or what is missing, in words that follow a colon.
    plausible
        The three most plausible modalities, the likeliest first.
    """

    kind: str | None
    reason: str
    plausible: tuple[str, str, str]


def recognise(image: Image, names: Sequence[str] = ()) -> Recognition:
    """Recognise the kind of an image.

    Parameters
    ----------
    image
        Any image. At most the middle of 16 planes is read, and only if what the file says does not decide.
    names
        Names of channels or layers besides those of the image.

    Returns
    -------
    Recognition
        Its kind, if something decides it.
    """
    names = [*image.channel_names, *names]
    return _by_modality(image) or _by_names(names) or _by_pixels(image, _ground(image))


def is_unstained(names: Sequence[str]) -> bool:
    """Return whether names of channels say transmitted light and no stain."""
    plain = [name.replace("_", " ") for name in names]
    is_stained = any(pattern.search(name) for pattern in _NAMES.values() for name in plain)
    return not is_stained and any(_UNSTAINED.search(name) for name in plain)


def _by_modality(image: Image) -> Recognition | None:
    modality = image.metadata.get("modality")
    if not modality:
        return None
    return Recognition(str(modality), f"the file says {modality}", _three(str(modality)))


def _by_names(names: Sequence[str]) -> Recognition | None:
    for kind, pattern in _NAMES.items():
        if found := [name for name in names if pattern.search(name.replace("_", " "))]:
            word = "a channel is" if len(found) == 1 else "channels are"
            return Recognition(kind, f"{word} called {', '.join(found[:3])}", _three(kind))
    if found := [name for name in names if _UNSTAINED.search(name.replace("_", " "))]:
        reason = f"a channel is called {found[0]}, and no model for transmitted light is shipped"
        return Recognition(None, reason, (PHOTOGRAPH, FLUORESCENCE, ELECTRON))
    return None


@dataclass(frozen=True, slots=True)
class _Ground:
    """Grey levels: the least, a high percentile, the share of air, the median as a share of the range, the skewness."""

    lowest: float
    high: float
    air: float
    median: float
    skewness: float

    @property
    def may_be_hounsfield(self) -> bool:
        """Whether nothing speaks against Hounsfield units, and values below those of tissue speak for them."""
        return self.lowest < _THIN and self.high <= _DENSEST

    @property
    def is_hounsfield(self) -> bool:
        """Whether there is air, too."""
        return self.may_be_hounsfield and self.air >= _LEAST_AIR

    @property
    def is_dark(self) -> bool:
        """Whether a few bright structures lie on a dark ground."""
        return self.median < 0.25 and self.skewness > 0.6

    @property
    def is_black(self) -> bool:
        """Whether they are fewer and brighter still."""
        return self.median < 0.25 and self.skewness > 1.8


def _ground(image: Image, sample: int = 0) -> _Ground:
    """Measure the grey levels of the first channel, or of a sample of colour pixels."""
    planes = [plane[np.isfinite(plane)] for plane in sample_planes(image, sample=sample)]
    values = np.concatenate(planes).astype(np.float64)
    if not values.size:
        return _Ground(0.0, 0.0, 0.0, 0.5, 0.0)
    low, high = np.percentile(values, (0.1, 99.9))
    levels = np.clip((values - low) / max(high - low, 1e-12), 0.0, 1.0)
    apart = levels - levels.mean()
    squares = apart * apart
    spread = float(np.sqrt(squares.mean()))
    skewness = float((squares * apart).mean()) / spread**3 if spread else 0.0
    air = float(np.mean((values >= _AIR[0]) & (values <= _AIR[1])))
    return _Ground(float(values.min()), float(high), air, float(np.median(levels)), skewness)


def _by_pixels(image: Image, ground: _Ground) -> Recognition:
    size = _pixel_metres(image)
    if "S" in image.axes:
        return _colour(image, size)
    if size is None:
        return _without_size(image, ground)
    pixels = pixel_words(image)
    if size <= _ELECTRON:
        return Recognition(ELECTRON, f"{pixels} are finer than those of light microscopes", _three(ELECTRON))
    if size >= _BODY:
        if ground.is_hounsfield:
            reason = f"{pixels}, and values down to {ground.lowest:.0f} are Hounsfield units"
            return Recognition(CT, reason, _three(CT))
        if ground.may_be_hounsfield:
            reason = f"{pixels} are those of a scanner; values down to {ground.lowest:.0f} may be CT, but show no air"
            return Recognition(None, reason, _three(CT))
        return Recognition(MRI, f"{pixels} are those of a scanner, and no values are Hounsfield units", _three(MRI))
    if ground.is_dark:
        return Recognition(FLUORESCENCE, f"{pixels}, bright on a dark ground", _three(FLUORESCENCE))
    reason = f"{pixels} and a ground that is not dark suit micro-CT, electron and light microscopes"
    return Recognition(None, reason, (CT, ELECTRON, FLUORESCENCE))


def _colour(image: Image, size: float | None) -> Recognition:
    if size is not None:
        reason = "a colour image with a pixel size may be stained tissue, a composite of channels or a photograph"
        return Recognition(None, reason, (PHOTOGRAPH, FLUORESCENCE, ELECTRON))
    samples = [_ground(image, sample) for sample in range(min(COLOURS, image.size("S")))]
    if all(sample.is_black or sample.skewness == 0 for sample in samples):
        reason = "a colour image on a black ground may be a composite of channels or a photograph"
        return Recognition(None, reason, (FLUORESCENCE, PHOTOGRAPH, ELECTRON))
    return Recognition(PHOTOGRAPH, "a colour image without a pixel size", _three(PHOTOGRAPH))


def _without_size(image: Image, ground: _Ground) -> Recognition:
    if image.dtype == np.int16 and ground.is_hounsfield:
        return Recognition(CT, f"values down to {ground.lowest:.0f} are Hounsfield units", _three(CT))
    if image.dtype == np.uint16 and ground.lowest > 0 and ground.is_dark:
        reason = "16 bits with a camera's offset, bright on a dark ground"
        return Recognition(FLUORESCENCE, reason, _three(FLUORESCENCE))
    if ground.is_dark:
        return Recognition(None, _UNKNOWN, (FLUORESCENCE, PHOTOGRAPH, MRI))
    if "Z" in image.axes:
        return Recognition(None, _UNKNOWN, (ELECTRON, CT, FLUORESCENCE))
    return Recognition(None, _UNKNOWN, (ELECTRON, PHOTOGRAPH, FLUORESCENCE))


_UNKNOWN = "the file states no modality, pixel size, colours or channel names"


def _pixel_metres(image: Image) -> float | None:
    """Return the pixel size in metres; None if it is unknown or not to be believed."""
    if not image.has_pixel_size:
        return None
    size = image.pixel_size[image.spatial.index("X")] * METRES[str(image.units["X"])]
    return size if _SMALLEST <= size <= _LARGEST else None


def pixel_words(image: Image) -> str:
    """Return the pixel size along Y and X in words; empty if it is unknown."""
    if not image.has_pixel_size:
        return ""
    sizes = dict.fromkeys(f"{image.pixel_size[image.spatial.index(a)]:.4g}" for a in "YX")
    return f"pixels of {' x '.join(sizes)} {short_unit(image.units['X'])}"


def short_unit(unit: str | None) -> str:
    """Return the symbol of a unit of length that is usual for pixels, or its name."""
    return {"nanometer": "nm", "micrometer": "µm", "millimeter": "mm"}.get(str(unit), str(unit))


def _three(kind: str) -> tuple[str, str, str]:
    others = {
        FLUORESCENCE: (ELECTRON, PHOTOGRAPH),
        ELECTRON: (CT, FLUORESCENCE),
        CT: (MRI, ELECTRON),
        MRI: (CT, FLUORESCENCE),
    }
    return (kind, *others.get(kind, (FLUORESCENCE, ELECTRON)))
