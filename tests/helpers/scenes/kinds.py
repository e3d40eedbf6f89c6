"""All kinds of lies: those of `lies` and `subtle`, and those about texture, grids and seams."""

import numpy as np
from scipy import ndimage

from helpers.scenes import subtle
from helpers.scenes.drill import Floats, Scene
from helpers.scenes.lies import LIES, contrast, each_plane, kind_of, middle_plane, planted, to_planes

__all__ = ["LIES", "planted", "subtle"]

# --- texture ---


@kind_of("fine texture")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: p + 0.08 * contrast(p) * _fine(p.shape, of.scale))


def _fine(shape: tuple[int, ...], scale: int, seed: int = 5) -> Floats:
    """Return noise of unit deviation beyond the frequencies that the input holds."""
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=shape))
    f = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    noise = np.fft.ifft2(np.where((f > 0.5 / scale) & (f < 0.45), spectrum, 0)).real
    return np.asarray(noise / noise.std())


@kind_of("fine texture in a part")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    n = p.shape[0] // 3
    part = np.zeros_like(p)
    part[n : 2 * n, n : 2 * n] = 1
    p += 0.12 * contrast(p) * _fine(p.shape, of.scale) * ndimage.gaussian_filter(part, 3)
    return v


@kind_of("phases of detail scrambled")
def _(v: Floats, of: Scene) -> Floats:
    f = np.hypot(np.fft.fftfreq(v.shape[-2])[:, None], np.fft.rfftfreq(v.shape[-1]))
    turn = np.exp(2j * np.pi * np.random.default_rng(8).random(f.shape))
    band = f > 0.3 / of.scale
    return each_plane(v, lambda p: np.fft.irfft2(np.where(band, np.fft.rfft2(p) * turn, np.fft.rfft2(p)), s=p.shape))


@kind_of("noise added")
def _(v: Floats, of: Scene) -> Floats:
    return v + 0.1 * contrast(v[0, 0]) * np.random.default_rng(9).normal(size=v.shape)


@kind_of("hot pixels")
def _(v: Floats, of: Scene) -> Floats:
    at = np.random.default_rng(10).random(v.shape) < 0.0005
    return np.where(at, np.percentile(v, 5) + 1.5 * contrast(v[0, 0]), v)


@kind_of("oversharpened")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: p + 3 * (p - ndimage.gaussian_filter(p, 1.5)))


@kind_of("blurred")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: ndimage.gaussian_filter(p, 3.0 * of.scale / 2))


@kind_of("median of 9")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: ndimage.median_filter(p, 9))


@kind_of("nearest pixel")
def _(v: Floats, of: Scene) -> Floats:
    return to_planes(of.lr).repeat(of.scale, -1).repeat(of.scale, -2)


# --- grids and seams ---


@kind_of("checkerboard of 3 %")
def _(v: Floats, of: Scene) -> Floats:
    return np.asarray(v * (1 + 0.03 * (1 - 2.0 * (np.indices(v.shape[-2:]).sum(0) % 2))))


@kind_of("grid of period 4")
def _(v: Floats, of: Scene) -> Floats:
    y, x = np.indices(v.shape[-2:])
    return np.asarray(v + 0.05 * contrast(v[0, 0]) * (((y % 4 == 0) | (x % 4 == 0)) - 0.4))


@kind_of("stripes")
def _(v: Floats, of: Scene) -> Floats:
    return v * (1 + 0.04 * np.random.default_rng(14).normal(size=(v.shape[-2], 1)))


@kind_of("seams of 3 %")
def _(v: Floats, of: Scene) -> Floats:
    gains = 1 + 0.03 * np.random.default_rng(15).choice([-1, 1], (4, 4))
    rows, columns = (np.arange(n) // -(-n // 4) for n in v.shape[-2:])
    return np.asarray(v * gains[np.ix_(rows, columns)])


@kind_of("one tile brighter by 5 %")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    n = p.shape[0] // 4
    p[n : 2 * n, n : 2 * n] *= 1.05
    p[n : 2 * n, n : 2 * n] += 0.03 * contrast(p)
    return v


@kind_of("blocks of a compressed picture")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, _compressed)


def _compressed(p: Floats) -> Floats:
    from io import BytesIO

    from PIL import Image as Picture

    low, span = p.min(), np.ptp(p)
    out = BytesIO()
    Picture.fromarray(np.rint((p - low) / span * 255).astype(np.uint8)).save(out, "jpeg", quality=20)
    return np.asarray(np.asarray(Picture.open(out), np.float64) / 255 * span + low)
