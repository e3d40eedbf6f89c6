"""bioimage.io packages, specification 0.4 and 0.5: read without a network connection and without running them.

https://github.com/bioimage-io/spec-bioimage-io. Ouyang et al.: BioImage Model Zoo, bioRxiv 2022,
doi:10.1101/2022.06.07.495102.
"""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from napari_superres.errors import ModelFileError, UntrustedModelError
from napari_superres.models.architectures import list_architectures
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.foreign_model import ForeignModel
from napari_superres.models.foreign.packages.card import describe
from napari_superres.models.foreign.packages.check import Check, package_check, with_seen_range
from napari_superres.models.foreign.packages.files import (
    build_description,
    check_library,
    is_package,
    missing_library,
    open_package,
    package_file,
    package_root,
    read_bytes,
    read_description,
    read_state_dict,
)
from napari_superres.models.foreign.programs import Program
from napari_superres.models.foreign.trust import fingerprint, require_trust
from napari_superres.models.model_file import KEY

__all__ = ["is_package", "package_root", "read_package"]


def read_package(path: Path, *, trusted: bool) -> ForeignModel:
    """Read a bioimage.io package.

    Parameters
    ----------
    path
        As for `is_package`.
    trusted
        Whether the user allows programs in it (TorchScript, Python) to run; ONNX and this program's own models need
        no trust.

    Returns
    -------
    ForeignModel
        Its check compares a network with the package's test tensors.

    Raises
    ------
    ModelFileError
        If the package is unsafe, damaged, incomplete, or a model that this engine cannot run.
    UntrustedModelError
        If the model is a program, and neither `trusted` nor allowed to run earlier.
    MissingExtraError
        If bioimageio.spec or onnxruntime is not installed.
    """
    check_library()

    def require(kind: str) -> None:
        if not trusted:
            require_trust(path.name, kind, fingerprint(package_root(path)))

    with open_package(path) as (folder, description):
        try:
            return _read(folder, read_description(description), require)
        except UntrustedModelError:
            raise
        except ModelFileError as error:
            raise ModelFileError(f"{path.name}: {error.message}", remedy=error.remedy) from error


def _read(folder: Path, content: Mapping[str, Any], require: Callable[[str], None]) -> ForeignModel:
    """Return the model from the first weights that are understood: this program's, ONNX, TorchScript, source."""
    description = build_description(folder, content)
    weights = description.weights
    if weights.pytorch_state_dict is not None and (card := _own_card(content)) is not None:
        state = read_state_dict(folder, weights.pytorch_state_dict)
        return ForeignModel(card, state, _own_check(folder, description))
    if weights.onnx is not None:
        return _read_onnx(folder, description)
    if weights.torchscript is not None:
        return _read_torchscript(folder, description, require)
    if weights.pytorch_state_dict is not None:
        return _read_source(folder, description, require)
    formats = ", ".join(weights.available_formats)
    raise ModelFileError(
        f"its weights are in {formats}; understood are onnx, torchscript and pytorch_state_dict.",
        remedy="Ask its author for one of these.",
    )


def _own_card(content: Mapping[str, Any]) -> ModelCard | None:
    """Return the card in a package that this program exported; None for other packages."""
    config = content.get("config")
    ours = config.get(KEY) if isinstance(config, dict) else None
    text = ours.get("card") if isinstance(ours, dict) else None
    card = ModelCard.from_json(text) if isinstance(text, str) else None
    return card if card is not None and card.architecture in list_architectures() else None


def _own_check(folder: Path, description: Any) -> Check | None:
    """Return the check of a package that this program exported, with the processing around its bare network."""
    try:
        card, processing = describe(description, "source", {})
    except ModelFileError:  # Such descriptions of several frames cannot be run as other programs' models.
        return None
    check = package_check(folder, description, card, processing)
    return check and (lambda network: check(Program(network, card.arguments, card.ndim).eval()))


def _read_onnx(folder: Path, description: Any) -> ForeignModel:
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise missing_library("onnxruntime") from error
    entry = description.weights.onnx
    weights = {"program": read_bytes(package_file(folder, entry, "the weights"))}
    arguments = {}
    if entry.external_data is not None:
        weights["data"] = read_bytes(package_file(folder, entry.external_data, "the weights' data"))
        arguments["data"] = PurePosixPath(str(entry.external_data.source)).name
    card, processing = describe(description, "onnx", arguments)
    card = with_seen_range(folder, description, card)
    return ForeignModel(card, weights, package_check(folder, description, card, processing))


def _read_torchscript(folder: Path, description: Any, require: Callable[[str], None]) -> ForeignModel:
    card, processing = describe(description, "torchscript", {})
    card = with_seen_range(folder, description, card)
    require("TorchScript")
    program = read_bytes(package_file(folder, description.weights.torchscript, "the weights"))
    return ForeignModel(card, {"program": program}, package_check(folder, description, card, processing))


def _read_source(folder: Path, description: Any, require: Callable[[str], None]) -> ForeignModel:
    entry = description.weights.pytorch_state_dict
    architecture = entry.architecture
    library = getattr(architecture, "import_from", None)
    arguments = {
        "callable": str(architecture.callable),
        "import_from": library,
        "kwargs": dict(architecture.kwargs),
        "strict": entry.strict,
    }
    card, processing = describe(description, "source", arguments)
    card = with_seen_range(folder, description, card)
    require("Python source" if library is None else f"Python package {library}")
    weights = {f"weights.{name}": value for name, value in read_state_dict(folder, entry).items()}
    if library is None:
        weights["source"] = read_bytes(package_file(folder, architecture, "the architecture"))
    return ForeignModel(card, weights, package_check(folder, description, card, processing))
