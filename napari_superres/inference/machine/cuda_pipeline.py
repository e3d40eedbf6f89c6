"""Windows through an accelerator: while one batch is computed, the next is uploaded and the last comes back.

Three slots of pinned memory go round; uploads, computing and downloads have a stream each, and the network
is one CUDA graph. Intensities are converted on the device, so that only the image's own type crosses the bus.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_superres.core.tiling import Box

IN_FLIGHT = 2
"""Batches submitted and not yet fetched. One slot more exists: what was fetched last is still being stored."""

CONVERTED = {np.dtype(d): getattr(torch, d) for d in ("uint8", "int8", "uint16", "int16", "float32")}
"""Types that are exact in 32-bit floats, and their names in torch."""


@dataclass(frozen=True, slots=True)
class Window:
    """What the model sees of one window, and what is kept of its result.

    Attributes
    ----------
    values
        ``(S, (Z)YX)`` in the image's own type.
    low, high
        Intensities that are 0 and 1 to the model.
    core
        Pixels of the result to keep, over the spatial axes.
    """

    values: npt.NDArray[Any]
    low: float
    high: float
    core: Box


@dataclass(frozen=True, slots=True)
class Found:
    """The core of a window's result in the image's own type, valid until three more batches are submitted.

    Attributes
    ----------
    values
        ``(S, ...)`` on the finer grid.
    saturated
        Values limited to the range of the type.
    recomputed
        Whether half precision overflowed and it was computed again in 32 bits.
    """

    values: npt.NDArray[Any]
    saturated: int
    recomputed: bool


class Side(Protocol):
    """What differs between devices: queues of work, memory they can reach, and waiting."""

    def on(self, queue: str) -> AbstractContextManager[Any]:
        """Return a block whose work goes to a queue: ``"up"``, ``"compute"`` or ``"down"``."""

    def memory(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return memory of the host that the device copies from without waiting."""

    def mark(self, queue: str) -> Any:
        """Return a mark behind the work of a queue so far."""

    def after(self, queue: str, mark: Any) -> None:
        """Let a queue wait for a mark."""

    def wait(self, mark: Any) -> None:
        """Wait until a mark is reached."""

    def repeatable(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the network, made for inputs of this shape."""


class Host:
    """The CPU: everything happens at once, in order."""

    def on(self, queue: str) -> AbstractContextManager[Any]:
        """Return an empty block."""
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

    def repeatable(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the network as it is."""
        del x
        return network


class Cuda:
    """A CUDA device: streams, pinned memory, events and graphs."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._streams: dict[str, Any] = {
            queue: torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
            for queue in ("up", "compute", "down")
        }

    def on(self, queue: str) -> AbstractContextManager[Any]:
        """Return a block whose kernels go to a stream."""
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

    def repeatable(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the network as a graph; as it is where it cannot be captured."""
        for stream in self._streams.values():
            stream.wait_stream(torch.cuda.current_stream(self._device))
        stream = self._streams["compute"]
        given = x.clone()
        with torch.cuda.stream(stream):
            for _ in range(3):  # libraries choose their kernels and take their memory before the capture
                network(given)
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=stream):
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
    """Memory of one batch on its way."""

    def __init__(self, side: Side, shape: Sequence[int], finer: Sequence[int], dtype: torch.dtype, device: str) -> None:
        batch = shape[0]
        self.given_here, self.found_here = side.memory(shape, dtype), side.memory(finer, dtype)
        self.range_here, self.told_here = side.memory((2, batch), torch.float32), side.memory((2, batch), torch.int64)
        self.given, self.found = (
            torch.empty_like(self.given_here, device=device),
            torch.empty_like(self.found_here, device=device),
        )
        self.range, self.told = self.range_here.to(device), self.told_here.to(device)
        self.given_here.zero_()
        self.range_here.fill_(1.0)
        self.done: Any = None


class Pipeline:
    """Batches of windows of one shape through a device.

    Parameters
    ----------
    network
        Takes ``(B, S, (Z)YX)`` normalised, on the device, and returns it on the finer grid, in the precision wanted.
    exact
        The same in 32 bits, for windows in which `network` overflowed.
    shape
        ``(B, S, (Z)YX)`` of a batch.
    scale
        Factor per spatial axis.
    dtype
        Of the image; a key of `CONVERTED`.
    device
        Where `network` is.
    samples
        Those of the result, where the network takes neighbouring frames too; S by default.
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
    ) -> None:
        self._side: Side = Cuda(device) if device.startswith("cuda") else Host()
        self._exact, self._dtype, self._device = exact, np.dtype(dtype), device
        finer = (shape[0], samples or shape[1], *(n * s for n, s in zip(shape[2:], scale, strict=True)))
        own = CONVERTED[self._dtype]
        self._slots = deque(_Slot(self._side, shape, finer, own, device) for _ in range(IN_FLIGHT + 1))
        example = torch.zeros(tuple(shape), device=device)
        if example.ndim == 4:
            example = example.contiguous(memory_format=torch.channels_last)
        self._network = self._side.repeatable(network, example)
        self._layout = torch.channels_last if example.ndim == 4 else torch.contiguous_format

    @torch.inference_mode()
    def submit(self, windows: Sequence[Window]) -> Callable[[], list[Found]]:
        """Begin to compute at most a batch of windows; what is returned waits for them.

        Raises
        ------
        torch.OutOfMemoryError
            If the device has no memory for it.
        """
        slot = self._slots[0]
        self._slots.rotate(-1)
        given, bounds = slot.given_here.numpy(), slot.range_here.numpy()
        for i, window in enumerate(windows):
            given[i] = window.values
            bounds[:, i] = window.low, window.high
        side = self._side
        with side.on("up"):
            slot.given.copy_(slot.given_here, non_blocking=True)
            slot.range.copy_(slot.range_here, non_blocking=True)
        side.after("compute", side.mark("up"))
        with side.on("compute"):
            low, span = self._bounds(slot)
            x = slot.given.float().sub_(low).mul_(1.0 / span).contiguous(memory_format=self._layout)
            y = self._network(x).float()
            slot.told[0] = torch.isfinite(y).flatten(1).all(1)
            self._convert(slot, windows, y, low, span)
        side.after("down", side.mark("compute"))
        with side.on("down"):
            slot.found_here.copy_(slot.found, non_blocking=True)
            slot.told_here.copy_(slot.told, non_blocking=True)
        slot.done = side.mark("down")
        return lambda: self._fetch(slot, windows)

    def _bounds(self, slot: _Slot) -> tuple[Tensor, Tensor]:
        each = (-1, *[1] * (slot.given.ndim - 1))
        low = slot.range[0].reshape(each)
        return low, slot.range[1].reshape(each) - low

    def _convert(self, slot: _Slot, windows: Sequence[Window], y: Tensor, low: Tensor, span: Tensor) -> None:
        """Bring results to the image's own type, counting what does not fit into it."""
        values = y.mul(span).add_(low)
        if self._dtype.kind == "f":
            slot.found.copy_(values)
            return
        limits = np.iinfo(self._dtype)
        values.round_()
        beyond = (values < limits.min) | (values > limits.max)
        for i, window in enumerate(windows):
            kept: Any = (i, slice(None), *window.core)
            slot.told[1, i] = beyond[kept].sum()
        slot.found.copy_(values.clamp_(limits.min, limits.max))

    @torch.inference_mode()
    def _fetch(self, slot: _Slot, windows: Sequence[Window]) -> list[Found]:
        self._side.wait(slot.done)
        finite = slot.told_here[0, : len(windows)].bool()
        if not finite.all():
            low, span = self._bounds(slot)
            with self._side.on("compute"):
                y = self._exact(slot.given.float().sub_(low).mul_(1.0 / span)).float()
                self._convert(slot, windows, y, low, span)
                slot.found_here.copy_(slot.found)
                slot.told_here[1] = slot.told[1].cpu()
        found, saturated = slot.found_here.numpy(), slot.told_here[1].tolist()
        integer = self._dtype.kind != "f"
        kept: list[Any] = [(i, slice(None), *window.core) for i, window in enumerate(windows)]
        return [Found(found[box], saturated[i] if integer else 0, not finite[i]) for i, box in enumerate(kept)]
