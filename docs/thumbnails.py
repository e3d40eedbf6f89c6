"""Draw a thumbnail per shipped model of planes: an image before and after, which no training used.

``make thumbnails`` writes them next to the weights; do so after each change of a model. The images come from
scikit-image, pydicom and the samples, all of which may be passed on; a picture names its own in its header.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_superres import Image, degrade, read_image, upscale
from napari_superres.io import sample_path
from napari_superres.models import load_model
from napari_superres.models.library.shipped import shipped_cards, thumbnail_folder

_EDGE, _GAP = 96, 2
_PSF_SIGMA = 1.0
_CAMERA: dict[str, Any] = {"kernel": "gaussian", "psf_sigma": _PSF_SIGMA, "photons": 100}
_DEGRADATIONS: dict[str, dict[str, Any]] = {"MRI": {"kernel": "kspace"}, "photograph": {}}
"""Options of `degrade` by modality, where they are not those of a camera."""

_DISPLAY_RANGE = (0.5, 99.8)


class Subject(NamedTuple):
    """What a thumbnail shows.

    Attributes
    ----------
    source
        Origin and licence.
    load
        Returns the image, ``(Y, X)`` or ``(Y, X, 3)``.
    corner
        Top and left of the part that is shown.
    """

    source: str
    load: Callable[[], npt.NDArray[np.generic]]
    corner: tuple[int, int]


def _bundled(name: str) -> npt.NDArray[np.generic]:
    import skimage.data

    return np.asarray(getattr(skimage.data, name)())


def _slice() -> npt.NDArray[np.generic]:
    from pydicom.data import get_testdata_file

    return np.asarray(read_image(str(get_testdata_file("CT_small.dcm"))).data).squeeze()


SUBJECTS = {
    "fluorescence": Subject(
        "nuclei, a plane between those of the training; Allen Institute for Cell Science, BSD-3-Clause",
        lambda: np.asarray(read_image(sample_path("nuclei_hr.ome.tif")).data),
        (96, 60),
    ),
    "electron microscopy": Subject("brick surface; scikit-image, CC0", lambda: _bundled("brick")[:256, :256], (60, 60)),
    "CT": Subject("CT slice; pydicom, MIT", _slice, (16, 16)),
    "MRI": Subject(
        "average brain; ICBM 152, free use with notice",
        lambda: np.asarray(read_image(sample_path("brain_hr.nii.gz")).data)[12],
        (60, 40),
    ),
    "photograph": Subject("Chelsea; Stefan van der Walt, CC0", lambda: _bundled("chelsea")[:300, :448], (80, 100)),
}


def main() -> None:
    """Write the thumbnails of all models that work on single planes."""
    from PIL import Image as Picture
    from PIL.PngImagePlugin import PngInfo

    folder = thumbnail_folder()
    folder.mkdir(exist_ok=True)
    for card in shipped_cards():
        subject = SUBJECTS.get(card.modality)
        if subject is None or card.ndim == 3 or card.frames > 1:
            continue
        model = load_model(card.name).for_any_image()
        pixels = subject.load()
        truth = _positive(Image.from_array(pixels, "YXS" if pixels.ndim == 3 else "YX"))
        made = _DEGRADATIONS.get(card.modality, _CAMERA)
        low = degrade(truth, card.scale, **made)
        told = {"psf_sigma": _PSF_SIGMA} if card.conditions and made is _CAMERA else {}
        after = np.asarray(upscale(low, model, **told).data)
        before = np.asarray(low.data).repeat(card.scale[0], 0).repeat(card.scale[1], 1)
        top, left = (n // card.scale[0] * card.scale[0] for n in subject.corner)
        shown = (slice(top, top + _EDGE), slice(left, left + _EDGE))
        limits = np.percentile(np.asarray(truth.data)[shown], _DISPLAY_RANGE)
        panels = [_grey(pixels[shown], *limits) for pixels in (before, after)]
        gap = np.full((_EDGE, _GAP, *panels[0].shape[2:]), 255, np.uint8)
        words = PngInfo()
        words.add_text("Source", subject.source)
        path = folder / f"{card.name}.png"
        Picture.fromarray(np.concatenate([panels[0], gap, panels[1]], axis=1)).save(path, optimize=True, pnginfo=words)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def _positive(image: Image) -> Image:
    """Return an image whose darkest pixel is 0, so that photons can be counted."""
    data = np.asarray(image.data)
    return image if data.min() >= 0 else image.replace(data=(data - data.min()).astype(np.uint16))


def _grey(pixels: npt.NDArray[np.generic], low: float, high: float) -> npt.NDArray[np.uint8]:
    return (255 * ((pixels.astype(float) - low) / (high - low)).clip(0, 1)).round().astype(np.uint8)


if __name__ == "__main__":
    main()
