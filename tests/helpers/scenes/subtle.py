"""Lies that follow the sample: brightness of objects, smooth gains, waves, blur, leaks of a part, frames."""

import numpy as np
from scipy import ndimage

from helpers.scenes.drill import Floats, Scene
from helpers.scenes.lies import contrast, each_plane, kind_of, middle_plane, to_planes

# --- pixels and objects ---


@kind_of("a hole")
def _(v: Floats, of: Scene) -> Floats:
    n = v.shape[-1]
    middle_plane(v)[n // 4 : n // 2, n // 4 : n // 2] = np.nan
    return v


@kind_of("objects brighter by 25 %")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    smooth = ndimage.gaussian_filter(p, 2)
    objects = smooth > np.percentile(smooth, 50) + 0.25 * contrast(p)
    labels, count = ndimage.label(objects)
    for k in range(1, count + 1, 2):
        p *= 1 + 0.25 * ndimage.gaussian_filter((labels == k).astype(float), 1)
    return v


@kind_of("a wide lesion of 12 %")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    y, x = np.mgrid[: p.shape[0], : p.shape[1]]
    smooth = ndimage.uniform_filter(p, 16)
    smooth[:16], smooth[-16:], smooth[:, :16], smooth[:, -16:] = -np.inf, -np.inf, -np.inf, -np.inf
    cy, cx = np.unravel_index(smooth.argmax(), p.shape)
    p += 0.12 * contrast(p) / (1 + np.exp(2 * (np.hypot(y - cy, x - cx) - 8)))
    return v


@kind_of("detail doubled")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: 2 * p - ndimage.gaussian_filter(p, 2))


@kind_of("blurred along a line")
def _(v: Floats, of: Scene) -> Floats:
    return np.asarray(ndimage.uniform_filter1d(v, 7 * of.scale // 2, axis=-1))


# --- gains ---


@kind_of("smooth gain of 20 %")
def _(v: Floats, of: Scene) -> Floats:
    y, x = (np.linspace(-1, 1, n) for n in v.shape[-2:])
    return np.asarray(v * (1.2 - 0.4 * np.minimum(1, 0.5 * (y[:, None] ** 2 + x**2))))


@kind_of("smooth gain of 10 %")
def _(v: Floats, of: Scene) -> Floats:
    y, x = (np.linspace(0, np.pi, n) for n in v.shape[-2:])
    return np.asarray(v * (1 + 0.1 * np.cos(y)[:, None] * np.cos(2 * x)))


@kind_of("a seam off the corner")
def _(v: Floats, of: Scene) -> Floats:
    v[..., round(0.63 * v.shape[-1]) :] *= 1.04
    return v


# --- waves ---


@kind_of("waves of 13 pixels")
def _(v: Floats, of: Scene) -> Floats:
    return v * (1 + 0.03 * np.sin(2 * np.pi * np.arange(v.shape[-1]) / 13))


@kind_of("waves of 3.3 pixels")
def _(v: Floats, of: Scene) -> Floats:
    y, x = np.indices(v.shape[-2:])
    return np.asarray(v * (1 + 0.03 * np.sin(2 * np.pi * (0.8 * x + 0.6 * y) / 3.3)))


# --- planes ---


@kind_of("flicker of 8 %")
def _(v: Floats, of: Scene) -> Floats:
    if v.shape[1] > 3:
        v *= 1 + 0.08 * np.where(np.arange(v.shape[1]) % 2, 1, -1)[:, None, None]
    return v


@kind_of("a frame averaged of its neighbours")
def _(v: Floats, of: Scene) -> Floats:
    if v.shape[1] > 3:
        v[:, 2] = (v[:, 1] + v[:, 3]) / 2
    return v


@kind_of("planes smoothed")
def _(v: Floats, of: Scene) -> Floats:
    return ndimage.uniform_filter1d(v, 3, axis=1) if v.shape[1] > 3 else v


# --- the reference in a part of the result ---


@kind_of("the reference without its finest detail")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(to_planes(of.reference), lambda p: _low_passed(p, 0.41))


def _low_passed(p: Floats, limit: float) -> Floats:
    f = np.hypot(np.fft.fftfreq(p.shape[0])[:, None], np.fft.rfftfreq(p.shape[1]))
    return np.asarray(np.fft.irfft2(np.where(f < limit, np.fft.rfft2(p), 0), s=p.shape))


@kind_of("the reference in a part")
def _(v: Floats, of: Scene) -> Floats:
    n = v.shape[-1] // 4
    middle_plane(v)[n : n + 60, n : n + 60] = middle_plane(to_planes(of.reference))[n : n + 60, n : n + 60]
    return v
