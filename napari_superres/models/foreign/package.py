"""bioimage.io packages, specification 0.4 and 0.5: read without a network, and without running what is in them.

https://github.com/bioimage-io/spec-bioimage-io. Ouyang et al.: BioImage Model Zoo, bioRxiv 2022,
doi:10.1101/2022.06.07.495102.
"""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from napari_superres.errors import MissingExtraError, ModelFileError, UntrustedModelError
from napari_superres.models.architectures import list_architectures
from napari_superres.models.card import ModelCard
from napari_superres.models.files import KEY, digest
from napari_superres.models.foreign.archive import check_folder, unpack
from napari_superres.models.foreign.imported import Foreign
from napari_superres.models.foreign.package_card import Processing, Step, describe
from napari_superres.models.foreign.programs import Program, process, restore
from napari_superres.models.foreign.trust import demand_trust, fingerprint

_NAMES = ("bioimageio.yaml", "rdf.yaml")
_LARGEST_TEXT = 2 * 2**20
_MOST_VALUES = 200_000
_NEWEST = (0, 5)  # specification
_TOLERANCE = 1e-3
_MISSING = "bioimage.io packages need {}. Install it with: pip install 'napari-superres-torch[zoo]'"

Check = Callable[[nn.Module], None]
Array = npt.NDArray[Any]


def is_package(path: Path) -> bool:
    """Return whether a path is a bioimage.io package: a zip file, a folder, or the description in a folder."""
    if path.is_dir():
        return any(_is_description(found.name) for found in path.iterdir())
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
    """Return what holds all of a package: itself, or the folder of a description."""
    return path.parent if path.is_file() and _is_description(path.name) else path


def read_package(path: Path, *, trusted: bool) -> Foreign:
    """Read a bioimage.io package.

    Parameters
    ----------
    path
        As for `is_package`.
    trusted
        Whether the user allows programs in it (TorchScript, Python) to run; ONNX and our own models need no trust.

    Returns
    -------
    Foreign
        Its check compares with the package's test tensors.

    Raises
    ------
    ModelFileError
        If the package is unsafe, damaged, incomplete, or a model that this engine cannot run.
    UntrustedModelError
        If it is a program and neither `trusted` nor known as such.
    MissingExtraError
        If bioimageio.spec or onnxruntime is not installed.
    """
    check_library()

    def demand(kind: str) -> None:
        if not trusted:
            demand_trust(path.name, kind, fingerprint(package_root(path)))

    with _unpacked(path) as folder:
        name = path.name if package_root(path) != path else _description_name(path, folder)
        try:
            return _read(folder, _content(folder / name), demand)
        except UntrustedModelError:
            raise
        except ModelFileError as error:
            raise ModelFileError(f"{path.name}: {error}") from error


def check_library() -> None:
    """Check that bioimageio.spec is there and works.

    Raises
    ------
    MissingExtraError
        If not.
    """
    try:
        import bioimageio.spec
        import pydantic
    except ImportError as error:
        raise MissingExtraError(_MISSING.format("bioimageio.core")) from error
    if pydantic.VERSION.startswith("2.14.") and bioimageio.spec.__version__.startswith("0.5.12."):
        raise MissingExtraError(
            f"bioimageio.spec {bioimageio.spec.__version__} can read no description beside pydantic {pydantic.VERSION}."
            " Mend it with: pip install 'napari-superres-torch[zoo]'"
        )


def _is_description(name: str) -> bool:
    return name in _NAMES or name.endswith(".bioimageio.yaml")


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
    found = sorted(p.name for p in folder.iterdir() if _is_description(p.name))
    if not found:
        raise ModelFileError(f"{path.name} has no {' or '.join(_NAMES)}. It is no bioimage.io package.")
    return next((name for name in _NAMES if name in found), found[0])


def _content(path: Path) -> dict[str, Any]:
    """Return what a description says, before it is interpreted."""
    from bioimageio.spec.utils import read_yaml
    from ruyaml.error import YAMLError

    if path.stat().st_size > _LARGEST_TEXT:
        raise ModelFileError(f"{path.name} is larger than {_LARGEST_TEXT // 2**20} MiB, too large for a description.")
    try:
        content: Any = read_yaml(path)
    except (YAMLError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path.name} is not YAML ({' '.join(str(error).split())[:200]}).") from error
    # Aliases may make much, or something endless, of little.
    left, values = [content], 0
    while left:
        values += 1
        if values > _MOST_VALUES:
            raise ModelFileError(f"{path.name} holds more than {_MOST_VALUES} values, too many for a description.")
        value = left.pop()
        left += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    if not isinstance(content, dict) or content.get("type") != "model":
        raise ModelFileError(f"{path.name} does not describe a model.")
    version = re.match(r"(\d+)\.(\d+)", str(content.get("format_version", "")))
    if version is not None and tuple(map(int, version.groups())) > _NEWEST:
        raise ModelFileError(
            f"{path.name} follows specification {version[0]}, and {'.'.join(map(str, _NEWEST))} is the newest that is "
            "understood. Ask for an older package, or for the weights as ONNX."
        )
    return content


def _description(folder: Path, content: Mapping[str, Any]) -> Any:
    """Return the `bioimageio.spec.model.v0_5.ModelDescr` of a description."""
    from bioimageio.spec import ValidationContext, build_description
    from bioimageio.spec.model.v0_5 import ModelDescr

    inputs = content.get("inputs")
    if any(isinstance(i, dict) and i.get("output_of") for i in (inputs if isinstance(inputs, list) else [])):
        # The other model's description would be fetched.
        raise ModelFileError("the model needs the output of another one, which is not understood.")
    context = ValidationContext(root=folder, perform_io_checks=False, log_warnings=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what conversion of specification 0.4 says of itself
            found = build_description(content, context=context, format_version="latest")
    except (ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError) as error:
        raise ModelFileError(f"the description is not valid: {_line(error)}") from error
    if not isinstance(found, ModelDescr):
        reason = getattr(found, "get_reason", str)() or "no reason is known"
        raise ModelFileError(f"the description is not valid: {' '.join(reason.split())[:400]}")
    return found


def _read(folder: Path, content: Mapping[str, Any], demand: Callable[[str], None]) -> Foreign:
    description = _description(folder, content)
    weights = description.weights
    if weights.pytorch_state_dict is not None and (card := _own_card(content)) is not None:
        return Foreign(card, _state_dict(folder, weights.pytorch_state_dict), _own_check(folder, description))
    if weights.onnx is not None:
        return _read_onnx(folder, description)
    if weights.torchscript is not None:
        card, processing = describe(description, "torchscript")
        demand("TorchScript")
        program = _tensor(_file(folder, weights.torchscript, "the weights"))
        return Foreign(card, {"program": program}, _check(folder, description, card, processing))
    if weights.pytorch_state_dict is not None:
        return _read_source(folder, description, demand)
    formats = ", ".join(weights.available_formats)
    raise ModelFileError(
        f"its weights are in {formats}; understood are onnx, torchscript and pytorch_state_dict. "
        "Ask its author for one of these."
    )


def _own_card(content: Mapping[str, Any]) -> ModelCard | None:
    """Return the card of a model of this program, if a package is one."""
    config = content.get("config")
    ours = config.get(KEY) if isinstance(config, dict) else None
    text = ours.get("card") if isinstance(ours, dict) else None
    card = ModelCard.from_json(text) if isinstance(text, str) else None
    return card if card is not None and card.architecture in list_architectures() else None


def _own_check(folder: Path, description: Any) -> Check | None:
    try:
        card, processing = describe(description, "source")
    except ModelFileError:  # several frames: ours, but no model of one image for others
        return None
    check = _check(folder, description, card, processing)
    return check and (lambda network: check(Program(network, card.arguments, card.ndim).eval()))


def _read_onnx(folder: Path, description: Any) -> Foreign:
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(_MISSING.format("onnxruntime")) from error
    entry = description.weights.onnx
    found = {"program": _tensor(_file(folder, entry, "the weights"))}
    arguments = {}
    if entry.external_data is not None:
        found["data"] = _tensor(_file(folder, entry.external_data, "the weights' data"))
        arguments["data"] = PurePosixPath(str(entry.external_data.source)).name
    card, processing = describe(description, "onnx", **arguments)
    return Foreign(card, found, _check(folder, description, card, processing))


def _read_source(folder: Path, description: Any, demand: Callable[[str], None]) -> Foreign:
    entry = description.weights.pytorch_state_dict
    architecture = entry.architecture
    home = getattr(architecture, "import_from", None)
    card, processing = describe(
        description,
        "source",
        callable=str(architecture.callable),
        import_from=home,
        kwargs=dict(architecture.kwargs),
        strict=entry.strict,
    )
    demand("Python source" if home is None else f"Python package {home}")
    found = {f"weights.{name}": value for name, value in _state_dict(folder, entry).items()}
    if home is None:
        found["source"] = _tensor(_file(folder, architecture, "the architecture"))
    return Foreign(card, found, _check(folder, description, card, processing))


def _file(folder: Path, entry: Any, what: str) -> Path:
    """Return the path of a file in the package, as its description promises it."""
    source = str(entry.source)
    if source.startswith(("http:", "https:")):
        raise ModelFileError(f"{what} lie elsewhere ({source[:200]}). Download the whole package first.")
    path = (folder / source).resolve()
    if PurePosixPath(source).is_absolute() or not path.is_relative_to(folder.resolve()):
        raise ModelFileError(f"{what} ({source[:200]}) lie outside of the package.")
    if not path.is_file():
        raise ModelFileError(f"{what} ({source[:200]}) are missing in the package. Get it again.")
    if entry.sha256 is not None and digest(path) != str(entry.sha256):
        raise ModelFileError(f"{what} ({source[:200]}) have another sha256 than the package says. Get it again.")
    return path


def _tensor(path: Path) -> Tensor:
    return torch.from_numpy(np.fromfile(path, dtype=np.uint8))


def _state_dict(folder: Path, entry: Any) -> dict[str, Tensor]:
    path = _file(folder, entry, "the weights")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old pickles
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling of what is no pickle may raise anything
        raise ModelFileError(
            f"{path.name} is no state dict, or holds more than tensors. Ask its author for one of tensors alone."
        ) from error
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        raise ModelFileError(f"{path.name} is no state dict: it must hold tensors by name and nothing else.")
    # Tensors of one storage cannot be written to a model file.
    return {str(name): value.detach().clone() for name, value in found.items()}


def _check(folder: Path, description: Any, card: ModelCard, processing: Processing) -> Check | None:
    """Return what compares a network with the test tensors of its package, if there are any."""
    arrays = [_array(folder, t.test_tensor) for t in (description.inputs[0], description.outputs[0])]
    if arrays[0] is None or arrays[1] is None:
        return None
    first = description.inputs[0].preprocessing[0]
    given = arrays[0].astype(first.kwargs.dtype) if first.id == "ensure_dtype" else arrays[0]
    orders = card.arguments["inputs"], card.arguments["outputs"]
    for array, order in zip((given, arrays[1]), orders, strict=True):
        if array.ndim != len(order):
            raise ModelFileError(f"a test tensor has shape {array.shape}, where the axes are {order}.")
    x, expected = (
        restore(torch.from_numpy(a.astype(np.float64)), order, card.ndim)
        for a, order in zip((given, arrays[1]), orders, strict=True)
    )
    unit = 1.0 if arrays[1].dtype.kind in "iu" else 0.0  # of what was rounded to integers

    @torch.inference_mode()
    def check(network: nn.Module) -> None:
        scaled = x if processing.fitted is None else _scaled(x, processing.fitted, x)
        found = network(scaled.float()).double()
        wanted = expected
        if processing.matched is None:
            wanted = process(expected, processing.restore)
        else:
            found = _scaled(found, processing.matched, x)
        margins = [(f - w) // 2 for f, w in zip(found.shape[2:], wanted.shape[2:], strict=True)]
        # Some authors cut a margin off their test output.
        inside = (..., *[slice(m, m + w) for m, w in zip(margins, wanted.shape[2:], strict=True)])
        found = found[inside] if min(margins) >= 0 else found
        if found.shape != wanted.shape:
            raise ModelFileError(
                f"{card.name} does not reproduce its author's test output: it makes {list(found.shape)}, "
                f"not {list(wanted.shape)}."
            )
        span = float(wanted.max() - wanted.min()) or 1.0
        worst = float((found - wanted).abs().max())
        if not worst <= max(_TOLERANCE * span, unit):
            raise ModelFileError(
                f"{card.name} does not reproduce its author's test output: largest difference {worst:.3g}, "
                f"{100 * worst / span:.2f} % of the output's range."
            )

    return check


def _scaled(x: Tensor, step: Step, reference: Tensor) -> Tensor:
    """Return a whole tensor ``(B, C, (Z)YX)`` scaled as the specification says, in double precision."""
    parts = [slice(None)] if step["joint"] else [slice(i, i + 1) for i in range(len(x))]
    return torch.cat([_scale_jointly(x[part], step, reference[part]) for part in parts])


def _scale_jointly(x: Tensor, step: Step, reference: Tensor) -> Tensor:
    eps = float(step["eps"])
    if step["id"] == "scale_range":
        low, high = np.percentile(reference.numpy(), (step["min_percentile"], step["max_percentile"]))
        return (x - float(low)) / float(high - low + eps)
    deviation, wanted = float(x.std(correction=0)), float(reference.std(correction=0))
    standard = (x - x.mean()) / (deviation + eps)
    return standard * (wanted + eps) + reference.mean() if step["id"] == "scale_mean_variance" else standard


def _array(folder: Path, entry: Any) -> Array | None:
    """Return a test tensor, or None where there is none in the package."""
    if entry is None or str(entry.source).startswith(("http:", "https:")):
        return None
    path = _file(folder, entry, "a test tensor's values")
    try:
        # Mapped: a header may promise more than the file holds.
        found = np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise ModelFileError(f"{path.name} is no array ({_line(error)}).") from error
    if found.dtype.kind not in "fiub" or found.size == 0:
        raise ModelFileError(f"{path.name} holds {found.size} values of {found.dtype}, not numbers.")
    return found


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
