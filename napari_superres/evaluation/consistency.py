"""Whether a result agrees with its own input: blurred and binned again, it must give the input but for noise.

Culley et al., Nat. Methods 2018, doi:10.1038/nmeth.4605 (SQUIRREL), here on the input's grid; Bhadra et al., IEEE
Trans. Med. Imaging 2021, doi:10.1109/TMI.2021.3077857 (what the input cannot hold is the model's).

A field mirrored at its borders is a sum of cosines. A symmetric blur scales each of them, binning scales and aliases
them, so that one cosine transform of the result serves every width of the point-spread function.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod

import numpy as np
import numpy.typing as npt

from napari_superres.core.grid import downscale_affine
from napari_superres.core.image import Image
from napari_superres.core.invalid import fill
from napari_superres.degradation.fit import fit_camera
from napari_superres.degradation.optics import bin_mean
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.metrics.full_reference import pearson
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.registration.scale import scale_of

Floats = npt.NDArray[np.float64]
Index = tuple[int | slice, ...]

_SCAN = (0.0, 0.3, 0.6, 1.0, 1.6, 2.5, 4.0, 6.3, 10.0)  # input pixels
_LEAST_GAIN = 1e-3  # as in SQUIRREL; in units of the input's contrast over the degraded result's
_LEAST_EDGE, _SAMPLED = 8, 2**20  # pixels: needed along an axis, looked at by a fit
_MOST_LOST = 0.05  # of the light in a pixel may come from where the result is not finite
_BLOCK, _LEAST_BLOCKS, _QUIET = 8, 4, 0.2
_QUIET_BIAS = 0.73  # that quantile over the true variance, for white noise in blocks of 8 x 8 (simulated)
_WHITE, _NOISE_ERROR, _SATURATED, _ROUNDING = 3.0, 0.05, 1e-3, 1e-9


@dataclass(frozen=True, slots=True)
class Band:
    """A band of spatial frequencies of a result.

    Attributes
    ----------
    low, high
        Cycles per pixel of the result, 0 to 0.5; the higher of the frequencies along the axes that became finer.
    energy
        Share of the result's spectral energy, mean excluded.
    invented
        Share of the band that the input does not show: energy of the result less its own degraded copy (interpolated
        by zero padding). What a deconvolution restores counts; 1 beyond the input's Nyquist; nan for an empty band.
    """

    low: float
    high: float
    energy: float
    invented: float


@dataclass(frozen=True, slots=True)
class Consistency:
    """How well a result, degraded again, gives its input.

    Attributes
    ----------
    psf_sigma
        Standard deviation of the Gaussian blur in input pixels, along the axes that became finer.
    gain, offset
        The input is ``gain * degraded result + offset``, and noise; `gain` is above 0.
    rsp
        Pearson correlation with the input, -1 to 1. Noise lowers it too: never judge by it alone.
    rse
        Root-mean-square difference from the input, in its intensity unit.
    noise
        Slope and intercept (read variance less slope times camera offset) of the variance of the input's noise over
        its brightness; None where not measurable.
    rse_in_sigmas
        Root mean square of `residual`: 1 if only noise differs, less if the result follows the noise; or nan.
    residual
        float32 on the input's grid, without C and S: degraded result less input, in standard deviations of the noise.
        Above 0, the result has more than the input shows. nan where not finite, and everywhere without `noise`.
    outside
        Share of pixels with ``|residual| > 3``: 0.003 for noise alone; or nan.
    whiteness
        Correlation of the residuals of neighbours, along Y and X: 0 within ``3 / sqrt(pixels)`` for white noise.
    bands
        The result's spectral energy, from 0 to its Nyquist frequency.
    invented
        Share of that energy, mean excluded, beyond the input's Nyquist frequency: supplied by the model's prior.
    notes
        What the numbers cannot see, and what was taken for granted.
    """

    psf_sigma: float
    gain: float
    offset: float
    rsp: float
    rse: float
    noise: tuple[float, float] | None
    rse_in_sigmas: float
    residual: Image
    outside: float
    whiteness: float
    bands: tuple[Band, ...]
    invented: float
    notes: tuple[str, ...]


def check_consistency(
    result: Image,
    lr: Image,
    *,
    channel: int = 0,
    psf_sigma: float | None = None,
    gain: float | None = None,
    offset: float | None = None,
) -> Consistency:
    """Degrade a super-resolved image again and compare it with its input.

    Parameters
    ----------
    result
        Finer than `lr` by whole factors along some of Z, Y and X. Colour samples are averaged.
    lr
        The input: raw, with its noise. Planes and frames are taken together; volumes if Z became finer.
    channel
        Which one, of both images.
    psf_sigma
        Width of the Gaussian point-spread function in input pixels; fitted between 0 and 10 by default.
    gain, offset
        Intensity of the input over the result's; fitted by least squares by default.

    Returns
    -------
    Consistency

    Raises
    ------
    EvaluationError
        If the result is not finer, the two do not fit, or either has no contrast.
    SettingsError
        If `channel` does not exist, or a declared number is impossible.

    Notes
    -----
    Blind to structure smaller than the point-spread function. Beyond the borders, the field is taken to be mirrored.
    """
    if not (0 <= (psf_sigma or 0.0) < np.inf and 0 < (1.0 if gain is None else gain) < np.inf > abs(offset or 0.0)):
        raise SettingsError(f"psf_sigma >= 0, gain > 0, finite offset are needed, got {psf_sigma}, {gain}, {offset}.")
    pair, notes = _paired(result, lr, channel)
    sigma = _fitted_sigma(pair, gain, offset) if psf_sigma is None else psf_sigma
    if max(pair.factor) == 1:
        raise EvaluationError("the result has its input's grid, and consistency is asked of finer ones.")
    return _measured(pair, sigma, gain, offset, notes)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Result and input over one field of view; `axes` (with Z only if it became finer) are degraded together."""

    result: Image
    lr: Image
    channel: int
    axes: str
    shape: tuple[int, ...]
    factor: tuple[int, ...]

    def places(self, inner: str, count: int | None = None) -> list[Index]:
        """Return the index of every part of the channel with the axes `inner`, or of `count` of them, evenly spread."""
        fixed: dict[str, Sequence[int | slice]] = {"C": [self.channel], **{a: [slice(None)] for a in inner + "S"}}
        every = [fixed.get(a, range(n)) for a, n in zip(self.lr.axes, self.lr.shape, strict=True)]
        found = list(product(*every))
        count = len(found) if count is None else min(max(count, 1), len(found))
        return [found[int((i + 0.5) * len(found) / count)] for i in range(count)]

    def spectra(self, where: Index, box: Mapping[str, slice] | None = None) -> tuple[Floats, Floats | None]:
        """Return the cosine spectra of a part of the result, given in input pixels, and of where it is not finite."""
        from scipy.fft import dctn

        scale = dict(zip(self.axes, self.factor, strict=True))
        finer = {a: slice(s.start * scale[a], s.stop * scale[a]) for a, s in (box or {}).items()}
        values = _part(self.result, where, finer)
        lost = np.isnan(values)
        if not lost.any():
            return dctn(values, norm="ortho", overwrite_x=True), None
        filled = fill(values, 0.0 if lost.all() else float(values[~lost].mean()))
        return dctn(filled, norm="ortho"), dctn(lost.astype(np.float64), norm="ortho")


def _part(image: Image, where: Index, box: Mapping[str, slice]) -> Floats:
    """Return a part in float64, nan where not finite; the mean of red, green and blue where there are colours."""
    values = np.array(image.data[tuple(box.get(a, at) for a, at in zip(image.axes, where, strict=True))], np.float64)
    values[~np.isfinite(values)] = np.nan
    return np.asarray(values[..., :3].mean(axis=-1)) if "S" in image.axes else values


def _paired(result: Image, lr: Image, channel: int) -> tuple[_Pair, list[str]]:
    """Return both images cut to the field of view they share, and notes."""
    if not 0 <= channel < lr.size("C"):
        raise SettingsError(f"channel must be 0 to {lr.size('C') - 1}, got {channel}.")
    scale = scale_of(result, lr) or {}
    affine, notes = downscale_affine(result.affine, [scale[a] for a in result.spatial]), []
    if result.has_pixel_size and lr.has_pixel_size and not any((*result.origin, *lr.origin)):
        affine[:-1, -1] = 0.0
        notes = ["the result has no recorded origin: fields of view taken to begin at the same corner"]
    empty = np.empty([n // scale.get(a, 1) for a, n in zip(result.axes, result.shape, strict=True)], np.uint8)
    common = match(result.replace(data=empty, affine=affine), lr, names=("result", "input"))
    seen = lr if (common.reference.axes, common.reference.shape) == (lr.axes, lr.shape) else common.reference
    if min(seen.size(a) for a in "YX") < _LEAST_EDGE:
        raise EvaluationError(f"needs at least {_LEAST_EDGE} input pixels along Y and X, got {seen.axes} {seen.shape}.")
    start = zip(result.spatial, common.start, strict=True)
    box = {a: slice(at * scale[a], (at + seen.size(a)) * scale[a]) for a, at in start}
    fine = result.data[tuple(box.get(a, slice(None)) for a in result.axes)]
    axes = "".join(a for a in seen.axes if a in "YX" or scale.get(a, 1) > 1)
    shape, factor = tuple(seen.size(a) for a in axes), tuple(scale[a] for a in axes)
    return _Pair(result.replace(data=fine), seen, channel, axes, shape, factor), [*common.notes, *notes]


def _degraded(spectrum: Floats, factor: Sequence[int], sigma: float) -> Floats:
    """Return the cosine spectrum of a field blurred by ``sigma * factor`` pixels, then averaged over ``factor``."""
    for axis, m in enumerate(factor):
        if m > 1:
            angle = np.pi * np.arange(1, spectrum.shape[axis]) / spectrum.shape[axis]
            pixel = np.sin(m * angle / 2) / (m * np.sin(angle / 2))
            response = np.append(1.0, pixel * np.exp(-0.5 * (sigma * m * angle) ** 2)) / np.sqrt(m)
            spectrum = np.moveaxis(_aliased(np.moveaxis(spectrum, axis, -1) * response, m), -1, axis)
    return spectrum


def _aliased(spectrum: Floats, m: int) -> Floats:
    """Return what becomes of cosines along the last axis on a grid whose pixels are m times as large."""
    n = spectrum.shape[-1] // m
    low = spectrum[..., :n].copy()
    for part in range(1, m):
        piece = spectrum[..., part * n : (part + 1) * n] * (-1.0 if part % 4 in (1, 2) else 1.0)
        low[..., part % 2 :] += piece[..., :0:-1] if part % 2 else piece
    return low


def _shown(spectrum: Floats, lost: Floats | None, factor: Sequence[int], sigma: float) -> Floats:
    """Return the pixels of a degraded field, nan where light is missing."""
    from scipy.fft import idctn

    made = np.asarray(idctn(_degraded(spectrum, factor, sigma), norm="ortho"), np.float64)
    return made if lost is None else np.where(_shown(lost, None, factor, sigma) > _MOST_LOST, np.nan, made)


def _fitted_sigma(pair: _Pair, gain: float | None, offset: float | None) -> float:
    """Return the width that leaves the least difference on a sample of the field."""
    from scipy.optimize import minimize_scalar

    size = prod(pair.shape) * prod(pair.factor)
    places = pair.places(pair.axes, _SAMPLED // size)
    box = _busiest(pair, places[len(places) // 2], min(1.0, (_SAMPLED / size) ** (1 / len(pair.shape))))
    fields = [pair.spectra(where, box) for where in places]
    seen = np.stack([_part(pair.lr, where, box) for where in places])
    seen[np.isnan([_shown(*field, pair.factor, 1.0) for field in fields])] = np.nan  # the same for every width

    def misfit(width: float) -> float:
        return _line(np.stack([_shown(made, None, pair.factor, width) for made, _ in fields]), seen, gain, offset)[2]

    misfits = [misfit(width) for width in _SCAN]
    best = int(np.argmin(misfits))
    around = _SCAN[max(best - 1, 0)], _SCAN[min(best + 1, len(_SCAN) - 1)]
    found = minimize_scalar(misfit, bounds=around, method="bounded", options={"xatol": 1e-4})
    return float(found.x) if found.fun < misfits[best] else _SCAN[best]


def _busiest(pair: _Pair, where: Index, share: float) -> dict[str, slice]:
    """Return the box, `share` of every edge of a field, in which the input varies most."""
    seen = _part(pair.lr, where, {})
    away = np.nan_to_num(seen - np.mean(seen[np.isfinite(seen)])) ** 2 if np.isfinite(seen).any() else seen
    edges = [min(n, max(_LEAST_EDGE, int(np.ceil(n * share)))) for n in pair.shape]
    starts = [sorted({0, (n - e) // 2, n - e}) for n, e in zip(pair.shape, edges, strict=True)]
    boxes = [[slice(s, s + e) for s, e in zip(start, edges, strict=True)] for start in product(*starts)]
    return dict(zip(pair.axes, max(boxes, key=lambda box: float(away[tuple(box)].sum())), strict=True))


def _line(made: Floats, seen: Floats, gain: float | None, offset: float | None) -> tuple[float, float, float]:
    """Return gain and offset from `made` to `seen`, as declared or of least squares, and the RMS that is left."""
    valid = np.isfinite(made) & np.isfinite(seen)
    made, seen = made[valid], seen[valid]
    if not seen.size or not np.ptp(seen):
        raise EvaluationError("the input must have contrast where both are finite, found none. Choose another channel.")
    spread, centre = float(made.std()), float(made.mean())
    if spread <= _ROUNDING * float(np.abs(made).max()):
        raise EvaluationError("the result, degraded again, is constant: nothing in it could have been in the input.")
    if gain is None:
        about, level = (centre, float(seen.mean())) if offset is None else (0.0, offset)
        best = float((made - about) @ (seen - level)) / float((made - about) @ (made - about))
        gain = max(best, _LEAST_GAIN * float(seen.std()) / spread)
    if offset is None:
        offset = float(seen.mean()) - gain * centre
    return gain, offset, float(np.sqrt(np.mean((gain * made + offset - seen) ** 2)))


def _noise(pair: _Pair) -> tuple[tuple[float, float, float] | None, str]:
    """Return slope, intercept and least of the noise's variance over brightness, or None; and a note on it."""
    count = _SAMPLED // (pair.lr.size("Y") * pair.lr.size("X"))
    planes = [_part(pair.lr, where, {}) for where in pair.places("YX", count)]
    finite = np.concatenate([plane[np.isfinite(plane)] for plane in planes])
    # Like the saturated ones, pixels of the lowest value are not fitted.
    planes = [np.where(np.isfinite(plane), plane, finite.min(initial=0.0)) for plane in planes]
    crossed, curved = _quiet_variances(planes)
    if not 0 < crossed < _WHITE * curved:
        return None, "sigmas are not measurable: the input is too small, or only structure shows in its quietest parts"
    try:
        with np.errstate(divide="raise"):  # by the variance of blocks, if nearly all are constant
            camera = fit_camera(planes)
    except (SettingsError, FloatingPointError):
        return (0.0, curved, curved), "noise: one level for all brightnesses, from few blocks"
    base = camera.read_noise**2 - camera.gain * camera.offset
    least = max(camera.read_noise**2, _NOISE_ERROR * (camera.gain * float(finite.mean()) + base))
    return (camera.gain, base, least), "noise: fitted to the quietest parts of the input; fine texture counts as noise"


def _quiet_variances(planes: Sequence[Floats]) -> tuple[float, float]:
    """Return the variance of noise by crossed first and by crossed second differences: one number if it is white."""
    found = []
    for plane in planes:
        first = np.diff(np.diff(plane, axis=0), axis=1)
        second = np.diff(np.diff(first, axis=0), axis=1)
        found.append([bin_mean(d**2, (_BLOCK, _BLOCK)).ravel() for d in (first[1:, 1:] / 2, second / 6)])
    blocks = np.concatenate(found, axis=1)
    blocks = blocks[:, blocks[1] > 0]
    if blocks.shape[1] < _LEAST_BLOCKS:
        return 0.0, 0.0
    crossed, curved = np.quantile(blocks, _QUIET, axis=1) / _QUIET_BIAS
    return float(crossed), float(curved)


def _measured(pair: _Pair, sigma: float, gain: float | None, offset: float | None, notes: Sequence[str]) -> Consistency:
    axes = "".join(a for a in pair.lr.axes if a not in "CS")
    large = prod(pair.lr.shape) > _SAMPLED
    made, seen = np.empty((2, *(pair.lr.size(a) for a in axes)), np.float32 if large else np.float64)
    energies = []
    for where in pair.places(pair.axes):
        at = tuple(i for i, a in zip(where, pair.lr.axes, strict=True) if a not in "CS")
        spectrum, lost = pair.spectra(where)
        seen[at], made[at] = _part(pair.lr, where, {}), _shown(spectrum, lost, pair.factor, sigma)
        energies.append(_energies(spectrum, pair.factor, sigma))
    gain, offset, rse = _line(made, seen, gain, offset)
    off = np.add(np.multiply(made, gain, out=made), offset, out=made) - seen
    valid = np.isfinite(off)
    differs = rse > _ROUNDING * float(np.abs(seen[valid]).max())
    noise, origin = _noise(pair)
    z = np.full_like(off, np.nan) if noise is None else off / np.sqrt(np.maximum(noise[0] * made + noise[1], noise[2]))
    energy, left, beyond = np.sum(energies, axis=0)
    edges = np.linspace(0, 0.5, len(energy) + 1).tolist()
    shares = energy / energy.sum(), np.divide(left, energy, out=np.full_like(left, np.nan), where=energy > 0)
    rsp = pearson(seen, made)
    return Consistency(
        psf_sigma=sigma,
        gain=gain,
        offset=offset,
        rsp=rsp,
        rse=rse,
        noise=noise and noise[:2],
        rse_in_sigmas=float(np.sqrt(np.mean(z[valid] ** 2))),
        residual=pair.lr.replace(data=z.astype(np.float32), axes=axes, channel_names=(), metadata={}),
        outside=np.nan if noise is None else float(np.mean(np.abs(z[valid]) > 3)),
        whiteness=_whiteness(off if noise is None else z, axes) if differs else np.nan,
        bands=tuple(Band(*ends, float(e), float(i)) for ends, e, i in zip(pairwise(edges), *shares, strict=True)),
        invented=float(beyond.sum() / energy.sum()),
        notes=(*notes, origin, *_cautions(seen, pair.lr.dtype.kind in "ui", sigma, rsp, int(np.sum(~valid)))),
    )


def _energies(spectrum: Floats, factor: Sequence[int], sigma: float) -> Floats:
    """Return per band the energy of the result, of what its degraded copy lacks, and beyond the input's Nyquist."""
    spectrum = spectrum.copy()
    spectrum.flat[0] = 0.0  # the mean
    low = _degraded(spectrum, factor, sigma)
    inner = tuple(slice(0, n) for n in low.shape)
    left, beyond = spectrum.copy(), spectrum.copy()
    left[inner] -= low * np.sqrt(prod(factor))
    beyond[inner] = 0.0
    count = max(factor) * max(1, round(8 / max(factor)))  # the input's Nyquist frequency is the edge of a band
    each = np.ogrid[tuple(slice(0, n) for n in spectrum.shape)]
    bands = [k * count // n for k, n, m in zip(each, spectrum.shape, factor, strict=True) if m > 1]
    band = np.broadcast_to(np.max(np.broadcast_arrays(*bands), axis=0), spectrum.shape).ravel()
    return np.stack([np.bincount(band, part.ravel() ** 2, count) for part in (spectrum, left, beyond)])


def _whiteness(values: Floats, axes: str) -> float:
    """Return the correlation of neighbours along Y and X."""
    values = values - np.nanmean(values)
    along = [np.moveaxis(values, axes.index(a), 0) for a in "YX"]
    pairs = np.concatenate([(v[1:] * v[:-1])[np.isfinite(v[1:] * v[:-1])] for v in along])
    return float(pairs.sum() / max(1, pairs.size) / np.nanmean(values**2))


def _cautions(seen: Floats, whole: bool, sigma: float, rsp: float, left_out: int) -> Iterator[str]:
    yield f"blind to structure finer than PSF (sigma {sigma:.2g} input pixels) and pixel: a doublet passes for a line"
    if sigma > 0.99 * _SCAN[-1]:
        yield f"no PSF of up to sigma {_SCAN[-1]:g} input pixels explains the input"
    if rsp <= _LEAST_GAIN:
        yield f"contrast is inverted or unrelated (correlation {rsp:.2g}): fitted gain and psf_sigma have no meaning"
    if left_out:
        yield f"{left_out} input pixels were left out: they, or the result there, are not finite"
    share = float(np.mean(seen == np.nanmax(seen)))
    if whole and share > _SATURATED:
        yield f"{100 * share:.2f} % of the input's pixels have its highest value: saturated ones may be brighter"
