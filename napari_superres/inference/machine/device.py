"""Which device computes, and in which precision."""

from copy import deepcopy
from itertools import chain
from typing import Literal, get_args

import torch

from napari_superres.errors import DeviceError, SettingsError
from napari_superres.models.model import Model

Precision = Literal["fp64", "fp32", "fp16", "bf16"]
DTYPES = {"fp64": torch.float64, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def list_devices() -> list[str]:
    """Return the devices that can be asked for here, the best first."""
    devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def resolve_device(device: str) -> str:
    """Return a device that is there: the best for ``"auto"``, else the one asked for.

    Raises
    ------
    DeviceError
        If it is not there.
    """
    there = list_devices()
    wanted = {"auto": there[0], "cuda": "cuda:0"}.get(device, device)
    if wanted not in there:
        raise DeviceError(f"device {device!r} is not there. Devices of this machine: auto, {', '.join(there)}.")
    return wanted


def resolve_precision(precision: str, *, wide: bool) -> Precision:
    """Return the precision to compute in; ``"auto"`` is fp32, or fp64 where `wide` data are only interpolated.

    Raises
    ------
    SettingsError
        If the name is not one of auto, fp32, fp16, bf16 (and fp64, for verification).
    """
    if precision == "auto":
        return "fp64" if wide else "fp32"
    for known in get_args(Precision):
        if precision == known:
            return known  # type: ignore[no-any-return]
    raise SettingsError(f"precision must be one of auto, fp32, fp16, bf16, fp64, got {precision!r}.")


def place(model: Model, device: str, precision: str) -> torch.nn.Module:
    """Return the model's network on a device, its weights in 64 bits for fp64 and in 32 otherwise."""
    if device.startswith("cuda"):
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    runner = model.runner
    wanted = torch.float64 if precision == "fp64" else torch.float32
    first = next(chain(runner.parameters(), runner.buffers()), None)
    if first is None:  # a program, which holds its own
        return runner
    if first.device.type == device.split(":", maxsplit=1)[0] and first.dtype == wanted:
        return runner
    return deepcopy(runner).to(device=device, dtype=wanted)
