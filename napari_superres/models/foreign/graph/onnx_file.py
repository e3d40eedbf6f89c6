"""The bytes of a graph of ONNX, and of the one file next to it that may hold its weights."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from napari_superres.errors import ModelFileError
from napari_superres.models.foreign.graph.runtime import missing_library
from napari_superres.models.model_file import GET_AGAIN

_WHOLE = "Ask its author for a package that holds all of its data."


def parse_graph(program: bytes) -> Any:
    """Return the `onnx.ModelProto` in some bytes, without data that lie elsewhere.

    Raises
    ------
    ModelFileError
        If the bytes are no graph of ONNX.
    MissingExtraError
        If onnx is not installed.
    """
    try:
        from onnx import ModelProto
    except ImportError as error:
        raise missing_library("onnx") from error
    try:
        model = ModelProto.FromString(program)
    except Exception as error:  # Protobuf's errors depend on its version.
        raise ModelFileError("the program is no ONNX, or is damaged.", remedy=GET_AGAIN) from error
    if not model.graph.node or not model.graph.output:
        raise ModelFileError("the program is no ONNX, or is damaged: it computes nothing.", remedy=GET_AGAIN)
    return model


def check_references(program: bytes, name: str) -> None:
    """Refuse a graph whose weights lie in other files than `name`, which its package declares.

    Raises
    ------
    ModelFileError, MissingExtraError
        If one does; and as `parse_graph`.
    """
    for place in _references(parse_graph(program)):
        if place != name or not name:
            raise ModelFileError(
                f"the ONNX program refers to the file {place[:200]!r}, which is not part of the model.", remedy=_WHOLE
            )


def read_graph(path: Path) -> tuple[bytes, str, bytes]:
    """Return a bare graph, and name and content of the file next to it that holds its weights, empty if none does.

    Raises
    ------
    ModelFileError
        If that file is missing, lies elsewhere, or is not the only one; and as `parse_graph`.
    """
    program = path.read_bytes()
    try:
        places = sorted(set(_references(parse_graph(program))))
    except ModelFileError as error:
        message = error.message.replace("the program", path.name, 1)
        raise ModelFileError(message, remedy=error.remedy) from error
    if not places:
        return program, "", b""
    name = places[0]
    data = path.parent / name
    if len(places) > 1 or PurePosixPath(name).name != name or "\\" in name or ":" in name:
        raise ModelFileError(f"{path.name} keeps its weights in {', '.join(places)[:200]!r}: one file next to it may.")
    if data.is_symlink() or not data.is_file():
        raise ModelFileError(
            f"the weights of {path.name} are in {name[:200]!r}, which is not next to it.",
            remedy="Put that file into the same folder.",
        )
    return program, name, data.read_bytes()


def with_data(program: bytes, name: str, data: bytes) -> Any:
    """Return the `onnx.ModelProto` of a checked graph with the weights of its data file in it."""
    model = parse_graph(program)
    if name:
        for tensor in _tensors(model):
            if tensor.data_location == tensor.EXTERNAL:
                where = {entry.key: entry.value for entry in tensor.external_data}
                try:
                    start, length = int(where.get("offset", 0)), where.get("length")
                    stop = len(data) if length is None else start + int(length)
                except ValueError:
                    start, stop = 1, 0
                if not 0 <= start <= stop <= len(data):
                    raise ModelFileError(f"the weights in {name[:200]!r} are incomplete.", remedy=GET_AGAIN)
                tensor.raw_data = data[start:stop]
                tensor.ClearField("external_data")
                tensor.data_location = tensor.DEFAULT
    return model


def _references(message: Any) -> Iterator[str]:
    """Yield the places of the data of all tensors in a message of ONNX that lie elsewhere."""
    for tensor in _tensors(message):
        if tensor.data_location == tensor.EXTERNAL:
            yield next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


def _tensors(message: Any) -> Iterator[Any]:
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if hasattr(value, "append") else [value]:
                yield from _tensors(part)
