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


def _kind(name: str) -> Callable[[Lie], Lie]:
    def add(lie: Lie) -> Lie:
        LIES[name] = lie
        return lie

    return add


def planted(name: str, kind: str) -> Image | None:
    """Return the wrong result of a kind for a scene; None where there is none, such as swapped channels of one."""
    of, good = scene(name), good_result(name)
    values = to_planes(good)
    changed = LIES[kind](values.copy(), of)
    if changed.shape == values.shape and np.array_equal(changed, values):
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


def _middle(v: Floats) -> Floats:
    """Return the plane in which local lies are planted: of the last channel, past the middle. A view."""
    return np.asarray(v[-1, (2 * v.shape[1]) // 3 if v.shape[1] > 1 else 0])


def _contrast(plane: Floats) -> float:
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


def _each(v: Floats, change: Callable[[Floats], Floats]) -> Floats:
    return np.stack([np.stack([change(plane) for plane in channel]) for channel in v])


# --- objects ---


@_kind("object added")
def _(v: Floats, of: Scene) -> Floats:
    p = _middle(v)
    box = _darkest(p, 20)
    p += 0.5 * _contrast(p) * _gaussian(p.shape, box[0].start + 10, box[1].start + 10, 4)
    return v


@_kind("small object added")
def _(v: Floats, of: Scene) -> Floats:
    p = _middle(v)
    box = _darkest(p, 16)
    p += 0.7 * _contrast(p) * _gaussian(p.shape, box[0].start + 8, box[1].start + 8, 1.8)
    return v


@_kind("faint wide object added")
def _(v: Floats, of: Scene) -> Floats:
    p = _middle(v)
    box = _darkest(p, 24)
    p += 0.15 * _contrast(p) * _gaussian(p.shape, box[0].start + 12, box[1].start + 12, 9)
    return v


@_kind("object deleted")
def _(v: Floats, of: Scene) -> Floats:
    p = _middle(v)
    box = _brightest(p, 20)
    weight = ndimage.gaussian_filter(np.pad(np.ones((14, 14)), 3), 1)
    p[box] = (1 - weight) * p[box] + weight * np.percentile(p[box], 10)
    return v


@_kind("object moved")
def _(v: Floats, of: Scene) -> Floats:
    p = _middle(v)
    box, target = _brightest(p, 16), _darkest(p, 16)
    p[target] += p[box] - np.percentile(p[box], 10)
    p[box] = np.percentile(p[box], 10)
    return v


@_kind("object copied")
def _(v: Floats, of: Scene) -> Floats:
    p = _middle(v)
    p[_darkest(p, 20)] = p[_brightest(p, 20)]
    return v


@_kind("line added")
def _(v: Floats, of: Scene) -> Floats:
    p = _middle(v)
    line = np.zeros_like(p)
    n = min(p.shape)
    at = np.arange(n // 8, n // 2)
    line[at + n // 4, at] = 1
    line = ndimage.gaussian_filter(line, 1.2)
    p += 0.5 * _contrast(p) * line / line.max()
    return v


@_kind("gap closed")
def _(v: Floats, of: Scene) -> Floats:
    p = _middle(v)
    box = _brightest(p, 24)
    p[box] = ndimage.grey_closing(p[box], (11, 11))
    return v


@_kind("objects thickened")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: ndimage.grey_dilation(p, (3, 3)))


@_kind("objects thinned")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: ndimage.grey_erosion(p, (3, 3)))


# --- places ---


@_kind("mirrored")
def _(v: Floats, of: Scene) -> Floats:
    return v[..., ::-1]


@_kind("turned by a half")
def _(v: Floats, of: Scene) -> Floats:
    return v[..., ::-1, ::-1]


@_kind("turned by 2 degrees")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: ndimage.rotate(p, 2, reshape=False, mode="mirror"))


@_kind("shifted by a pixel")
def _(v: Floats, of: Scene) -> Floats:
    return np.roll(v, 1, axis=-1)


@_kind("shifted by 0.7 pixels")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: ndimage.shift(p, (0.7, 0), mode="mirror"))


@_kind("magnified by 2 %")
def _(v: Floats, of: Scene) -> Floats:
    n = np.array(v.shape[-2:]) / 2
    return _each(v, lambda p: ndimage.affine_transform(p, [1 / 1.02] * 2, n - n / 1.02, mode="mirror"))


@_kind("warped")
def _(v: Floats, of: Scene) -> Floats:
    y, x = np.mgrid[: v.shape[-2], : v.shape[-1]].astype(float)
    bend = 2 * np.sin(2 * np.pi * y / v.shape[-2]) * np.sin(2 * np.pi * x / v.shape[-1])
    return _each(v, lambda p: ndimage.map_coordinates(p, [y + bend, x - bend], mode="mirror"))


@_kind("another field")
def _(v: Floats, of: Scene) -> Floats:
    return np.roll(v, (v.shape[-2] // 3, v.shape[-1] // 2), (-2, -1))


@_kind("one tile of another place")
def _(v: Floats, of: Scene) -> Floats:
    n = v.shape[-1] // 4
    p = _middle(v)
    first = p[:n, :n].copy()
    p[:n, :n] = p[n : 2 * n, 2 * n : 3 * n]
    p[n : 2 * n, 2 * n : 3 * n] = first
    return v


# --- intensities ---


@_kind("gain of 1.5")
def _(v: Floats, of: Scene) -> Floats:
    return v * 1.5 if of.reference.dtype != np.uint8 else v * 0.6


@_kind("gamma of 0.6")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: p.max() * (p.clip(0) / p.max()) ** 0.6)


@_kind("gamma of 2")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: p.max() * (p.clip(0) / p.max()) ** 2)


@_kind("offset")
def _(v: Floats, of: Scene) -> Floats:
    return v + 0.3 * _contrast(v[0, 0])


@_kind("inverted")
def _(v: Floats, of: Scene) -> Floats:
    return v.max() + v.min() - v


@_kind("highlights clipped")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: np.minimum(p, np.percentile(p, 5) + 0.6 * _contrast(p)))


@_kind("shadows clipped")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: np.maximum(p, np.percentile(p, 5) + 0.25 * _contrast(p)))


@_kind("few grey levels")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: np.round((p - p.min()) / np.ptp(p) * 5) / 5 * np.ptp(p) + p.min())


@_kind("binary")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: np.where(p > p.mean(), np.percentile(p, 98), np.percentile(p, 10)))


@_kind("uneven illumination")
def _(v: Floats, of: Scene) -> Floats:
    return v * np.linspace(0.8, 1.2, v.shape[-1])


@_kind("local contrast equalised")
def _(v: Floats, of: Scene) -> Floats:
    from skimage.exposure import equalize_adapthist

    return _each(v, lambda p: equalize_adapthist((p - p.min()) / np.ptp(p), clip_limit=0.03) * np.ptp(p) + p.min())


@_kind("background removed")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: (p - ndimage.gaussian_filter(ndimage.minimum_filter(p, 25), 12)).clip(0))


@_kind("contrast halved")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: p.mean() + 0.5 * (p - p.mean()))


# --- texture ---


@_kind("fine texture")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: p + 0.08 * _contrast(p) * _fine(p.shape, of.scale))


def _fine(shape: tuple[int, ...], scale: int, seed: int = 5) -> Floats:
    """Return noise of unit deviation beyond the frequencies that the input holds."""
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=shape))
    f = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    noise = np.fft.ifft2(np.where((f > 0.5 / scale) & (f < 0.45), spectrum, 0)).real
    return np.asarray(noise / noise.std())


@_kind("fine texture in a part")
def _(v: Floats, of: Scene) -> Floats:
    p = _middle(v)
    n = p.shape[0] // 3
    part = np.zeros_like(p)
    part[n : 2 * n, n : 2 * n] = 1
    p += 0.12 * _contrast(p) * _fine(p.shape, of.scale) * ndimage.gaussian_filter(part, 3)
    return v


@_kind("phases of detail scrambled")
def _(v: Floats, of: Scene) -> Floats:
    f = np.hypot(np.fft.fftfreq(v.shape[-2])[:, None], np.fft.rfftfreq(v.shape[-1]))
    turn = np.exp(2j * np.pi * np.random.default_rng(8).random(f.shape))
    band = f > 0.3 / of.scale
    return _each(v, lambda p: np.fft.irfft2(np.where(band, np.fft.rfft2(p) * turn, np.fft.rfft2(p)), s=p.shape))


@_kind("noise added")
def _(v: Floats, of: Scene) -> Floats:
    return v + 0.1 * _contrast(v[0, 0]) * np.random.default_rng(9).normal(size=v.shape)


@_kind("hot pixels")
def _(v: Floats, of: Scene) -> Floats:
    at = np.random.default_rng(10).random(v.shape) < 0.0005
    return np.where(at, np.percentile(v, 5) + 1.5 * _contrast(v[0, 0]), v)


@_kind("oversharpened")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: p + 3 * (p - ndimage.gaussian_filter(p, 1.5)))


@_kind("blurred")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: ndimage.gaussian_filter(p, 3.0 * of.scale / 2))


@_kind("median of 9")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, lambda p: ndimage.median_filter(p, 9))


@_kind("nearest pixel")
def _(v: Floats, of: Scene) -> Floats:
    return to_planes(of.lr).repeat(of.scale, -1).repeat(of.scale, -2)


# --- grids and seams ---


@_kind("checkerboard of 3 %")
def _(v: Floats, of: Scene) -> Floats:
    return v * (1 + 0.03 * (1 - 2.0 * (np.indices(v.shape[-2:]).sum(0) % 2)))


@_kind("grid of period 4")
def _(v: Floats, of: Scene) -> Floats:
    y, x = np.indices(v.shape[-2:])
    return v + 0.05 * _contrast(v[0, 0]) * (((y % 4 == 0) | (x % 4 == 0)) - 0.4)


@_kind("stripes")
def _(v: Floats, of: Scene) -> Floats:
    return v * (1 + 0.04 * np.random.default_rng(14).normal(size=(v.shape[-2], 1)))


@_kind("seams of 3 %")
def _(v: Floats, of: Scene) -> Floats:
    gains = 1 + 0.03 * np.random.default_rng(15).choice([-1, 1], (4, 4))
    edge = -(-v.shape[-1] // 4)
    return v * np.kron(gains, np.ones((edge, edge)))[: v.shape[-2], : v.shape[-1]]


@_kind("one tile brighter by 5 %")
def _(v: Floats, of: Scene) -> Floats:
    p = _middle(v)
    n = p.shape[0] // 4
    p[n : 2 * n, n : 2 * n] *= 1.05
    p[n : 2 * n, n : 2 * n] += 0.03 * _contrast(p)
    return v


@_kind("blocks of a compressed picture")
def _(v: Floats, of: Scene) -> Floats:
    return _each(v, _compressed)


def _compressed(p: Floats) -> Floats:
    from io import BytesIO

    from PIL import Image as Picture

    low, span = p.min(), np.ptp(p)
    out = BytesIO()
    Picture.fromarray(np.rint((p - low) / span * 255).astype(np.uint8)).save(out, "jpeg", quality=20)
    return np.asarray(Picture.open(out), np.float64) / 255 * span + low


# --- planes and channels ---


@_kind("channels swapped")
def _(v: Floats, of: Scene) -> Floats:
    return v[::-1]


@_kind("one channel for another")
def _(v: Floats, of: Scene) -> Floats:
    return np.concatenate([v[:1], v[:1], v[2:]]) if len(v) > 1 else v


@_kind("crosstalk of 30 %")
def _(v: Floats, of: Scene) -> Floats:
    return np.concatenate([v[:-1], v[-1:] + 0.3 * v[:1]]) if len(v) > 1 else v


@_kind("one channel shifted by 1.5 pixels")
def _(v: Floats, of: Scene) -> Floats:
    if len(v) > 1:
        v[-1] = np.stack([ndimage.shift(p, (0, 1.5), mode="mirror") for p in v[-1]])
    return v


@_kind("planes in reverse")
def _(v: Floats, of: Scene) -> Floats:
    return v[:, ::-1]


@_kind("a plane repeated")
def _(v: Floats, of: Scene) -> Floats:
    if v.shape[1] > 3:
        v[:, 3] = v[:, 2]
    return v


@_kind("a plane empty")
def _(v: Floats, of: Scene) -> Floats:
    if v.shape[1] > 3:
        v[:, 2] = v[:, 2].min()
    return v


@_kind("planes moved by one")
def _(v: Floats, of: Scene) -> Floats:
    return np.roll(v, 1, axis=1)


@_kind("a plane brighter by 30 %")
def _(v: Floats, of: Scene) -> Floats:
    if v.shape[1] > 3:
        v[:, 1] *= 1.3
    return v


# --- the reference as the result ---


@_kind("the reference")
def _(v: Floats, of: Scene) -> Floats:
    return to_planes(of.reference)


@_kind("the reference and a little noise")
def _(v: Floats, of: Scene) -> Floats:
    r = to_planes(of.reference)
    return r + 0.01 * _contrast(r[0, 0]) * np.random.default_rng(17).normal(size=r.shape)


@_kind("half of the reference")
def _(v: Floats, of: Scene) -> Floats:
    return 0.5 * v + 0.5 * to_planes(of.reference)


SEEN_BY_REFERENCE_ONLY = ("the reference", "the reference and a little noise", "half of the reference")
"""Kinds that an input cannot reveal: they are better than any result of it."""
