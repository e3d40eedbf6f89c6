"""Ours and its peers, each as its users would write it: a uint16 plane in, a uint16 plane out.

All run the same torch module in inference mode. Peers normalise the whole plane before and undo it
after; what Real-ESRGAN and chaiNNer do is written here by their rules.
"""

from collections.abc import Callable
from math import ceil, pi, prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_superres import Image
from napari_superres.inference.images import upscale
from napari_superres.inference.options import PrecisionOption
from napari_superres.models import Model

LOW, HIGH = 100.0, 4000.0
_TILE = 512

Tiling = Callable[[Tensor], Tensor]


class Ours:
    """`upscale`, with the same fixed normalisation, in a precision."""

    def __init__(self, model: Model, precision: PrecisionOption = "fp32") -> None:
        self.model, self.precision = model, precision

    def run(self, pixels: np.ndarray, _keep: Path | None = None) -> np.ndarray:
        """Return the finer plane."""
        image = Image.from_array(pixels, "YX")
        return upscale(image, self.model, intensity_range=[(LOW, HIGH)], precision=self.precision).data

    def floats(self, pixels: np.ndarray) -> np.ndarray:
        """Return the result before it is rounded, on the network's scale."""
        return (self.run(pixels.astype(np.float32)) - np.float32(LOW)) / np.float32(HIGH - LOW)


class Peer:
    """Normalise the plane, run a tiling of the network, undo the normalisation, round."""

    def __init__(self, tiling: Tiling) -> None:
        self.tiling = tiling

    @torch.inference_mode()
    def run(self, pixels: np.ndarray, keep: Path | None = None) -> np.ndarray:
        """Return the finer plane; the result before it is rounded is kept as a file where asked for."""
        x = pixels.astype(np.float32)
        x -= np.float32(LOW)
        x /= np.float32(HIGH - LOW)
        found = self.tiling(torch.from_numpy(x)[None, None])[0, 0].numpy()
        if keep is not None:
            np.save(keep, found)
        found *= np.float32(HIGH - LOW)
        found += np.float32(LOW)
        return np.rint(found, out=found).clip(0, 65535, out=found).astype(np.uint16)


def whole(model: Model) -> Tiling:
    """The plain forward pass over the whole plane."""
    return model.runner


def monai(model: Model, window: int) -> Tiling:
    """MONAI's sliding windows with Gaussian weights."""
    from monai.inferers import sliding_window_inference

    return lambda x: sliding_window_inference(x, (window, window), 1, model.runner, overlap=0.25, mode="gaussian")


def tiler(model: Model) -> Tiling:
    """tiler's overlap-tile window; the halo that we measured as half of the overlap and as the frame."""
    from tiler import Merger, Tiler

    (halo, _), (scale, _) = model.card.halo, model.card.scale

    def run(x: Tensor) -> Tensor:
        # Its own calculate_padding() adds half a tile per side; the frame that the window needs is the halo.
        framed = np.pad(x[0, 0].numpy(), halo, mode="reflect")
        cut = Tiler(framed.shape, (_TILE, _TILE), overlap=2 * halo)
        finer = Tiler([n * scale for n in framed.shape], (_TILE * scale,) * 2, overlap=2 * halo * scale)
        merger = Merger(finer, window="overlap-tile")
        for number, tile in cut(framed):
            merger.add(number, model.runner(torch.from_numpy(tile)[None, None])[0, 0].numpy())
        return torch.from_numpy(merger.merge(extra_padding=[(halo * scale,) * 2] * 2))[None, None]

    return run


def dask(model: Model) -> Tiling:
    """What dask's map_overlap does, in the steps that let the scale be above 1; the threaded scheduler."""
    import dask.array as da

    (halo, _), (scale, _) = model.card.halo, model.card.scale

    def forward(block: np.ndarray) -> np.ndarray:
        return model(torch.from_numpy(np.ascontiguousarray(block))[None, None])[0, 0].numpy()

    def run(x: Tensor) -> Tensor:
        laid = da.overlap.overlap(da.from_array(x[0, 0].numpy(), chunks=_TILE), depth=halo, boundary="none")
        chunks = tuple(tuple(n * scale for n in sizes) for sizes in laid.chunks)
        finer = laid.map_blocks(forward, chunks=chunks, dtype=np.float32, meta=np.empty((0, 0), np.float32))
        depth = dict.fromkeys((0, 1), halo * scale)
        kept = da.overlap.trim_internal(finer, depth, boundary="none").compute(scheduler="threads")
        return torch.from_numpy(kept)[None, None]

    return run


def realesrgan(model: Model) -> Tiling:
    """Real-ESRGAN's rule: tiles of 512, 10 pixels more on each side, cropped."""
    pad = 10

    def run(x: Tensor) -> Tensor:
        scale = model.card.scale[0]
        out = x.new_empty(1, 1, *(n * scale for n in x.shape[2:]))
        for top, bottom in _steps(x.shape[2], _TILE):
            for left, right in _steps(x.shape[3], _TILE):
                y0, x0 = max(top - pad, 0), max(left - pad, 0)
                found = model.runner(x[:, :, y0 : bottom + pad, x0 : right + pad])
                rows = slice((top - y0) * scale, (bottom - y0) * scale)
                columns = slice((left - x0) * scale, (right - x0) * scale)
                out[:, :, top * scale : bottom * scale, left * scale : right * scale] = found[:, :, rows, columns]
        return out

    return run


def chainner(model: Model) -> Tiling:
    """chaiNNer's rule: even tiles of at most 512, 16 pixels more on each side, blended by half a sine."""
    overlap = 16

    def run(x: Tensor) -> Tensor:
        scale = model.card.scale[0]
        height, width = x.shape[2:]
        out = x.new_empty(1, 1, height * scale, width * scale)
        done_y = 0
        for top, bottom in _steps(height, _even(height)):
            y0, y1 = max(top - overlap, 0), min(bottom + overlap, height)
            row = x.new_empty(1, 1, (y1 - y0) * scale, width * scale)
            done_x = 0
            for left, right in _steps(width, _even(width)):
                x0, x1 = max(left - overlap, 0), min(right + overlap, width)
                done_x = _join(row, model.runner(x[:, :, y0:y1, x0:x1]), 3, x0 * scale, done_x)
            done_y = _join(out, row, 2, y0 * scale, done_y)
        return out

    return run


def _steps(size: int, step: int) -> list[tuple[int, int]]:
    return [(start, min(start + step, size)) for start in range(0, size, step)]


def _even(size: int) -> int:
    return ceil(size / ceil(size / _TILE))


def _join(out: Tensor, part: Tensor, axis: int, start: int, done: int) -> int:
    """Put a part at `start`, fading over what earlier parts have `done`; return what is done now."""
    lap, length = done - start, part.shape[axis]
    # Half a sine over the middle half of the lap, as the outer quarters are the least trusted.
    t = (2 * (torch.arange(lap) + 0.5) / max(lap, 1) - 0.5).clamp(0, 1)
    fade = ((1 - torch.cos(pi * t)) / 2).reshape([-1 if d == axis else 1 for d in range(part.ndim)])
    out.narrow(axis, start, lap).lerp_(part.narrow(axis, 0, lap), fade)
    out.narrow(axis, done, length - lap).copy_(part.narrow(axis, lap, length - lap))
    return start + length


def engines(size: int) -> tuple[str, ...]:
    """Return the names of all engines; MONAI's windows are at most half the image."""
    windows = [w for w in (256, 512, 1024) if 2 * w <= size] or [size // 2]
    return (
        "ours",
        "ours bf16",
        "raw whole",
        *(f"MONAI {w}" for w in windows),
        "tiler",
        "dask",
        "Real-ESRGAN rule",
        "chaiNNer rule",
    )


def make_engine(name: str, model: Model) -> Ours | Peer:
    """Return an engine by name, its library imported.

    Raises
    ------
    ImportError
        If its library is not installed.
    """
    kind, _, rest = name.partition(" ")
    if kind == "ours":
        return Ours(model, "bf16" if rest else "fp32")
    if kind == "MONAI":
        return Peer(monai(model, int(rest)))
    makers = {"raw": whole, "tiler": tiler, "dask": dask, "Real-ESRGAN": realesrgan, "chaiNNer": chainner}
    return Peer(makers[kind](model))


def make_plane(size: int) -> np.ndarray:
    """Return a plane of smooth structure, lines and shot noise, within the range of the normalisation."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    smooth = 1500 + 900 * np.sin(y / 37) * np.cos(x / 23) + 500 * (np.sin((x + y) / 5) > 0.9)
    return np.random.default_rng(0).poisson(smooth).clip(LOW, HIGH).astype(np.uint16)


def needed_bytes(model: Model, pixels: np.ndarray) -> float:
    """Return an estimate of the memory that a pass over the whole plane takes."""
    return model.bytes_per_pixel * prod(pixels.shape)
