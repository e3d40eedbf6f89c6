"""What this computer offers to a run: device, memory, threads, and how fast the model is on them."""

from dataclasses import dataclass

import psutil
import torch

from napari_superres.errors import SettingsError
from napari_superres.inference.machine import memory
from napari_superres.inference.machine.device import Precision, is_half_faster, resolve_device
from napari_superres.inference.machine.speed import Speed, known_speed, typical_speed
from napari_superres.inference.options import UpscaleOptions
from napari_superres.inference.planning.extent import Extent
from napari_superres.models.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a plan needs to know of the computer, and of the model on it.

    Attributes
    ----------
    device
        Where the model runs.
    precision
        Precision to compute in; half precision that nobody asked for is confirmed on a tile of the image.
    threads
        Threads that torch uses on the CPU; 1 for accelerators.
    budget_bytes
        Memory that all passes may use together.
    free_bytes
        Memory that one pass may use where the image cannot be tiled.
    bytes_per_pixel
        Working memory of a pass, per low-resolution pixel.
    speed
        Seconds per pixel, measured or guessed.
    is_speed_known
        Whether `speed` was measured on this computer.
    """

    device: str
    precision: Precision
    threads: int
    budget_bytes: int
    free_bytes: int
    bytes_per_pixel: float
    speed: Speed
    is_speed_known: bool


def find_resources(model: Model, extent: Extent, options: UpscaleOptions, *, try_half: bool) -> Resources:
    """Find what this computer offers to a run.

    Parameters
    ----------
    model, extent, options
        The run.
    try_half
        Whether an accelerator starts in half precision if `precision` is ``"auto"``.

    Raises
    ------
    DeviceError
        If the device is not available.
    SettingsError
        If the device cannot compute in the precision.
    """
    device = resolve_device(options["device"])
    if extent.precision == "fp64" and device == "mps":
        raise SettingsError("mps cannot compute in 64 bits.", remedy="Use `device='cpu'`.")
    half = try_half and options["precision"] == "auto" and extent.precision == "fp32" and is_half_faster(device)
    precision: Precision = "fp16" if half and not model.card.is_interpolation else extent.precision
    budget = memory.budget(device)
    known = known_speed(model, device, precision)
    return Resources(
        device=device,
        precision=precision,
        threads=torch.get_num_threads() if device == "cpu" else 1,
        budget_bytes=budget,
        free_bytes=budget if device.startswith("cuda") else psutil.virtual_memory().available,
        bytes_per_pixel=model.bytes_per_pixel * (2.0 if precision == "fp64" else 1.0) * extent.samples,
        speed=known or typical_speed(model, device),
        is_speed_known=known is not None,
    )
