"""The case of a section, and what cases share: images, differences, the way of a GPU on the CPU."""

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_superres import Image, upscale
from napari_superres.inference.engine import sweep
from napari_superres.inference.machine.cuda_pipeline import CONVERTED
from napari_superres.models import Model, load_model

Values = npt.NDArray[Any]
Facts = dict[str, Any]

RANGE = [(0.0, 4095.0)]
"""Intensities that become 0 and 1: fixed, so that no case depends on a fit."""

ROUNDING = 1e-4
"""Largest difference between two ways in 32 bits, as a share of the range: sums in another order."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What all sections are told.

    Attributes
    ----------
    device
        Where the networks run.
    tiny
        Whether small images and few models suffice, to try the way.
    """

    device: str
    tiny: bool

    @property
    def is_cuda(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.startswith("cuda")

    def pick(self, tiny: Any, full: Any) -> Any:
        """Return the first for a tiny run, and the second otherwise."""
        return tiny if self.tiny else full


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to find out.

    Attributes
    ----------
    name
        What is shown.
    run
        Returns the figures, with ``"passed"``.
    """

    name: str
    run: Callable[[], Facts]


def model_of(name: str) -> Model:
    """Return a shipped model, without the limits of its training."""
    return load_model(name).for_any_image()


def image_for(model: Model, edge: int, dtype: str = "uint16", *, seed: int = 0) -> Image:
    """Return an image that a model takes: structure and noise, odd sizes; three frames or views for models of them."""
    card = model.card
    shape = (edge // 4, edge + 3, edge + 8) if card.ndim == 3 else (edge + 3, edge + 8)
    y, x = np.mgrid[: shape[-2], : shape[-1]].astype(np.float32)
    plane = 1500 + 900 * np.sin(y / 7) * np.cos(x / 5) + 900 * (np.sin((x + y) / 3) > 0.8)
    axes, count = "ZYX" if card.ndim == 3 else "YX", shape[0] if card.ndim == 3 else 1
    if card.frames > 1:
        axes, count = f"{card.context}YX", 3
    stack = np.stack([np.roll(plane, n, axis=-1) for n in range(count)])
    stack = np.random.default_rng(seed).poisson(stack).clip(0, 4095)
    data = (stack if len(axes) == 3 else stack[0]).astype(dtype)
    if card.channels == 3:
        data, axes = np.stack([data, data // 2, data[..., ::-1]], axis=-1).astype(dtype), f"{axes}S"
    return Image.from_array(data, axes)


def run(image: Image, model: Model, device: str, **options: Any) -> Image:
    """Upscale without warnings, in fixed intensities."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return upscale(image, model, device=device, **{"intensity_range": RANGE, "precision": "fp32", **options})


def record(result: Image) -> Facts:
    """Return the record of a result."""
    return dict(result.metadata["provenance"])


def share_off(found: Values, expected: Values) -> float:
    """Return the largest difference as a share of the expected range; infinite where either is not finite."""
    off = np.abs(np.asarray(found, np.float64) - expected).max()
    return float(off / np.ptp(expected)) if np.isfinite(off) else float("inf")


def levels_off(found: Values, expected: Values) -> Facts:
    """Return how far whole numbers are apart: rounding may put few of them one level aside."""
    off = np.abs(found.astype(np.int64) - expected.astype(np.int64))
    most, share = int(off.max()), float((off > 0).mean())
    return {"levels": most, "share": share, "passed": most <= 1 and share < 0.02}


def decibels(found: Values, expected: Values) -> float:
    """Return the ratio of the range of what is expected to the error, in dB."""
    error = np.mean((np.asarray(found, np.float64) - expected) ** 2)
    return float(20 * np.log10(np.ptp(expected)) - 10 * np.log10(max(error, 1e-30)))


@contextmanager
def gpu_way(device: str) -> Iterator[None]:
    """On the CPU, send tiles the way of a GPU while the block lasts: the same code, one thing at a time."""
    if device.startswith("cuda"):
        yield
        return
    before = sweep.TileRunner.is_pipelined

    def suits(runner: sweep.TileRunner) -> bool:
        exact = runner.plan.precision != "fp64" and runner.image.dtype in CONVERTED
        return exact and not replace(runner.plan, tile=runner.tile).needs_passes

    try:
        sweep.TileRunner.is_pipelined = property(suits)  # type: ignore[method-assign, assignment]
        yield
    finally:
        sweep.TileRunner.is_pipelined = before  # type: ignore[method-assign]


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute another value while the block lasts."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def held_bytes(device: str) -> int:
    """Return the device memory that tensors hold, after what nobody uses was freed."""
    gc.collect()
    if not device.startswith("cuda"):
        return 0
    torch.cuda.synchronize(device)
    clear = getattr(torch._C, "_cuda_clearCublasWorkspaces", None)
    if clear is not None:
        clear()
    torch.cuda.empty_cache()
    return torch.cuda.memory_allocated(device)
