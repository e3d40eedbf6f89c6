"""The form in which a CPU runs a network in 16 bits: weights and activations, converted once and not at every call.

Which layers stay in 32 bits is measured once per model. The interpolation that a network adds its output to is always
computed in 32 bits, and so is their sum, because torch adds numbers of 16 and 32 bits in 32.
"""

import time
from copy import deepcopy
from itertools import pairwise
from statistics import median
from typing import Any, Literal, TypeGuard, get_args
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from napari_superres.core.tiling import padded_size
from napari_superres.core.units import peak_to_error_db
from napari_superres.inference.machine.device import DTYPES, Precision, to_device
from napari_superres.inference.machine.threads import thread_count
from napari_superres.models.card import ModelCard
from napari_superres.models.model import Model
from napari_superres.models.probes.cache import recall, remember

Exact = Literal["first", "ends"]
"""Convolutions that stay in 32 bits: the first one, so that the image keeps its digits, or also the last one."""

ENOUGH_DB = 60.0
"""Peak signal to error that a form must reach: an error of a 1000th of the range."""

_ENOUGH_GAIN = 1.1
"""Ratio of times from which 16 bits pay."""

_METHOD = 1
"""Version of the conversion and its measurements: what another version kept is measured again."""

_EDGES = {2: (64, 192), 3: (16, 40)}
"""Edges of the images that errors and times are measured on."""

_REPEATS = 3


def in_precision(model: Model, device: str, precision: Precision) -> nn.Module:
    """Return the model's network on a device, as it runs in a precision within `autocast`."""
    network = to_device(model, device, precision)
    is_converted = device == "cpu" and precision in ("fp16", "bf16")
    return half_form(model, network, precision) if is_converted else network


def autocast(device: str, precision: Precision) -> torch.autocast:
    """Return the context in which accelerators compute in 16 bits. Networks of the CPU are converted instead."""
    is_half = precision in ("fp16", "bf16") and device != "cpu"
    kind = device.split(":", maxsplit=1)[0]
    return torch.autocast(kind, dtype=DTYPES[precision] if is_half else None, enabled=is_half, cache_enabled=False)


def native_half() -> Precision | None:
    """Return the 16-bit format that this processor multiplies faster than 32 bits; None if there is none."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    has = _capabilities()
    if any(has.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")):
        return "bf16"
    if any(has.get(name) for name in ("avx512_fp16", "amx_fp16", "fp16_arith")):
        return "fp16"
    return None


def _capabilities() -> dict[str, Any]:
    """Return what the processor can do; of older versions of torch, what they tell."""
    if hasattr(torch.cpu, "get_capabilities"):
        return dict(torch.cpu.get_capabilities())
    known = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return {"avx512_bf16": bool(known and known())}


def rounding_db(exact: npt.NDArray[Any], rounded: npt.NDArray[Any]) -> float:
    """Return the ratio of the range of exact values to the error of rounded ones, in dB.

    Infinite if both are equal, 0 if rounded values are not finite.
    """
    if not np.isfinite(rounded).all():
        return 0.0
    return peak_to_error_db(float(np.ptp(exact)), float(np.mean((np.float64(rounded) - exact) ** 2)))


class HalfForm(nn.Module):
    """A network whose convolutions take and return 16 bits.

    Parameters
    ----------
    network
        The network in 32 bits, in evaluation mode; it is not changed.
    dtype
        16-bit format.
    exact
        Layers that stay in 32 bits.
    like
        An input, from which the order of the layers is found.

    Raises
    ------
    RuntimeError
        If a layer of the network does not take what another one returns.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype, exact: Exact, like: Tensor) -> None:
        super().__init__()
        self.network, self.exact = deepcopy(network), exact
        order = _calls(self.network, like)
        kept = order[:1] if exact == "first" else [order[0], order[-1]]
        for layer in self.network.modules():
            if isinstance(layer, nn.modules.conv._ConvNd | nn.PReLU):
                _convert(layer, torch.float32 if layer in kept else dtype)
        # Other layers add to what the first one returns, and would do so in 32 bits.
        order[0].register_forward_hook(lambda _layer, _inputs, output: output.to(dtype))
        _fuse(self.network)
        self(like)

    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        """Return what the network returns, in 32 bits."""
        with torch.autocast("cpu", enabled=False):
            y: Tensor = self.network(x)
        return y.float()


class _AutocastForm(nn.Module):
    """A network of other layers, whose calls torch converts one by one."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self._dtype = network, dtype

    def forward(self, x: Tensor) -> Tensor:
        """Return what the network returns, in 32 bits."""
        with torch.autocast("cpu", dtype=self._dtype, cache_enabled=False):
            y: Tensor = self.network(x)
        return y.float()


def half_form(model: Model, network: nn.Module, precision: Precision) -> nn.Module:
    """Return the fastest form of a model in 16 bits on the CPU that is precise enough, else the most precise one.

    Parameters
    ----------
    model
        Its file's sha256 is what the choice is remembered by.
    network
        The model's network on the CPU, in 32 bits.
    precision
        ``"bf16"`` or ``"fp16"``.
    """
    forms = _forms.setdefault(network, {})
    if precision in forms and model.sha256:
        return forms[precision]
    form = _make_form(model, network, precision)
    if model.sha256 and isinstance(form, HalfForm):  # Weights without a file may still be trained.
        forms[precision] = form
    return form


_forms: WeakKeyDictionary[nn.Module, dict[Precision, HalfForm]] = WeakKeyDictionary()
"""Forms of the networks in use: a run needs its form twice, to measure the error and to compute."""


def _make_form(model: Model, network: nn.Module, precision: Precision) -> nn.Module:
    dtype = DTYPES[precision]
    key = f"{model.sha256}|{precision}|{_METHOD}|torch {torch.__version__}"
    like = _test_input(model.card, _EDGES[model.card.ndim][0])
    known = recall("half", key, _read_exact) if model.sha256 else None
    try:
        if known is not None:
            return HalfForm(network, dtype, known, like)
        form = _measured_form(network, dtype, like)
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError):
        # Networks of other programs may do anything with the weights of their layers.
        return _AutocastForm(network, dtype)
    if model.sha256:
        remember("half", key, form.exact)
    return form


@torch.inference_mode()
def _measured_form(network: nn.Module, dtype: torch.dtype, like: Tensor) -> HalfForm:
    expected = network(like).numpy()
    forms = (HalfForm(network, dtype, exact, like) for exact in get_args(Exact))
    for form in forms:
        if rounding_db(expected, form(like).numpy()) >= ENOUGH_DB:
            break
    return form


def _read_exact(value: Any) -> Exact:
    for known in get_args(Exact):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise ValueError(f"unknown layers {value!r}")


def is_half_worthwhile(model: Model, precision: Precision) -> bool:
    """Return whether a model is faster in 16 bits on this processor; measured once, in CPU time of one thread."""
    key = f"{model.sha256}|{precision}|{_METHOD}|gain|torch {torch.__version__}|{_processor()}"
    gain = recall("half", key, float) if model.sha256 else None
    if gain is None:
        gain = _gain(model, precision)
        if model.sha256:
            remember("half", key, gain)
    return gain >= _ENOUGH_GAIN


def _processor() -> str:
    has = _capabilities()
    return f"{has.get('cpu_name', '')}|{torch.backends.cpu.get_cpu_capability()}"


@torch.inference_mode()
def _gain(model: Model, precision: Precision) -> float:
    """Return the time of a pass in 32 bits, in multiples of that in 16 bits; both take turns."""
    forms = (model.runner, half_form(model, model.runner, precision))
    seconds: tuple[list[float], list[float]] = ([], [])
    x = _test_input(model.card, _EDGES[model.card.ndim][1])
    with thread_count(1):
        for attempt in range(_REPEATS + 1):
            for form, taken in zip(forms, seconds, strict=True):
                start = time.thread_time()
                form(x)
                if attempt:
                    taken.append(time.thread_time() - start)
    single, half = map(median, seconds)
    return float(single / max(half, 1e-9))


def _test_input(card: ModelCard, edge: int) -> Tensor:
    """Return smooth structures, edges and noise between 0 and 1, with constant planes of what a network is told."""
    random = torch.Generator().manual_seed(0)
    size = [padded_size(edge, m) for m in card.multiple]
    grids = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in size), indexing="ij")
    phase = sum(g / (5.0 + 4.0 * i) for i, g in enumerate(grids))
    image = 0.4 + 0.3 * torch.sin(torch.as_tensor(phase)) + 0.2 * ((grids[-1] // 8) % 2)
    planes = card.inputs - len(card.conditions)
    x = image + 0.02 * torch.randn(1, planes, *size, generator=random)
    told = [torch.full((1, 1, *size), sum(limits) / 2) for limits in card.conditions.values()]
    x = torch.cat([x.clamp(0, 1), *told], dim=1)
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


@torch.inference_mode()
def _calls(network: nn.Module, like: Tensor) -> list[nn.Module]:
    """Return the layers with a kernel in the order in which the network calls them."""
    called: list[nn.Module] = []
    layers = [m for m in network.modules() if isinstance(m, nn.modules.conv._ConvNd)]
    hooks = [m.register_forward_pre_hook(lambda layer, _: called.append(layer)) for m in layers]
    network(like)
    for hook in hooks:
        hook.remove()
    if not called:
        raise ValueError("the network calls no convolution")
    return called


def _convert(layer: nn.Module, dtype: torch.dtype) -> None:
    """Let a layer compute in a format, whatever format its input has."""
    layer.to(dtype=dtype)
    for weight in layer.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    layer.register_forward_pre_hook(lambda _, inputs: (inputs[0].to(dtype), *inputs[1:]))


def _fuse(network: nn.Module) -> None:
    """Join each convolution in 16 bits with the ReLU that follows it, if torch has a kernel for both."""
    if not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return
    for row in [m for m in network.modules() if isinstance(m, nn.Sequential)]:
        for i, (layer, after) in enumerate(pairwise(list(row))):
            if isinstance(after, nn.ReLU) and _is_plain(layer):
                row[i], row[i + 1] = _ConvolutionReLU(layer), nn.Identity()


def _is_plain(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    if not isinstance(layer, nn.Conv2d) or layer.weight.dtype == torch.float32:
        return False
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


class _ConvolutionReLU(nn.Module):
    """A convolution in 16 bits whose negative results become 0 before they are stored."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self._layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated features."""
        c = self._layer
        fused = torch.ops.mkldnn._convolution_pointwise
        y: Tensor = fused(
            x.to(c.weight.dtype), c.weight, c.bias, c.padding, c.stride, c.dilation, c.groups, "relu", [], ""
        )
        return y
