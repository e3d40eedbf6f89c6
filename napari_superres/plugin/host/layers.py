"""Conversion between napari layers and images, without moving them in the world.

A layer's place in the world is ``affine * (rotate * shear * scale + translate)``. A result keeps the rotation, shear
and affine of its source. It gets a finer scale and the translation that belongs to it, so that shapes and points drawn
on the source fit the result, too.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.axes import validate_axes
from napari_superres.core.grid import upscale_layer
from napari_superres.core.image import Image
from napari_superres.core.units import METRES, SECONDS, unit_name
from napari_superres.errors import AxesError, GridError
from napari_superres.io.lazy import without_map
from napari_superres.io.series import GUESSED
from napari_superres.plugin.host.orientation import file_axes, rows_of

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer
    from napari.viewer import Viewer

LayerData = tuple[Any, dict[str, Any], str]

_NAMES = {"t": "T", "time": "T", "c": "C", "ch": "C", "channel": "C", "z": "Z", "y": "Y", "x": "X"}
_USUAL = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}
_KEPT = ("provenance", "time_step", "modality", "body_part", "notes", "nifti", "optics")
_STYLE = (
    "contrast_limits",
    "gamma",
    "opacity",
    "blending",
    "interpolation2d",
    "interpolation3d",
    "rendering",
    "depiction",
    "attenuation",
    "projection_mode",
)
# Decimals of a position in pixels: multiplying matrices back and forth leaves smaller errors.
_DECIMALS = 6


def pixels_of(layer: "ImageLayer") -> Any:
    """Return the array of an image layer, or the finest level of a multiscale layer."""
    return layer.data[0] if layer.multiscale else layer.data


def other_channels(viewer: "Viewer", layer: Any) -> "list[ImageLayer]":
    """Return the layers with the other channels of the file that a layer was read from."""
    from napari.layers import Image

    def is_channel(other: "Layer") -> bool:
        return (
            other is not layer
            and isinstance(other, Image)
            and other.source.path == layer.source.path
            and "channel" in other.metadata
            and other.metadata.get("series") == layer.metadata.get("series")
            and pixels_of(other).shape == pixels_of(layer).shape
        )

    is_known = layer.source.path is not None and "channel" in layer.metadata
    return [other for other in viewer.layers if is_channel(other)] if is_known else []


def channel_names_of(layer: "ImageLayer") -> tuple[str, ...]:
    """Return the name of the channel that a layer holds, or the name that a script gave it; none for other files."""
    if "channel_name" in layer.metadata:
        return (str(layer.metadata["channel_name"]),)
    return () if layer.source.path else (layer.name,)


def guess_layer_axes(layer: "ImageLayer") -> str:
    """Return the axes of an image layer, one letter of ``"TCZYXS"`` per array axis.

    A sagittal or coronal volume has the letters of its file. The layer's axis labels decide if all of them name t, c,
    z, y or x. Otherwise the last two axes are Y and X, a third is Z, and a fourth is time, because napari shows
    channels as layers. Colour samples are S.

    Raises
    ------
    AxesError
        If there are more than five axes besides the colour samples.
    """
    samples = "S" if layer.rgb else ""
    if kept := file_axes(layer):
        return kept + samples
    named = [_NAMES.get(label.strip().lower()) for label in layer.axis_labels]
    if all(named) and len(set(named)) == len(named) and {"Y", "X"} <= set(named):
        return "".join(str(n) for n in named) + samples
    if layer.ndim not in _USUAL:
        raise AxesError(
            f"the layer {layer.name!r} must have 2 to 5 axes (TCZYX), got {layer.ndim}.",
            remedy="Make a layer of one element along the others.",
        )
    return _USUAL[layer.ndim] + samples


def is_guess(layer: "ImageLayer", axes: str) -> bool:
    """Return whether these axes of a layer are only a guess: nobody has named or corrected them."""
    with suppress(AxesError):
        if axes != guess_layer_axes(layer):
            return False
    named = all(label.strip().lower() in _NAMES for label in layer.axis_labels)
    return bool(layer.metadata.get(GUESSED)) or (not named and layer.ndim > 2)


def to_image(layer: "ImageLayer", axes: str | None = None) -> Image:
    """Return the image of a layer, without copying its pixels.

    Parameters
    ----------
    layer
        napari image layer. A multiscale layer gives its finest level.
    axes
        One letter of ``"TCZYXS"`` per array axis. By default, they are guessed from the layer.

    Returns
    -------
    Image
        Its affine is the layer's transform to the world over the spatial axes. Its pixel size is unknown if the
        layer's units are pixels.

    Raises
    ------
    AxesError, DataTypeError, GridError
        If the layer's data, axes or transform cannot be an image.
    """
    data = without_map(pixels_of(layer))
    axes = validate_axes(guess_layer_axes(layer) if axes is None else axes, tuple(data.shape))
    if layer.rgb and axes[-1] != "S":
        raise AxesError(
            f"the last axis of the colour layer {layer.name!r} must be S, got {axes!r}.", remedy="Correct `axes`."
        )
    if "S" in axes and not layer.rgb:
        raise AxesError(
            f"axis S holds the samples of a colour image, but {layer.name!r} is none, got {axes!r}.",
            remedy="Use C in `axes`.",
        )
    spatial = [i for i, a in enumerate(axes) if a in "ZYX"]
    keep = [*spatial, layer.ndim]
    affine = _world(layer)[np.ix_(keep, keep)]
    if axes.replace("S", "") == file_axes(layer):
        affine = rows_of(axes, affine)
    facts = {k: layer.metadata[k] for k in _KEPT if k in layer.metadata}
    units = {a: _unit(layer.units[i], a) for i, a in enumerate(axes) if a in "TZYX"}
    if "T" in axes and units["T"]:
        facts["time_step"] = float(abs(layer.scale[axes.index("T")]))
    names = layer.metadata.get("channel_names", ())
    return Image(
        data=data,
        axes=axes,
        affine=affine,
        units=units,
        space="LPS" if layer.metadata.get("space") == "LPS" else None,
        channel_names=tuple(names) if "C" in axes and len(names) == data.shape[axes.index("C")] else (),
        metadata=facts,
        no_data=layer.metadata.get("no_data"),
    )


def to_layer(
    image: Image, source_image: Image, source: "ImageLayer", *, name: str, first: Mapping[str, int] | None = None
) -> LayerData:
    """Return layer data for an image that was computed from a layer, placed exactly on that layer.

    Parameters
    ----------
    image
        The result. It has the axes of `source_image`, with or without colour samples.
    source_image
        The source as `to_image` returned it.
    source
        Layer that the result was computed from. Its current place, units and display settings are copied.
    name
        Name of the new layer.
    first
        Index at which a region begins along axes that are not spatial, such as ``{"T": 3}``.

    Returns
    -------
    tuple
        napari's layer data: array, keyword arguments and ``"image"``.

    Raises
    ------
    GridError
        If the two grids are not parallel.
    """
    factor, start = _place(image, source_image)
    for axis, index in (first or {}).items():
        start[source_image.axes.index(axis)] = index
    linear = np.asarray(source.rotate) @ _shear_matrix(source) @ np.diag(source.scale)
    begin = np.asarray(source.translate) + linear @ start
    scale, translate = upscale_layer(source.scale, begin, linear, factor)
    rgb = "S" in image.axes
    style: dict[str, Any] = {key: getattr(source, key) for key in _STYLE}
    style |= {"colormap": source.colormap, "iso_threshold": source.iso_threshold} if not rgb else {}
    if source.rgb != rgb:
        style.pop("contrast_limits")
    metadata = {k: v for k, v in source.metadata.items() if k not in ("provenance", "optics")} | {
        k: v for k, v in image.metadata.items() if k in _KEPT
    }
    if image.channel_names:  # A run may have left channels out.
        metadata["channel_names"] = image.channel_names
    keywords = {
        "name": name,
        "rgb": rgb,
        "multiscale": False,
        "scale": scale,
        "translate": translate,
        "rotate": source.rotate,
        "shear": _shear_matrix(source),
        "affine": source.affine.affine_matrix,
        "units": source.units,
        "axis_labels": source.axis_labels,
        "metadata": metadata,
        **style,
        **_planes(source, factor[-3:], start[-3:]),
    }
    return image.data, keywords, "image"


def _place(image: Image, source_image: Image) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the scale of an image relative to its source and the pixel of the source where it begins, per axis."""
    n = len(image.spatial)
    relative = np.linalg.solve(source_image.affine, image.affine)
    step, offset = np.diag(relative)[:n], relative[:n, n]
    extent = np.array([image.size(a) for a in image.spatial])
    drift = np.abs(relative[:n, :n] - np.diag(step)) @ extent
    if image.axes.replace("S", "") != source_image.axes.replace("S", "") or drift.max() > 0.01 or step.min() <= 0:
        raise GridError("an image that is placed on a layer must have the layer's axes and a parallel grid.")
    finer = 1.0 / step
    finer = np.where(np.abs(finer - np.rint(finer)) < 10**-_DECIMALS, np.rint(finer), finer)
    begin = np.round(offset - (1.0 / finer - 1.0) / 2.0, _DECIMALS)
    axes = image.axes.replace("S", "")
    spatial = [axes.index(a) for a in image.spatial]
    factor, start = np.ones(len(axes)), np.zeros(len(axes))
    factor[spatial], start[spatial] = finer, begin
    return factor, start


def _world(layer: "ImageLayer") -> npt.NDArray[np.float64]:
    """Return the matrix from data to world coordinates over all axes of a layer."""
    physical = np.eye(layer.ndim + 1)
    physical[:-1, :-1] = np.asarray(layer.rotate) @ _shear_matrix(layer) @ np.diag(layer.scale)
    physical[:-1, -1] = layer.translate
    return np.asarray(layer.affine.affine_matrix) @ physical


def _shear_matrix(layer: "ImageLayer") -> npt.NDArray[np.float64]:
    shear = np.asarray(layer.shear, dtype=np.float64)
    if shear.ndim == 2:
        return shear
    matrix = np.eye(layer.ndim)
    matrix[np.triu_indices(layer.ndim, k=1)] = shear
    return matrix


def _unit(unit: Any, axis: str) -> str | None:
    """Return the name of a layer's unit, or None for pixels and for units that are no length or time."""
    try:
        name = unit_name(str(unit))
    except GridError:
        return None
    return name if name in (SECONDS if axis == "T" else METRES) else None


def _planes(source: "ImageLayer", factor: npt.NDArray[np.float64], start: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return the clipping planes and the displayed plane of a volume, in pixels of the finer grid."""
    if source.ndim < 3:
        return {}

    def rescale(plane: dict[str, Any]) -> dict[str, Any]:
        shift = start + (1.0 / factor - 1.0) / 2.0
        position = (np.asarray(plane["position"]) - shift) * factor
        normal = np.asarray(plane["normal"]) / factor
        finer = {"position": tuple(position), "normal": tuple(normal / np.linalg.norm(normal))}
        if "thickness" in plane:
            finer["thickness"] = plane["thickness"] * float(np.mean(factor))
        return {**plane, **finer}

    return {
        "plane": rescale(source.plane.model_dump()),
        "experimental_clipping_planes": [rescale(p.model_dump()) for p in source.experimental_clipping_planes],
    }
