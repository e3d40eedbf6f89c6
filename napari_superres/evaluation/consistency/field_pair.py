"""Result and input over their common field of view, read one plane or volume at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from napari_superres.core.grid import downscale_affine
from napari_superres.core.image import Image
from napari_superres.core.invalid import fill
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.registration.scale import scale_of
from napari_superres.evaluation.resolution.holes import without_holes

Floats = npt.NDArray[np.float64]
Index = tuple[int | slice, ...]

MIN_SIZE = 8
"""Smallest number of input pixels along an axis."""


@dataclass(frozen=True, slots=True)
class FieldPair:
    """Result and input over one field of view.

    Attributes
    ----------
    result, lr
        Images with the same axes. The result has `factor` pixels for each pixel of the input.
    channel
        Index of the channel that is compared.
    axes
        Axes that are degraded together: ``"YX"``, or ``"ZYX"`` if Z became finer.
    shape
        Number of input pixels along `axes`.
    factor
        Scale along `axes`.
    """

    result: Image
    lr: Image
    channel: int
    axes: str
    shape: tuple[int, ...]
    factor: tuple[int, ...]

    def indices(self, axes: str, count: int | None = None) -> list[Index]:
        """Return the index of each plane (`axes` ``"YX"``) or volume (``"ZYX"``) of the channel.

        With a `count`, only so many of them, evenly spread and at least one.
        """
        fixed: dict[str, Sequence[int | slice]] = {"C": [self.channel], **{a: [slice(None)] for a in axes + "S"}}
        choices = [fixed.get(a, range(n)) for a, n in zip(self.lr.axes, self.lr.shape, strict=True)]
        indices = list(product(*choices))
        count = len(indices) if count is None else min(max(count, 1), len(indices))
        return [indices[int((i + 0.5) * len(indices) / count)] for i in range(count)]

    def result_spectra(self, index: Index, box: Mapping[str, slice] | None = None) -> tuple[Floats, Floats | None]:
        """Return the cosine spectra of a plane or volume of the result, and of the mask of its non-finite pixels.

        Parameters
        ----------
        index
            One of `indices`.
        box
            Part of the field, in input pixels per axis; None = all of it.

        Returns
        -------
        tuple
            Orthonormal spectra; the second is None where all pixels are finite.
        """
        from scipy.fft import dctn

        scale = dict(zip(self.axes, self.factor, strict=True))
        fine_box = {a: slice(s.start * scale[a], s.stop * scale[a]) for a, s in (box or {}).items()}
        values = read_field(self.result, index, fine_box)
        invalid = np.isnan(values)
        if not invalid.any():
            return dctn(values, norm="ortho", overwrite_x=True), None
        filled = fill(values, 0.0 if invalid.all() else float(values[~invalid].mean()))
        return dctn(filled, norm="ortho"), dctn(invalid.astype(np.float64), norm="ortho")

    def spectrum_without_holes(self, index: Index) -> Floats | None:
        """Return the cosine spectrum of a plane or volume of the result that fades to 0 around its holes.

        Their outlines would count as fine detail. None if no pixel is finite.
        """
        from scipy.fft import dctn

        whole = without_holes(read_field(self.result, index, {}))
        return None if whole is None else np.asarray(dctn(whole[0], norm="ortho"))


def read_field(image: Image, index: Index, box: Mapping[str, slice]) -> Floats:
    """Return a part of an image as 64-bit floats, nan where not finite; red, green and blue are averaged."""
    values = np.array(image.data[tuple(box.get(a, at) for a, at in zip(image.axes, index, strict=True))], np.float64)
    values[~np.isfinite(values)] = np.nan
    return np.asarray(values[..., :3].mean(axis=-1)) if "S" in image.axes else values


def pair_fields(result: Image, lr: Image, channel: int) -> tuple[FieldPair, list[str]]:
    """Crop a result and its input to their common field of view.

    Returns
    -------
    tuple
        The pair, and notes for the report.

    Raises
    ------
    EvaluationError
        If the two do not fit, or their common field is too small.
    SettingsError
        If the channel does not exist.
    """
    if not 0 <= channel < lr.size("C"):
        raise SettingsError(
            f"channel must be 0 to {lr.size('C') - 1}, got {channel}.", remedy="Choose another `channel`."
        )
    scale = scale_of(result, lr) or {}
    affine, notes = downscale_affine(result.affine, [scale[a] for a in result.spatial]), []
    if result.has_pixel_size and lr.has_pixel_size and not any((*result.origin, *lr.origin)):
        affine[:-1, -1] = 0.0
        notes = ["the result has no recorded origin: fields of view taken to begin at the same corner"]
    # Matching needs the grid of the degraded result only, not its pixels.
    empty = np.empty([n // scale.get(a, 1) for a, n in zip(result.axes, result.shape, strict=True)], np.uint8)
    common = match(result.replace(data=empty, affine=affine), lr, names=("result", "input"))
    field = lr if (common.reference.axes, common.reference.shape) == (lr.axes, lr.shape) else common.reference
    if min(field.size(a) for a in "YX") < MIN_SIZE:
        raise EvaluationError(
            f"consistency needs at least {MIN_SIZE} input pixels along Y and X, got {field.axes} {field.shape}.",
            remedy="Give a larger field of view.",
        )
    box = {
        a: slice(first * scale[a], (first + field.size(a)) * scale[a])
        for a, first in zip(result.spatial, common.start, strict=True)
    }
    fine = result.data[tuple(box.get(a, slice(None)) for a in result.axes)]
    axes = "".join(a for a in field.axes if a in "YX" or scale.get(a, 1) > 1)
    shape, factor = tuple(field.size(a) for a in axes), tuple(scale[a] for a in axes)
    return FieldPair(result.replace(data=fine), field, channel, axes, shape, factor), [*common.notes, *notes]
