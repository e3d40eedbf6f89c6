"""A run as a command line and as a Python script that compute exactly the same pixels."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError, SuperResError
from napari_superres.io import read_with_notes
from napari_superres.io.lazy import reorder_axes
from napari_superres.plugin.host.command_line import changed_options, option_arguments
from napari_superres.plugin.host.orientation import file_axes

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

_NOT_IN_FILE_NAMES = re.compile(r'[\\/:*?"<>|\s]+')
_COMPARED = 32  # pixels along an axis that are compared with the file


def source_path(layer: "ImageLayer") -> Path | None:
    """Return the file that a layer was read from, or None if there is none."""
    path = layer.source.path or layer.metadata.get("path")
    return Path(path) if path and Path(path).exists() else None


def command(layers: "Sequence[ImageLayer]", image: Image, model: Any, options: Mapping[str, Any]) -> str:
    """Return the command line that computes a run from the layers' file.

    Parameters
    ----------
    layers
        Channels of one file. The first is the layer of `image`.
    image, model, options
        Arguments of the run.

    Raises
    ------
    SettingsError
        If the layer was not read from a file, or no longer equals its file.
    """
    layer = layers[0]
    path = source_path(layer)
    if path is None:
        raise SettingsError(
            f"a command needs a file, but the layer {layer.name!r} was not read from one.",
            remedy="Save the layer and open that file, or copy as Python.",
        )
    read = _reading_options(path, layer, image)
    if read is None:
        raise SettingsError(
            f"the pixels, pixel size or place of the layer {layer.name!r} no longer equal those of its file.",
            remedy="Save the layer and open that file, or copy as Python.",
        )
    models = ",".join(f"{k}={m}" for k, m in model.items()) if isinstance(model, Mapping) else str(model)
    parts = ["superres", "upscale", str(path), "-o", _result_name(path.name, model), "-m", models]
    return shlex.join([*parts, *option_arguments({**read, **options, **_channels(layers)})])


def script(layers: "Sequence[ImageLayer]", image: Image, model: Any, options: Mapping[str, Any]) -> str:
    """Return a script that computes a run from the layers' file, or in napari's console from the layer.

    The parameters are those of `command`.
    """
    layer = layers[0]
    path = source_path(layer)
    read = None if path is None else _reading_options(path, layer, image)
    changed = changed_options(options)
    if read is None:
        import_line = "from napari_superres.plugin.host.layers import to_image  # in napari's console"
        image_code = f"to_image(viewer.layers[{layer.name!r}], {image.axes!r})"
    else:
        changed |= _channels(layers)
        import_line = "from napari_superres import read_image"
        image_code = f"read_image({str(path)!r}{_arguments(read)})"
    return (
        f"from napari_superres import upscale, write_image\n{import_line}\n\n"
        f"image = {image_code}\n"
        f"result = upscale(image, {model!r}{_arguments(changed)})\n"
        f"write_image(result, {_result_name(layer.name if path is None else path.name, model)!r})\n"
    )


def _result_name(source: str, model: Any) -> str:
    """Return the name of the file for the result of a file, or of a layer that was not read from one."""
    stem = _NOT_IN_FILE_NAMES.sub("_", source.split(".", maxsplit=1)[0]).strip("_") or "image"
    return f"{stem}_{Path(next(iter(model.values())) if isinstance(model, Mapping) else model).stem}.ome.tif"


def _arguments(options: Mapping[str, Any]) -> str:
    return "".join(f", {name}={value!r}" for name, value in options.items())


def _channels(layers: "Sequence[ImageLayer]") -> dict[str, Any]:
    """Return the channels of their file that the layers hold, as an option."""
    channels = sorted(layer.metadata["channel"] for layer in layers if "channel" in layer.metadata)
    return {"channels": channels} if channels else {}


def _reading_options(path: Path, layer: "ImageLayer", image: Image) -> dict[str, Any] | None:
    """Return options of `read_image` with which the file equals a layer, or None if there are none."""
    options: dict[str, Any] = {"series": layer.metadata["series"]} if layer.metadata.get("series") else {}
    try:
        stored = read_with_notes(path, **options)
        if file_axes(layer) == image.axes.replace("S", ""):
            image = reorder_axes(image, "".join(a for a in stored.axes if a in image.axes))
        if (axes := _file_axes(stored.axes, layer, image)) is None:
            return None
        if axes != stored.axes:
            options["axes"] = axes
            stored = read_with_notes(path, **options)
        if not np.allclose(stored.pixel_size, image.pixel_size, rtol=1e-6) or not _same_units(stored, image):
            options |= {"pixel_size": tuple(map(float, image.pixel_size)), "unit": image.units["X"]}
            stored = read_with_notes(path, **options)
    except SuperResError:
        return None
    return options if _equals_layer(stored, layer, image) else None


def _file_axes(stored: str, layer: "ImageLayer", image: Image) -> str | None:
    """Return the axes of a file with the corrections made in the widget, or None if they do not fit."""
    hidden = "C" if "channel" in layer.metadata else ""
    theirs = [a for a in stored if a not in hidden and a != "S"]
    ours = [a for a in image.axes if a != "S"]
    if len(theirs) != len(ours) or (hidden and hidden in ours):
        return None
    renamed = dict(zip(theirs, ours, strict=True))
    return "".join(renamed.get(a, a) for a in stored)


def _same_units(stored: Image, image: Image) -> bool:
    return all(stored.units.get(a) == image.units.get(a) for a in image.spatial)


def _equals_layer(stored: Image, layer: "ImageLayer", image: Image) -> bool:
    """Return whether a file's image has the place of a layer and, in its middle, the same pixels."""
    if stored.spatial != image.spatial or not _same_units(stored, image):
        return False
    far = np.abs(stored.affine - image.affine).max() > 1e-5 * max(image.pixel_size)
    if far or any(stored.size(a) != image.size(a) for a in image.axes):
        return False
    middle = {a: slice(n // 2, n // 2 + 1) for a, n in zip(image.axes, image.shape, strict=True)}
    middle |= {a: slice(max(0, (image.size(a) - _COMPARED) // 2), (image.size(a) + _COMPARED) // 2) for a in "YX"}
    middle["S"] = slice(None)
    channel = layer.metadata.get("channel", 0)
    theirs = np.asarray(stored.data[tuple(middle.get(a, slice(channel, channel + 1)) for a in stored.axes)])
    order = [stored.axes.index(a) for a in image.axes]
    rest = [i for i in range(theirs.ndim) if i not in order]
    ours = np.asarray(image.data[tuple(middle[a] for a in image.axes)])
    return np.array_equal(theirs.transpose([*rest, *order]).reshape(ours.shape), ours, equal_nan=ours.dtype.kind == "f")
