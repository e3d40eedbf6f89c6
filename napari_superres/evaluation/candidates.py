"""The images that stand next to each other in a report: the result, models, and baselines of the same input."""

from collections.abc import Iterator, Mapping, Sequence
from math import nan

import numpy as np
import numpy.typing as npt

from napari_superres.core.grid import upscale_affine
from napari_superres.core.image import Image
from napari_superres.core.noise import Noise, measure_noise
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.baselines import BICUBIC, DENOISING, MIN_SIGMA, NLM_RICHARDSON_LUCY, middle_plane
from napari_superres.evaluation.baselines import baselines as baseline_images
from napari_superres.evaluation.metrics.paired import Comparison, compare_paired
from napari_superres.evaluation.metrics.score import Row
from napari_superres.evaluation.registration.lengths import pixel_sizes
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.registration.scale import Scale, scale_of, scale_of_models

UNREGISTERED = "result, not registered"
RESULT = "result"
"""What reports call the result."""

SIMULATED = " (simulated input)"
"""End of the names of candidates whose input was simulated."""

_PSF_EDGE = 256
"""Largest edge, in input pixels, of the field that the point-spread function is fitted to."""

_NOISE_PLANES = 16
"""About the number of planes in which the noise of a channel is measured."""

_PSF_MARGIN = 4
"""Input pixels trimmed from each side of the PSF field if the reference contains non-finite pixels."""


def candidates(
    result: Image | None,
    lr: Image | None,
    scale: Scale | None,
    *,
    reference: Image,
    common: Image,
    models: Sequence[str],
    against: str | None,
    baselines: Sequence[str],
    psf_sigma: float | None,
    psf: Image | None,
    notes: list[str],
) -> Iterator[tuple[str, str, Image]]:
    """Yield name, role and image of each candidate, one at a time: the result, models, then baselines.

    Reports state the role of each row. ``"judged"``: the image that the report is about, which is the result or,
    without one, that of each model. ``"beside"``: another image to compare the result with, such as a model's.
    ``"baseline"``: interpolation or classical restoration.

    Parameters
    ----------
    result, lr
        The result, or None if models are judged; its input, or None to simulate one from `reference`.
    scale
        Factor per spatial axis between them.
    reference, common
        The whole reference, and its part where every candidate has pixels.
    models, against, baselines, psf_sigma, psf
        As in `evaluate`; `psf_sigma` is the width of `psf`.
    notes
        Receives notes for the report.

    Raises
    ------
    EvaluationError
        If the scale is unknown, or the result lies on its input's grid and there is no input.
    """
    if scale is None:
        raise EvaluationError(
            "the scale of the result is not known (it has no provenance record), so the interpolation that it is "
            "compared with cannot be made.",
            remedy="Give the input of the result as `lr`.",
        )
    if lr is None and max(scale.values()) == 1:
        raise EvaluationError(
            "the result lies on its input's grid, so it can only be compared with that input.",
            remedy="Give the input as `lr`.",
        )
    if result is not None:
        yield RESULT, "judged", result
    suffix = ""
    if lr is None:
        lr, suffix, baselines = _simulate_input(reference, scale, notes), SIMULATED, ()
    for model in dict.fromkeys([*models, *([against] if against else [])]):
        image, doubts = run_model(lr, model)
        notes += [f"{model}: {doubt}" for doubt in doubts]
        yield (
            f"{model}{suffix}",
            "judged" if result is None and model in models and model != against else "beside",
            image,
        )
    needs_psf = {"wiener", "richardson-lucy", NLM_RICHARDSON_LUCY} & set(baselines)
    sigma = _psf_width(lr, common, scale, psf_sigma, notes) if needs_psf else None
    noise = _measure_noise(lr, notes) if set(DENOISING) & set(baselines) else None
    kernel = None if sigma is None or psf is None else _measured_kernel(psf, lr, scale)
    restored = baseline_images(lr, scale, baselines, psf_sigma=sigma, psf=kernel, noise=noise, reference=common)
    for label, image in restored:
        yield f"{label}{suffix}", "baseline", image


def run_model(lr: Image, model: str) -> tuple[Image, tuple[str, ...]]:
    """Return the result of a model and the notes of its run, which a report carries instead of warnings."""
    from napari_superres.inference import iter_upscale

    notes: dict[str, None] = {}
    for step in iter_upscale(lr, model):
        notes |= dict.fromkeys(step.notes)
    return step.image, tuple(notes)


def scale_between(result: Image | None, lr: Image | None, models: Sequence[str]) -> Scale | None:
    """Return the factor per spatial axis between input and result, or that of the models that make the result.

    Raises
    ------
    EvaluationError
        If there is no result and nothing to make one of, or the factor is not whole.
    """
    if result is not None:
        return scale_of(result, lr)
    if lr is None or not models:
        raise EvaluationError(
            "without a result, an input and at least one model are needed to make one.",
            remedy="Give the input as `lr`, and `models`.",
        )
    return scale_of_models(models, lr)


def empty_grid(lr: Image | None, scale: Mapping[str, int] | None) -> Image:
    """Return an image of zeros, which takes no memory, on the grid that all results of an input share."""
    assert lr is not None
    assert scale is not None
    factors = [scale[a] for a in lr.spatial]
    shape = [n * scale.get(a, 1) for a, n in zip(lr.axes, lr.shape, strict=True)]
    data = np.broadcast_to(np.zeros((), lr.dtype), shape)
    return lr.replace(data=data, affine=upscale_affine(lr.affine, factors))


def _simulate_input(reference: Image, scale: Scale, notes: list[str]) -> Image:
    from napari_superres.degradation import degrade

    notes.append(
        "no input was given: one was simulated from the reference by antialiased bicubic reduction, "
        "without blur or noise: its row is no fair rival of a result made from a real input"
    )
    return degrade(reference, [scale[a] for a in reference.spatial])


def _measure_noise(lr: Image, notes: list[str]) -> list[Noise] | None:
    """Return the noise of each channel of the input; None, with a note, where it cannot be measured."""
    noise = []
    for channel in range(lr.size("C")):
        key = tuple(slice(channel, channel + 1) if a == "C" else slice(None) for a in lr.axes)
        data = np.moveaxis(np.asarray(lr.data[key]), [lr.axes.index(a) for a in "YX"], (-2, -1))
        planes = data.reshape(-1, *data.shape[-2:])
        try:
            noise.append(measure_noise(list(planes[:: max(1, len(planes) // _NOISE_PLANES)])))
        except SettingsError as error:
            notes.append(f"nothing was denoised: {error.message}")
            return None
    return noise


def _psf_width(lr: Image, reference: Image, scale: Scale, psf_sigma: float | None, notes: list[str]) -> float | None:
    """Return the width of the input's point-spread function in pixels of the result; None if it is not known."""
    factor = scale["Y"]
    if psf_sigma is not None:
        width = psf_sigma / pixel_sizes(lr, "Y")[0] * factor
        if width < MIN_SIGMA:
            notes.append(f"nothing was deconvolved: the PSF is only {width:.2g} pixels of the result wide")
        return width
    if factor == 1 or scale["X"] != factor or "S" in lr.axes or scale.get("Z", 1) > 1:
        notes.append("nothing was deconvolved: that needs the width of the point-spread function, `psf_sigma`")
        return None
    return _fit_psf_width(lr, reference, scale, notes)


def _measured_kernel(psf: Image, lr: Image, scale: Scale) -> npt.NDArray[np.float64]:
    """Return the pixels ``(Y, X)`` of a measured point-spread function on the grid of the result."""
    from napari_superres.degradation.psf import psf_kernel

    fine = [size / scale[a] for a, size in zip("YX", pixel_sizes(lr, "YX", "micrometer"), strict=True)]
    return psf_kernel(psf, fine)


def _fit_psf_width(lr: Image, reference: Image, scale: Scale, notes: list[str]) -> float | None:
    """Return the width that best turns the reference into the input, in pixels of the result."""
    from napari_superres.degradation.fit import fit_psf

    factor = scale["Y"]
    # The reference may be a part of the field, and begin within a pixel of the input.
    starts = dict(zip(lr.spatial, match(empty_grid(lr, scale), reference).start, strict=True))
    low, high = middle_plane(lr), middle_plane(reference)
    margin = 0 if np.isfinite(high).all() else _PSF_MARGIN
    coarse, fine = [], []
    for axis, size in zip("YX", high.shape, strict=True):
        skipped = -starts[axis] % factor
        count = (size - skipped) // factor
        edge = min(max(count - 2 * margin, 1), _PSF_EDGE)
        first = (count - edge) // 2
        begin = (starts[axis] + skipped) // factor + first
        coarse.append(slice(begin, begin + edge))
        fine.append(slice(skipped + first * factor, skipped + (first + edge) * factor))
    low, high = low[tuple(coarse)], high[tuple(fine)]
    if not all(np.isfinite(v).all() and np.ptp(v) > 0 for v in (low, high)):
        return None
    width = fit_psf(low, high, factor)
    notes.append(
        f"Wiener and Richardson-Lucy are as good as they can be: their PSF (sigma {width:.2f} pixels of the result), "
        "smoothness and iterations were fitted to the reference"
    )
    return width


def compare_candidates(rows: Sequence[Row], against: str | None = None) -> tuple[Comparison, ...]:
    """Return how every candidate compares with bicubic interpolation over all images; nothing without its rows.

    Parameters
    ----------
    rows
        Rows of one or more images.
    against
        Model with which what is judged is compared, too.
    """
    overall = [r for r in rows if r["channel"] == "all"]
    base = next((r["candidate"] for r in overall if r["candidate"].startswith(BICUBIC) and r["role"] == "baseline"), "")
    if not base:
        return ()
    psnr = {(r["candidate"], r["image"]): r["psnr"] for r in overall}
    names = [n for n in dict.fromkeys(r["candidate"] for r in overall) if n not in (base, UNREGISTERED)]
    images = list(dict.fromkeys(r["image"] for r in overall))

    def values(name: str) -> list[float]:
        return [psnr.get((name, image), nan) for image in images]

    rival = next((n for n in names if against is not None and n.removesuffix(SIMULATED) == against), None)
    judged = dict.fromkeys(r["candidate"] for r in overall if r["role"] == "judged" and r["candidate"] != rival)
    # Answers about interpolation take the first comparison of a candidate: it must be that with bicubic.
    pairs = [(name, base) for name in names] + [(name, rival) for name in judged if rival is not None]
    return tuple(compare_paired(values(name), values(other), names=(name, other)) for name, other in pairs)
