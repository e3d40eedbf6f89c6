"""High-resolution images for training, as planes on the model's intensity scale."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_superres.core.color import luma
from napari_superres.core.image import Image
from napari_superres.core.intensity import fit
from napari_superres.errors import SuperResError, TrainingError
from napari_superres.io import find_images, read_image

Plane = npt.NDArray[np.float32]


def read_planes(folders: Iterable[Path], *, channel: str, shrink: Sequence[int] = (1,)) -> list[list[Plane]]:
    """Read every plane of every image in some folders, one list per image.

    Parameters
    ----------
    folders
        Folders of images of any readable format.
    channel
        ``"luma"``: 8-bit luminance over 255; ``"each"``: every channel, normalised as `core.intensity` does
        for the kind ``"percentile"``.
    shrink
        Factors by which each plane is binned; one plane for each factor is returned.

    Raises
    ------
    TrainingError
        If a folder holds no image that can be read, or luminance is wanted of one that has not 8 bits.
    """
    images: list[list[Plane]] = []
    for folder in folders:
        found = 0
        for path in find_images(folder):
            try:
                image = read_image(path)
            except SuperResError:
                continue  # a folder of images may hold other files
            found += 1
            if channel == "luma" and image.dtype != np.uint8:
                raise TrainingError(f"{path.name} holds {image.dtype}; luminance needs 8 bits. Use channel = 'each'.")
            images.append([_binned(p, s) for p in _planes_of(image, channel) for s in shrink])
        if not found:
            raise TrainingError(f"no image in {folder} could be read. Training needs at least one per folder.")
    return images


def _planes_of(image: Image, channel: str) -> list[Plane]:
    data = np.asarray(image.data)
    if "S" in image.axes:
        data = np.moveaxis(data, image.axes.index("S"), -1)
        if channel == "luma":
            values = np.rint(luma(data)) / 255.0
            return list(values.reshape(-1, *values.shape[-2:]).astype(np.float32))
        data = np.moveaxis(data[..., :3], -1, 0)
    elif channel == "luma":
        return list((data / 255.0).reshape(-1, *data.shape[-2:]).astype(np.float32))
    flat = data.reshape(-1, *data.shape[-2:])
    planes = []
    for plane in flat:
        one = Image.from_array(plane, "YX")
        planes.append(fit(one, "percentile").apply(plane, 0).astype(np.float32))
    return planes


def _binned(plane: Plane, factor: int) -> Plane:
    if factor == 1:
        return plane
    height, width = (n // factor for n in plane.shape)
    cut = plane[: height * factor, : width * factor]
    return cut.reshape(height, factor, width, factor).mean(axis=(1, 3))
