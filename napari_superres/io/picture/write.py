"""Write one plane as PNG."""

from pathlib import Path

import numpy as np

from napari_superres.core.image import Image
from napari_superres.io.series import Unsupported, import_library, unsupported_data_type, unsupported_orientation


def find_unsupported(image: Image, suffix: str) -> list[Unsupported]:
    """Return the features of an image that a PNG cannot store."""
    del suffix
    features = unsupported_data_type(image, "uint8 uint16", ".ome.tif or .ome.zarr")
    extra = [a for a, n in zip(image.axes, image.shape, strict=True) if a in "TCZ" and n > 1]
    if extra:
        axes = ", ".join(extra)
        features.append(Unsupported(f"the axes {axes} (it can hold one plane)", ".ome.tif or .ome.zarr", fatal=True))
    if image.has_pixel_size:
        features.append(Unsupported("the pixel size", ".ome.tif"))
        features += unsupported_orientation(image)
    if image.channel_names:
        features.append(Unsupported("channel names", ".ome.tif or .ome.zarr"))
    return features


def write(image: Image, path: Path) -> None:
    """Write an image of one plane as PNG. Pillow cannot write colour of 16 bits."""
    kept = "YXS" if "S" in image.axes else "YX"
    order = [image.axes.index(a) for a in (*(a for a in image.axes if a not in kept), *kept)]
    data = np.asarray(image.data[...]).astype(image.dtype, copy=False).transpose(order)
    data = np.ascontiguousarray(data.reshape(data.shape[-len(kept) :]))
    path.write_bytes(import_library("imagecodecs").png_encode(data))
