"""Our models for others: as bioimage.io packages, which other programs run, and as the one file we use ourselves.

A package holds the state dict of the network as it is trained, which needs this program's classes, and the network
in its deploy form as ONNX, which needs none of ours. The format: https://github.com/bioimage-io/spec-bioimage-io;
Ouyang et al.: BioImage Model Zoo, bioRxiv 2022, doi:10.1101/2022.06.07.495102.
"""

import re
import warnings
from collections.abc import Sequence
from functools import reduce
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from napari_superres import __version__
from napari_superres.errors import (
    MissingExtraError,
    ModelFileError,
    OutputError,
    OutputExistsError,
    SettingsError,
    SuperResWarning,
)  # fmt: skip
from napari_superres.models.architectures import build, list_architectures
from napari_superres.models.card import ModelCard
from napari_superres.models.files import KEY, check_model_target, read_weights
from napari_superres.models.registry import find_card, load_model, model_path

Floats = npt.NDArray[np.float32]

_OPSET = 18
"""Has all that the networks need; ONNX Runtime knows it since 1.14."""

_LARGEST_DIFFERENCE = 1e-5
"""Between results of the trained network and of its ONNX form, as a fraction of the largest value, or of 1."""

_LEAST_SIZE, _TEST_SIZE, _COVER_EDGE = 8, {2: 64, 3: 24}, 250
_EPSILON = 1e-6
"""What the format adds to a range or a standard deviation before it divides by it."""

_WORK = re.compile(
    r"(.*?)(?:(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?(10\.\d{4,9}/\S*[^\s.,;])|(https?://\S*[^\s.,;]))", re.I | re.S
)
"""Text, then a DOI or an address."""

_ENVIRONMENT = f"""\
channels: [conda-forge, nodefaults]
dependencies: [python>=3.11, pytorch>=2.6, pip, pip: [napari-superres-torch>={__version__}]]
"""


def export_safetensors(model: str | Path, target: Path, *, overwrite: bool = False) -> Path:
    """Write a model as one file that this program reads, card included; complete or not at all.

    Raises
    ------
    SettingsError
        If it is an interpolation, which has no weights.
    UnknownModelError, ModelFileError
        If there is no such model, or its file is damaged.
    OutputExistsError, OutputError
        If the target exists and `overwrite` is False, or it cannot be written.
    """
    _check_has_weights(find_card(model))
    check_model_target(target, overwrite=overwrite)
    path = model_path(model)
    read_weights(path)
    return _write(target, path.read_bytes())


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
    _check_target(target, overwrite=overwrite)
    _check_libraries()
    credit = {
        "authors": _authors(authors), "cite": _citations(cite or [card.citation]), "license": _license(card.license),
    }  # fmt: skip
    if cover is not None and not cover.is_file():
        raise SettingsError(f"the cover must be a picture, and {cover} is no file.")
    loaded = load_model(model)
    card = loaded.card
    trained = build(card.architecture, dict(card.arguments)).eval().requires_grad_(False)
    trained.load_state_dict(read_weights(model_path(model)))
    with TemporaryDirectory() as name:
        folder = Path(name)
        image = _write_test(folder, card, trained)
        (folder / "README.md").write_text(_documentation(card), encoding="utf-8")
        content = {
            **_described(card, description), **credit,
            "covers": [{"source": str(cover.absolute()) if cover else "cover.png"}],
            "weights": _write_weights(folder, card, trained, loaded.runner, image),
        }  # fmt: skip
        return _write(target, _packed(content, folder))


def _check_has_weights(card: ModelCard) -> None:
    if card.is_interpolation:
        raise SettingsError(f"{card.name} is an interpolation and has no weights to export. Choose a trained model.")


def _check_target(path: Path, *, overwrite: bool) -> None:
    """Check that a package can be written, before it is made."""
    if path.suffix != ".zip":
        raise OutputError(f"a bioimage.io package ends in .zip, got {path.name}. Name it {path.stem}.zip.")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists. Choose another name or allow overwriting (--overwrite).")
    if path.is_dir() or not path.parent.is_dir():
        raise OutputError(f"{path} must be a file in a folder that exists. Choose another name or make the folder.")
    try:
        with TemporaryFile(dir=path.parent) as probe:
            probe.write(b"probe")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"{path} cannot be written: {reason}. Choose a folder that you may write to.") from error


def _check_libraries() -> None:
    for name in ("bioimageio.spec", "bioimageio.core", "onnxscript", "onnxruntime"):
        try:
            import_module(name)
        except ImportError as error:
            raise MissingExtraError(
                f"bioimage.io packages need {name}, which is missing. "
                "Install it with: pip install 'napari-superres-torch[zoo]'"
            ) from error


def _write(target: Path, content: bytes) -> Path:
    part = target.with_name(f".{target.stem}.{uuid4().hex[:8]}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}; nothing was changed.") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def _authors(texts: Sequence[str]) -> list[dict[str, str]]:
    if not texts:
        raise SettingsError("a bioimage.io package needs at least one author. Name one with --author 'Ada Lovelace'.")
    found = []
    for text in texts:
        name, _, affiliation = (part.strip() for part in text.partition(";"))
        if not name or "/" in name or "\\" in name:
            raise SettingsError(f"an author is 'Name' or 'Name; Institute', without slashes in the name, got {text!r}.")
        found.append({"name": name, "affiliation": affiliation} if affiliation else {"name": name})
    return found


def _citations(texts: Sequence[str]) -> list[dict[str, str]]:
    """Return the works that texts cite, each with its DOI or address."""
    found = []
    for text in texts:
        works = _WORK.findall(text)
        if not works:
            raise SettingsError(
                f"a bioimage.io package needs citations with a DOI or an address, got {text[:200]!r}. "
                "Give one with --cite 'Authors: Title. Journal, year. doi:10.1234/5678'."
            )
        for words, doi, url in works:
            found.append({"text": words.strip(" .,;") or doi or url, **({"doi": doi} if doi else {"url": url})})
    return found


def _license(text: str) -> str:
    from bioimageio.spec.generic.v0_3 import LicenseId

    try:
        return str(LicenseId(text))
    except ValueError as error:
        raise SettingsError(
            "a bioimage.io package needs a licence with a current SPDX identifier (https://spdx.org/licenses), such as "
            f"BSD-3-Clause or CC-BY-4.0; the model's card says {text[:100]!r}. Train the model with --license."
        ) from error


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

    inputs = tensor("input", channels, given) | {"preprocessing": _scaling(card, _test_image(card))[0]}
    if card.intensity == "unit":
        inputs["data"]["range"] = [0.0, 1.0]
    return {
        "type": "model", "format_version": ModelDescr.implemented_format_version,
        "name": name if len(name) >= 5 else f"super-resolution {name}",
        "description": description or f"{card.title or card.name}. {card.limits}".strip()[:512],
        "documentation": {"source": "README.md"},
        "tags": ["super-resolution", "image-restoration", "pytorch", dims, card.modality],
        "inputs": [inputs], "outputs": [tensor("output", colours, made)],
        "config": {KEY: {"card": card.to_json()}},
    }  # fmt: skip


def _space_axes(card: ModelCard) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the spatial axes of input and output: sizes, halos and pixel sizes."""
    given, made = [], []
    blockwise = card.bounded and not card.global_statistics
    for letter, (least, step, halo), scale in zip("zyx"[-card.ndim :], _sizes(card), card.scale, strict=True):
        axis, fine = {"type": "space", "id": letter}, 1.0
        if card.pixel_size is not None and letter != "z":  # a card knows the pixels of planes only
            # In 24 bits: sizes of the output are computed from these numbers, and must come out whole.
            axis["unit"], fine = "micrometer", float(np.float32(sum(card.pixel_size) / 2 / scale))
        size = {"min": least, "step": step}
        given.append({**axis, "scale": fine * scale, "size": size, "concatenable": blockwise})
        made.append({**axis, "scale": fine, "size": {"tensor_id": "input", "axis_id": letter}})
        made[-1] |= {"halo": halo * scale} if halo else {}
    return given, made


def _sizes(card: ModelCard) -> list[tuple[int, int, int]]:
    """Return the smallest size, the step of sizes and the halo per axis; something is left within the halo."""
    # A multiple of the step, so that an image with its halo is of a size that the network takes.
    halos = [-(-h // m) * m if card.bounded else 0 for h, m in zip(card.halo, card.multiple, strict=True)]
    return [(m * -(-max(2 * h + 1, _LEAST_SIZE) // m), m, h) for h, m in zip(halos, card.multiple, strict=True)]


def _scaling(card: ModelCard, image: Floats) -> tuple[list[dict[str, Any]], Tensor]:
    """Return the steps that bring an image onto the model's scale, and the image after them."""
    wide, low, size, steps = image.astype(np.float64), 0.0, 1.0, []
    # Over all channels: several frames, and the samples of a colour, share one scale, as in this program.
    shared = {"axes": ["channel", *"zyx"[-card.ndim :]], "eps": _EPSILON}
    if card.intensity == "percentile":
        low, high = np.percentile(wide, card.percentiles)
        size = high - low + _EPSILON
        limits = dict(zip(("min_percentile", "max_percentile"), card.percentiles, strict=True))
        steps = [{"id": "scale_range", "kwargs": shared | limits}]
    elif card.intensity == "standard":
        low, size = wide.mean(), wide.std() + _EPSILON
        steps = [{"id": "zero_mean_unit_variance", "kwargs": shared}]
    return steps, torch.from_numpy(((wide - low) / size).astype(np.float32))


def _test_image(card: ModelCard) -> Floats:
    """Return blobs of 1 to 4 pixels, ``(1, C, (Z)YX)``, that move from frame to frame."""
    random = np.random.default_rng(0)
    size = [least + step * max(1, -(-(_TEST_SIZE[card.ndim] - least) // step)) for least, step, _ in _sizes(card)]
    image = np.zeros((card.frames, card.channels, *size))
    for _ in range(12 * card.ndim**2):
        centre, speed = random.uniform(0, size), random.normal(0, 0.5, card.ndim)
        width, bright = random.uniform(1, 4), random.uniform(0.2, 1, card.channels)
        for frame in range(card.frames):
            now = centre + speed * (frame - card.frames // 2)
            profiles = [np.exp(-(((np.arange(n) - c) / width) ** 2) / 2) for n, c in zip(size, now, strict=True)]
            image[frame] = np.maximum(image[frame], reduce(np.multiply.outer, [bright, *profiles]))
    # What the package brings onto the model's scale is given as counts of a camera.
    counts = 100 + 900 * image if card.intensity in ("percentile", "standard") else image
    return counts.reshape(1, card.inputs, *size).astype(np.float32)


def _write_test(folder: Path, card: ModelCard, trained: nn.Module) -> Tensor:
    """Write test input, output and cover; return the input as the network takes it."""
    from PIL import Image

    image = _test_image(card)
    taken = _scaling(card, image)[1]
    with torch.inference_mode():
        result = trained(taken).numpy()
    np.save(folder / "test_input.npy", image)
    np.save(folder / "test_output.npy", result)
    middle = slice(card.frames // 2 * card.channels, (card.frames // 2 + 1) * card.channels)
    Image.fromarray(_cover(card, taken.numpy()[0, middle], result[0])).save(folder / "cover.png")
    return taken


def _cover(card: ModelCard, lr: Floats, sr: Floats) -> npt.NDArray[np.uint8]:
    """Return a picture of ``(C, (Z)YX)`` enlarged by nearest beside the result: a plane or section, 2 to 1."""
    low, high = float(lr.min()), float(lr.max())
    for axis, scale in enumerate(card.scale, 1):
        lr = lr.repeat(scale, axis)
    if card.ndim == 3:
        through = 1 if card.scale[1] * card.scale[2] > 1 else 2  # a section shows an axis that is refined
        lr, sr = (image.take(image.shape[through] // 2, through) for image in (lr, sr))
    edge = min(*sr.shape[1:], _COVER_EDGE)
    pair = np.concatenate([image[:, :edge, :edge] for image in (lr, sr)], axis=2)
    grey = np.clip((pair - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
    times = _COVER_EDGE // edge
    return np.moveaxis(grey.repeat(times, 1).repeat(times, 2), 0, -1).squeeze()


def _write_weights(
    folder: Path, card: ModelCard, trained: nn.Module, deployed: nn.Module, image: Tensor
) -> dict[str, Any]:
    """Write the weights in each format and return their descriptions."""
    torch.save(trained.state_dict(), folder / "weights.pt")
    (folder / "environment.yaml").write_text(_ENVIRONMENT, encoding="utf-8")
    kind = type(trained)
    weights: dict[str, Any] = {
        "pytorch_state_dict": {
            "source": "weights.pt", "pytorch_version": torch.__version__.partition("+")[0],
            "architecture": {"import_from": kind.__module__, "callable": kind.__name__, "kwargs": card.arguments},
            "dependencies": {"source": "environment.yaml"},
        }
    }  # fmt: skip
    if problem := _write_onnx(folder / "weights.onnx", card, trained, deployed, image):
        text = f"{card.name} is exported without ONNX, so that only programs with Python can run it: {problem}."
        warnings.warn(text, SuperResWarning, stacklevel=3)
    else:
        weights["onnx"] = {"source": "weights.onnx", "opset_version": _OPSET, "parent": "pytorch_state_dict"}
    return weights


def _write_onnx(path: Path, card: ModelCard, trained: nn.Module, deployed: nn.Module, image: Tensor) -> str:
    """Write a network for images of all sizes as ONNX; return what is wrong with it, if anything."""
    from onnxruntime import InferenceSession
    from torch.export import Dim

    sizes: dict[int, Any] = {0: Dim("batch")}
    for axis, (letter, step) in enumerate(zip("zyx"[-card.ndim :], card.multiple, strict=True), 2):
        sizes[axis] = Dim(letter) if step == 1 else step * Dim(f"{letter}_step")
    two = image.repeat(2, *[1] * (image.ndim - 1))  # a size of 1 would be taken for a constant
    try:
        program = torch.onnx.export(
            deployed.to(memory_format=torch.contiguous_format), (two,), dynamo=True, dynamic_shapes=(sizes,),
            input_names=["input"], output_names=["output"], opset_version=_OPSET, verbose=False,
        )  # fmt: skip
    except torch.onnx.errors.OnnxExporterError as error:
        return str(error).splitlines()[0].rstrip(".")
    assert program is not None
    content = program.model_proto
    for part in (content, content.graph, *content.graph.node):
        del part.metadata_props[:]  # paths of this machine
    path.write_bytes(content.SerializeToString())
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    smallest = two[(..., *(slice(least) for least, _, _ in _sizes(card)))]
    for batch in (image, smallest):
        with torch.inference_mode():
            wanted = trained(batch).numpy()
        found = session.run(None, {"input": batch.numpy()})[0]
        if found.shape != wanted.shape or abs(found - wanted).max() > _LARGEST_DIFFERENCE * max(1, abs(wanted).max()):
            return f"it makes another result of an image of {list(batch.shape)}"
    return ""


def _documentation(card: ModelCard) -> str:
    """Return the package's README, from the card."""
    scaled = {
        "unit": "Intensities of the input lie between 0 and 1: divide 8-bit images by 255.",
        "percentile": "Two percentiles of the whole image are brought to 0 and 1, as the package describes.",
        "standard": "The whole image is brought to mean 0 and standard deviation 1, as the package describes.",
        "none": "Intensities of the input are used as they are.",
    }[card.intensity]
    whole = "" if card.bounded and not card.global_statistics else " The network looks at the whole image: do not tile."
    sections = {
        "What it is for": card.modality, "Limits": card.limits, "Training": card.training,
        "What it undoes": card.degradation,
        "How to run": f"{scaled} The result stays on that scale.{whole}\n\nIn napari and on the command line: "
        "`pip install napari-superres-torch`, `superres models add PACKAGE.zip`, `superres upscale --help`. "
        "Other programs run the ONNX weights, which take images of all sizes that the package allows.",
        "Validation": "Compare the result with interpolation, and with a measured image of your own samples at high "
        "resolution (`superres evaluate`). Detail in the result is inferred, not measured.",
    }  # fmt: skip
    factors = ", ".join(f"{axis} x{scale}" for axis, scale in zip("ZYX"[-card.ndim :], card.scale, strict=True))
    text = f"# {card.title or card.name}\n\nSuper-resolution: {factors}.\n"
    text += "".join(f"\n## {title}\n\n{body}\n" for title, body in sections.items() if body)
    for test, scores in card.scores.items():
        rows = "".join(f"| {name} | {value} |\n" for name, value in scores.items() if name != "protocol")
        text += f"\n### {test}\n\n{scores.get('protocol', '')}\n\n| measure | value |\n|---|---|\n{rows}"
    return text


def _packed(content: dict[str, Any], folder: Path) -> bytes:
    """Return the package, once it has passed the format's validation and the test of each of its weights."""
    from bioimageio import core, spec

    package = folder / "package.zip"
    # What is known is not looked up: no network is needed.
    known: dict[str, Any] = {entry["url"]: None for entry in content["cite"] if "url" in entry}
    with spec.ValidationContext(root=folder, file_name="bioimageio.yaml", known_files=known):
        description = spec.build_description(content)
        _demand("valid-format", description.validation_summary)
        with package.open("wb") as file:
            spec.save_bioimageio_package_to_stream(description, output_stream=file)
    with spec.ValidationContext(perform_io_checks=False):
        for weights, device in (("pytorch_state_dict", "cpu"), ("onnx", "CPUExecutionProvider")):
            if weights in content["weights"]:
                _demand("passed", core.test_model(package, weights, [device]))
    return package.read_bytes()


def _demand(status: str, summary: Any) -> None:
    if summary.status != status:
        problems = [f"{'.'.join(map(str, e.loc))}: {e.msg}" for detail in summary.details for e in detail.errors]
        first = " ".join((problems or [summary.status])[0].split())[:400]
        raise ModelFileError(f"the package is not valid ({first}). Nothing was written.")
