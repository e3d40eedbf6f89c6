"""Score every shipped model on named test sets and write the scores on its card.

    python tests/benchmarks/scores.py DATA [MODEL ...]

DATA holds ``benchmark/Set5``, ``benchmark/Set14`` (photographs), ``test/fluorescence``, ``test/mri``,
``test/microct`` and ``test/em``. Cards are rewritten; weights stay as they are.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_superres import Image, read_image, upscale
from napari_superres.core.color import luma
from napari_superres.core.intensity import fit_normalisation
from napari_superres.core.noise import measure_noise
from napari_superres.degradation import degrade, kspace
from napari_superres.degradation.instruments import make_instrument
from napari_superres.degradation.resample import resize_bicubic
from napari_superres.evaluation.classical import denoise, richardson_lucy
from napari_superres.io import find_images
from napari_superres.models import Model, find_card, load_model
from napari_superres.models.library.shipped import shipped_folder
from napari_superres.models.model_file import read_card, read_weights, write_model

PAPER = "luminance, antialiased bicubic input in 8 bit, 8-bit result, border = scale, range 255"


@dataclass(frozen=True)
class Protocol:
    """How a restoration is measured: what is done to the images of a folder, and what stands beside the model."""

    folder: str
    wording: str  # with its fields in braces
    kernel: str = "gaussian"
    psf_sigma: float | tuple[float, ...] | None = None
    photons: float | None = None
    read_noise: float = 0.0  # electrons with photons, else share of the range
    rician: float = 0.0  # share of the range, of volumes
    scale: tuple[int, ...] = (2, 2)
    speed: tuple[float, float] | None = None  # of a movie, along Y and X: fine pixels per frame
    strength: str = "noise {read_noise:g}"  # what differs between images, as the field in braces
    ends: tuple[float, ...] = ()  # of the range that the model is made for

    @property
    def words(self) -> str:
        """Return what is done, for a card."""
        return self.wording.format(**asdict(self))

    def __iter__(self) -> Iterator[tuple[str, "Protocol"]]:
        """Yield the usual strength of noise, then the ends of the range, each with what is added to its name."""
        yield "", self
        field = self.strength.partition("{")[2].partition(":")[0]
        for end in self.ends:
            yield f", {self.strength.format(**{field: end})}", replace(self, **{field: end})


PROTOCOLS = {
    "fluorescence": Protocol(
        "test/fluorescence",
        "Gaussian PSF sigma 1.5, 2 x 2 binning, {photons:g} photons at the brightest, read noise 1; range 0.1-99.9 %",
        psf_sigma=1.5,
        photons=100,
        read_noise=1,
        strength="{photons:g} photons",
        ends=(15, 400),
    ),
    "MRI": Protocol(
        "test/mri",
        "k-space cut to half along Y and X, Rician noise {read_noise:g}; range 0.1-99.9 %",
        kernel="kspace",
        read_noise=0.02,
        ends=(0, 0.05),
    ),
    "CT": Protocol(
        "test/microct",
        "Gaussian PSF sigma 1, 2 x 2 binning, Gaussian noise {read_noise:g}; range 0.1-99.9 %",
        psf_sigma=1.0,
        read_noise=0.03,
        ends=(0, 0.06),
    ),
    "electron microscopy": Protocol(
        "test/em",
        "Gaussian PSF sigma 1, 2 x 2 binning, {photons:g} electrons at the brightest, read noise 1; range 0.1-99.9 %",
        psf_sigma=1.0,
        photons=200,
        read_noise=1,
        strength="{photons:g} electrons",
        ends=(20, 2000),
    ),
}
OF_MOVIES = replace(
    PROTOCOLS["fluorescence"],
    speed=(1.2, 0.9),
    ends=(),
    wording=f"9 frames that move 1.5 fine pixels each; {PROTOCOLS['fluorescence'].wording}",
)
OF_VOLUMES = {
    "MRI": Protocol(
        "test/mri",
        "means over {scale[0]} slices, Rician noise {rician:g}; range 0.1-99.9 %",
        rician=0.02,
        scale=(3, 1, 1),
        strength="noise {rician:g}",
        ends=(0, 0.05),
    ),
    "fluorescence": Protocol(
        "test/fluorescence",
        "Gaussian along Z sigma 0.6 slices, means over 2, {photons:g} photons at the brightest, read noise 1; "
        "range 0.1-99.9 %",
        psf_sigma=(0.6, 0.0, 0.0),
        photons=100,
        read_noise=1,
        scale=(2, 1, 1),
        strength="{photons:g} photons",
        ends=(15, 400),
    ),
}
X4 = replace(
    PROTOCOLS["electron microscopy"],
    scale=(4, 4),
    psf_sigma=2.0,
    photons=800,
    ends=(80, 2000),
    wording="Gaussian PSF sigma 2, 4 x 4 binning, {photons:g} electrons at the brightest, read noise 1; "
    "range 0.1-99.9 %",
)
_FRAMES = 9
_PLANES = 12
"""Planes of a stack that are measured, those with most signal left, evenly."""


def window_ssim(found: np.ndarray, true: np.ndarray, data_range: float) -> float:
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(true, found, data_range=data_range, **options))


def score_photographs(model: Model, folder: Path) -> dict[str, object]:
    scale = model.card.scale[0]
    rows = []
    for path in find_images(folder):
        image = read_image(path)
        high = np.rint(luma(np.asarray(image.data))) if "S" in image.axes else np.asarray(image.data, dtype=float)
        high = high[: high.shape[0] // scale * scale, : high.shape[1] // scale * scale]
        low = np.rint(resize_bicubic(high, scale)).clip(0, 255).astype(np.uint8)
        row = []
        for candidate in (model, f"bicubic-x{scale}", f"lanczos-x{scale}"):
            found = upscale(low, candidate).data.astype(float)[scale:-scale, scale:-scale]
            true = high[scale:-scale, scale:-scale]
            row += [peak_signal_noise_ratio(true, found, data_range=255), window_ssim(found, true, 255)]
        rows.append(row)
    return summary(rows, PAPER, ("", "bicubic_", "lanczos_"))


def score_views(model: Model, folder: Path, photons: float) -> dict[str, object]:
    """Measure a model of two views on simulated pairs of photographs, next to what one of the views gives alone."""
    settings = {"kind": "views", "psf_sigma": [0.8, 0.8], "photons": [photons, photons], "read_noise": [2.0, 2.0]}
    instrument, rows = make_instrument(settings), []
    for number, path in enumerate(find_images(folder)):
        image = read_image(path)
        high = luma(np.asarray(image.data)) if "S" in image.axes else np.asarray(image.data, dtype=float)
        scene = torch.from_numpy(high[: high.shape[0] // 2 * 2, : high.shape[1] // 2 * 2] / 255).float()[None, None]
        # What stands before a scene is the scene upside down.
        low, true = instrument.expose(torch.cat([scene, scene.flip(2)]), None, (2, 2), np.random.default_rng(number))
        pair, row = Image.from_array(low[0].numpy(), "CYX"), []
        for candidate in (model, "bicubic-x2", "lanczos-x2", "photo-x2"):
            told = {"psf_sigma": 0.8} if has_conditions(candidate) else {}
            found = upscale(pair, candidate, channels=[0], intensity_range=[(0, 1)] * 2, **told).data
            inside = slice(2, -2), slice(2, -2)
            one, other = (np.asarray(v, dtype=float)[inside] for v in (found[0], true[0, 0]))
            row += [peak_signal_noise_ratio(other, one, data_range=1), window_ssim(one, other, 1)]
        rows.append(row)
    words = f"{instrument.describe()}; the first view, range 1"
    return summary(rows, words, ("", "bicubic_", "lanczos_", "photo_x2_"))


def planes_of(image: Image, factor: int) -> Iterator[np.ndarray]:
    """Yield every channel, and some planes of a stack, cropped to multiples of the factor."""
    data = np.asarray(image.data)
    if "S" in image.axes:  # a stain shown in one colour
        data = data.max(axis=image.axes.index("S"))
    planes = data.reshape(-1, *data.shape[-2:])
    if image.size("Z") > 5:
        signal = planes.astype(float).mean(axis=(1, 2))
        filled = planes[signal >= signal.max() / 2]
        planes = filled[np.linspace(0, len(filled) - 1, min(_PLANES, len(filled))).round().astype(int)]
    for plane in planes:
        yield plane[tuple(slice(n // factor * factor) for n in plane.shape)]


def fields_of(image: Image, protocol: Protocol) -> Iterator[Image]:
    """Yield what is measured of an image: planes, movies of planes that move, or the volume."""
    if len(protocol.scale) == 3:
        if image.size("Z") < protocol.scale[0]:
            return
        yield image.replace(data=np.asarray(image.data)[: image.size("Z") // protocol.scale[0] * protocol.scale[0]])
        return
    for plane in planes_of(image, protocol.scale[0]):
        if protocol.speed is None:
            yield Image.from_array(plane, "YX")
            continue
        path = np.rint(np.arange(_FRAMES)[:, None] * protocol.speed).astype(int)
        height, width = (n // 2 * 2 for n in np.subtract(plane.shape, path.max(axis=0)))
        movie = np.stack([plane[y : y + height, x : x + width] for y, x in path])
        yield Image.from_array(movie, "TYX")


def denoised(low: Image, interpolation: str | None) -> np.ndarray:
    """The other classical restoration: non-local means of each plane by the measured noise, then interpolation."""
    planes = np.asarray(low.data).reshape(-1, *low.shape[-2:])
    noise = measure_noise(list(planes))
    quiet = [denoise(plane, noise.gain, noise.read_noise, noise.offset) for plane in planes]
    pixels = np.stack(quiet).reshape(low.shape).astype(np.float32)
    return np.asarray(upscale(low.replace(data=pixels), interpolation).data) if interpolation else pixels


def score_restoration(model: Model, data: Path, protocol: Protocol, beside: str | None = None) -> dict[str, object]:
    """Measure a model, interpolation, a classical restoration, and another model where there is one."""
    factors = "x".join(map(str, protocol.scale)) if len(protocol.scale) == 3 else str(protocol.scale[0])
    same_grid = set(protocol.scale) == {1}
    candidates: dict[str, Model | str] = {"": model}
    if not same_grid:
        candidates |= {"bicubic_": f"bicubic-x{factors}", "lanczos_": f"lanczos-x{factors}"}
    if beside:
        candidates[f"{Path(beside).stem.replace('-', '_')}_"] = beside
    rows, kept = [], []
    for high in (f for path in find_images(data / protocol.folder) for f in fields_of(read_image(path), protocol)):
        norm = fit_normalisation(high, "percentile")
        span = 1.0 if protocol.photons else norm.high[0] - norm.low[0]
        low = degrade(
            high,
            protocol.scale,
            kernel=protocol.kernel,
            psf_sigma=protocol.psf_sigma,
            photons=protocol.photons,
            read_noise=protocol.read_noise * span,
            seed=len(rows),
        )
        if protocol.rician:
            noisy = kspace.rician(np.asarray(low.data), protocol.rician * span, np.random.default_rng(len(rows)))
            low = low.replace(data=np.rint(noisy).astype(low.dtype) if low.dtype.kind in "ui" else noisy)
        true = norm.apply(np.asarray(high.data), 0, np.float64)
        told = {name: {"psf_sigma": protocol.psf_sigma} if has_conditions(m) else {} for name, m in candidates.items()}
        found = {
            name: norm.apply(np.asarray(upscale(low, m, **told[name]).data), 0, np.float64)
            for name, m in candidates.items()
        }
        if same_grid:  # interpolation leaves the image as it is
            found["bicubic_"] = norm.apply(np.asarray(low.data), 0, np.float64)
        if protocol.kernel == "kspace":
            found["zero_filling_"] = norm.apply(kspace.fill_zeros(np.asarray(low.data), protocol.scale), 0, np.float64)
        elif len(protocol.scale) == 2:
            planes = found["bicubic_"].reshape(-1, *true.shape[-2:])
            restored = [richardson_lucy(plane, float(protocol.psf_sigma or 1.0)) for plane in planes]
            found["richardson_lucy_"] = np.stack(restored).reshape(true.shape)
        quiet = denoised(low, None if same_grid else f"bicubic-x{factors}")
        found["non_local_means_"] = norm.apply(quiet, 0, np.float64)
        row: list[float] = []
        for values in found.values():
            pairs = zip(*(v.reshape(-1, *true.shape[-2:]) for v in (values, true)), strict=True)
            ssim = np.mean([window_ssim(v, t, 1) for v, t in pairs])
            row += [peak_signal_noise_ratio(true, values, data_range=1), float(ssim)]
        rows.append(row)
        kept.append(found[""].mean() / found["bicubic_"].mean())
    gains = [row[0] - max(row[2::2]) for row in rows]
    extra = {
        "least_gain_over_best_baseline_db": round(float(min(gains)), 2),
        "intensity_over_bicubic": round(float(np.mean(kept)), 4),
    }
    words = protocol.words + ("; PSF told, noise measured" if model.card.conditions else "")
    return summary(rows, words, tuple(found)) | extra


def has_conditions(model: Model | str) -> bool:
    return bool((find_card(model) if isinstance(model, str) else model.card).conditions)


def summary(rows: list[list[float]], protocol: str, names: tuple[str, ...]) -> dict[str, object]:
    mean = np.mean(rows, axis=0)
    scores = {}
    for i, name in enumerate(names):
        scores |= {f"{name}psnr": round(float(mean[2 * i]), 2), f"{name}ssim": round(float(mean[2 * i + 1]), 4)}
    return {"protocol": protocol, "images": len(rows), **scores}


def main(data: Path, names: list[str]) -> None:
    for path in sorted(shipped_folder().glob("*.safetensors")):
        if names and path.stem not in names:
            continue
        model, card = load_model(path), read_card(path)
        protocol: Protocol | None = None
        scores = {name: score for name, score in card.scores.items() if name == "validation"}
        if card.context == "C":
            for photons in (3000, 300):
                name = f"Set14 as two views, test scenes of {photons} photons"
                scores[name] = score_views(model, data / "benchmark" / "Set14", photons)
        elif card.modality == "photograph":
            for name in ("Set5", "Set14"):
                scores[name] = score_photographs(model, data / "benchmark" / name)
        elif card.frames > 1:
            scores["fluorescence test images, moving"] = score_restoration(model, data, OF_MOVIES, beside="fluo-x2")
        elif card.ndim == 3:
            protocol = replace(OF_VOLUMES[card.modality], scale=card.scale)
        else:
            protocol = X4 if card.scale == (4, 4) else PROTOCOLS.get(card.modality)
            if protocol and card.scale == (1, 1):
                protocol = replace(protocol, scale=(1, 1), wording=protocol.wording.replace("2 x 2 binning, ", ""))
        what = f"{card.modality} test {'images' if card.ndim == 2 else 'volumes'}"
        for strength, measured in protocol or ():
            scores[what + strength] = score_restoration(model, data, measured)
        write_model(path, replace(card, scores=scores), read_weights(path), overwrite=True)
        for name, found in scores.items():
            print(f"{card.name:12} {name:24} {found}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
