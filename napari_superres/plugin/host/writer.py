"""File > Save: layers with their pixel size, origin and orientation.

Existing files are replaced, because napari's save dialog has already asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import OutputError, SettingsError, SuperResError
from napari_superres.io import write_image
from napari_superres.plugin.host.labels import as_labels
from napari_superres.plugin.host.layers import LayerData, to_image


def write_layer(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write one image layer.

    Parameters
    ----------
    path
        Its suffix names the format.
    data, attributes
        As in napari's layer data.

    Raises
    ------
    OutputError
        If the file cannot be written, or the format cannot hold the layer's orientation or data type. The message
        names a format that can. No file is changed.
    """
    with _as_output_error():
        return [str(write_image(_image(data, attributes), path, overwrite=True))]


def write_layers(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write image layers as the channels of one file.

    Parameters
    ----------
    path
        Its suffix names the format.
    layers
        napari's layer data. All layers have one shape, data type and place.

    Raises
    ------
    OutputError
        If the layers differ, and as in `write_layer`.
    """
    with _as_output_error():
        return [str(write_image(_channels(layers, Path(path).name), path, overwrite=True))]


@contextmanager
def _as_output_error() -> Iterator[None]:
    """Raise all errors as OutputError, because napari takes a writer's ValueError for "no writer found"."""
    try:
        yield
    except SuperResError as error:
        raise OutputError(as_labels(error.message), remedy=as_labels(error.remedy)) from error


def _channels(layers: Sequence[LayerData], target: str) -> Image:
    images = [_image(data, attributes) for data, attributes, _ in layers]
    names = [str(attributes.get("name") or f"channel {i}") for i, (_, attributes, _) in enumerate(layers)]
    return images[0] if len(images) == 1 else _stack_channels(images, names, target)


def _image(data: Any, attributes: Mapping[str, Any]) -> Image:
    from napari.layers import Layer

    return to_image(Layer.create(data, {**attributes, "visible": False}, "image"))


def _stack_channels(images: Sequence[Image], names: Sequence[str], target: str) -> Image:
    """Return one image with the given images as channels."""
    first = images[0]
    for image, name in zip(images[1:], names[1:], strict=True):
        same = (image.axes, image.shape, image.dtype) == (first.axes, first.shape, first.dtype)
        if not same or not np.allclose(image.affine, first.affine, rtol=1e-6) or dict(image.units) != dict(first.units):
            raise SettingsError(
                "layers saved as the channels of one file must have one shape, data type and place, but "
                f"{name!r} ({image.shape}, {image.dtype}) and {names[0]!r} ({first.shape}, {first.dtype}) differ.",
                remedy=f"Save each in a file of its own instead of {target}.",
            )
    if "C" in first.axes or "S" in first.axes:
        raise SettingsError(
            "colour layers and layers with channels cannot be channels of one file.",
            remedy="Save each in a file of its own.",
        )
    import dask.array as da

    position = 1 if first.axes.startswith("T") else 0
    arrays = [image.data for image in images]
    lazy = not all(isinstance(a, np.ndarray) for a in arrays)
    stacked = da.stack([da.asarray(a) for a in arrays], axis=position) if lazy else np.stack(arrays, axis=position)
    metadata = dict(first.metadata)
    records = [dict(image.metadata.get("provenance") or {}) for image in images]
    if all(records):
        from napari_superres.inference.provenance import join_records  # imports torch

        metadata["provenance"] = join_records(records)
    elif any(records):
        metadata["provenance"] = {"per_channel": [record or None for record in records]}
    axes = first.axes[:position] + "C" + first.axes[position:]
    return first.replace(data=stacked, axes=axes, channel_names=tuple(names), metadata=metadata)
