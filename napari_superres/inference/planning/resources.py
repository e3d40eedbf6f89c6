"""What this computer offers to a run: device, memory, threads, and how fast the model is on them."""

from dataclasses import dataclass

import torch

from napari_superres.errors import SettingsError
from napari_superres.inference.machine import memory
from napari_superres.inference.machine.device import Precision, resolve_device
from napari_superres.inference.machine.half_form import is_half_worthwhile, native_half
from napari_superres.inference.machine.speed import Speed, is_worth_measuring, known_speed, typical_speed
from napari_superres.inference.options import UpscaleOptions
from napari_superres.inference.planning.extent import Extent
from napari_superres.limits import free_memory
from napari_superres.models.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a plan needs to know of the computer, and of the model on it.

    Attributes
    ----------
    device
        Where the model runs.
    precision
        Precision to compute in; half precision that nobody asked for is confirmed on a window of the image.
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
        Whether to start in half precision where it is faster, if `precision` is ``"auto"``.

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
    is_open = try_half and options["precision"] == "auto" and extent.precision == "fp32"
    half = _half_for(model, device, extent) if is_open and not model.card.is_interpolation else None
    precision = half or extent.precision
    budget = memory.budget(device)
    known = known_speed(model, device, precision)
    return Resources(
        device=device,
        precision=precision,
        threads=torch.get_num_threads() if device == "cpu" else 1,
        budget_bytes=budget,
        free_bytes=budget if device.startswith("cuda") else free_memory(),
        bytes_per_pixel=model.bytes_per_pixel * (2.0 if precision == "fp64" else 1.0) * extent.samples,
        speed=known or typical_speed(model, device),
        is_speed_known=known is not None,
    )


def _half_for(model: Model, device: str, extent: Extent) -> Precision | None:
    """Return the 16-bit format in which a model is faster on a device; None if 32 bits are better.

    On a CPU, only long runs are worth the measurement. Statistics of the whole image would change with their rounding.
    """
    if device.startswith("cuda"):
        return "fp16"
    native = native_half() if device == "cpu" and not model.card.global_statistics else None
    if native is None or not is_worth_measuring(model, extent.precision, extent.pixels):
        return None
    return native if is_half_worthwhile(model, native) else None
