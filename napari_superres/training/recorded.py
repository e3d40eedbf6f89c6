"""Pairs recorded by instruments: matched by name, checked, registered, and on one intensity scale."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.intensity import fit_normalisation
from napari_superres.degradation.optics import bin_mean
from napari_superres.errors import SuperResWarning, TrainingError
from napari_superres.io import find_images, read_image, stem
from napari_superres.training.sources import Field, pixel_size

_MOST_SHIFT = 2.0
"""Low-resolution pixels beyond which pairs are refused unless they are to be registered."""

_NOTED_SHIFT = 0.4
"""Low-resolution pixels beyond which a shift is spoken of: smaller ones may be an estimate's error."""

_LEAST_CORRELATION = 0.3


def read_pairs(low: Path, high: Path, scale: int, *, register: bool = False) -> list[list[Field]]:
    """Read pairs of images of the same name from two folders, one list of fields per pair.

    High-resolution intensities are brought to the scale of the low-resolution ones by a least-squares line,
    and both to 0..1 by the percentiles of the low-resolution image, as when the model is used.

    Parameters
    ----------
    low, high
        Folders. Images match by name without suffix.
    scale
        How many times more pixels the high-resolution images have along Y and X.
    register
        Move pairs onto each other, by whole high-resolution pixels.

    Raises
    ------
    TrainingError
        If names, axes or shapes do not match, or pairs lie more than 2 low-resolution pixels apart and
        `register` is False, or show nothing in common.
    """
    lows, highs = ({stem(p): p for p in find_images(folder)} for folder in (low, high))
    if alone := sorted(set(lows) ^ set(highs)):
        raise TrainingError(
            f"every image of {low} needs a partner of the same name in {high}; these have none: "
            f"{', '.join(alone[:5])}{', ...' if len(alone) > 5 else ''}. Rename or remove them."
        )
    return [list(_fields(name, lows[name], highs[name], scale, register)) for name in sorted(lows)]


def _fields(name: str, low_path: Path, high_path: Path, scale: int, register: bool) -> Iterator[Field]:
    low, high = read_image(low_path), read_image(high_path)
    wanted = tuple(n * scale if a in "YX" else n for a, n in zip(low.axes, low.shape, strict=True))
    if low.axes != high.axes or wanted != high.shape or "S" in low.axes:
        raise TrainingError(
            f"{name}: the high-resolution image must have the axes {low.axes.replace('S', '')} and the shape {wanted} "
            f"at scale {scale}, got {high.axes} {high.shape}. Crop or rescale it, or give another scale."
        )
    if not (np.isfinite(np.asarray(low.data)).all() and np.isfinite(np.asarray(high.data)).all()):
        raise TrainingError(f"{name} holds NaN or infinite pixels. Training needs finite ones: fill or crop them.")
    norm = fit_normalisation(low, "percentile")
    size = pixel_size(high)
    at = low.axes.index("C") if "C" in low.axes else None
    for channel in range(low.size("C")):
        seen, true = (_planes(image, channel, at) for image in (low, high))
        shift = _shift(name, seen, true, scale)
        if max(map(abs, shift)) > _MOST_SHIFT * scale and not register:
            raise TrainingError(
                f"{name}: the pair lies {shift[0] / scale:.1f}, {shift[1] / scale:.1f} low-resolution pixels apart "
                f"(Y, X); at most {_MOST_SHIFT:g} are allowed. Register the images first, or let them be moved "
                "(--register)."
            )
        if not register and max(map(abs, shift)) >= _NOTED_SHIFT * scale:
            warnings.warn(
                f"{name}: the pair lies {shift[0] / scale:.1f}, {shift[1] / scale:.1f} low-resolution pixels apart "
                "(Y, X), and the model learns to move images so. Let pairs be moved onto each other (--register).",
                SuperResWarning,
                stacklevel=4,
            )
        if register:
            seen, true = _moved(seen, true, shift, scale)
        lr = norm.apply(seen, channel, np.float32)
        hr = norm.apply(_on_scale_of(seen, true, scale), channel, np.float32)
        yield from (Field(h, v, size) for h, v in zip(hr, lr, strict=True))


def _planes(image: Image, channel: int, at: int | None) -> npt.NDArray[np.float64]:
    data = np.asarray(image.data, dtype=np.float64)
    found = data if at is None else np.take(data, channel, axis=at)
    return np.asarray(found).reshape(-1, *data.shape[-2:])


def _shift(name: str, seen: npt.NDArray[Any], true: npt.NDArray[Any], scale: int) -> tuple[int, int]:
    """Return by how many high-resolution pixels the middle planes must be moved to lie on each other."""
    from skimage.registration import phase_cross_correlation

    middle = len(seen) // 2
    images = [seen[middle], bin_mean(true[middle], (scale, scale))]
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in images[0].shape))
    reference, moving = ((image - image.mean()) * window for image in images)
    if not (reference.any() and moving.any()):
        raise TrainingError(f"{name} is constant: nothing can be learnt from it. Remove it.")
    found, *_ = phase_cross_correlation(reference, moving, upsample_factor=4 * scale, normalization=None)
    moved = [np.roll(images[1], np.rint(found).astype(int), (0, 1)), images[0]]
    if np.corrcoef(*(image.ravel() for image in moved))[0, 1] < _LEAST_CORRELATION:
        raise TrainingError(f"{name}: the two images show nothing in common. Check that they are of the same field.")
    y, x = (round(float(s) * scale) for s in found)
    return y, x


def _moved(
    seen: npt.NDArray[Any], true: npt.NDArray[Any], shift: Sequence[int], scale: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return what both images show, the high-resolution one moved by `shift` of its pixels."""
    for axis, s in enumerate(shift, start=1):
        size = seen.shape[axis]
        first = -(-max(s, 0) // scale)
        last = size + min(s, 0) // scale
        seen = seen.take(range(first, last), axis=axis)
        true = true.take(range(first * scale - s, last * scale - s), axis=axis)
    return seen, true


def _on_scale_of(seen: npt.NDArray[Any], true: npt.NDArray[Any], scale: int) -> npt.NDArray[Any]:
    """Return the high-resolution planes with the gain and offset of the low-resolution ones."""
    binned = bin_mean(true, (1, scale, scale))
    gain, offset = np.polyfit(binned.ravel(), seen.ravel(), 1)
    return np.asarray(gain * true + offset)
