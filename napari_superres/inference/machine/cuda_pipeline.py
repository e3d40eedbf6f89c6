"""Tiles through an accelerator: while one batch is computed, the next is uploaded and the last one downloaded.

Three slots of pinned memory are used in turn. Uploads, computation and downloads have a stream each, and the network is
one CUDA graph. Intensities are converted on the device, so that only the image's own type crosses the bus.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_superres.core.intensity import FAR_BELOW, Limited
from napari_superres.core.tiling import Box

IN_FLIGHT = 2
"""Batches submitted and not yet fetched. There is one more slot, because the last batch is still being stored."""

_capturing = threading.Lock()
"""Held while a graph is captured: a second capture begins by waiting for the device, which would spoil the first."""

CONVERTED = {np.dtype(d): getattr(torch, d) for d in ("uint8", "int8", "uint16", "int16", "float32")}
"""Types that are exact in 32-bit floats, and their names in torch."""


@dataclass(frozen=True, slots=True)
class TileInput:
    """The pixels the model reads for a tile, and the core to keep of its output.

    Attributes
    ----------
    values
        ``(S, (Z)YX)`` in the image's own type.
    low, high
        Intensities that become 0 and 1 for the model.
    core
        Pixels of the result to keep, over the spatial axes.
    nonnegative
        Whether values below 0 are impossible; see `to_image_type` in ``engine/tile_io``.
    contrast
        Span of the channel's intensities; see `intensity.Intensities`.
    told
        Values of the planes that tell the network about the tile.
    """

    values: npt.NDArray[Any]
    low: float
    high: float
    core: Box
    nonnegative: bool
    contrast: float
    told: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class TileOutput:
    """The core of a tile's output in the image's own type, valid until three more batches are submitted.

    Attributes
    ----------
    values
        ``(S, ...)`` on the finer grid.
    limited
        Number of values that were limited.
    recomputed
        Whether half precision overflowed and it was computed again in 32 bits.
    """

    values: npt.NDArray[Any]
    limited: Limited
    recomputed: bool


class Backend(Protocol):
    """What differs between devices: queues of work, host memory they can reach, and waiting."""

    def on(self, queue: str) -> AbstractContextManager[Any]:
        """Return a context whose work goes to a queue: ``"up"``, ``"compute"`` or ``"down"``."""

    def memory(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return host memory that the device copies from and to asynchronously."""

    def mark(self, queue: str) -> Any:
        """Return a mark behind the work of a queue so far."""

    def after(self, queue: str, mark: Any) -> None:
        """Let a queue wait for a mark."""

    def wait(self, mark: Any) -> None:
        """Wait until a mark is reached."""

    def capture(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the network, prepared for inputs of this shape."""


class CpuBackend:
    """The CPU: work is done at once, in order."""

    def on(self, queue: str) -> AbstractContextManager[Any]:
        """Return an empty context."""
        return nullcontext(queue)

    def memory(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return ordinary memory."""
        return torch.empty(tuple(shape), dtype=dtype)

    def mark(self, queue: str) -> Any:
        """Return nothing: the work is done."""
        del queue

    def after(self, queue: str, mark: Any) -> None:
        """Do nothing."""

    def wait(self, mark: Any) -> None:
        """Do nothing."""

    def capture(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the network as it is."""
        del x
        return network


class CudaBackend:
    """A CUDA device: streams, pinned memory, events and graphs."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._streams: dict[str, Any] = {
            queue: torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
            for queue in ("up", "compute", "down")
        }

    def on(self, queue: str) -> AbstractContextManager[Any]:
        """Return a context whose kernels go to a stream."""
        return torch.cuda.stream(self._streams[queue])

    def memory(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return pinned memory."""
        return torch.empty(tuple(shape), dtype=dtype, pin_memory=True)

    def mark(self, queue: str) -> Any:
        """Record an event."""
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(self._streams[queue])
        return event

    def after(self, queue: str, mark: Any) -> None:
        """Let a stream wait for an event."""
        self._streams[queue].wait_event(mark)

    def wait(self, mark: Any) -> None:
        """Wait for an event."""
        mark.synchronize()

    def capture(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the network as a graph, or as it is if it cannot be captured."""
        for stream in self._streams.values():
            stream.wait_stream(torch.cuda.current_stream(self._device))
        stream = self._streams["compute"]
        given = x.clone()
        with torch.cuda.stream(stream):
            for _ in range(3):  # Libraries choose kernels and allocate memory before the capture.
                network(given)
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            # By default, no other thread of the program could allocate device memory meanwhile.
            with _capturing, torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                found = network(given)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            return network

        def replay(x: Tensor) -> Tensor:
            given.copy_(x)
            graph.replay()
            return found

        return replay


class _Slot:
    """Memory of one batch, on the host and on the device."""

    def __init__(
        self,
        backend: Backend,
        shape: Sequence[int],
        finer: Sequence[int],
        dtype: torch.dtype,
        device: str,
        conditions: int,
    ) -> None:
        batch = shape[0]
        self.host_input, self.host_output = backend.memory(shape, dtype), backend.memory(finer, dtype)
        # Each row of the range is one tile: low, high, the least possible value, how much lower is far below it, and
        # the values of its planes.
        self.host_range = backend.memory((batch, 4 + conditions), torch.float32)
        self.host_flags = backend.memory((4, batch), torch.int64).zero_()
        self.input, self.output = (
            torch.empty_like(self.host_input, device=device),
            torch.empty_like(self.host_output, device=device),
        )
        self.range, self.flags = self.host_range.to(device), self.host_flags.to(device)
        self.host_input.zero_()
        self.host_range.fill_(1.0)
        self.done: Any = None


class Pipeline:
    """Batches of tiles of one shape through a device.

    Parameters
    ----------
    network
        Takes ``(B, S, (Z)YX)`` normalised, on the device, and returns it on the finer grid, in the plan's precision.
    exact
        The same in 32 bits, for tiles in which `network` overflowed.
    shape
        ``(B, S, (Z)YX)`` of a batch.
    scale
        Factor per spatial axis.
    dtype
        Data type of the image; a key of `CONVERTED`.
    device
        Device of `network`.
    samples
        Colour samples of the result, if the network also takes neighbouring frames; S by default.
    conditions
        Number of planes that tell the network about a tile, after its S.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        exact: Callable[[Tensor], Tensor],
        shape: Sequence[int],
        scale: Sequence[int],
        dtype: npt.DTypeLike,
        device: str,
        *,
        samples: int | None = None,
        conditions: int = 0,
    ) -> None:
        self._backend: Backend = CudaBackend(device) if device.startswith("cuda") else CpuBackend()
        self._exact, self._dtype, self._device = exact, np.dtype(dtype), device
        finer = (shape[0], samples or shape[1], *(n * s for n, s in zip(shape[2:], scale, strict=True)))
        own = CONVERTED[self._dtype]
        self._slots = deque(_Slot(self._backend, shape, finer, own, device, conditions) for _ in range(IN_FLIGHT + 1))
        example = torch.zeros((shape[0], shape[1] + conditions, *shape[2:]), device=device)
        if example.ndim == 4:
            example = example.contiguous(memory_format=torch.channels_last)
        self._network = self._backend.capture(network, example)
        self._layout = torch.channels_last if example.ndim == 4 else torch.contiguous_format

    @torch.inference_mode()
    def submit(self, tiles: Sequence[TileInput]) -> Callable[[], list[TileOutput]]:
        """Start to compute at most a batch of tiles; the returned function waits for them.

        Raises
        ------
        torch.OutOfMemoryError
            If the device is out of memory.
        """
        slot = self._slots[0]
        self._slots.rotate(-1)
        given, bounds = slot.host_input.numpy(), slot.host_range.numpy()
        for i, tile in enumerate(tiles):
            given[i] = tile.values
            least = 0.0 if tile.nonnegative else -np.inf
            bounds[i] = tile.low, tile.high, least, FAR_BELOW * tile.contrast, *tile.told
        backend = self._backend
        with backend.on("up"):
            slot.input.copy_(slot.host_input, non_blocking=True)
            slot.range.copy_(slot.host_range, non_blocking=True)
        backend.after("compute", backend.mark("up"))
        with backend.on("compute"):
            low, span, told = self._bounds(slot)
            y = self._network(self._normalised(slot, low, span, told)).float()
            slot.flags[0] = torch.isfinite(y).flatten(1).all(1)
            self._convert(slot, tiles, y, low, span)
        backend.after("down", backend.mark("compute"))
        with backend.on("down"):
            slot.host_output.copy_(slot.output, non_blocking=True)
            slot.host_flags.copy_(slot.flags, non_blocking=True)
        slot.done = backend.mark("down")
        return lambda: self._fetch(slot, tiles)

    def _bounds(self, slot: _Slot) -> tuple[Tensor, Tensor, Tensor]:
        """Return the low end and the span of intensities, and what is told: ``(B, 1 or conditions, 1, ...)``."""
        rows = slot.range.reshape(*slot.range.shape, *[1] * (slot.input.ndim - 2))
        low = rows[:, :1]
        return low, rows[:, 1:2] - low, rows[:, 4:]

    def _normalised(self, slot: _Slot, low: Tensor, span: Tensor, told: Tensor) -> Tensor:
        x = slot.input.float().sub(low).mul_(1.0 / span)
        if told.shape[1]:
            x = torch.cat([x, told.expand(-1, -1, *x.shape[2:])], dim=1)
        return x.contiguous(memory_format=self._layout)

    def _convert(self, slot: _Slot, tiles: Sequence[TileInput], y: Tensor, low: Tensor, span: Tensor) -> None:
        """Convert outputs to the image's own type, limit them to possible values, and count those that were limited."""
        values = y.mul(span).add_(low)
        integer = self._dtype.kind != "f"
        if integer:
            values.round_()
        below, far = self._raise(slot, values)
        counted = [below, far]
        if integer:
            limits = np.iinfo(self._dtype)
            counted.append((values < limits.min) | (values > limits.max))
            values.clamp_(limits.min, limits.max)
        for i, tile in enumerate(tiles):
            kept: Any = (i, slice(None), *tile.core)
            for number, found in enumerate(counted, start=1):
                slot.flags[number, i] = found[kept].sum()
        slot.output.copy_(values)

    def _raise(self, slot: _Slot, values: Tensor) -> tuple[Tensor, Tensor]:
        """Raise values to the least possible ones in place; return where they were below, and where far below."""
        samples = values.shape[1]
        middle = (slot.input.shape[1] // samples - 1) // 2 * samples
        own = slot.input[:, middle : middle + samples].float()
        floor = torch.minimum(slot.range[:, 2].reshape(-1, *[1] * (own.ndim - 1)), own.clamp(max=0))
        # Each pixel of the input is the floor of one block of the result.
        blocks, edges = values, own.shape[2:]
        for axis, (n, finer) in enumerate(zip(edges, values.shape[2:], strict=True)):
            blocks = torch.unflatten(blocks, 2 + 2 * axis, (n, finer // n))
            floor = floor.unsqueeze(3 + 2 * axis)
        below = (blocks < floor).reshape(values.shape)
        far = (blocks < floor - slot.range[:, 3].reshape(-1, *[1] * (floor.ndim - 1))).reshape(values.shape)
        torch.maximum(blocks, floor, out=blocks)
        return below, far

    @torch.inference_mode()
    def _fetch(self, slot: _Slot, tiles: Sequence[TileInput]) -> list[TileOutput]:
        self._backend.wait(slot.done)
        finite = slot.host_flags[0, : len(tiles)].bool()
        if not finite.all():
            low, span, told = self._bounds(slot)
            with self._backend.on("compute"):
                y = self._exact(self._normalised(slot, low, span, told)).float()
                self._convert(slot, tiles, y, low, span)
                slot.host_output.copy_(slot.output)
                slot.host_flags[1:] = slot.flags[1:].cpu()
        output, counted = slot.host_output.numpy(), slot.host_flags[1:, : len(tiles)].T.tolist()
        kept: list[Any] = [(slice(None), *tile.core) for tile in tiles]
        return [
            TileOutput(output[i][box], Limited(saturated, raised, raised_far), not finite[i])
            for i, (box, (raised, raised_far, saturated)) in enumerate(zip(kept, counted, strict=True))
        ]
