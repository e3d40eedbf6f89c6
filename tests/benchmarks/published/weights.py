"""Published checkpoints through the whole program: added, measured, run in tiles, and scored on Set5.

    python tests/benchmarks/published/weights.py CHECKPOINT... --set5 FOLDER [--json FILE]

Prints a row of a table per file. ``docs/models.md`` explains its columns. The library of the user is not touched.
"""

import argparse
import json
import os
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from napari_superres import Image, load_model, read_image, upscale
from napari_superres.degradation.resample import resize_bicubic
from napari_superres.models import Model, add_model
from napari_superres.models.foreign.confined import kept_child
from napari_superres.models.probes.tiles import CORE

Pixels = npt.NDArray[Any]

_LUMA = np.array([65.481, 128.553, 24.966])
"""Weights of ITU-R BT.601 for values from 0 to 1; the result is on 16 to 235."""

_EDGE, _SIGMA = 48, 3.0
_TILED_EDGE = 160
"""Edge of the part of an image that is computed whole and in tiles, in low-resolution pixels."""

_RANGE_8_BITS = [(0.0, 255.0)]


def luma_psnr(result: Pixels, truth: Pixels, border: int) -> float:
    """Return the PSNR of luma in dB, of RGB images of 8 bits."""
    inside = (slice(border, -border or None),) * 2
    one, other = ((image.astype(np.float64) / 255) @ _LUMA for image in (result, truth))
    return float(10 * np.log10(255**2 / np.mean((one - other)[inside] ** 2)))


def set5_psnr(model: Model, folder: Path) -> float:
    """Return the mean Y-PSNR over the images in a folder; of a denoiser, on images with noise of 25 grey levels."""
    factor, scores = model.card.scale[0], []
    for path in sorted(folder.glob("*.bmp")):
        truth = np.asarray(read_image(path).data)[..., :3]
        truth = truth[: truth.shape[0] // factor * factor, : truth.shape[1] // factor * factor]
        low = truth.astype(np.float64)
        if factor == 1:
            low = low + np.random.default_rng(0).normal(0, 25, low.shape)
        else:
            low = np.rint(resize_bicubic(low, factor, axes=(0, 1))).clip(0, 255)
        image = Image.from_array(low.astype(np.float32), "YXS")
        made = np.asarray(upscale(image, model, intensity_range=_RANGE_8_BITS, device="cpu").data)
        scores.append(luma_psnr(np.rint(made).clip(0, 255), truth, factor if factor > 1 else 0))
    return float(np.mean(scores))


def tiling(model: Model, image: Image) -> float:
    """Return the largest difference between tiles and the whole, as a share of the result's range."""
    card = model.card
    window = 2 * max(card.halo) + CORE[2]
    tile = -(-max(window, 3 * max(card.multiple)) // max(card.multiple)) * max(card.multiple)
    if not card.bounded:  # Otherwise such an image is one tile.
        model = Model(replace(card, bounded=True), model.module, model.sha256)
    options: Any = {"device": "cpu", "intensity_range": _RANGE_8_BITS, "precision": "fp32"}
    whole = np.asarray(upscale(image, model, tile=1024, **options).data)
    tiled = np.asarray(upscale(image, model, tile=tile, **options).data)
    return float(np.abs(whole - tiled).max() / np.ptp(whole))


def blob_shift(model: Model) -> float:
    """Return how far a blob moves, in pixels of the input, by its centroid."""
    y, x = np.mgrid[:_EDGE, :_EDGE]
    centre = np.array([_EDGE / 2 + 0.3, _EDGE / 2 - 1.2])
    blob = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * _SIGMA**2))
    image = Image.from_array((20 + 200 * blob).astype(np.float32), "YX", pixel_size=1.0, origin=(0.0, 0.0))
    result = upscale(image, model, intensity_range=_RANGE_8_BITS, device="cpu")
    places = [_centroid(np.asarray(i.data, dtype=np.float64), i) for i in (image, result)]
    return float(np.abs(places[0] - places[1]).max())


def _centroid(values: Pixels, image: Image) -> Pixels:
    """Return the world position of a blob on a constant background, within six of its widths."""
    weight = np.clip(values - 30, 0, None)
    at = np.array([(np.indices(values.shape)[i] * weight).sum() / weight.sum() for i in (0, 1)])
    return image.affine[:2, :2] @ at + image.affine[:2, 2]


def mean_change(model: Model, image: Image) -> float:
    """Return by how much the mean of a grey image of 16 bits changes, in percent."""
    grey = (np.asarray(image.data).mean(axis=2) * 40 + 1000).astype(np.uint16)
    result = np.asarray(upscale(Image.from_array(grey, "YX"), model, device="cpu").data)
    return float(100 * abs(result.mean() / grey.mean() - 1))


def measure(path: Path, set5: Path) -> dict[str, Any]:
    """Return a row of the table."""
    begin, before = monotonic(), _processor_s()
    card = add_model(path)
    added, seconds = _processor_s() - before, monotonic() - begin
    before = _processor_s()
    model = load_model(card.name)
    loaded = _processor_s() - before
    butterfly = np.asarray(read_image(next(set5.glob("butterfly*"))).data)[:_TILED_EDGE, :_TILED_EDGE, :3]
    image = Image.from_array(butterfly.astype(np.float32), "YXS")
    return {
        "file": path.name,
        "title": card.title,
        "halo": max(card.halo),
        "tile_error_stated": 0.0 if card.bounded else card.tile_error,
        "tile_error_measured": tiling(model, image),
        "psnr_db": set5_psnr(model, set5),
        "blob_shift_px": blob_shift(model),
        "mean_change_percent": mean_change(model, image),
        "add_processor_s": added,
        "add_s": seconds,
        "load_processor_s": loaded,
    }


def _processor_s() -> float:
    """Return the processor time of this process, of those that it started, and of those that these started."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


def main() -> None:
    """Measure each file, and print its row at once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--set5", required=True, type=Path, help="folder of the five images as .bmp")
    parser.add_argument("--json", type=Path, help="file to write the rows to")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), kept_child():
        warnings.simplefilter("ignore")
        os.environ["NAPARI_SUPERRES_MODELS"] = folder
        for path in options.checkpoints:
            try:
                row = measure(path, options.set5)
            except Exception as error:  # noqa: BLE001 - one file must not end the table
                row = {"file": path.name, "error": " ".join(str(error).split())}
            rows.append(row)
            cells = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()]
            sys.stdout.write(f"| {' | '.join(cells)} |\n")
            sys.stdout.flush()
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
