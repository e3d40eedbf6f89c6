"""What can be wrong with a result: each kind planted in a sound one, in one channel and plane where it is local."""

import numpy as np
from scipy import ndimage

from helpers.scenes.drill import Scene
from helpers.scenes.places import LIES, Floats, contrast, each_plane, lie, middle_plane, planted, to_planes

__all__ = ["LIES", "SEEN_BY_REFERENCE_ONLY", "planted"]

# --- intensities ---


@lie("gain of 1.5")
def _(v: Floats, of: Scene) -> Floats:
    return v * 1.5 if of.reference.dtype != np.uint8 else v * 0.6


@lie("gamma of 0.6")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: p.max() * (p.clip(0) / p.max()) ** 0.6)


@lie("gamma of 2")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: p.max() * (p.clip(0) / p.max()) ** 2)


@lie("offset")
def _(v: Floats, of: Scene) -> Floats:
    return v + 0.3 * contrast(v[0, 0])


@lie("inverted")
def _(v: Floats, of: Scene) -> Floats:
    return np.asarray(v.max() + v.min() - v)


@lie("highlights clipped")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: np.minimum(p, np.percentile(p, 5) + 0.6 * contrast(p)))


@lie("shadows clipped")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: np.maximum(p, np.percentile(p, 5) + 0.25 * contrast(p)))


@lie("few grey levels")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: np.round((p - p.min()) / np.ptp(p) * 5) / 5 * np.ptp(p) + p.min())


@lie("binary")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: np.where(p > p.mean(), np.percentile(p, 98), np.percentile(p, 10)))


@lie("uneven illumination")
def _(v: Floats, of: Scene) -> Floats:
    return v * np.linspace(0.8, 1.2, v.shape[-1])


@lie("local contrast equalised")
def _(v: Floats, of: Scene) -> Floats:
    from skimage.exposure import equalize_adapthist

    return each_plane(v, lambda p: equalize_adapthist((p - p.min()) / np.ptp(p), clip_limit=0.03) * np.ptp(p) + p.min())


@lie("background removed")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: (p - ndimage.gaussian_filter(ndimage.minimum_filter(p, 25), 12)).clip(0))


@lie("contrast halved")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: p.mean() + 0.5 * (p - p.mean()))


# --- texture ---


@lie("fine texture")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: p + 0.08 * contrast(p) * _fine(p.shape, of.scale))


def _fine(shape: tuple[int, ...], scale: int, seed: int = 5) -> Floats:
    """Return noise of unit deviation beyond the frequencies that the input holds."""
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=shape))
    f = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    noise = np.fft.ifft2(np.where((f > 0.5 / scale) & (f < 0.45), spectrum, 0)).real
    return np.asarray(noise / noise.std())


@lie("fine texture in a part")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    n = p.shape[0] // 3
    part = np.zeros_like(p)
    part[n : 2 * n, n : 2 * n] = 1
    p += 0.12 * contrast(p) * _fine(p.shape, of.scale) * ndimage.gaussian_filter(part, 3)
    return v


@lie("phases of detail scrambled")
def _(v: Floats, of: Scene) -> Floats:
    f = np.hypot(np.fft.fftfreq(v.shape[-2])[:, None], np.fft.rfftfreq(v.shape[-1]))
    turn = np.exp(2j * np.pi * np.random.default_rng(8).random(f.shape))
    band = f > 0.3 / of.scale
    return each_plane(v, lambda p: np.fft.irfft2(np.where(band, np.fft.rfft2(p) * turn, np.fft.rfft2(p)), s=p.shape))


@lie("noise added")
def _(v: Floats, of: Scene) -> Floats:
    return v + 0.1 * contrast(v[0, 0]) * np.random.default_rng(9).normal(size=v.shape)


@lie("hot pixels")
def _(v: Floats, of: Scene) -> Floats:
    at = np.random.default_rng(10).random(v.shape) < 0.0005
    return np.where(at, np.percentile(v, 5) + 1.5 * contrast(v[0, 0]), v)


@lie("oversharpened")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: p + 3 * (p - ndimage.gaussian_filter(p, 1.5)))


@lie("blurred")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: ndimage.gaussian_filter(p, 3.0 * of.scale / 2))


@lie("median of 9")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, lambda p: ndimage.median_filter(p, 9))


@lie("nearest pixel")
def _(v: Floats, of: Scene) -> Floats:
    return to_planes(of.lr).repeat(of.scale, -1).repeat(of.scale, -2)


# --- grids and seams ---


@lie("checkerboard of 3 %")
def _(v: Floats, of: Scene) -> Floats:
    return np.asarray(v * (1 + 0.03 * (1 - 2.0 * (np.indices(v.shape[-2:]).sum(0) % 2))))


@lie("grid of period 4")
def _(v: Floats, of: Scene) -> Floats:
    y, x = np.indices(v.shape[-2:])
    return np.asarray(v + 0.05 * contrast(v[0, 0]) * (((y % 4 == 0) | (x % 4 == 0)) - 0.4))


@lie("stripes")
def _(v: Floats, of: Scene) -> Floats:
    return v * (1 + 0.04 * np.random.default_rng(14).normal(size=(v.shape[-2], 1)))


@lie("seams of 3 %")
def _(v: Floats, of: Scene) -> Floats:
    gains = 1 + 0.03 * np.random.default_rng(15).choice([-1, 1], (4, 4))
    edge = -(-v.shape[-1] // 4)
    return v * np.kron(gains, np.ones((edge, edge)))[: v.shape[-2], : v.shape[-1]]


@lie("one tile brighter by 5 %")
def _(v: Floats, of: Scene) -> Floats:
    p = middle_plane(v)
    n = p.shape[0] // 4
    p[n : 2 * n, n : 2 * n] *= 1.05
    p[n : 2 * n, n : 2 * n] += 0.03 * contrast(p)
    return v


@lie("blocks of a compressed picture")
def _(v: Floats, of: Scene) -> Floats:
    return each_plane(v, _compressed)


def _compressed(p: Floats) -> Floats:
    from io import BytesIO

    from PIL import Image as Picture

    low, span = p.min(), np.ptp(p)
    out = BytesIO()
    Picture.fromarray(np.rint((p - low) / span * 255).astype(np.uint8)).save(out, "jpeg", quality=20)
    return np.asarray(np.asarray(Picture.open(out), np.float64) / 255 * span + low)


# --- planes and channels ---


@lie("channels swapped")
def _(v: Floats, of: Scene) -> Floats:
    return v[::-1]


@lie("one channel for another")
def _(v: Floats, of: Scene) -> Floats:
    return np.concatenate([v[:1], v[:1], v[2:]]) if len(v) > 1 else v


@lie("crosstalk of 30 %")
def _(v: Floats, of: Scene) -> Floats:
    return np.concatenate([v[:-1], v[-1:] + 0.3 * v[:1]]) if len(v) > 1 else v


@lie("one channel shifted by 1.5 pixels")
def _(v: Floats, of: Scene) -> Floats:
    if len(v) > 1:
        v[-1] = np.stack([ndimage.shift(p, (0, 1.5), mode="mirror") for p in v[-1]])
    return v


@lie("planes in reverse")
def _(v: Floats, of: Scene) -> Floats:
    return v[:, ::-1]


@lie("a plane repeated")
def _(v: Floats, of: Scene) -> Floats:
    if v.shape[1] > 3:
        v[:, 3] = v[:, 2]
    return v


@lie("a plane empty")
def _(v: Floats, of: Scene) -> Floats:
    if v.shape[1] > 3:
        v[:, 2] = v[:, 2].min()
    return v


@lie("planes moved by one")
def _(v: Floats, of: Scene) -> Floats:
    return np.roll(v, 1, axis=1)


@lie("a plane brighter by 30 %")
def _(v: Floats, of: Scene) -> Floats:
    if v.shape[1] > 3:
        v[:, 1] *= 1.3
    return v


# --- the reference as the result ---


@lie("the reference")
def _(v: Floats, of: Scene) -> Floats:
    return to_planes(of.reference)


@lie("the reference and a little noise")
def _(v: Floats, of: Scene) -> Floats:
    r = to_planes(of.reference)
    return r + 0.01 * contrast(r[0, 0]) * np.random.default_rng(17).normal(size=r.shape)


@lie("half of the reference")
def _(v: Floats, of: Scene) -> Floats:
    return 0.5 * v + 0.5 * to_planes(of.reference)


SEEN_BY_REFERENCE_ONLY = ("the reference", "the reference and a little noise", "half of the reference")
"""Kinds that an input cannot reveal: they are better than any result of it."""
