"""`RuntimeGraph`: a graph of ONNX computed by onnxruntime."""

import re
from typing import Any, Self

import torch
from torch import Tensor, nn

from napari_superres.errors import MissingExtraError, ModelFileError

TYPES = {
    "tensor(float)": torch.float32,
    "tensor(double)": torch.float64,
    "tensor(float16)": torch.float16,
    "tensor(uint8)": torch.uint8,
    "tensor(uint16)": torch.uint16,
    "tensor(int8)": torch.int8,
    "tensor(int16)": torch.int16,
    "tensor(int32)": torch.int32,
    "tensor(int64)": torch.int64,
    "tensor(bool)": torch.bool,
}
"""Types of numbers that a graph may take, as onnxruntime names them."""


_PLACE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (?:/\S+:\d+ .*?\) (?=[A-Z]))?")
"""How onnxruntime begins its messages: with their kind, and the file and function of its own source."""


def missing_library(library: str) -> MissingExtraError:
    """Return the error for a library that graphs need."""
    return MissingExtraError(
        f"models in ONNX need {library}.", remedy="Install it with: pip install 'napari-superres-torch[zoo]'"
    )


class RuntimeGraph(nn.Module):
    """A graph that onnxruntime computes on the CPU, whatever the device and precision of the input.

    Parameters
    ----------
    program
        The graph.
    name, data
        Name of the file that holds the graph's weights, and its content; both empty if the graph holds them itself.

    Raises
    ------
    ModelFileError
        If onnxruntime cannot load the graph, or it takes more than one tensor.
    MissingExtraError
        If onnxruntime is not installed.
    """

    def __init__(self, program: bytes, name: str, data: bytes) -> None:
        super().__init__()
        try:
            import onnxruntime
        except ImportError as error:
            raise missing_library("onnxruntime") from error
        self._state = program, name, data
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4
        if name:
            options.add_external_initializers_from_files_in_memory([name], [data], [len(data)])
        try:
            self._session = onnxruntime.InferenceSession(program, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no parent of their own.
            raise ModelFileError(f"onnxruntime cannot load the program: {first_line(error)}.") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in TYPES:
            raise ModelFileError(
                f"the ONNX program must take one tensor, got {[f'{i.name}: {i.type}' for i in inputs]}.",
                remedy="Wrap the network in one that does, and export that.",
            )
        self._name, self.taken = inputs[0].name, TYPES[inputs[0].type]
        self.shape = tuple(inputs[0].shape)
        self._outputs = [self._session.get_outputs()[0].name]

    def forward(self, x: Tensor) -> Tensor:
        """Return the first output."""
        image = x.detach().cpu()
        if not self.taken.is_floating_point and self.taken != torch.bool:
            limits = torch.iinfo(self.taken)
            image = image.clamp(limits.min, limits.max)
        given = {self._name: image.to(self.taken).contiguous().numpy()}
        try:
            outputs = self._session.run(self._outputs, given)
        except Exception as error:  # onnxruntime's errors have no parent of their own.
            raise RuntimeError(f"onnxruntime fails: {first_line(error)}") from error
        return torch.from_numpy(outputs[0]).to(x.device)

    # A session cannot be copied. Sharing it is safe, because it keeps nothing between runs.
    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._state


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, at most 300 characters of it, without its place in onnxruntime."""
    text = _PLACE.sub("", str(error).strip()).strip() or type(error).__name__
    return text.splitlines()[0][:300].removesuffix(".")
