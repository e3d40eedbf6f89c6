"""What a file is that holds no weights that can be read here, told by its first bytes, and how to convert it."""

import zipfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from napari_superres.errors import ModelFileError
from napari_superres.models.model_file import GET_AGAIN, SUFFIX

_EXPORT = "Export the network as ONNX where it runs, and add the .onnx file."
_TO_ONNX = {
    "tf": "Convert it with tf2onnx (`python -m tf2onnx.convert`), and add the .onnx file.",
    "keras": "Convert it with `model.export('net.onnx', format='onnx')` of Keras 3, and add the .onnx file.",
    "ncnn": "Get the .pth or .onnx file that it was converted from: ncnn cannot be converted back.",
}
_BY_SUFFIX = {
    ".pb": ("a TensorFlow graph", _TO_ONNX["tf"]),
    ".tflite": ("a TensorFlow Lite model", _TO_ONNX["tf"]),
    ".h5": ("weights of Keras", _TO_ONNX["keras"]),
    ".hdf5": ("weights of Keras", _TO_ONNX["keras"]),
    ".keras": ("a model of Keras", _TO_ONNX["keras"]),
    ".param": ("the layers of an ncnn model", _TO_ONNX["ncnn"]),
    ".caffemodel": ("a model of Caffe", _EXPORT),
    ".mlmodel": ("a model of Core ML", _EXPORT),
    ".engine": ("a TensorRT engine, which runs on one kind of GPU only", _EXPORT),
    ".mat": ("a file of MATLAB", "Export the network in MATLAB with exportONNXNetwork, and add the .onnx file."),
    ".npz": ("arrays of numpy, without the network that they belong to", _EXPORT),
}

_BEGINNINGS = {".h5": b"\x89HDF", ".hdf5": b"\x89HDF", ".keras": b"PK", ".npz": b"PK", ".param": b"7767517"}
"""First bytes of those files whose kind shows them."""

_TORCH = (".pth", ".pt", ".ckpt", ".bin", ".pkl", ".tar", ".model")
_LARGEST_IR = 32


def check_ending(path: Path) -> None:
    """Check that a file does not end like a file of another kind.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ModelFileError
        If it begins as a file that is read here under another ending; the message says which.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return  # Whoever reads it says why not.
    kind, endings = _kind(path, start)
    if endings and path.suffix.lower() not in endings:
        raise ModelFileError(
            f"{path.name} is {kind} by its content, not by its ending.",
            remedy=f"Rename it so that it ends in {endings[0]}.",
        )


def _kind(path: Path, start: bytes) -> tuple[str, tuple[str, ...]]:
    """Return what a file is by its first bytes, and the endings of such files; empty if they tell nothing."""
    length = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and length < path.stat().st_size:
        return "a safetensors file", (SUFFIX,)
    if len(start) > 2 and start[0] == 8 and start[1] <= _LARGEST_IR and start[2] in (0x12, 0x3A, 0x42):
        return "an ONNX graph", (".onnx",)
    if _may_be_pickle(start):
        return "a checkpoint of torch", _TORCH
    if start[:2] == b"PK":
        with suppress(zipfile.BadZipFile, OSError, ValueError), zipfile.ZipFile(path) as archive:
            names = [name.rpartition("/")[2] for name in archive.namelist()]
            if "archive_format" in names:
                return "a program of torch.export", (".pt2",)
            if "data.pkl" in names and "constants.pkl" not in names:
                return "a checkpoint of torch", _TORCH
    return "", ()


def check_kind(path: Path, suffixes: Collection[str]) -> None:
    """Check that a file may be a checkpoint of torch: a zip file, a pickle or an old tar file.

    Parameters
    ----------
    path
        The file.
    suffixes
        Suffixes of model files.

    Raises
    ------
    ModelFileError
        If it is another kind of file; the message says which, if known, and how to convert it.
    """
    try:
        with path.open("rb") as file:
            start = file.read(264)
    except OSError as error:
        raise ModelFileError(f"model file {path.name} cannot be read: {error.strerror or error}.") from error
    suffix = path.suffix.lower()
    if suffix in _BY_SUFFIX and start.startswith(_BEGINNINGS.get(suffix, b"")):
        what, remedy = _BY_SUFFIX[suffix]
        raise ModelFileError(f"{path.name} is {what}, which cannot be run here.", remedy=remedy)
    if suffix == ".zip":
        raise ModelFileError(
            f"{path.name} is no package of bioimage.io: it holds no description.",
            remedy="If a model file is in it, unpack it and add that file.",
        )
    if suffix not in suffixes and suffix not in _BY_SUFFIX:
        raise ModelFileError(
            f"{path.name} is no model file: these end in {', '.join(suffixes)}, packages of bioimage.io in .zip."
        )
    if start[:2] == b"PK" or start[257:262] == b"ustar" or _may_be_pickle(start):
        return
    if not start:
        raise ModelFileError(f"{path.name} is empty.", remedy=GET_AGAIN)
    if start.startswith(b"\x89HDF"):
        raise ModelFileError(
            f"{path.name} is an HDF5 file, probably weights of Keras, which cannot be run here.",
            remedy=_TO_ONNX["keras"],
        )
    if start.startswith(b"version https://git-lfs"):
        raise ModelFileError(
            f"{path.name} is a pointer of Git LFS, not the file itself.", remedy="Get it with `git lfs pull`."
        )
    if start.lstrip()[:1] == b"<":
        raise ModelFileError(f"{path.name} is a web page, not a model.", remedy="Download the file itself.")
    if suffix == ".bin" and path.with_suffix(".param").is_file():
        what, remedy = "the weights of an ncnn model", _TO_ONNX["ncnn"]
        raise ModelFileError(f"{path.name} is {what}, which cannot be run here.", remedy=remedy)
    raise ModelFileError(f"{path.name}: its content is no model that is known, or it is damaged.", remedy=GET_AGAIN)


def _may_be_pickle(start: bytes) -> bool:
    """Return whether bytes begin as torch's pickles do: with the version of the protocol, then an opcode."""
    return len(start) > 2 and start[0] == 0x80 and 2 <= start[1] <= 5
