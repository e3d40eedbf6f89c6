"""What stands beside every result: interpolation and classical restoration of the same input."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError
from napari_superres.evaluation.registration.match import match

Floats = npt.NDArray[np.float64]

BICUBIC = "bicubic"
CHOICES = ("lanczos", "wiener", "richardson-lucy", "zero-filling")
USUAL = ("lanczos", "wiener", "richardson-lucy")
_DECONVOLVED = ("wiener", "richardson-lucy")
_BALANCES = (0.001, 0.01, 0.1, 1.0, 10.0)
_ITERATIONS = (1, 2, 4, 8, 16, 32)
_TUNED_EDGE = 512
_REACH = 4
LEAST_SIGMA = 0.3
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


@dataclass(frozen=True, slots=True)
class Restoration:
    """Settings of classical restoration.

    Attributes
    ----------
    psf_sigma
        Of the point-spread function, in pixels of the result.
    balance
        Of Wiener's filter: weight of smoothness.
    iterations
        Of Richardson-Lucy.
    """

    psf_sigma: float
    balance: float = 0.1
    iterations: int = 10


def baselines(
    lr: Image,
    scale: Mapping[str, int],
    names: Sequence[str],
    *,
    psf_sigma: float | None,
    reference: Image | None = None,
) -> Iterator[tuple[str, Image]]:
    """Yield bicubic interpolation, then the baselines asked for, one at a time.

    Parameters
    ----------
    lr
        Input.
    scale
        Factor per spatial axis.
    names
        Of `CHOICES`. Wiener and Richardson-Lucy restore the bicubic image, plane by plane, where it is finer along Y
        and X and the point-spread function is not narrower than 0.3 pixels.
    psf_sigma
        Standard deviation of the input's point-spread function, in pixels of the result; None = unknown, then
        nothing is deconvolved.
    reference
        Tunes balance and iterations: the least error in the middle plane. No rival of a model could do better.
    """
    base = enlarged(lr, BICUBIC, scale)
    yield BICUBIC, base
    if max(scale.values()) == 1:  # the input itself, which nothing else would change
        return
    deconvolved = psf_sigma is not None and psf_sigma >= LEAST_SIGMA and scale["Y"] > 1
    settings = Restoration(psf_sigma) if psf_sigma is not None and deconvolved else None
    if settings is not None and reference is not None and set(names) & set(_DECONVOLVED):
        settings = _tuned(base, reference, settings)
    for name in names:
        if name == "lanczos":
            yield name, enlarged(lr, name, scale)
        elif name == "zero-filling":
            yield name, _zero_filled(lr, base, scale)
        elif settings is not None:
            yield name, _restored(base, name, settings)


def enlarged(lr: Image, kind: str, scale: Mapping[str, int]) -> Image:
    """Return the input interpolated by a factor per axis; where that is 1, as it is."""
    from napari_superres.inference import upscale

    return lr if max(scale.values()) == 1 else upscale(lr, interpolation(kind, scale))


def interpolation(kind: str, scale: Mapping[str, int]) -> str:
    """Return the name of an interpolation of this scale, which knows planes and volumes."""
    factors = [scale[a] for a in ("YX" if scale.get("Z", 1) == 1 else "ZYX")]
    plain = len(factors) == 2 and factors[0] == factors[1]
    return f"{kind}-x{factors[0] if plain else 'x'.join(map(str, factors))}"


def _zero_filled(lr: Image, base: Image, scale: Mapping[str, int]) -> Image:
    from napari_superres.degradation.kspace import fill_zeros

    values = fill_zeros(np.asarray(lr.data), [scale.get(a, 1) for a in lr.axes])
    return base.replace(data=_typed(values, base.dtype))


def _restored(base: Image, name: str, settings: Restoration) -> Image:
    data = np.asarray(base.data)
    axes = [base.axes.index(a) for a in "YX"]
    planes = np.moveaxis(data, axes, (-2, -1))
    flat = planes.reshape(-1, *planes.shape[-2:])
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        done = np.stack([_typed(v, base.dtype) for v in pool.map(lambda p: _restored_plane(p, name, settings), flat)])
    return base.replace(data=np.moveaxis(done.reshape(planes.shape), (-2, -1), axes))


def _restored_plane(plane: npt.NDArray[Any], name: str, settings: Restoration) -> Floats:
    from skimage import restoration

    values = plane.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return values
    radius = int(np.ceil(_REACH * settings.psf_sigma))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / settings.psf_sigma) ** 2)
    psf = np.outer(taps, taps) / taps.sum() ** 2
    low = float(values[finite].min())
    # Both functions take the plane for periodic.
    padded = np.pad(np.where(finite, values - low, 0.0), radius, mode="symmetric")
    if name == "wiener":
        found = restoration.wiener(padded, psf, settings.balance, clip=False)
    else:
        found = restoration.richardson_lucy(padded.clip(1e-9, None), psf, num_iter=settings.iterations, clip=False)
    return np.where(finite, found[radius:-radius, radius:-radius] + low, np.nan)


def _tuned(base: Image, reference: Image, settings: Restoration) -> Restoration:
    """Return the settings that come closest to the reference in its middle plane."""
    pair = match(base, reference)
    seen, true = (middle_plane(i)[:_TUNED_EDGE, :_TUNED_EDGE] for i in (pair.result, pair.reference))
    if not (np.isfinite(seen).all() and np.isfinite(true).all()):
        return settings

    def error(name: str, **changed: Any) -> float:
        return float(np.square(_restored_plane(seen, name, replace(settings, **changed)) - true).mean())

    balance = min(_BALANCES, key=lambda v: error("wiener", balance=v))
    iterations = min(_ITERATIONS, key=lambda v: error("richardson-lucy", iterations=v))
    return replace(settings, balance=balance, iterations=iterations)


def middle_plane(image: Image) -> Floats:
    """Return the middle plane of the first channel and colour."""
    places = zip(image.axes, image.shape, strict=True)
    key = tuple(slice(None) if a in "YX" else (0 if a in "CS" else n // 2) for a, n in places)
    return np.asarray(image.data[key], dtype=np.float64)


def _typed(values: Floats, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return intensities as the interpolated image holds them: integers rounded, none wrapped."""
    if dtype.kind == "f":
        return values.astype(np.float32)
    limits = np.iinfo(dtype)
    return np.rint(values).clip(limits.min, limits.max).astype(dtype)
