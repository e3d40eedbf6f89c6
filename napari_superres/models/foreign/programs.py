"""Models that are programs: ONNX, TorchScript, torch.export, and architectures given as Python source.

ONNX is a graph of fixed operations and can do nothing but compute. TorchScript and Python can do anything, so they may
run only if the user trusts them: callers of `build_program` must check that first.
"""

import hashlib
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from importlib import import_module
from io import BytesIO
from types import ModuleType
from typing import Any, Self

import torch
from torch import Tensor, nn

from napari_superres.errors import MissingExtraError, ModelFileError
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.axes import to_image_axes, to_network_axes
from napari_superres.models.foreign.graph.exported import build_exported
from napari_superres.models.foreign.graph.onnx_network import build_graph
from napari_superres.models.foreign.graph.torch_graph import TorchGraph
from napari_superres.models.model_file import GET_AGAIN

PROGRAMS = ("onnx", "torchscript", "exported", "source")
"""Values of `ModelCard.architecture` that `build_program` builds."""

NEEDS_TRUST = ("torchscript", "exported", "source")
"""Those of them that can do anything on this machine."""

_WEIGHTS = "weights."


def build_program(card: ModelCard, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of a card whose architecture is one of `PROGRAMS`, in evaluation mode.

    Parameters
    ----------
    card
        Card with the arguments that `packages.card.describe` writes.
    weights
        For ONNX and TorchScript ``"program"``: the bytes of the file, as uint8; for ONNX also ``"data"``: those of
        its external data. For source ``"source"``: the text of a Python file, as uint8 (missing for a callable of a
        library), and ``"weights.*"``: its state dict.

    Raises
    ------
    ModelFileError
        If the program cannot be built.
    MissingExtraError
        If it needs a library that is not installed.

    Notes
    -----
    This executes TorchScript and source: see `NEEDS_TRUST`.
    """
    builders: dict[str, Callable[[Mapping[str, Any], Mapping[str, Tensor]], nn.Module]] = {
        "onnx": build_graph,
        "torchscript": _torchscript,
        "exported": build_exported,
        "source": _source,
    }
    try:
        program = Program(builders[card.architecture](card.arguments, weights), card.arguments, card.ndim)
        pixel = torch.zeros(1, card.channels, *(1,) * card.ndim)
        for name in ("before", "after", "restore"):
            apply_steps(pixel, card.arguments[name])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{card.name} cannot be built as {card.architecture}: {_first_line(error)}.") from error
    return program.eval()


class Program(nn.Module):
    """A network with the order of axes and the processing of intensities that its description states."""

    def __init__(self, network: nn.Module, arguments: Mapping[str, Any], ndim: int) -> None:
        super().__init__()
        self.network = network
        self.before, self.after = list(arguments["before"]), [*arguments["after"], *arguments["restore"]]
        self.inputs, self.outputs = str(arguments["inputs"]), str(arguments["outputs"])
        at = self.inputs.find("b")
        # Exporters to ONNX may fix a batch of one that the description leaves open.
        shape = getattr(network, "shape", ())
        fixed = 0 <= at < len(shape) and shape[at] == 1
        self.single = bool(arguments["single"]) or at < 0 or fixed
        self.ndim = ndim
        self.smallest = [int(n) for n in arguments.get("smallest", ())]
        last = self.before[-1] if self.before else {}
        # A graph in torch takes whole numbers as floats, which keep the NaN that a halo is measured with.
        is_typed = last.get("id") == "ensure_dtype" and not isinstance(network, TorchGraph)
        self.dtype = getattr(torch, last["dtype"]) if is_typed else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the image ``(B, C, (Z)YX)`` on the finer grid, in the type of the input."""
        processed = apply_steps(self._padded(x), self.before)
        processed = processed if self.dtype is None else processed.to(self.dtype)
        parts = [processed[i : i + 1] for i in range(len(processed))] if self.single else [processed]
        result = torch.cat([self._run(part) for part in parts])
        if processed.shape[2:] != x.shape[2:]:
            factors = [n // m for n, m in zip(result.shape[2:], processed.shape[2:], strict=True)]
            kept: Any = (..., *[slice(n * f) for n, f in zip(x.shape[2:], factors, strict=True)])
            result = result[kept]
        return apply_steps(result.to(x), self.after)

    def _padded(self, x: Tensor) -> Tensor:
        """Return a copy, which protects `x` from networks that work in place, of at least the smallest size."""
        beyond = [max(0, least - n) for least, n in zip(self.smallest, x.shape[2:], strict=False)]
        widths = [w for more in reversed(beyond) for w in (0, more)]
        return nn.functional.pad(x, widths, "replicate") if any(beyond) else x.clone()

    def _run(self, x: Tensor) -> Tensor:
        out = self.network(to_network_axes(x, self.inputs))
        if isinstance(out, Sequence) and len(out) == 1:
            out = out[0]
        if not isinstance(out, Tensor) or out.ndim != len(self.outputs):
            raise RuntimeError(f"the network must make one tensor with axes {self.outputs}")
        return to_image_axes(out, self.outputs, self.ndim)


def apply_steps(x: Tensor, steps: Sequence[Mapping[str, Any]]) -> Tensor:
    """Return ``(B, C, (Z)YX)`` after steps on each value, as the bioimage.io specification defines them.

    Notes
    -----
    The type does not change: a step to an integer type rounds in the input's floating-point type. It saturates values
    beyond the integer type's range, where the specification leaves them undefined. NaN stays, so that a halo can be
    measured.
    """
    return reduce(_step, steps, x)


def _step(x: Tensor, step: Mapping[str, Any]) -> Tensor:
    def value(name: str) -> Tensor:
        per_channel = torch.as_tensor(step[name], dtype=x.dtype, device=x.device)
        return per_channel.reshape(-1, *[1] * (x.ndim - 2))

    match step["id"]:
        case "scale_linear":
            return x * value("gain") + value("offset")
        case "fixed_zero_mean_unit_variance":
            return (x - value("mean")) / value("std")
        case "clip":
            return x.clamp(step["min"], step["max"])
        case "binarize":
            return torch.where(x.isnan(), x, (x > value("threshold")).to(x.dtype))
        case "sigmoid":
            return x.sigmoid()
        case "ensure_dtype" if step["dtype"] == "bool":
            return torch.where(x.isnan(), x, (x != 0).to(x.dtype))
        case "ensure_dtype":
            limits = torch.iinfo(getattr(torch, step["dtype"]))
            return x.trunc().clamp(limits.min, limits.max)
    raise ModelFileError(
        f"the step {str(step['id'])[:100]!r} is not understood: the file is damaged.", remedy=GET_AGAIN
    )


class _Script(nn.Module):
    """A TorchScript program.

    The program is hidden from the tree of modules, because its parts refuse the hooks with which networks are measured.
    """

    def __init__(self, script: nn.Module) -> None:
        super().__init__()
        self._hidden = [script]
        # Callers read the device and precision of a module from its first parameter.
        self.anchor = nn.Parameter(torch.empty(0), requires_grad=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._hidden[0]._apply(fn)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def forward(self, x: Tensor) -> Any:
        """Return the program's output."""
        return self._hidden[0](x)


def _torchscript(_: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit\.load. is deprecated")
        script = torch.jit.load(BytesIO(_bytes(weights["program"])), map_location="cpu")  # type: ignore[no-untyped-call]
    return _Script(script.eval())


def _source(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    state = {key.removeprefix(_WEIGHTS): value for key, value in weights.items() if key.startswith(_WEIGHTS)}
    module = _module(_bytes(weights["source"])) if "source" in weights else _library(arguments["import_from"])
    name = arguments["callable"]
    try:
        network = getattr(module, name)(**arguments["kwargs"])
    except Exception as error:  # Another author's program may raise anything.
        raise ModelFileError(f"the architecture {name} cannot be built: {_first_line(error)}.") from error
    if not isinstance(network, nn.Module):
        raise ModelFileError(f"the architecture {name} is no torch.nn.Module but a {type(network).__name__}.")
    network.load_state_dict(state, strict=arguments["strict"])
    return network.eval()


def _module(source: bytes) -> ModuleType:
    """Execute a Python file as a module, under a name by which its classes can find it."""
    module = ModuleType(f"napari_superres_program_{hashlib.sha256(source).hexdigest()[:16]}")
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, f"<{module.__name__}>", "exec"), module.__dict__)
    except ImportError as error:
        raise MissingExtraError(
            f"the model's architecture needs a Python package: {_first_line(error)}.", remedy="Install that package."
        ) from error
    except Exception as error:  # Another author's program may raise anything.
        raise ModelFileError(f"the model's architecture fails: {_first_line(error)}.") from error
    return module


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"the model's architecture is in the Python package {name}, which cannot be imported "
            f"({_first_line(error)}).",
            remedy="Install that package.",
        ) from error


def _bytes(tensor: Tensor) -> bytes:
    return tensor.cpu().numpy().tobytes()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
