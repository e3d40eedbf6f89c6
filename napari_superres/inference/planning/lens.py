"""The lens that an image's file states: aperture, emission wavelength and kind of microscope of each channel.

The width of the point-spread function follows from them for widefield and confocal microscopes. It is used only on
request, because files often state an objective that was not in use.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from napari_superres.core.conditions import SHADE, SIGMA_PER_AIRY, SIGMA_PER_AIRY_CONFOCAL
from napari_superres.core.image import Image
from napari_superres.core.units import METRES
from napari_superres.errors import SettingsError

APERTURES, WAVELENGTHS = (0.01, 2.0), (0.1, 30.0)
"""Least and greatest numerical aperture, and wavelength in micrometres, that are believed."""

_CONFOCAL = ("LaserScanningConfocalMicroscopy", "SpinningDiskConfocal", "SlitScanConfocal", "SweptFieldConfocal")
_WIDEFIELD = ("WideField", "TotalInternalReflection", "TIRF", "SPIM")
_UNSTATED = ("", "Other")


@dataclass(frozen=True, slots=True)
class Lens:
    """The lens of a channel.

    Attributes
    ----------
    numerical_aperture
        Of the objective.
    wavelength
        Of the emitted light, in micrometres.
    mode
        Acquisition mode in OME's words, such as ``"WideField"``; empty if the file states none.
    """

    numerical_aperture: float
    wavelength: float
    mode: str = ""

    @property
    def sigma(self) -> float:
        """Sigma of the Gaussian core of the point-spread function, in micrometres."""
        factor = SIGMA_PER_AIRY_CONFOCAL if self.mode in _CONFOCAL else SIGMA_PER_AIRY
        return factor * self.wavelength / self.numerical_aperture

    def describe(self) -> str:
        """Return what the file states, and what is assumed of the microscope, in words."""
        kind = "confocal" if self.mode in _CONFOCAL else "widefield"
        assumed = "assumed to be " if self.mode in _UNSTATED else ""
        return (
            f"the file's aperture of {self.numerical_aperture:g} and {1000 * self.wavelength:.4g} nm, {assumed}{kind}"
        )


def find_lens(image: Image, channel: int) -> Lens:
    """Return the lens that the image's metadata state for a channel.

    Raises
    ------
    SettingsError
        If they state no aperture or no emission wavelength, or a microscope whose blur does not follow from them.
    """
    optics = image.metadata.get("optics", ())
    facts = optics[channel] if len(optics) == image.size("C") else {}
    name = f" ({image.channel_names[channel]})" if image.channel_names else ""
    limits = {"numerical_aperture": APERTURES, "wavelength": WAVELENGTHS}
    words = {"numerical_aperture": "numerical aperture", "wavelength": "emission wavelength"}
    missing = [words[key] for key, (low, high) in limits.items() if not low <= facts.get(key, 0.0) <= high]
    mode = facts.get("mode", "")
    if missing:
        reason = f"the file states no {' and no '.join(missing)} of channel {channel}{name}."
    elif mode not in (*_CONFOCAL, *_WIDEFIELD, *_UNSTATED):
        reason = (
            f"the file states {mode} for channel {channel}{name}, whose blur does not follow from aperture and "
            "emission wavelength."
        )
    else:
        return Lens(facts["numerical_aperture"], facts["wavelength"], mode)
    raise SettingsError(
        f"`psf='metadata'` cannot be used: {reason}",
        remedy="Give `psf_sigma`, or `numerical_aperture` and `wavelength`, instead; or compute only other `channels`.",
    )


def find_lenses(image: Image, channels: Sequence[int]) -> tuple[Lens, ...]:
    """Return the lenses of channels; none unless the metadata state those of all of them."""
    with suppress(SettingsError):
        return tuple(find_lens(image, channel) for channel in channels)
    return ()


def narrowest_lens(image: Image) -> Lens | None:
    """Return the lens with the smallest sigma, which blurs no channel less; None unless those of all are stated."""
    return min(find_lenses(image, range(image.size("C"))), key=lambda lens: lens.sigma, default=None)


def result_pixel_um(image: Image, factor: int) -> float:
    """Return the edge of a pixel of the result, `factor` times finer than the image, in micrometres.

    Raises
    ------
    SettingsError
        If the pixel size is unknown.
    """
    unit = image.units.get("X")
    if unit not in METRES or not image.has_pixel_size:
        raise SettingsError(
            "the blur of a lens depends on the pixel size, and that of the image is unknown.",
            remedy="Set the image's `pixel_size`, or give `psf_sigma` instead.",
        )
    return image.pixel_size[image.spatial.index("X")] * METRES[unit] / METRES["micrometer"] / factor


def offer(image: Image, factor: int, channels: Sequence[int]) -> str:
    """Return what the file states of the lenses, and how much they would sharpen, in a sentence; empty for nothing."""
    lenses = find_lenses(image, channels)
    if not lenses or not image.has_pixel_size:
        return ""
    sigmas = [lens.sigma / result_pixel_um(image, factor) for lens in lenses]
    if max(sigmas) <= SHADE:
        return ""
    light = ", ".join(dict.fromkeys(f"{1000 * lens.wavelength:.4g}" for lens in lenses))
    widths = ", ".join(dict.fromkeys(f"{sigma:.2g}" for sigma in sigmas))
    return (
        f"The file states an aperture of {lenses[0].numerical_aperture:g} and {light} nm: `psf='metadata'` sharpens "
        f"by a sigma of {widths} pixels of the result."
    )
