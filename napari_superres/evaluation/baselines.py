"""What stands beside every result: interpolation and classical restoration of the same input."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError
from napari_superres.models.domain import noise_level

Floats = npt.NDArray[np.float64]

BICUBIC = "bicubic"
CHOICES = ("lanczos", "wiener", "richardson-lucy", "zero-filling")
USUAL = ("lanczos", "wiener", "richardson-lucy")
_DECONVOLVED = ("wiener", "richardson-lucy")
_ITERATIONS = 10
_REACH = 4
_LEAST_SIGMA = 0.3
"""Pixels below which a point-spread function is none."""


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of baselines, checked.

    Raises
    ------
    SettingsError
        If one is unknown.
    """
    if unknown := [n for n in names if n not in CHOICES]:
        raise SettingsError(f"unknown baseline {unknown[0]!r}. There are {', '.join(CHOICES)}, and bicubic.")
    return tuple(dict.fromkeys(names))


def baselines(
    lr: Image, scale: Mapping[str, int], names: Sequence[str], *, psf_sigma: float | None
) -> Iterator[tuple[str, Image]]:
    """Yield bicubic interpolation, then the baselines asked for, one at a time.

    Parameters
    ----------
    lr
        Input.
    scale
        Factor per spatial axis.
    names
        Of `CHOICES`. Wiener (its balance the share of noise in the variance) and Richardson-Lucy (ten iterations)
        restore the bicubic image, plane by plane, where it is finer along Y and X and the point-spread function is
        not narrower than 0.3 pixels.
    psf_sigma
        Standard deviation of the input's point-spread function, in pixels of the result; None = unknown, then
        nothing is deconvolved.
    """
    from napari_superres.inference import upscale

    base = upscale(lr, interpolation(BICUBIC, scale))
    yield BICUBIC, base
    for name in names:
        if name == "lanczos":
            yield name, upscale(lr, interpolation(name, scale))
        elif name == "zero-filling":
            yield name, _zero_filled(lr, base, scale)
        elif psf_sigma is not None and psf_sigma >= _LEAST_SIGMA and scale["Y"] > 1:
            yield name, _restored(base, name, psf_sigma)


def interpolation(kind: str, scale: Mapping[str, int]) -> str:
    """Return the name of an interpolation of this scale, which knows planes and volumes."""
    factors = [scale[a] for a in ("YX" if scale.get("Z", 1) == 1 else "ZYX")]
    plain = len(factors) == 2 and factors[0] == factors[1]
    return f"{kind}-x{factors[0] if plain else 'x'.join(map(str, factors))}"


def _zero_filled(lr: Image, base: Image, scale: Mapping[str, int]) -> Image:
    from napari_superres.degradation.kspace import fill_zeros

    values = fill_zeros(np.asarray(lr.data), [scale.get(a, 1) for a in lr.axes])
    return base.replace(data=_typed(values, base.dtype))


def _restored(base: Image, name: str, sigma: float) -> Image:
    from skimage import restoration

    radius = int(np.ceil(_REACH * sigma))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    psf = np.outer(taps, taps) / taps.sum() ** 2

    def restore(plane: npt.NDArray[Any]) -> Floats:
        values = plane.astype(np.float64)
        finite = np.isfinite(values)
        if not finite.any():
            return values
        low = float(values[finite].min())
        # Both functions take the plane for periodic.
        padded = np.pad(np.where(finite, values - low, 0.0), radius, mode="symmetric")
        if name == "wiener":
            found = restoration.wiener(padded, psf, _noise_share(padded), clip=False)
        else:
            found = restoration.richardson_lucy(padded.clip(1e-9, None), psf, num_iter=_ITERATIONS, clip=False)
        return np.where(finite, found[radius:-radius, radius:-radius] + low, np.nan)

    data = np.asarray(base.data)
    axes = [base.axes.index(a) for a in "YX"]
    planes = np.moveaxis(data, axes, (-2, -1))
    flat = planes.reshape(-1, *planes.shape[-2:])
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        done = np.stack([_typed(v, base.dtype) for v in pool.map(restore, flat)])
    return base.replace(data=np.moveaxis(done.reshape(planes.shape), (-2, -1), axes))


def _typed(values: Floats, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return intensities as the interpolated image holds them: integers rounded, none wrapped."""
    if dtype.kind == "f":
        return values.astype(np.float32)
    limits = np.iinfo(dtype)
    return np.rint(values).clip(limits.min, limits.max).astype(dtype)


def _noise_share(plane: Floats) -> float:
    variance = float(plane.var())
    return max(1e-3, noise_level(plane) ** 2 / variance) if variance > 0 else 1.0
