"""What a run would be as a command line, and as a script: exactly the same pixels."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError


def source_path(layer: Any) -> Path | None:
    """Return the file a layer was read from; None where it came from elsewhere."""
    path = layer.source.path
    found = Path(path) if path else None
    return found if found is not None and found.exists() else None


def command(layers: Sequence[Any], _: Image, model: Any, options: Mapping[str, Any]) -> str:
    """Return the command that computes a run from the layer's file.

    Raises
    ------
    SettingsError
        If the layer was not read from a file.
    """
    layer = layers[0]
    path = source_path(layer)
    if path is None:
        raise SettingsError(
            f"the layer {layer.name!r} was not read from a file, which a command needs. Save it, or copy as Python."
        )
    given = _of_file(layers, options)
    chosen = ",".join(f"{k}={m}" for k, m in model.items()) if isinstance(model, Mapping) else str(model)
    name = Path(next(iter(model.values())) if isinstance(model, Mapping) else model).stem
    parts = ["superres", "upscale", str(path), "-o", f"{path.name.split('.')[0]}_{name}.ome.tif", "-m", chosen]
    for option in ("device", "precision", "tile", "series"):
        if option in given:
            parts += [f"--{option}", str(given[option])]
    if "tta" in given:
        parts.append("--tta")
    if "channels" in given:
        parts += ["--channels", ",".join(map(str, given["channels"]))]
    if "roi" in given:
        parts += ["--roi", ",".join(f"{a}={start}:{stop}" for a, (start, stop) in given["roi"].items())]
    return shlex.join(parts)


def script(layers: Sequence[Any], image: Image, model: Any, options: Mapping[str, Any]) -> str:
    """Return a script that computes a run, from the layer's file or from the layer in napari's console."""
    layer = layers[0]
    path = source_path(layer)
    if path is None:
        given = _told(options)
        pixels = "layer.data[0]" if layer.multiscale else "layer.data"
        read = (
            f"layer = viewer.layers[{layer.name!r}]  # in napari's console\n"
            f"image = Image.from_array({pixels}, {image.axes!r}, pixel_size={[float(p) for p in image.pixel_size]})"
        )
    else:
        given = _of_file(layers, options)
        series = given.pop("series", None)
        read = f"image = read_image({str(path)!r}{'' if series is None else f', series={series}'})"
    arguments = "".join(f", {name}={value!r}" for name, value in given.items())
    return (
        "from napari_superres import Image, read_image, upscale, write_image\n\n"
        f"{read}\n"
        f"result = upscale(image, {model!r}{arguments})\n"
        'write_image(result, "result.ome.tif")\n'
    )


def _told(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not as they are by themselves."""
    return {k: v for k, v in options.items() if v not in ("auto", None, False, {})}


def _of_file(layers: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options for the file of layers, of whose channels and images they are some."""
    given = _told(options)
    facts = layers[0].metadata
    if "channel" in facts:
        given["channels"] = sorted(layer.metadata["channel"] for layer in layers)
    return {**given, **({"series": facts["series"]} if facts.get("series") else {})}
