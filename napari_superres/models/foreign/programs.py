"""Models that are programs: ONNX, TorchScript, and architectures given as Python source.

ONNX is a graph of fixed operations and can do nothing but compute. TorchScript and Python can do anything, so they may
run only if the user trusts them: callers of `build_program` must check that first.
"""

import hashlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from importlib import import_module
from io import BytesIO
from types import ModuleType
from typing import Any, Self

import torch
from torch import Tensor, nn

from napari_superres.errors import MissingExtraError, ModelFileError
from napari_superres.models.card import ModelCard
from napari_superres.models.model_file import GET_AGAIN

PROGRAMS = ("onnx", "torchscript", "source")
"""Values of `ModelCard.architecture` that `build_program` builds."""

NEEDS_TRUST = ("torchscript", "source")
"""Those of them that can do anything on this machine."""

_WEIGHTS = "weights."
_ONNX_TYPES = {
    "tensor(float)": torch.float32,
    "tensor(double)": torch.float64,
    "tensor(float16)": torch.float16,
    "tensor(uint8)": torch.uint8,
    "tensor(int8)": torch.int8,
    "tensor(int16)": torch.int16,
    "tensor(int32)": torch.int32,
    "tensor(int64)": torch.int64,
    "tensor(bool)": torch.bool,
}


def build_program(card: ModelCard, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of a card whose architecture is one of `PROGRAMS`, in evaluation mode.

    Parameters
    ----------
    card
        Card with the arguments that `package_card.describe` writes.
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
        "onnx": _onnx,
        "torchscript": _torchscript,
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
        fixed = isinstance(network, _Onnx) and at >= 0 and network.shape[at] == 1
        self.single = bool(arguments["single"]) or at < 0 or fixed
        self.ndim = ndim
        last = self.before[-1] if self.before else {}
        self.dtype = getattr(torch, last["dtype"]) if last.get("id") == "ensure_dtype" else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the image ``(B, C, (Z)YX)`` on the finer grid, in the type of the input."""
        processed = apply_steps(x.clone(), self.before)  # The copy protects `x` from networks that work in place.
        processed = processed if self.dtype is None else processed.to(self.dtype)
        parts = [processed[i : i + 1] for i in range(len(processed))] if self.single else [processed]
        result = torch.cat([self._run(part) for part in parts])
        return apply_steps(result.to(x), self.after)

    def _run(self, x: Tensor) -> Tensor:
        out = self.network(to_network_axes(x, self.inputs))
        if isinstance(out, Sequence) and len(out) == 1:
            out = out[0]
        if not isinstance(out, Tensor) or out.ndim != len(self.outputs):
            raise RuntimeError(f"the network must make one tensor with axes {self.outputs}")
        return to_image_axes(out, self.outputs, self.ndim)


def to_network_axes(x: Tensor, order: str) -> Tensor:
    """Return ``(B, C, (Z)YX)`` with axes in an order such as ``"byxc"``; axes that are not in it have size 1."""
    letters = _letters(x.ndim - 2)
    missing = [a for a in letters if a not in order]
    permuted = x.permute([letters.index(a) for a in (*order, *missing)])
    return permuted.reshape(permuted.shape[: len(order)])


def to_image_axes(x: Tensor, order: str, ndim: int) -> Tensor:
    """Return a tensor with axes in an order such as ``"byxc"`` as ``(B, C, (Z)YX)``."""
    letters = _letters(ndim)
    axes = [*order, *(a for a in letters if a not in order)]
    whole = x.reshape(*x.shape, *[1] * (len(axes) - len(order)))
    return whole.permute([axes.index(a) for a in letters])


def _letters(ndim: int) -> str:
    return "bc" + "zyx"[3 - ndim :]


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


class _Onnx(nn.Module):
    """A graph that onnxruntime computes on the CPU, whatever the device and precision of the input."""

    def __init__(self, program: bytes, name: str, data: bytes) -> None:
        super().__init__()
        try:
            import onnxruntime
        except ImportError as error:
            raise _missing("onnxruntime") from error
        _check_references(program, name)
        self._state = program, name, data
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4
        if name:
            options.add_external_initializers_from_files_in_memory([name], [data], [len(data)])
        try:
            self._session = onnxruntime.InferenceSession(program, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no parent of their own.
            raise ModelFileError(f"onnxruntime cannot load the program: {_first_line(error)}.") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _ONNX_TYPES:
            raise ModelFileError(
                f"the ONNX program must take one tensor, got {[f'{i.name}: {i.type}' for i in inputs]}."
            )
        self._name, self._type = inputs[0].name, _ONNX_TYPES[inputs[0].type]
        self.shape = tuple(inputs[0].shape)
        self._outputs = [self._session.get_outputs()[0].name]

    def forward(self, x: Tensor) -> Tensor:
        """Return the first output."""
        image = x.detach().cpu().to(self._type).contiguous().numpy()
        try:
            outputs = self._session.run(self._outputs, {self._name: image})
        except Exception as error:  # onnxruntime's errors have no parent of their own.
            raise RuntimeError(f"onnxruntime fails: {_first_line(error)}") from error
        return torch.from_numpy(outputs[0]).to(x.device)

    # A session cannot be copied. Sharing it is safe, because it keeps nothing between runs.
    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._state


def _check_references(program: bytes, name: str) -> None:
    """Refuse a graph whose weights lie in other files than `name`, which its package declares.

    Raises
    ------
    ModelFileError
        If one does, or the graph is damaged.
    MissingExtraError
        If onnx is not installed.
    """
    try:
        from onnx import ModelProto
    except ImportError as error:
        raise _missing("onnx") from error
    try:
        model = ModelProto.FromString(program)
    except Exception as error:  # Protobuf's errors depend on its version.
        raise ModelFileError("the program is no ONNX, or is damaged.", remedy=GET_AGAIN) from error
    for place in _references(model):
        if place != name or not name:
            raise ModelFileError(
                f"the ONNX program refers to the file {place[:200]!r}, which is not part of the model.",
                remedy="Ask its author for a package that holds all of its data.",
            )


def _references(message: Any) -> Iterator[str]:
    """Yield the places of the data of all tensors in a message of ONNX that lie elsewhere."""
    if message.DESCRIPTOR.name == "TensorProto":
        if message.data_location == message.EXTERNAL:
            yield next((entry.value for entry in message.external_data if entry.key == "location"), "")
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if hasattr(value, "append") else [value]:
                yield from _references(part)


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


def _missing(library: str) -> MissingExtraError:
    return MissingExtraError(
        f"models in ONNX need {library}.", remedy="Install it with: pip install 'napari-superres-torch[zoo]'"
    )


def _onnx(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    name = str(arguments.get("data", ""))
    return _Onnx(_bytes(weights["program"]), name, _bytes(weights["data"]) if name else b"")


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
