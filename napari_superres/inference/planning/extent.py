"""What is computed of an image by a model: axes, scale, region, channels and context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.intensity import COLOURS
from napari_superres.core.kernels import KERNELS
from napari_superres.core.tiling import padded_size
from napari_superres.errors import SettingsError
from napari_superres.inference.machine.device import Precision, resolve_precision
from napari_superres.inference.options import UpscaleOptions
from napari_superres.models.card import ModelCard
from napari_superres.models.choice.refusal import refusal

Range = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Which pixels are computed, and what the model needs around them.

    Attributes
    ----------
    work_axes
        The axes the model works on, ``"YX"`` or ``"ZYX"``.
    scale, offset
        Factor per spatial axis of the image, and the position of its pixel 0 in pixels of the result.
    region
        ``(start, stop)`` per axis of T, Z, Y, X that the image has.
    channels
        Indices along C.
    sizes, padded
        Of the image along `work_axes`, as it is and padded to the model's size multiple.
    halo
        Context per side over `work_axes`, in low-resolution pixels.
    samples
        Colour samples that pass through a one-channel model side by side.
    precision
        The precision asked for; ``"auto"`` has become fp32, or fp64 for wide data that are only interpolated.
    """

    work_axes: str
    scale: Mapping[str, int]
    offset: Mapping[str, float]
    region: Mapping[str, Range]
    channels: tuple[int, ...]
    sizes: tuple[int, ...]
    padded: tuple[int, ...]
    halo: tuple[int, ...]
    samples: int
    precision: Precision

    @property
    def pixels(self) -> int:
        """Low-resolution pixels to compute."""
        return prod(stop - start for start, stop in self.region.values()) * len(self.channels)


def find_extent(image: Image, card: ModelCard, options: UpscaleOptions) -> Extent:
    """Return what the options mean for an image and a model.

    Raises
    ------
    SettingsError
        If an option does not fit the image or the model.
    """
    problem, remedy = refusal(card, image)
    if problem:
        raise SettingsError(problem, remedy=remedy)
    _check_options(card, options)
    work_axes = "YX" if card.ndim == 2 else "ZYX"
    sizes = tuple(image.size(a) for a in work_axes)
    wide = card.is_interpolation and image.dtype.itemsize >= 4 and image.dtype != np.float32
    return Extent(
        work_axes=work_axes,
        scale=dict.fromkeys(image.spatial, 1) | dict(zip(work_axes, card.scale, strict=True)),
        offset=dict.fromkeys(image.spatial, 0.0) | dict(zip(work_axes, card.offset, strict=True)),
        region=_region(image, options["roi"]),
        channels=_channels(image, options["channels"]),
        sizes=sizes,
        padded=tuple(padded_size(n, m) for n, m in zip(sizes, card.multiple, strict=True)),
        halo=_halo(image, card, tta=options["tta"]),
        samples=min(image.size("S"), COLOURS) if card.color == "per-channel" and card.channels == 1 else 1,
        precision=resolve_precision(options["precision"], wide=wide),
    )


def _check_options(card: ModelCard, options: UpscaleOptions) -> None:
    passes = options["max_passes"]
    if isinstance(passes, bool) or not isinstance(passes, int) or passes < 1:
        raise SettingsError(f"`max_passes` must be a whole number of at least 1, got {passes!r}.")
    if not isinstance(options["tta"], bool | np.bool_):
        raise SettingsError(f"`tta` must be True or False, got {options['tta']!r}.")
    if options["tta"] and card.scale[-1] != card.scale[-2]:
        raise SettingsError(
            f"tta turns the image, but {card.name} scales Y and X differently.", remedy="Leave out `tta`."
        )
    if options["tta"] and not card.is_centred:
        raise SettingsError(
            f"tta turns the image, and {card.name} moves it by part of a pixel.", remedy="Leave out `tta`."
        )


def _halo(image: Image, card: ModelCard, *, tta: bool) -> tuple[int, ...]:
    colour = "S" in image.axes and card.channels == 1 and card.color == "luma"
    reach = KERNELS["bicubic"][1] if colour or image.size("S") == 4 else 0
    halo = tuple(max(h, reach if s > 1 else 0) for h, s in zip(card.halo, card.scale, strict=True))
    # Turned tiles have their context turned with them.
    return (*halo[:-2], max(halo[-2:]), max(halo[-2:])) if tta else halo


def _region(image: Image, roi: Mapping[str, Range] | None) -> dict[str, Range]:
    region = {a: (0, image.size(a)) for a in image.axes if a in "TZYX"}
    if not _is_region(roi or {}):
        raise SettingsError(f"`roi` must be a mapping such as {{'Y': (0, 512), 'X': (100, 612)}}, got {roi!r}.")
    for axis, (start, stop) in (roi or {}).items():
        if axis not in region:
            remedy = "Choose channels with `channels`." if axis == "C" else "Leave out this axis of `roi`."
            raise SettingsError(f"`roi` may limit the axes {''.join(region)}, got {axis!r}.", remedy=remedy)
        if not 0 <= start < stop <= image.size(axis):
            raise SettingsError(f"`roi` along {axis} must lie within 0:{image.size(axis)}, got {start}:{stop}.")
        region[axis] = (int(start), int(stop))
    return region


def _is_region(roi: object) -> bool:
    """Return whether a value has the form of a region: axes and pairs of whole numbers."""
    if not isinstance(roi, Mapping):
        return False
    pairs = [value for value in roi.values() if isinstance(value, tuple | list) and len(value) == 2]
    return len(pairs) == len(roi) and all(isinstance(n, int | np.integer) for pair in pairs for n in pair)


def _channels(image: Image, channels: Sequence[int] | None) -> tuple[int, ...]:
    available = range(image.size("C"))
    if channels is None:
        return tuple(available)
    if not isinstance(channels, Sequence):
        raise SettingsError(f"`channels` must be a sequence of indices such as [0, 2], got {channels!r}.")
    if not channels or any(c not in available for c in channels) or len(set(channels)) != len(channels):
        raise SettingsError(f"`channels` must be different indices of 0 to {len(available) - 1}, got {list(channels)}.")
    return tuple(int(c) for c in channels)
