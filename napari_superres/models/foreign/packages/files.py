"""The files of a bioimage.io package: its description, weights and test tensors. Nothing in them is run or fetched.

https://github.com/bioimage-io/spec-bioimage-io, specifications 0.4 and 0.5.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_superres.errors import MissingExtraError, ModelFileError
from napari_superres.models.foreign.archive import check_folder, unpack
from napari_superres.models.model_file import digest

_DESCRIPTION_NAMES = ("bioimageio.yaml", "rdf.yaml")
_LARGEST_TEXT = 2 * 2**20
_MAX_VALUES = 200_000
_NEWEST_SPECIFICATION = (0, 5)
_ZOO_EXTRA = "Install it with: pip install 'napari-superres-torch[zoo]'"

Array = npt.NDArray[Any]


def missing_library(name: str) -> MissingExtraError:
    """Return the error for a library that bioimage.io packages need."""
    return MissingExtraError(f"bioimage.io packages need {name}.", remedy=_ZOO_EXTRA)


def check_library() -> None:
    """Check that bioimageio.spec is installed and works.

    Raises
    ------
    MissingExtraError
        If not.
    """
    try:
        import bioimageio.spec
        import pydantic
    except ImportError as error:
        raise missing_library("bioimageio.core") from error
    if pydantic.VERSION.startswith("2.14.") and bioimageio.spec.__version__.startswith("0.5.12."):
        raise MissingExtraError(
            f"bioimageio.spec {bioimageio.spec.__version__} can read no description with pydantic {pydantic.VERSION}.",
            remedy="Install versions that fit with: pip install 'napari-superres-torch[zoo]'",
        )


def is_package(path: Path) -> bool:
    """Return whether a path is a bioimage.io package: a zip file, a folder, or the description in a folder."""
    if path.is_dir():
        return bool(_descriptions(path))
    if not path.is_file():
        return False
    if _is_description(path.name):
        return True
    try:
        with ZipFile(path) as archive:
            return any(map(_is_description, archive.namelist()))
    except (BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def package_root(path: Path) -> Path:
    """Return the path that holds the whole package: the path itself, or the folder of a description."""
    return path.parent if path.is_file() and _is_description(path.name) else path


@contextmanager
def open_package(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the folder of a package, unpacked if need be, and the file of its description.

    Raises
    ------
    ModelFileError
        If the package is unsafe, damaged, or has no description.
    """
    with _unpacked(path) as folder:
        name = path.name if package_root(path) != path else _description_name(path, folder)
        yield folder, folder / name


def _descriptions(folder: Path) -> list[str]:
    """Return the names of the descriptions in a folder. Opening a pipe of such a name would wait forever."""
    return sorted(file.name for file in folder.iterdir() if _is_description(file.name) and file.is_file())


def _is_description(name: str) -> bool:
    return name in _DESCRIPTION_NAMES or name.endswith(".bioimageio.yaml")


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    if (root := package_root(path)).is_dir():
        check_folder(root)
        yield root
        return
    with TemporaryDirectory(prefix="superres-package-") as folder:
        unpack(path, Path(folder))
        yield Path(folder)


def _description_name(path: Path, folder: Path) -> str:
    names = _descriptions(folder)
    if not names:
        raise ModelFileError(f"{path.name} has no {' or '.join(_DESCRIPTION_NAMES)}, so it is no bioimage.io package.")
    return next((name for name in _DESCRIPTION_NAMES if name in names), names[0])


def read_description(path: Path) -> dict[str, Any]:
    """Return what a description says, before it is interpreted.

    Raises
    ------
    ModelFileError
        If it is not YAML, does not describe a model, or follows a newer specification.
    """
    from bioimageio.spec.utils import read_yaml
    from ruyaml.error import YAMLError

    if path.stat().st_size > _LARGEST_TEXT:
        raise ModelFileError(f"{path.name} is larger than {_LARGEST_TEXT // 2**20} MiB, too large for a description.")
    try:
        content: Any = read_yaml(path)
    except (YAMLError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path.name} is not YAML ({' '.join(str(error).split())[:200]}).") from error
    _check_value_count(path.name, content)
    if not isinstance(content, dict) or content.get("type") != "model":
        raise ModelFileError(f"{path.name} does not describe a model.")
    version = re.match(r"(\d+)\.(\d+)", str(content.get("format_version", "")))
    if version is not None and tuple(map(int, version.groups())) > _NEWEST_SPECIFICATION:
        newest = ".".join(map(str, _NEWEST_SPECIFICATION))
        raise ModelFileError(
            f"{path.name} follows specification {version[0]}; {newest} is the newest that is understood.",
            remedy="Ask its author for an older package, or for the weights as ONNX.",
        )
    return content


def _check_value_count(name: str, content: Any) -> None:
    """Refuse a description whose aliases turn a small file into many values, or into endless ones."""
    remaining, count = [content], 0
    while remaining:
        count += 1
        if count > _MAX_VALUES:
            raise ModelFileError(f"{name} holds more than {_MAX_VALUES} values, too many for a description.")
        value = remaining.pop()
        remaining += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []


def build_description(folder: Path, content: Mapping[str, Any]) -> Any:
    """Return the `bioimageio.spec.model.v0_5.ModelDescr` of what a description says.

    Raises
    ------
    ModelFileError
        If the description is not valid, or the model needs another one's output.
    """
    from bioimageio import spec
    from bioimageio.spec.model.v0_5 import ModelDescr

    inputs = content.get("inputs")
    if any(isinstance(i, dict) and i.get("output_of") for i in (inputs if isinstance(inputs, list) else [])):
        # The library would fetch the other model's description.
        raise ModelFileError("the model needs the output of another one, which is not understood.")
    context = spec.ValidationContext(root=folder, perform_io_checks=False, log_warnings=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The conversion of specification 0.4 warns about itself.
            description = spec.build_description(_convertible(content), context=context, format_version="latest")
    except (ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError) as error:
        raise ModelFileError(f"the description is not valid: {one_line(error)}") from error
    if not isinstance(description, ModelDescr):
        reason = getattr(description, "get_reason", str)() or "no reason is known"
        raise ModelFileError(f"the description is not valid: {' '.join(reason.split())[:400]}")
    return description


def _convertible(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description without the halo of outputs of one size, with which version 0.5 refuses those of 0.4.

    The halo is measured, whatever the description says.
    """
    outputs = content.get("outputs")
    if not str(content.get("format_version", "")).startswith("0.4") or not isinstance(outputs, list):
        return dict(content)
    kept = [
        {key: value for key, value in output.items() if key != "halo" or not isinstance(output.get("shape"), list)}
        if isinstance(output, dict)
        else output
        for output in outputs
    ]
    return {**content, "outputs": kept}


def package_file(folder: Path, entry: Any, label: str) -> Path:
    """Return the path of a file in the package, after checking it against the description.

    Parameters
    ----------
    folder
        The package.
    entry
        What the description says about the file: its source and sha256.
    label
        A plural noun for the file's content, for messages.

    Raises
    ------
    ModelFileError
        If the file is not in the package, or has another sha256.
    """
    source = str(entry.source)
    if source.startswith(("http:", "https:")):
        raise ModelFileError(
            f"{label} are not in the package, but at {source[:200]}.", remedy="Download the whole package first."
        )
    path = (folder / source).resolve()
    if PurePosixPath(source).is_absolute() or not path.is_relative_to(folder.resolve()):
        raise ModelFileError(f"{label} ({source[:200]}) lie outside of the package.")
    remedy = "Get the package again."
    if not path.is_file():
        raise ModelFileError(f"{label} ({source[:200]}) are missing in the package.", remedy=remedy)
    if entry.sha256 is not None and digest(path) != str(entry.sha256):
        raise ModelFileError(f"{label} ({source[:200]}) have another sha256 than the package says.", remedy=remedy)
    return path


def read_bytes(path: Path) -> Tensor:
    """Return the bytes of a file as a tensor of uint8."""
    return torch.from_numpy(np.fromfile(path, dtype=np.uint8))


def read_state_dict(folder: Path, entry: Any) -> dict[str, Tensor]:
    """Return the tensors of a package's state dict by name.

    Raises
    ------
    ModelFileError
        If the file holds anything else.
    """
    path = package_file(folder, entry, "the weights")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about old pickles.
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # Unpickling a file that is no pickle may raise anything.
        raise ModelFileError(
            f"{path.name} is no state dict, or holds more than tensors.",
            remedy="Ask its author for a state dict of tensors only.",
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelFileError(f"{path.name} is no state dict: it must hold tensors by name and nothing else.")
    # Model files cannot hold tensors that share memory.
    return {str(name): value.detach().clone() for name, value in state.items()}


def read_array(folder: Path, entry: Any) -> Array | None:
    """Return a test tensor; None if the package does not hold it.

    Raises
    ------
    ModelFileError
        If the file is no array of numbers.
    """
    if entry is None or str(entry.source).startswith(("http:", "https:")):
        return None
    path = package_file(folder, entry, "a test tensor's values")
    try:
        # The file is mapped, because its header may promise more than it holds.
        array = np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise ModelFileError(f"{path.name} is no array ({one_line(error)}).") from error
    if array.dtype.kind not in "fiub" or array.size == 0:
        raise ModelFileError(f"{path.name} holds {array.size} values of {array.dtype}, not numbers.")
    return array


def one_line(error: Exception) -> str:
    """Return the text of an error in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__
