"""Write OME-Zarr 0.5: sharded and multiscale, one box after another to save memory."""

from pathlib import Path

import numpy as np

from napari_superres.core.image import Image
from napari_superres.io.omezarr.target import ZarrTarget
from napari_superres.io.series import Unsupported, unsupported_orientation


def find_unsupported(image: Image, suffix: str) -> list[Unsupported]:
    """Return the features of an image that an OME-Zarr cannot store."""
    del suffix
    features = unsupported_orientation(image)
    if "C" in image.axes and "S" in image.axes:
        features.append(Unsupported("both colour samples and channels", ".ome.tif", fatal=True))
    return features


def write(image: Image, path: Path) -> None:
    """Write an image as OME-Zarr 0.5 with a pyramid, each level of which averages 2 x 2 pixels of the finer one.

    Axes are stored in the order TCZYX. The samples of RGB images are stored as the channels red, green and blue.
    """
    target = ZarrTarget.create(path, image)
    for box in target.boxes():
        target.store(box, np.asarray(image.data[box]))
    target.finish(image)
