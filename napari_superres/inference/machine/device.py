"""Devices, precisions, and a model's network on a device."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import chain
from typing import Any, Literal, get_args

import torch

from napari_superres.errors import DeviceError, SettingsError
from napari_superres.models.model import Model

Precision = Literal["fp64", "fp32", "fp16", "bf16"]
DTYPES = {"fp64": torch.float64, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def list_devices() -> list[str]:
    """Return the devices of this computer, the fastest first."""
    devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def resolve_device(device: str) -> str:
    """Return the name of an available device: the fastest for ``"auto"``, else the one asked for.

    Raises
    ------
    DeviceError
        If it is not available.
    """
    available = list_devices()
    name = {"auto": available[0], "cuda": "cuda:0"}.get(device, device)
    if name not in available:
        raise DeviceError(f"device {device!r} is not available.", remedy=f"Choose one of auto, {', '.join(available)}.")
    return name


def resolve_precision(precision: str, *, wide: bool) -> Precision:
    """Return the precision to compute in; ``"auto"`` is fp32, or fp64 for `wide` data that are only interpolated.

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
    raise SettingsError(f"`precision` must be one of auto, fp32, fp16, bf16, fp64, got {precision!r}.")


def to_device(model: Model, device: str, precision: str) -> torch.nn.Module:
    """Return the model's network on a device, its weights in 64 bits for fp64 and in 32 otherwise."""
    runner = model.runner
    dtype = torch.float64 if precision == "fp64" else torch.float32
    first = next(chain(runner.parameters(), runner.buffers()), None)
    if first is None:  # A program holds its own weights.
        return runner
    if first.device.type == device.split(":", maxsplit=1)[0] and first.dtype == dtype:
        return runner
    return deepcopy(runner).to(device=device, dtype=dtype)


class _Tf32:
    """The setting of the whole program, and how many blocks want it off."""

    backends: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)

    def __init__(self) -> None:
        self._lock, self._blocks, self._before = threading.Lock(), 0, [True, True]

    def count(self, step: int) -> None:
        """Count a block that begins or ends: the first one keeps the setting, and the last one restores it."""
        with self._lock:
            if step > 0 and self._blocks == 0:
                self._before = [backend.allow_tf32 for backend in self.backends]
            self._blocks += step
            for backend, allowed in zip(self.backends, self._before, strict=True):
                backend.allow_tf32 = allowed and self._blocks == 0


_tf32 = _Tf32()


@contextmanager
def without_tf32(device: str) -> Iterator[None]:
    """Compute in true 32 bits on CUDA while the block lasts: TF32 keeps only 10 bits of a factor.

    The setting is one of the whole program: the last of the blocks that overlap restores it.
    """
    if not device.startswith("cuda"):
        yield
        return
    _tf32.count(+1)
    try:
        yield
    finally:
        _tf32.count(-1)
