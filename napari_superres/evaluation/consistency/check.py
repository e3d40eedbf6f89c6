"""Degrade a result again, compare it with its own input, and say what differs.

Culley et al., Nat. Methods 2018, doi:10.1038/nmeth.4605 (SQUIRREL, here on the grid of the input); Bhadra et al., IEEE
Trans. Med. Imaging 2021, doi:10.1109/TMI.2021.3077857 (detail that the input cannot hold comes from the model).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.options import checks_names
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.consistency.bands import Band, band_energies, to_bands
from napari_superres.evaluation.consistency.field_pair import FieldPair, pair_fields, read_field
from napari_superres.evaluation.consistency.fit import (
    MIN_GAIN,
    ROUNDING,
    SAMPLED_PIXELS,
    SIGMAS,
    fit_intensities,
    fit_psf_sigma,
    measured_blur,
)
from napari_superres.evaluation.consistency.input_noise import fit_input_noise
from napari_superres.evaluation.consistency.spectral_degradation import Blur, degrade_field
from napari_superres.evaluation.metrics.full_reference import pearson

Floats = npt.NDArray[np.float64]

_SATURATED_SHARE = 1e-3


@dataclass(frozen=True, slots=True)
class Consistency:
    """How well a result, degraded again, gives its input.

    Attributes
    ----------
    psf_sigma
        Standard deviation of the blur in input pixels, along the axes that became finer.
    gain, offset
        The input is ``gain * degraded result + offset``, plus noise; `gain` is above 0.
    rsp
        Resolution-scaled Pearson coefficient: correlation with the input, -1 to 1. Noise lowers it too, so do not judge
        by it alone.
    rse
        Resolution-scaled error: root-mean-square difference from the input, in its intensity unit.
    noise
        Slope and intercept of the variance of the input's noise over its brightness; None where not measurable.
    rse_in_sigmas
        Root mean square of `residual`: 1 if only noise differs, less if the result follows the noise; nan without
        `noise`.
    residual
        float32 on the grid of the input, without C and S: degraded result minus input, in standard deviations of the
        noise. Above 0, the result has more than the input shows. nan where not finite, and everywhere without `noise`.
    outside
        Share of pixels with ``|residual| > 3``: 0.003 for noise alone; nan without `noise`.
    whiteness
        Correlation of the residuals of neighbours along Y and X: 0 within ``3 / sqrt(pixels)`` for white noise.
    bands
        Spectral energy of the result, from frequency 0 to its Nyquist frequency.
    invented
        Share of that energy, without the mean, beyond the Nyquist frequency of the input: it comes from the model.
    notes
        What the numbers cannot see, and what was assumed.
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


@checks_names
def check_consistency(
    result: Image,
    lr: Image,
    *,
    channel: int = 0,
    psf_sigma: float | None = None,
    psf: Image | None = None,
    gain: float | None = None,
    offset: float | None = None,
) -> Consistency:
    """Degrade a super-resolved image again and compare it with its input.

    Parameters
    ----------
    result
        Image that is finer than `lr` by whole factors along some of Z, Y and X. Colour samples are averaged.
    lr
        Input: raw, with its noise. All planes and frames of the channel contribute. Volumes are degraded as a whole if
        Z became finer.
    channel
        Index of the channel, in both images.
    psf_sigma
        Standard deviation of the Gaussian point-spread function in input pixels; None = fitted between 0 and 10.
    psf
        Measured point-spread function, as `measure_psf` returns it, in place of a Gaussian. Its mean over its mirror
        images is used.
    gain, offset
        Gain and offset from the intensities of the result to those of the input; None = fitted by least squares.

    Returns
    -------
    Consistency

    Raises
    ------
    EvaluationError
        If the result is not finer, the two do not fit, or either has no contrast.
    SettingsError
        If `channel` does not exist, or another option is out of its range.

    Notes
    -----
    Structure smaller than the point-spread function goes unnoticed. The field is taken to be mirrored at its borders.
    Pixels that are not finite are left out, with the input pixels to which they contribute more than 5 %.
    """
    _check_declared(psf_sigma, psf, gain, offset)
    pair, notes = pair_fields(result, lr, channel)
    if max(pair.factor) == 1:
        raise EvaluationError(
            "consistency needs a result that is finer than its input, got one on the same grid.",
            remedy="Compare it with a reference instead.",
        )
    if psf is not None:
        return _compare(pair, *measured_blur(psf, pair), gain, offset, notes)
    sigma = fit_psf_sigma(pair, gain, offset) if psf_sigma is None else psf_sigma
    return _compare(pair, sigma, sigma, gain, offset, notes)


def _check_declared(psf_sigma: float | None, psf: Image | None, gain: float | None, offset: float | None) -> None:
    if psf_sigma is not None and psf is not None:
        raise SettingsError("`psf_sigma` and `psf` state the same.", remedy="Leave one of them out.")
    if psf_sigma is not None and not 0 <= psf_sigma < np.inf:
        raise SettingsError(
            f"`psf_sigma` must be a finite number of at least 0, got {psf_sigma}.", remedy="Leave it out to fit it."
        )
    if gain is not None and not 0 < gain < np.inf:
        raise SettingsError(f"gain must be a finite number above 0, got {gain}.", remedy="Leave it out to fit it.")
    if offset is not None and not np.isfinite(offset):
        raise SettingsError(f"`offset` must be a finite number, got {offset}.", remedy="Leave it out to fit it.")


def _compare(
    pair: FieldPair, blur: Blur, sigma: float, gain: float | None, offset: float | None, notes: Sequence[str]
) -> Consistency:
    axes = "".join(a for a in pair.lr.axes if a not in "CS")
    degraded, lr, energies = _degrade(pair, axes, blur)
    fit = fit_intensities(degraded, lr, gain, offset)
    # In place, because the arrays may be large.
    scaled = np.add(np.multiply(degraded, fit.gain, out=degraded), fit.offset, out=degraded)
    difference = scaled - lr
    valid = np.isfinite(difference)
    differs = fit.rmse > ROUNDING * float(np.abs(lr[valid]).max())
    noise, noise_note = fit_input_noise(pair)
    residual = np.full_like(difference, np.nan) if noise is None else difference / noise.sigma(scaled)
    rsp = pearson(lr, scaled)
    energy, lacking, beyond = energies
    return Consistency(
        psf_sigma=sigma,
        gain=fit.gain,
        offset=fit.offset,
        rsp=rsp,
        rse=fit.rmse,
        noise=None if noise is None else (noise.gain, noise.read_noise**2 - noise.gain * noise.offset),
        rse_in_sigmas=float(np.sqrt(np.mean(residual[valid] ** 2))),
        residual=pair.lr.replace(data=residual.astype(np.float32), axes=axes, channel_names=(), metadata={}),
        outside=np.nan if noise is None else float(np.mean(np.abs(residual[valid]) > 3)),
        whiteness=_neighbour_correlation(difference if noise is None else residual, axes) if differs else np.nan,
        bands=to_bands(energy, lacking),
        invented=float(beyond.sum() / energy.sum()),
        notes=(*notes, noise_note, *_caveats(lr, pair.lr.dtype.kind in "ui", sigma, rsp, int(np.sum(~valid)))),
    )


def _degrade(pair: FieldPair, axes: str, blur: Blur) -> tuple[Floats, Floats, Floats]:
    """Return the degraded result, the input, both over `axes`, and the energies of the bands of the result."""
    large = prod(pair.lr.shape) > SAMPLED_PIXELS
    degraded, lr = np.empty((2, *(pair.lr.size(a) for a in axes)), np.float32 if large else np.float64)
    energies = []
    for index in pair.indices(pair.axes):
        target = tuple(i for i, a in zip(index, pair.lr.axes, strict=True) if a not in "CS")
        spectrum, invalid = pair.result_spectra(index)
        lr[target] = read_field(pair.lr, index, {})
        degraded[target] = degrade_field(spectrum, invalid, pair.factor, blur)
        whole = spectrum if invalid is None else pair.spectrum_without_holes(index)
        energies += [] if whole is None else [band_energies(whole, pair.factor, blur)]
    return degraded, lr, np.sum(energies, axis=0)


def _neighbour_correlation(values: Floats, axes: str) -> float:
    """Return the correlation of neighbours along Y and X."""
    values = values - np.nanmean(values)
    along = [np.moveaxis(values, axes.index(a), 0) for a in "YX"]
    products = np.concatenate([(v[1:] * v[:-1])[np.isfinite(v[1:] * v[:-1])] for v in along])
    return float(products.sum() / max(1, products.size) / np.nanmean(values**2))


def _caveats(lr: Floats, integers: bool, sigma: float, rsp: float, left_out: int) -> Iterator[str]:
    """Yield notes on what the numbers cannot see."""
    yield f"blind to structure finer than PSF (sigma {sigma:.2g} input pixels) and pixel: a doublet passes for a line"
    if sigma > 0.99 * SIGMAS[-1]:
        yield f"no PSF of up to sigma {SIGMAS[-1]:g} input pixels explains the input"
    if rsp <= MIN_GAIN:
        yield f"contrast is inverted or unrelated (correlation {rsp:.2g}): fitted gain and psf_sigma have no meaning"
    if left_out:
        yield f"{left_out} input pixels were left out: they, or the result there, are not finite"
    share = float(np.mean(lr == np.nanmax(lr)))
    if integers and share > _SATURATED_SHARE:
        yield f"{100 * share:.2f} % of the input's pixels have its highest value: saturated ones may be brighter"
