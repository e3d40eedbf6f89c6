"""How coarse a stack is: its axis, the factor to isotropic voxels, and the profile of its slices."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.units import METRES
from napari_superres.degradation.psf import psf_sigma
from napari_superres.errors import SettingsError
from napari_superres.inference.options import PsfOption
from napari_superres.training.isotropic.profile import FWHM_OF_SIGMA, KINDS, WIDEST, Kind, SliceProfile

Profile = Literal["auto", "box", "gaussian"]

LARGEST_FACTOR = 10
_SAME = 0.02
"""Difference of two pixel sizes, as a share, up to which they count as equal."""

_SKEW = 0.02
"""Cosine of the angle between two axes up to which they count as perpendicular."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """The coarse axis of a stack.

    Attributes
    ----------
    axis
        Its letter.
    factor
        Fine slices per distance of slices.
    profile
        Of the slices.
    spacing, fine
        Distance of slices, and pixel size across them, in the unit of the pixel size.
    notes
        What the user should know, in sentences.
    """

    axis: str
    factor: int
    profile: SliceProfile
    spacing: float
    fine: float
    notes: tuple[str, ...] = ()

    @property
    def scale(self) -> tuple[int, int, int]:
        """Factor per axis of ZYX."""
        z, y, x = (self.factor if a == self.axis else 1 for a in "ZYX")
        return z, y, x


def find_geometry(
    image: Image, *, axis: str, profile: Profile, thickness: float | None, spacing: float | None, psf: PsfOption = None
) -> Geometry:
    """Return the coarse axis of a stack, checked.

    Parameters
    ----------
    image
        Stack with the axes Z, Y and X.
    axis
        The coarse axis.
    profile
        ``"auto"`` is a Gaussian with `psf`, else a box.
    thickness, spacing
        Of the slices, in the unit of the pixel size. By default the thickness that the file states, or else the
        spacing: slices that touch; and the pixel size along `axis`.
    psf
        Measured point-spread function, or its sigma per axis in micrometres, whose axial width takes the place of
        `thickness`.

    Raises
    ------
    SettingsError
        If the image is no stack, its pixel size is unknown, its axes are oblique to each other, the factor is not
        2 to 10, or `psf` does not fit the other options.
    """
    _check_stack(image, axis, profile, spacing)
    _check_positive(thickness=thickness, spacing=spacing)
    sizes = dict(zip(image.spatial, image.pixel_size, strict=True))
    across = [sizes[a] for a in "ZYX" if a != axis]
    if max(across) > (1 + _SAME) * min(across):
        raise SettingsError(
            f"pixels across {axis} must be square, got {across[0]:.4g} and {across[1]:.4g}.",
            remedy="Bring them to one size first, with `resample()`.",
        )
    fine = float(np.mean(across))
    distance = sizes[axis] if spacing is None else spacing
    thick = _thickness(image, axis, profile, thickness, psf)
    factor = round(distance / fine)
    if factor < 2 or factor > LARGEST_FACTOR:
        raise SettingsError(
            f"slices along {axis} must be 2 to {LARGEST_FACTOR} times as far apart as the pixels across them, got "
            f"{distance / fine:.3g} times.",
            remedy=_remedy(distance / fine),
        )
    width = 1.0 if thick is None else thick / distance
    if psf is not None:
        width = max(width, 1 / WIDEST)  # it may be no wider along the axis than across
    notes = []
    if abs(distance / sizes[axis] - 1) > _SAME:
        notes.append(
            f"Slices are {distance:.4g} apart by `spacing`, but the file says {sizes[axis]:.4g}. The result's pixel "
            "size follows `spacing`."
        )
    if abs(distance / fine / factor - 1) > _SAME:
        notes.append(
            f"The result's spacing along {axis} is {distance / factor:.4g}, and {fine:.4g} across: for exactly "
            "isotropic voxels, use `resample()` afterwards."
        )
    if thick is None and image.space == "LPS":
        notes.append("The file does not state how thick its slices are: they are taken to touch.")
    kind: Kind = "gaussian" if profile == "gaussian" or psf is not None else "box"
    made = SliceProfile(kind, 1.0 if abs(width - 1) < _SAME else width)
    return Geometry(axis=axis, factor=factor, profile=made, spacing=distance, fine=fine, notes=tuple(notes))


def _remedy(ratio: float) -> str:
    if abs(ratio - 1) <= _SAME:
        return "Nothing needs to be done: the stack is isotropic."
    return "Use `resample()`, which interpolates." if 0.75 < ratio < 1.5 else "Check `pixel_size` and `axis`."


def _check_stack(image: Image, axis: str, profile: str, spacing: float | None) -> None:
    if axis not in ("Z", "Y", "X"):
        raise SettingsError(f"`axis` must be Z, Y or X, got {axis!r}.")
    if profile not in ("auto", *KINDS):
        raise SettingsError(f"`profile` must be one of auto, {', '.join(KINDS)}, got {profile!r}.")
    if "Z" not in image.axes:
        raise SettingsError(
            f"only a stack can be made isotropic, and this image has the axes {image.axes}, without Z.",
            remedy="If it is a stack, state its `axes`.",
        )
    _check_right_angles(image)
    if not image.has_pixel_size or (spacing is None and image.units.get(axis) not in METRES):
        raise SettingsError(
            f"the file does not say how far its slices along {axis} are apart.",
            remedy="State `pixel_size` for Z, Y and X.",
        )


def _thickness(image: Image, axis: str, profile: str, thickness: float | None, psf: PsfOption) -> float | None:
    """Return how thick the slices are, in the unit of the pixel size; None if nobody says."""
    if psf is None:
        return image.metadata.get("slice_thickness") if thickness is None and axis == "Z" else thickness
    if thickness is not None or profile == "box":
        raise SettingsError(
            "`psf` stands for a Gaussian profile of its own width.", remedy="Leave `thickness` and `profile` out."
        )
    return _axial_width(psf, image, axis)


def with_spacing(image: Image, axis: str, spacing: float | None) -> Image:
    """Return the image with slices that are so far apart, in the unit of the pixel size; unchanged for None."""
    if spacing is None:
        return image
    sizes = [spacing if a == axis else size for a, size in zip(image.spatial, image.pixel_size, strict=True)]
    return image.with_pixel_size(sizes, image.units["X"] or "micrometer")


def _axial_width(psf: Image | Mapping[str, float] | str, image: Image, axis: str) -> float:
    """Return the full width at half maximum, in the image's unit, of the blur along an axis that is not across it.

    The planes to learn from are blurred already, by the width of the point-spread function across the axis.
    """
    if isinstance(psf, str):
        raise SettingsError(
            f"`psf` must be measured on beads here, got {psf!r}: no file states its width along Z.",
            remedy="Give `thickness` instead.",
        )
    sigma = psf if isinstance(psf, Mapping) else psf_sigma(psf)
    if "Z" not in sigma:
        raise SettingsError("`psf` is a plane, and has no width along Z.", remedy="Measure it in a stack of beads.")
    across = float(np.mean([sigma[a] ** 2 for a in "ZYX" if a != axis]))
    micrometres = FWHM_OF_SIGMA * sqrt(max(0.0, sigma[axis] ** 2 - across))
    return micrometres * 1e-6 / METRES[image.units["X"] or "micrometer"]


def _check_positive(**lengths: float | None) -> None:
    for name, value in lengths.items():
        if value is not None and not (np.isfinite(value) and value > 0):
            raise SettingsError(f"`{name}` must be above 0, got {value}.")


def _check_right_angles(image: Image) -> None:
    """Refuse sheared stacks, as of a tilted gantry: their columns along Z are no lines of the specimen."""
    columns = image.affine[:-1, :-1] / np.linalg.norm(image.affine[:-1, :-1], axis=0)
    worst = float(np.abs(columns.T @ columns - np.eye(len(columns))).max())
    if worst > _SKEW:
        angle = np.degrees(np.arccos(worst))
        raise SettingsError(
            f"the axes of the stack must be perpendicular, but two of them meet at {angle:.1f} degrees.",
            remedy="Resample it onto a rectangular grid first.",
        )
