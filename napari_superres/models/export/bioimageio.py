"""Our models for others: as bioimage.io packages, which other programs run, and as the one file we use ourselves.

A package holds the state dict of the network as it is trained, which needs this program's classes, and the network
in its deploy form as ONNX, which needs none of ours. The format: https://github.com/bioimage-io/spec-bioimage-io;
Ouyang et al.: BioImage Model Zoo, bioRxiv 2022, doi:10.1101/2022.06.07.495102.
"""

import gc
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from napari_superres.atomic import replacing
from napari_superres.errors import (
    MissingExtraError,
    ModelFileError,
    OutputError,
    OutputExistsError,
    SettingsError,
    SuperResWarning,
)
from napari_superres.models.architectures import build, list_architectures
from napari_superres.models.card import ModelCard
from napari_superres.models.export.credit import cited, licensed, named
from napari_superres.models.files import KEY, SUFFIX, read_weights
from napari_superres.models.foreign.package import check_library
from napari_superres.models.library.registry import find_card, load_model, model_path

_MARK = "superres-export-"
_OPSET = 18  # has all that the networks need; ONNX Runtime knows it since 1.14
_LARGEST_DIFFERENCE = 1e-5  # of the ONNX form from the trained network, as a fraction of the largest value, or of 1
_LEAST_SIZE, _TEST_SIZE, _COVER_EDGE = 8, {2: 64, 3: 24}, 250
_EPSILON = 1e-6  # what the format adds to a range or a standard deviation before it divides by it
_ENVIRONMENT = "dependencies: [python>=3.11, pytorch>=2.6, pip, pip: [napari-superres-torch]]\n"


def export_safetensors(model: str | Path, target: Path, *, overwrite: bool = False) -> Path:
    """Write a model as one file that this program reads, card included; complete or not at all.

    Raises
    ------
    SettingsError, UnknownModelError, ModelFileError, OutputExistsError, OutputError
        As `export_bioimageio`.
    """
    _check_has_weights(find_card(model))
    with _complete(target, SUFFIX, overwrite=overwrite) as part:
        part.write_bytes(model_path(model).read_bytes())
        read_weights(part)
    return target


def export_bioimageio(
    model: str | Path,
    target: Path,
    *,
    authors: Sequence[str],
    cite: Sequence[str] = (),
    cover: Path | None = None,
    description: str = "",
    overwrite: bool = False,
) -> Path:
    """Write a model as a bioimage.io package (0.5) that passes bioimageio.core's own test; complete or not at all.

    The package describes how images get onto the model's intensity scale; results stay on that scale.

    Parameters
    ----------
    model
        Name or file of a model that is one of this program's own networks.
    target
        A file that ends in ``.zip``.
    authors
        Such as ``"Ada Lovelace"`` or ``"Ada Lovelace; Some Institute"``; at least one.
    cite
        Such as ``"Authors: Title. Journal, year. doi:10.1234/5678"``; the card's citation where none is given.
    cover
        Picture for the model's page; the test input beside its result where none is given.
    description
        One or two sentences; from the card where none is given.

    Raises
    ------
    SettingsError
        If an author, a citation with DOI or address, or a licence with an SPDX identifier is missing; if the model is
        an interpolation or not one of this program's own networks.
    UnknownModelError, ModelFileError
        If there is no such model, or the package does not pass the test; the first problem is told.
    OutputExistsError, OutputError
        If the target exists and `overwrite` is False, or it cannot be written.
    MissingExtraError
        If bioimageio.core, onnxscript or onnxruntime is not installed.

    Warns
    -----
    SuperResWarning
        If the network cannot be written as ONNX; the package then holds the state dict only.
    """
    card = find_card(model)
    _check_has_weights(card)
    if card.architecture not in list_architectures():
        raise SettingsError(
            f"bioimage.io packages are made of this program's own networks, and {card.name} is another program's "
            f"({card.architecture}). Export it with --format safetensors."
        )
    check_library()
    try:
        import bioimageio.core, onnxruntime, onnxscript  # noqa: E401, F401, I001
    except ImportError as error:
        raise MissingExtraError(
            f"bioimage.io packages need {error.name}. Install it with: pip install 'napari-superres-torch[zoo]'"
        ) from error
    credit = {"authors": named(authors), "cite": cited(cite or [card.citation]), "license": licensed(card.license)}
    if cover is not None and not cover.is_file():
        raise SettingsError(f"the cover must be a picture, and {cover} is no file.")
    with _complete(target, ".zip", overwrite=overwrite) as part, TemporaryDirectory(prefix=_MARK) as name:
        loaded, folder = load_model(model), Path(name)
        trained = build(card.architecture, dict(card.arguments)).eval().requires_grad_(False)
        trained.load_state_dict(read_weights(model_path(model)))
        image = _write_test(folder, loaded.card, trained)
        weights = _write_weights(folder, loaded.card, trained, loaded.runner, image)
        (folder / "README.md").write_text(_documentation(loaded.card), encoding="utf-8")
        content = _described(loaded.card, description) | credit | {"weights": weights}
        picture = folder / "cover.png" if cover is None else Path(copyfile(cover, folder / cover.name))
        _pack(part, folder, content | {"covers": [{"source": picture.name}]})
        _let_go()
    return target


def _check_has_weights(card: ModelCard) -> None:
    if card.is_interpolation:
        raise SettingsError(f"{card.name} is an interpolation and has no weights to export. Choose a trained model.")


@contextmanager
def _complete(target: Path, suffix: str, *, overwrite: bool) -> Iterator[Path]:
    """Give a file beside the target, which takes its place once it is complete."""
    if target.suffix != suffix or target.is_dir():
        raise OutputError(f"what is exported is a file that ends in {suffix}, got {target}. Choose another name.")
    if target.exists() and not overwrite:
        raise OutputExistsError(f"{target} exists. Choose another name or allow overwriting (--overwrite).")
    with replacing(target) as (made,):
        made.touch()  # a folder that may not be written to is told before the work
        yield made


def _described(card: ModelCard, description: str) -> dict[str, Any]:
    """Return what the package says of the model, but for its weights."""
    from bioimageio.spec.model.v0_5 import ModelDescr

    name = re.sub(r"[^A-Za-z0-9_+() -]+", " ", card.title or card.name).strip()[:64]
    colours = ["red", "green", "blue"] if card.channels == 3 else ["intensity"]
    label, around = {"T": "frame", "Z": "plane"}[card.context], range(-(card.frames // 2), card.frames // 2 + 1)
    channels = [f"{label}{i:+d} {c}" for i in around for c in colours] if card.frames > 1 else colours
    dims = f"{card.ndim}d-t" if card.frames > 1 and card.context == "T" else f"{card.ndim}d"
    given, made = _space_axes(card)

    def tensor(kind: str, names: list[str], axes: list[dict[str, Any]]) -> dict[str, Any]:
        axes = [{"type": "batch"}, {"type": "channel", "channel_names": names}, *axes]
        return {"id": kind, "axes": axes, "data": {"type": "float32"}, "test_tensor": {"source": f"test_{kind}.npy"}}

    inputs = tensor("input", channels, given) | {"preprocessing": _steps(card)}
    if card.intensity == "unit":
        inputs["data"]["range"] = [0.0, 1.0]
    return {
        "type": "model",
        "format_version": ModelDescr.implemented_format_version,
        "name": name if len(name) >= 5 else f"super-resolution {name}",
        "description": description or f"{card.title or card.name}. {card.limits}".strip()[:512],
        "documentation": {"source": "README.md"},
        "tags": ["super-resolution", "image-restoration", "pytorch", dims, card.modality],
        "inputs": [inputs],
        "outputs": [tensor("output", colours, made)],
        "config": {KEY: {"card": card.to_json()}},
    }


def _space_axes(card: ModelCard) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the spatial axes of input and output: sizes, halos and pixel sizes."""
    given, made = [], []
    blockwise = card.bounded and not card.global_statistics
    for letter, (least, step, halo), scale in zip("zyx"[-card.ndim :], _sizes(card), card.scale, strict=True):
        axis, fine = {"type": "space", "id": letter}, 1.0
        if card.pixel_size is not None and letter != "z":  # a card knows the pixels of planes only
            # In 24 bits: sizes of the output are computed from these numbers, and must come out whole.
            axis["unit"], fine = "micrometer", float(np.float32(sum(card.pixel_size) / 2 / scale))
        given.append({**axis, "scale": fine * scale, "size": {"min": least, "step": step}, "concatenable": blockwise})
        made.append({**axis, "scale": fine, "size": {"tensor_id": "input", "axis_id": letter}})
        made[-1] |= {"halo": halo * scale} if halo else {}
    return given, made


def _sizes(card: ModelCard) -> list[tuple[int, int, int]]:
    """Return the smallest size, the step of sizes and the halo per axis; something is left within the halo."""
    # A multiple of the step, so that an image with its halo is of a size that the network takes.
    halos = [-(-h // m) * m if card.bounded else 0 for h, m in zip(card.halo, card.multiple, strict=True)]
    return [(m * -(-max(2 * h + 1, _LEAST_SIZE) // m), m, h) for h, m in zip(halos, card.multiple, strict=True)]


def _steps(card: ModelCard) -> list[dict[str, Any]]:
    # Over all channels: several frames, and the samples of a colour, share one scale, as in this program.
    shared = {"axes": ["channel", *"zyx"[-card.ndim :]], "eps": _EPSILON}
    limits = dict(zip(("min_percentile", "max_percentile"), card.percentiles, strict=True))
    return {
        "percentile": [{"id": "scale_range", "kwargs": shared | limits}],
        "standard": [{"id": "zero_mean_unit_variance", "kwargs": shared}],
    }.get(card.intensity, [])


def _test_image(card: ModelCard) -> npt.NDArray[np.float32]:
    """Return blobs of 1 to 4 pixels, ``(1, C, (Z)YX)``, of another brightness in each channel and frame."""
    random = np.random.default_rng(0)
    size = [least + step * max(1, -(-(_TEST_SIZE[card.ndim] - least) // step)) for least, step, _ in _sizes(card)]
    image = np.zeros((1, card.inputs, *size))
    for _ in range(12 * card.ndim**2):
        centre, width = random.uniform(0, size), random.uniform(1, 4)
        profiles = [np.exp(-(((np.arange(n) - c) / width) ** 2) / 2) for n, c in zip(size, centre, strict=True)]
        image[0] = np.maximum(image[0], reduce(np.multiply.outer, [random.uniform(0.2, 1, card.inputs), *profiles]))
    # What the package brings onto the model's scale is given as counts of a camera.
    return (100 + 900 * image if _steps(card) else image).astype(np.float32)


def _write_test(folder: Path, card: ModelCard, trained: nn.Module) -> Tensor:
    """Write test input, output and cover; return the input as the network takes it."""
    from PIL import Image

    image = _test_image(card)
    low, high = 0.0, 1.0
    if card.intensity == "percentile":
        low, high = np.percentile(image, card.percentiles)
    elif card.intensity == "standard":
        low, high = image.mean(dtype=float), image.mean(dtype=float) + image.std(dtype=float)
    taken = ((image - low) / (high - low + (_EPSILON if _steps(card) else 0))).astype(np.float32)
    result = trained(torch.from_numpy(taken)).numpy()
    np.save(folder / "test_input.npy", image)
    np.save(folder / "test_output.npy", result)
    middle = slice(card.frames // 2 * card.channels, (card.frames // 2 + 1) * card.channels)
    Image.fromarray(_cover(card, taken[0, middle], result[0])).save(folder / "cover.png")
    return torch.from_numpy(taken)


def _cover(card: ModelCard, lr: npt.NDArray[Any], sr: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return a picture of ``(C, (Z)YX)`` enlarged by nearest beside the result, of volumes a section; 2 to 1."""
    low, high = float(lr.min()), float(lr.max())
    for axis, scale in enumerate(card.scale, 1):
        lr = lr.repeat(scale, axis)
    if card.ndim == 3:
        lr, sr = (image.take(image.shape[2] // 2, 2) for image in (lr, sr))  # Z and X
    edge = min(*sr.shape[1:], _COVER_EDGE)
    pair = np.concatenate([image[:, :edge, :edge] for image in (lr, sr)], axis=2)
    grey = np.clip((pair - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
    return np.moveaxis(grey.repeat(_COVER_EDGE // edge, 1).repeat(_COVER_EDGE // edge, 2), 0, -1).squeeze()


def _write_weights(folder: Path, card: ModelCard, trained: nn.Module, fast: nn.Module, image: Tensor) -> dict[str, Any]:
    """Write the weights in each format and return their descriptions."""
    torch.save(trained.state_dict(), folder / "weights.pt")
    (folder / "environment.yaml").write_text(_ENVIRONMENT, encoding="utf-8")
    kind = type(trained)
    weights: dict[str, Any] = {
        "pytorch_state_dict": {
            "source": "weights.pt",
            "pytorch_version": torch.__version__.partition("+")[0],
            "architecture": {"import_from": kind.__module__, "callable": kind.__name__, "kwargs": card.arguments},
            "dependencies": {"source": "environment.yaml"},
        }
    }
    try:
        _write_onnx(folder / "weights.onnx", card, trained, fast, image)
    except RuntimeError as error:
        text = f"{card.name} is exported without ONNX, so that only programs with Python can run it"
        warnings.warn(f"{text}: {str(error).splitlines()[0]}", SuperResWarning, stacklevel=3)
    else:
        weights["onnx"] = {"source": "weights.onnx", "opset_version": _OPSET, "parent": "pytorch_state_dict"}
    return weights


def _write_onnx(path: Path, card: ModelCard, trained: nn.Module, fast: nn.Module, image: Tensor) -> None:
    """Write a network for images of all sizes as ONNX; RuntimeError if that cannot be, or has other results."""
    from onnxruntime import InferenceSession
    from torch.export import Dim

    sizes: dict[int, Any] = {0: Dim("batch")}
    for axis, (letter, step) in enumerate(zip("zyx"[-card.ndim :], card.multiple, strict=True), 2):
        sizes[axis] = Dim(letter) if step == 1 else step * Dim(f"{letter}_step")
    two = image.repeat(2, *[1] * (image.ndim - 1))  # a size of 1 would be taken for a constant
    program: Any = torch.onnx.export(
        fast.to(memory_format=torch.contiguous_format),
        (two,),
        dynamo=True,
        dynamic_shapes=(sizes,),
        input_names=["input"],
        output_names=["output"],
        opset_version=_OPSET,
        verbose=False,
    )
    content = program.model_proto
    for part in (content, content.graph, *content.graph.node):
        del part.metadata_props[:]  # paths of this machine
    path.write_bytes(content.SerializeToString())
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    if any(isinstance(session.get_inputs()[0].shape[axis], int) for axis in sizes):
        raise RuntimeError("it takes images of one size only")
    where: Any = (..., *(slice(least) for least, _, _ in _sizes(card)))
    for batch in (image, two[where]):
        wanted, found = trained(batch).numpy(), session.run(None, {"input": batch.numpy()})[0]
        if found.shape != wanted.shape or abs(found - wanted).max() > _LARGEST_DIFFERENCE * max(1, abs(wanted).max()):
            raise RuntimeError(f"its results differ on images of {list(batch.shape)}")


def _documentation(card: ModelCard) -> str:
    """Return the package's README, from the card."""
    scaled = {"unit": "lies between 0 and 1: divide 8-bit images by 255"}.get(card.intensity, "is scaled as described")
    whole = "" if card.bounded and not card.global_statistics else " The network looks at the whole image: do not tile."
    sections = {
        "What it is for": card.modality,
        "Limits": card.limits,
        "Training": card.training,
        "What it undoes": card.degradation,
        "How to run": f"The input {scaled}. The result stays on that scale.{whole}\n\nIn napari and in a terminal: "
        "`pip install napari-superres-torch`, `superres models add PACKAGE.zip`, `superres upscale --help`. "
        "Other programs run the ONNX weights, which take images of all sizes that the package allows.",
        "Validation": "Compare the result with interpolation, and with a measured image of your own samples at high "
        "resolution (`superres evaluate`). Detail in the result is inferred, not measured.",
    }
    factors = " x ".join(map(str, card.scale))
    text = f"# {card.title or card.name}\n\nSuper-resolution by {factors} ({'ZYX'[-card.ndim :]}).\n"
    text += "".join(f"\n## {title}\n\n{body}\n" for title, body in sections.items() if body)
    for test, scores in card.scores.items():
        rows = "".join(f"| {name} | {value} |\n" for name, value in scores.items() if name != "protocol")
        text += f"\n### {test}\n\n{scores.get('protocol', '')}\n\n| measure | value |\n|---|---|\n{rows}"
    return text


def _pack(package: Path, folder: Path, content: dict[str, Any]) -> None:
    """Write a package, once it has passed the format's validation and the test of each of its weights."""
    from bioimageio import core, spec

    # What is known is not looked up: no network is needed.
    known: dict[str, Any] = {entry["url"]: None for entry in content["cite"] if "url" in entry}
    with spec.ValidationContext(root=folder, file_name="bioimageio.yaml", known_files=dict(known)):
        description = spec.build_description(content)
        _demand("valid-format", description.validation_summary)
        with package.open("wb") as file:
            spec.save_bioimageio_package_to_stream(description, output_stream=file)
    packed: Any = spec.load_description(package, known_files=known, perform_io_checks=True)
    for weights, device in (("pytorch_state_dict", "cpu"), ("onnx", "CPUExecutionProvider")):
        if weights in content["weights"]:
            _demand("passed", core.test_model(packed, weights, [device]))


def _let_go() -> None:
    """Close what the library leaves open until it is collected: not every system can move an open file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _demand(status: str, summary: Any) -> None:
    if summary.status != status:
        problems = [f"{'.'.join(map(str, e.loc))}: {e.msg}" for detail in summary.details for e in detail.errors]
        problem = " ".join((problems or [summary.status])[0].split())[:400]
        raise ModelFileError(f"the package is not valid, nothing was written: {problem}")
