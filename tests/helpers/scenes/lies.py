"""What can be wrong with a result: each kind planted in a sound one, in one channel and plane where it is local."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from helpers.scenes.drill import Scene, good_result, scene
from napari_superres import Image

Floats = NDArray[np.float64]
Lie = Callable[[Floats, Scene], Floats]
"""Gets the planes ``(C, P, Y, X)`` of a sound result, which it may change, and returns those of a wrong one."""

LIES: dict[str, Lie] = {}


def kind_of(name: str) -> Callable[[Lie], Lie]:
    def add(lie: Lie) -> Lie:
        LIES[name] = lie
        return lie

    return add


def planted(name: str, kind: str) -> Image | None:
    """Return the wrong result of a kind for a scene; None where there is none, such as swapped channels of one."""
    of, good = scene(name), good_result(name)
    values = to_planes(good)
    changed = LIES[kind](values.copy(), of)
    if changed.shape == values.shape and np.array_equal(changed, values, equal_nan=True):
        return None
    return from_planes(changed, good)


def to_planes(image: Image) -> Floats:
    """Return the pixels as ``(C, P, Y, X)``: channels or colours, then planes and frames."""
    values = np.asarray(image.data, np.float64)
    axis = next((image.axes.index(a) for a in "CS" if a in image.axes), None)
    values = values[None] if axis is None else np.moveaxis(values, axis, 0)
    return np.ascontiguousarray(values.reshape(len(values), -1, *values.shape[-2:]))


def from_planes(values: Floats, like: Image) -> Image:
    """Return planes as an image like another, rounded and clipped to its type."""
    axis = next((like.axes.index(a) for a in "CS" if a in like.axes), None)
    shape = [n for a, n in zip(like.axes, like.shape, strict=True) if a not in "CS"]
    shape[-2:] = values.shape[-2:]
    values = values.reshape(-1, *shape)
    values = values[0] if axis is None else np.moveaxis(values, 0, axis)
    if like.dtype.kind in "ui" and np.isfinite(values).all():
        limits = np.iinfo(like.dtype)
        return like.replace(data=np.rint(values).clip(limits.min, limits.max).astype(like.dtype))
    return like.replace(data=values.astype(np.float32))


def middle_plane(v: Floats) -> Floats:
    """Return the plane in which local lies are planted: of the last channel, past the middle. A view."""
    return np.asarray(v[-1, (2 * v.shape[1]) // 3 if v.shape[1] > 1 else 0])


def contrast(plane: Floats) -> float:
    return float(np.percentile(plane, 99.5) - np.percentile(plane, 5))


def _brightest(plane: Floats, edge: int) -> tuple[slice, slice]:
    """Return the box of an edge around the most structure, away from the borders."""
    smooth = ndimage.gaussian_filter(plane, edge / 4)
    spread = np.sqrt(np.maximum(ndimage.gaussian_filter(plane**2, edge / 4) - smooth**2, 0))
    inner = np.zeros_like(plane)
    inner[edge:-edge, edge:-edge] = spread[edge:-edge, edge:-edge]
    y, x = np.unravel_index(inner.argmax(), inner.shape)
    return slice(int(y) - edge // 2, int(y) + edge // 2), slice(int(x) - edge // 2, int(x) + edge // 2)


def _darkest(plane: Floats, edge: int) -> tuple[slice, slice]:
    """Return the box of an edge with the lowest mean, away from the borders."""
    smooth = np.full_like(plane, np.inf)
    smooth[edge:-edge, edge:-edge] = ndimage.uniform_filter(plane, edge)[edge:-edge, edge:-edge]
    y, x = np.unravel_index(smooth.argmin(), smooth.shape)
    return slice(int(y) - edge // 2, int(y) + edge // 2), slice(int(x) - edge // 2, int(x) + edge // 2)


def _gaussian(shape: tuple[int, ...], y: float, x: float, sigma: float) -> Floats:
    gy, gx = np.mgrid[: shape[0], : shape[1]]
    return np.asarray(np.exp(-((gy - y) ** 2 + (gx - x) ** 2) / (2 * sigma**2)))


def each_plane(v: Floats, change: Callable[[Floats], Floats]) -> Floats:
    return np.stack([np.stack([change(plane) for plane in channel]) for channel in v])


# --- objects ---


@kind_of("object added")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    box = _darkest(p, 20)
    p += 0.5 * contrast(p) * _gaussian(p.shape, box[0].start + 10, box[1].start + 10, 4)
    return v


@kind_of("small object added")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    box = _darkest(p, 16)
    p += 0.7 * contrast(p) * _gaussian(p.shape, box[0].start + 8, box[1].start + 8, 1.8)
    return v


@kind_of("faint wide object added")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    box = _darkest(p, 24)
    p += 0.15 * contrast(p) * _gaussian(p.shape, box[0].start + 12, box[1].start + 12, 9)
    return v


@kind_of("object deleted")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    box = _brightest(p, 20)
    weight = ndimage.gaussian_filter(np.pad(np.ones((14, 14)), 3), 1)
    p[box] = (1 - weight) * p[box] + weight * np.percentile(p[box], 10)
    return v


@kind_of("object moved")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    box, target = _brightest(p, 16), _darkest(p, 16)
    p[target] += p[box] - np.percentile(p[box], 10)
    p[box] = np.percentile(p[box], 10)
    return v


@kind_of("object copied")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    p[_darkest(p, 20)] = p[_brightest(p, 20)]
    return v


@kind_of("line added")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    line = np.zeros_like(p)
    n = min(p.shape)
    at = np.arange(n // 8, n // 2)
    line[at + n // 4, at] = 1
    line = ndimage.gaussian_filter(line, 1.2)
    p += 0.5 * contrast(p) * line / line.max()
    return v


@kind_of("gap closed")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    box = _brightest(p, 24)
    p[box] = ndimage.grey_closing(p[box], (11, 11))
    return v


@kind_of("objects thickened")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: ndimage.grey_dilation(p, (3, 3)))


@kind_of("objects thinned")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: ndimage.grey_erosion(p, (3, 3)))


# --- places ---


@kind_of("mirrored")
def _(v: Floats, of: Scene) -> Floats:
    return v[..., ::-1]


@kind_of("turned by a half")
def _(v: Floats, of: Scene) -> Floats:
    return v[..., ::-1, ::-1]


@kind_of("turned by 2 degrees")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: ndimage.rotate(p, 2, reshape=False, mode="mirror"))


@kind_of("shifted by a pixel")
def _(v: Floats, of: Scene) -> Floats:
    return np.roll(v, 1, axis=-1)


@kind_of("shifted by 0.7 pixels")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: ndimage.shift(p, (0.7, 0), mode="mirror"))


@kind_of("magnified by 2 %")
def _(v: Floats, of: Scene) -> Floats:
    n = np.array(v.shape[-2:]) / 2
    return each_plane(v, lambda p: ndimage.affine_transform(p, [1 / 1.02] * 2, n - n / 1.02, mode="mirror"))


@kind_of("warped")
def _(v: Floats, of: Scene) -> Floats:
    y, x = np.mgrid[: v.shape[-2], : v.shape[-1]].astype(float)
    bend = 2 * np.sin(2 * np.pi * y / v.shape[-2]) * np.sin(2 * np.pi * x / v.shape[-1])
    return each_plane(v, lambda p: ndimage.map_coordinates(p, [y + bend, x - bend], mode="mirror"))


@kind_of("another field")
def _(v: Floats, of: Scene) -> Floats:
    return np.roll(v, (v.shape[-2] // 3, v.shape[-1] // 2), (-2, -1))


@kind_of("one tile of another place")
def _(v: Floats, of: Scene) -> Floats:
    n = v.shape[-1] // 4
    p = middle_plane(v)
    first = p[:n, :n].copy()
    p[:n, :n] = p[n : 2 * n, 2 * n : 3 * n]
    p[n : 2 * n, 2 * n : 3 * n] = first
    return v


# --- intensities ---


@kind_of("gain of 1.5")
def _(v: Floats, of: Scene) -> Floats:
    return v * 1.5 if of.reference.dtype != np.uint8 else v * 0.6


@kind_of("gamma of 0.6")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: p.max() * (p.clip(0) / p.max()) ** 0.6)


@kind_of("gamma of 2")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: p.max() * (p.clip(0) / p.max()) ** 2)


@kind_of("offset")
def _(v: Floats, of: Scene) -> Floats:
    return v + 0.3 * contrast(v[0, 0])


@kind_of("inverted")
def _(v: Floats, of: Scene) -> Floats:
    return np.asarray(v.max() + v.min() - v)


@kind_of("highlights clipped")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: np.minimum(p, np.percentile(p, 5) + 0.6 * contrast(p)))


@kind_of("shadows clipped")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: np.maximum(p, np.percentile(p, 5) + 0.25 * contrast(p)))


@kind_of("few grey levels")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: np.round((p - p.min()) / np.ptp(p) * 5) / 5 * np.ptp(p) + p.min())


@kind_of("binary")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: np.where(p > p.mean(), np.percentile(p, 98), np.percentile(p, 10)))


@kind_of("uneven illumination")
def _(v: Floats, of: Scene) -> Floats:
    return v * np.linspace(0.8, 1.2, v.shape[-1])


@kind_of("local contrast equalised")
def _(v: Floats, of: Scene) -> Floats:
    from skimage.exposure import equalize_adapthist

    return each_plane(v, lambda p: equalize_adapthist((p - p.min()) / np.ptp(p), clip_limit=0.03) * np.ptp(p) + p.min())


@kind_of("background removed")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: (p - ndimage.gaussian_filter(ndimage.minimum_filter(p, 25), 12)).clip(0))


@kind_of("contrast halved")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: p.mean() + 0.5 * (p - p.mean()))


# --- planes and channels ---


@kind_of("channels swapped")
def _(v: Floats, of: Scene) -> Floats:
    return v[::-1]


@kind_of("one channel for another")
def _(v: Floats, of: Scene) -> Floats:
    return np.concatenate([v[:1], v[:1], v[2:]]) if len(v) > 1 else v


@kind_of("crosstalk of 30 %")
def _(v: Floats, of: Scene) -> Floats:
    return np.concatenate([v[:-1], v[-1:] + 0.3 * v[:1]]) if len(v) > 1 else v


@kind_of("one channel shifted by 1.5 pixels")
def _(v: Floats, of: Scene) -> Floats:
    if len(v) > 1:
        v[-1] = np.stack([ndimage.shift(p, (0, 1.5), mode="mirror") for p in v[-1]])
    return v


@kind_of("planes in reverse")
def _(v: Floats, of: Scene) -> Floats:
    return v[:, ::-1]


@kind_of("a plane repeated")
def _(v: Floats, of: Scene) -> Floats:
    if v.shape[1] > 3:
        v[:, 3] = v[:, 2]
    return v


@kind_of("a plane empty")
def _(v: Floats, of: Scene) -> Floats:
    if v.shape[1] > 3:
        v[:, 2] = v[:, 2].min()
    return v


@kind_of("planes moved by one")
def _(v: Floats, of: Scene) -> Floats:
    return np.roll(v, 1, axis=1)


@kind_of("a plane brighter by 30 %")
def _(v: Floats, of: Scene) -> Floats:
    if v.shape[1] > 3:
        v[:, 1] *= 1.3
    return v


# --- the reference as the result ---


@kind_of("the reference")
def _(v: Floats, of: Scene) -> Floats:
    return to_planes(of.reference)


@kind_of("the reference and a little noise")
def _(v: Floats, of: Scene) -> Floats:
    r = to_planes(of.reference)
    return r + 0.01 * contrast(r[0, 0]) * np.random.default_rng(17).normal(size=r.shape)


@kind_of("half of the reference")
def _(v: Floats, of: Scene) -> Floats:
    return 0.5 * v + 0.5 * to_planes(of.reference)


SEEN_BY_REFERENCE_ONLY = (
    "the reference",
    "the reference and a little noise",
    "half of the reference",
    "the reference without its finest detail",
    "the reference in a part",
)
"""Kinds that an input cannot reveal: they are better than any result of it."""
