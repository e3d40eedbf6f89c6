"""Baselines for every result: interpolation and classical restoration of the same input."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.kernels import AREA_SPLINE
from napari_superres.core.noise import Noise
from napari_superres.errors import SettingsError
from napari_superres.evaluation.classical import ITERATIONS, denoise, richardson_lucy, wiener
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.registration.scale import scale_of

Floats = npt.NDArray[np.float64]

BICUBIC = "bicubic"
NLM, NLM_RICHARDSON_LUCY = "non-local-means", "nlm-richardson-lucy"
DENOISING = (NLM, NLM_RICHARDSON_LUCY)
BASELINES = ("lanczos", AREA_SPLINE, "wiener", "richardson-lucy", *DENOISING, "zero-filling")
"""Baselines to choose from. Bicubic interpolation is always included."""

DEFAULT_BASELINES = ("lanczos", AREA_SPLINE, "wiener", "richardson-lucy", NLM)
_DECONVOLUTIONS = ("wiener", "richardson-lucy")
_BALANCES = (0.001, 0.01, 0.1, 1.0, 10.0)
_ITERATIONS = (1, 2, 4, 8, 16, 32)
_TUNING_SIZE = 512

MIN_SIGMA = 0.3
"""Smallest standard deviation of a point-spread function, in pixels of the result, that is deconvolved."""


def check_baselines(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of baselines without duplicates.

    Raises
    ------
    SettingsError
        If a name is unknown.
    """
    if unknown := [n for n in names if n not in BASELINES]:
        raise SettingsError(
            f"unknown baseline {unknown[0]!r}.",
            remedy=f"Valid baselines: {', '.join(BASELINES)}. Bicubic is always included.",
        )
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Deconvolution:
    """Settings of classical deconvolution.

    Attributes
    ----------
    psf
        Standard deviation of a Gaussian point-spread function in pixels of the result, or the pixels of a measured one.
    balance
        Weight of smoothness in Wiener's filter.
    iterations
        Number of iterations of Richardson-Lucy.
    """

    psf: float | Floats
    balance: float = 0.1
    iterations: int = ITERATIONS


def baselines(
    lr: Image,
    scale: Mapping[str, int],
    names: Sequence[str],
    *,
    psf_sigma: float | None,
    psf: Floats | None = None,
    noise: Sequence[Noise] | None = None,
    reference: Image | None = None,
) -> Iterator[tuple[str, Image]]:
    """Yield the name and the image of bicubic interpolation, then of each baseline, one at a time.

    Parameters
    ----------
    lr
        Input.
    scale
        Factor per spatial axis.
    names
        Names of `BASELINES`. The area spline is for slices that become thinner, and left out elsewhere. Wiener and
        Richardson-Lucy deconvolve the bicubic image, plane by plane. They are left out if the image is not finer along
        Y and X, or the point-spread function is narrower than 0.3 pixels. Non-local means denoise the input, which is
        then interpolated, or interpolated and deconvolved.
    psf_sigma
        Standard deviation of the point-spread function of the input, in pixels of the result; None = unknown, so that
        nothing is deconvolved.
    psf
        Pixels ``(Y, X)`` of the measured function of that width, on the grid of the result; None for a Gaussian.
    noise
        Noise of each channel of the input; None = unknown, so that nothing is denoised.
    reference
        Image to which balance and iterations are tuned: they minimise the error in its middle plane. The baselines are
        then as good as they can be.
    """
    base = interpolate(lr, BICUBIC, scale)
    yield BICUBIC, base
    if max(scale.values()) == 1:
        # On the grid of the input, every other baseline is the input itself.
        names = [name for name in names if name == NLM]
    deconvolved = psf_sigma is not None and psf_sigma >= MIN_SIGMA and scale["Y"] > 1
    shape = psf_sigma if psf is None else psf
    settings = Deconvolution(shape) if shape is not None and deconvolved else None
    tuned = settings
    if settings is not None and reference is not None and set(names) & set(_DECONVOLUTIONS):
        tuned = _tune(base, reference, settings)
    for name in names:
        if name == "lanczos" or (name == AREA_SPLINE and scale.get("Z", 1) > 1):
            yield name, interpolate(lr, name, scale)
        elif name == "zero-filling":
            yield name, _fill_zeros(lr, base, scale)
        elif name in DENOISING and noise is not None:
            quiet = _denoise(lr, noise, scale)
            if name == NLM:
                yield name, quiet
            elif settings is not None:
                best = settings if reference is None else _tune(quiet, reference, settings)
                yield name, _deconvolve(quiet, "richardson-lucy", best)
        elif name in _DECONVOLUTIONS and tuned is not None:
            yield name, _deconvolve(base, name, tuned)


def interpolate(lr: Image, kind: str, scale: Mapping[str, int]) -> Image:
    """Return the input interpolated by a factor per axis, or the input itself if all factors are 1."""
    from napari_superres.inference import upscale

    return lr if max(scale.values()) == 1 else upscale(lr, interpolation_name(kind, scale))


def interpolated_input(result: Image, lr: Image) -> Image | None:
    """Return the input interpolated onto the grid of its result; None if the two lie on one grid.

    Raises
    ------
    EvaluationError
        If the factor between the two is not whole.
    """
    scale = scale_of(result, lr) or {}
    if max(scale.values(), default=1) == 1:
        return None
    base = interpolate(lr, BICUBIC, scale)
    if base.shape == result.shape and not any(result.origin) and not any(lr.origin):
        # Neither file records a position: both fields begin at the same corner, not at the same first centre.
        affine = np.array(base.affine)
        affine[:-1, -1] = 0.0
        return base.replace(affine=affine)
    return base


def interpolation_name(kind: str, scale: Mapping[str, int]) -> str:
    """Return the name of the model that interpolates planes, or volumes if Z becomes finer, by these factors."""
    factors = [scale[a] for a in ("YX" if scale.get("Z", 1) == 1 else "ZYX")]
    equal = len(factors) == 2 and factors[0] == factors[1]
    return f"{kind}-x{factors[0] if equal else 'x'.join(map(str, factors))}"


def _fill_zeros(lr: Image, base: Image, scale: Mapping[str, int]) -> Image:
    from napari_superres.degradation.kspace import fill_zeros

    values = fill_zeros(np.asarray(lr.data), [scale.get(a, 1) for a in lr.axes])
    return base.replace(data=_cast(values, base.dtype, _least(base)))


def _denoise(lr: Image, noise: Sequence[Noise], scale: Mapping[str, int]) -> Image:
    """Return the input denoised, then interpolated."""

    def restore(plane: Floats, channel: int) -> Floats:
        of = noise[channel]
        return denoise(plane, of.gain, of.read_noise, of.offset)

    # Denoised intensities lie between the grey levels of an integer type, so they are rounded after interpolation.
    fine = interpolate(lr.replace(data=_each_plane(lr, restore).astype(np.float32)), BICUBIC, scale)
    return fine.replace(data=_cast(np.asarray(fine.data, dtype=np.float64), lr.dtype, _least(lr)))


def _deconvolve(base: Image, name: str, settings: Deconvolution) -> Image:
    sharp = _each_plane(base, lambda plane, _: _deconvolve_plane(plane, name, settings))
    return base.replace(data=_cast(sharp, base.dtype, _least(base)))


def _each_plane(image: Image, restore: Callable[[Floats, int], Floats]) -> Floats:
    """Return the pixels after `restore`, which gets each plane and its channel.

    Pixels that are not finite are filled for it, and become NaN.
    """
    axes = [image.axes.index(a) for a in "YX"]
    planes = np.moveaxis(np.asarray(image.data), axes, (-2, -1))
    outer = [a for a in image.axes if a not in "YX"]

    def run(index: tuple[int, ...]) -> Floats:
        plane = planes[index].astype(np.float64)
        finite = np.isfinite(plane)
        if not finite.any():
            return np.asarray(plane)
        filled = np.where(finite, plane, plane[finite].min())
        return np.where(finite, restore(filled, index[outer.index("C")] if "C" in outer else 0), np.nan)

    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        done = np.stack(list(pool.map(run, np.ndindex(planes.shape[:-2]))))
    return np.asarray(np.moveaxis(done.reshape(planes.shape), (-2, -1), axes))


def _deconvolve_plane(plane: Floats, name: str, settings: Deconvolution) -> Floats:
    if name == "wiener":
        return wiener(plane, settings.psf, settings.balance)
    return richardson_lucy(plane, settings.psf, settings.iterations)


def _tune(base: Image, reference: Image, settings: Deconvolution) -> Deconvolution:
    """Return the settings that bring the middle plane closest to that of the reference."""
    pair = match(base, reference)
    blurred, sharp = (middle_plane(i)[:_TUNING_SIZE, :_TUNING_SIZE] for i in (pair.result, pair.reference))
    if not (np.isfinite(blurred).all() and np.isfinite(sharp).all()):
        return settings

    def error(name: str, **changed: Any) -> float:
        return float(np.square(_deconvolve_plane(blurred, name, replace(settings, **changed)) - sharp).mean())

    balance = min(_BALANCES, key=lambda v: error("wiener", balance=v))
    iterations = min(_ITERATIONS, key=lambda v: error("richardson-lucy", iterations=v))
    return replace(settings, balance=balance, iterations=iterations)


def middle_plane(image: Image) -> Floats:
    """Return the middle plane ``(Y, X)`` of the first channel and colour, as 64-bit floats."""
    axes = zip(image.axes, image.shape, strict=True)
    key = tuple(slice(None) if a in "YX" else (0 if a in "CS" else n // 2) for a, n in axes)
    return np.asarray(image.data[key], dtype=np.float64)


def _least(base: Image) -> float:
    """Return the least possible value: as in `upscale`, 0 if the interpolated image has no values below 0."""
    return -np.inf if (np.asarray(base.data) < 0).any() else 0.0


def _cast(values: Floats, dtype: np.dtype[Any], least: float) -> npt.NDArray[Any]:
    """Return intensities of at least `least` as float32, or in an integer type, rounded and clipped to its range."""
    values = np.maximum(values, least)
    if dtype.kind == "f":
        return values.astype(np.float32)
    limits = np.iinfo(dtype)
    return np.rint(values).clip(limits.min, limits.max).astype(dtype)
