"""Writing OME-Zarr 0.5: sharded, multiscale, box by box so that memory stays small."""

from pathlib import Path

import numpy as np

from napari_superres.core.image import Image
from napari_superres.io.lossy import Loss, orientation
from napari_superres.io.omezarr.target import ZarrTarget


def losses(image: Image, ending: str) -> list[Loss]:
    """Return what an OME-Zarr would lose."""
    del ending
    found = orientation(image)
    if "C" in image.axes and "S" in image.axes:
        found.append(Loss("colour samples beside channels", ".ome.tif", fatal=True))
    return found


def write(image: Image, path: Path) -> None:
    """Write an image as OME-Zarr 0.5 with a pyramid of means of 2 x 2 pixels.

    Axes are stored in the order TCZYX; the samples of RGB images as channels red, green, blue.
    """
    target = ZarrTarget.create(path, image)
    for box in target.boxes():
        target.store(box, np.asarray(image.data[box]))
    target.finish(image)
