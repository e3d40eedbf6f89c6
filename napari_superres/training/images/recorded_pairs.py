"""Read pairs that instruments recorded: match names, check alignment, bring both to one intensity scale."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.binning import bin_mean
from napari_superres.core.color import luma
from napari_superres.core.image import Image
from napari_superres.core.intensity import fit_normalisation
from napari_superres.errors import TrainingError
from napari_superres.io import InputPath, find_images, read_image, safe_name, stem
from napari_superres.training.images.fields_of_view import Field, ImageSet, pixel_size_um

_MAX_SHIFT = 2.0
"""Shift in low-resolution pixels beyond which pairs must be registered."""

_NOTED_SHIFT = 0.4
"""Shift in low-resolution pixels from which a note is given: smaller ones may be an error of the estimate."""

_MIN_CORRELATION = 0.3

_COARSE = 4
"""Factor by which noisy repeats are binned before their shift is measured."""

_MENTIONED = 5
"""How many names an error lists."""


def read_pairs(lr_folder: Path, hr_folder: Path, scale: int, *, register: bool = False) -> ImageSet:
    """Read pairs of images of the same name from two folders.

    A fit of gain and offset brings the high-resolution intensities to the scale of the low-resolution ones. The
    percentiles of the low-resolution image then bring both to 0..1, as in upscaling.

    Parameters
    ----------
    lr_folder, hr_folder
        Folders of low- and high-resolution images. Names match without suffix.
    scale
        Factor between both images along Y and X.
    register
        Whether pairs are aligned, by whole high-resolution pixels.

    Returns
    -------
    ImageSet
        A note names each pair that lies more than 0.4 low-resolution pixels apart and is not registered.

    Raises
    ------
    TrainingError
        If names, axes or shapes do not match; if a pair shows nothing in common; or if it lies more than 2
        low-resolution pixels apart and `register` is False.
    """
    notes: list[str] = []
    images = [list(_read_pair(low, high, scale, register, notes)) for _, low, high in _partners(lr_folder, hr_folder)]
    return ImageSet(images, tuple(notes))


def read_repeats(first_folder: Path, second_folder: Path, scale: int) -> ImageSet:
    """Read images that were recorded twice, with independent noise, and let each teach the other.

    Parameters
    ----------
    first_folder, second_folder
        Folders of first and second recordings. Names match without suffix.
    scale
        Factor by which inputs are binned; 1 to denoise only.

    Returns
    -------
    ImageSet
        Two fields for each plane and channel, of which the noise of one recording is the error of the target.

    Raises
    ------
    TrainingError
        As `read_pairs`.
    """
    notes: list[str] = []
    images = []
    for name, first, second in _partners(first_folder, second_folder):
        images.append(list(_read_repeat(name, read_image(first), read_image(second), scale, notes)))
    return ImageSet(images, tuple(notes))


def _read_repeat(name: str, first: Image, second: Image, scale: int, notes: list[str]) -> Iterator[Field]:
    _check_pair(name, first, second, 1)
    norm, size = fit_normalisation(first, "percentile"), pixel_size_um(first)
    for channel in range(first.size("C")):
        planes = [_planes(image, channel) for image in (first, second)]
        # Single pixels of noisy repeats may have nothing in common.
        coarse = bin_mean(planes[0], (1, _COARSE, _COARSE))
        fine = planes[1][:, : coarse.shape[1] * _COARSE, : coarse.shape[2] * _COARSE]
        if note := _check_shift(name, _measure_shift(name, coarse, fine, _COARSE), 1):
            notes.append(note)
        # Bleaching and drift of the lamp: the means must agree, or the one teaches the other to be brighter.
        planes[1] = planes[1] + planes[0].mean() - planes[1].mean()
        a, b = (norm.apply(p, channel, np.float32) for p in planes)
        variance = float(np.square(a - b, dtype=np.float64).mean()) / 2
        for hr, lr in ((a, b), (b, a)):
            low = [bin_mean(plane, (scale, scale)).astype(np.float32) if scale > 1 else plane for plane in lr]
            yield from (Field(h, w, size, target_variance=variance) for h, w in zip(hr, low, strict=True))


def _partners(lr_folder: Path, hr_folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """Yield name and files of each pair."""
    lows, highs = ({stem(p): p for p in find_images(folder)} for folder in (lr_folder, hr_folder))
    if alone := set(lows) ^ set(highs):
        unmatched = sorted(safe_name(path) for name, path in {**highs, **lows}.items() if name in alone)
        raise TrainingError(
            f"every image of {InputPath(lr_folder)} needs a partner of the same name in {InputPath(hr_folder)}; these "
            "have none: "
            f"{', '.join(unmatched[:_MENTIONED])}{', ...' if len(unmatched) > _MENTIONED else ''}.",
            remedy="Rename or remove them.",
        )
    yield from ((safe_name(lows[name]), lows[name], highs[name]) for name in sorted(lows))


def _read_pair(lr_path: Path, hr_path: Path, scale: int, register: bool, notes: list[str]) -> Iterator[Field]:
    name, low, high = safe_name(lr_path), _as_grey(read_image(lr_path)), _as_grey(read_image(hr_path))
    _check_pair(name, low, high, scale)
    norm = fit_normalisation(low, "percentile")
    size = pixel_size_um(high)
    for channel in range(low.size("C")):
        lr, hr = (_planes(image, channel) for image in (low, high))
        shift = _measure_shift(name, lr, hr, scale)
        if register:
            lr, hr = _align(lr, hr, shift, scale)
        elif note := _check_shift(name, shift, scale):
            notes.append(note)
        scaled = _fit_gain_offset(lr, hr, scale)
        fields = zip(*(norm.apply(planes, channel, np.float32) for planes in (scaled, lr)), strict=True)
        yield from (Field(hr_plane, lr_plane, size) for hr_plane, lr_plane in fields)


def _as_grey(image: Image) -> Image:
    """Return the luma of a colour image, which is what models of one channel enlarge; others as they are."""
    if "S" not in image.axes:
        return image
    data = np.moveaxis(np.asarray(image.data), image.axes.index("S"), -1)
    return image.replace(data=luma(data), axes=image.axes.replace("S", ""))


def _check_pair(name: str, low: Image, high: Image, scale: int) -> None:
    expected = tuple(n * scale if a in "YX" else n for a, n in zip(low.axes, low.shape, strict=True))
    if low.axes != high.axes or expected != high.shape:
        raise TrainingError(
            f"{name}: the high-resolution image must have the axes {low.axes} and the shape {expected} at scale "
            f"{scale}, got {high.axes} {high.shape}.",
            remedy="Crop or rescale it, or set another `scale`.",
        )
    if not (np.isfinite(np.asarray(low.data)).all() and np.isfinite(np.asarray(high.data)).all()):
        raise TrainingError(f"{name} holds NaN or infinite pixels.", remedy="Fill these pixels or crop the images.")


def _check_shift(name: str, shift: Sequence[int], scale: int) -> str:
    """Return a note about the shift of a pair, empty if it is small; raise if it is large."""
    most = max(map(abs, shift))
    apart = f"{name}: the pair lies {shift[0] / scale:.1f}, {shift[1] / scale:.1f} low-resolution pixels apart (Y, X)"
    if most > _MAX_SHIFT * scale:
        raise TrainingError(
            f"{apart}; at most {_MAX_SHIFT:g} are allowed.", remedy="Align the images first, or set `register`."
        )
    if most < _NOTED_SHIFT * scale:
        return ""
    return f"{apart}, and the model learns to shift images by as much. Set `register` to align pairs."


def _planes(image: Image, channel: int) -> npt.NDArray[np.float64]:
    """Return all planes ``(N, Y, X)`` of a channel."""
    data = np.asarray(image.data, dtype=np.float64)
    planes = np.take(data, channel, axis=image.axes.index("C")) if "C" in image.axes else data
    return np.asarray(planes).reshape(-1, *data.shape[-2:])


def _measure_shift(name: str, lr: npt.NDArray[Any], hr: npt.NDArray[Any], scale: int) -> tuple[int, int]:
    """Return the shift in high-resolution pixels that aligns the middle high-resolution plane to the other."""
    from skimage.registration import phase_cross_correlation

    middle = len(lr) // 2
    reference, moving = lr[middle], bin_mean(hr[middle], (scale, scale))
    taper = np.outer(*(np.hanning(n + 2)[1:-1] for n in reference.shape))
    tapered = [(plane - plane.mean()) * taper for plane in (reference, moving)]
    if not all(plane.any() for plane in tapered):
        raise TrainingError(f"{name} is constant and teaches nothing.", remedy="Remove the pair.")
    shift, *_ = phase_cross_correlation(*tapered, upsample_factor=4 * scale, normalization=None)
    aligned = np.roll(moving, np.rint(shift).astype(int), (0, 1))
    if np.corrcoef(aligned.ravel(), reference.ravel())[0, 1] < _MIN_CORRELATION:
        raise TrainingError(
            f"{name}: the two images show nothing in common.", remedy="Check that both show the same field of view."
        )
    y, x = (round(float(s) * scale) for s in shift)
    return y, x


def _align(
    lr: npt.NDArray[Any], hr: npt.NDArray[Any], shift: Sequence[int], scale: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the part that both images show, the high-resolution one shifted by `shift` of its pixels."""
    for axis, s in enumerate(shift, start=1):
        size = lr.shape[axis]
        first = -(-max(s, 0) // scale)
        last = size + min(s, 0) // scale
        lr = lr.take(range(first, last), axis=axis)
        hr = hr.take(range(first * scale - s, last * scale - s), axis=axis)
    return lr, hr


def _fit_gain_offset(lr: npt.NDArray[Any], hr: npt.NDArray[Any], scale: int) -> npt.NDArray[Any]:
    """Return the high-resolution planes with the gain and offset of the low-resolution ones."""
    binned = bin_mean(hr, (1, scale, scale))
    gain, offset = np.polyfit(binned.ravel(), lr.ravel(), 1)
    return np.asarray(gain * hr + offset)
