"""A model as a bioimage.io package, which other programs run.

A package holds the network twice: the state dict of its trained form, which needs this program's classes, and its
deploy form as ONNX, which needs none of them. The format: https://github.com/bioimage-io/spec-bioimage-io;
Ouyang et al.: BioImage Model Zoo, bioRxiv 2022, doi:10.1101/2022.06.07.495102.
"""

import gc
import warnings
from collections.abc import Sequence
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

from napari_superres.core.options import checks_names
from napari_superres.errors import MissingExtraError, ModelFileError, SettingsError, SuperResWarning
from napari_superres.models.architectures import build, list_architectures
from napari_superres.models.card import ModelCard
from napari_superres.models.export.credits import parse_authors, parse_citations, parse_license
from napari_superres.models.export.description import describe_model, readme
from napari_superres.models.export.example import write_example
from napari_superres.models.export.model_copy import check_export_target, check_has_weights, export_target
from napari_superres.models.export.weight_files import write_weights
from napari_superres.models.foreign.packages.files import check_library
from napari_superres.models.library.registry import find_card, model_path, open_model
from napari_superres.models.model_file import read_weights

_FOLDER_PREFIX = "superres-export-"


@checks_names
def export_bioimageio(
    model: str | Path,
    target: Path,
    *,
    author: Sequence[str],
    cite: Sequence[str] = (),
    cover: Path | None = None,
    description: str = "",
    overwrite: bool = False,
) -> Path:
    """Write a model as a bioimage.io package (0.5) that passes bioimageio.core's own test.

    The package describes how images get onto the model's intensity scale; results stay on that scale. A run that fails
    writes nothing.

    Parameters
    ----------
    model
        Name or file of a model that is one of this program's own networks.
    target
        File that ends in ``.zip``.
    author
        Authors such as ``"Ada Lovelace"`` or ``"Ada Lovelace; Some Institute"``; at least one.
    cite
        Works such as ``"Authors: Title. Journal, year. doi:10.1234/5678"``; the card's citation by default.
    cover
        Picture for the model's page; the test input next to its result by default.
    description
        One or two sentences; from the card by default.
    overwrite
        Replace an existing file.

    Returns
    -------
    Path
        The package.

    Raises
    ------
    SettingsError
        If an author, a citation with DOI or address, or a licence with an SPDX identifier is missing; if the model is
        an interpolation or not one of this program's own networks.
    UnknownModelError, ModelFileError
        If no such model exists, or the package does not pass the test; the message has the first problem.
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
    _check_is_own(card)
    check_export_target(target, ".zip", overwrite=overwrite)
    _check_libraries()
    credits = {
        "authors": parse_authors(author),
        "cite": parse_citations(cite or [card.citation]),
        "license": parse_license(card.license),
    }
    if cover is not None and not cover.is_file():
        raise SettingsError(f"the cover must be a picture, and {cover} is no file.")
    with (
        export_target(target, ".zip", overwrite=overwrite) as partial,
        TemporaryDirectory(prefix=_FOLDER_PREFIX) as name,
    ):
        loaded, folder = open_model(model), Path(name)
        trained = build(card.architecture, dict(card.arguments)).eval().requires_grad_(False)
        trained.load_state_dict(read_weights(model_path(model)))
        image = write_example(folder, loaded.card, trained)
        weights, notes = write_weights(folder, loaded.card, trained, loaded.runner, image)
        (folder / "README.md").write_text(readme(loaded.card), encoding="utf-8")
        content = describe_model(loaded.card, description) | credits | {"weights": weights}
        picture = folder / "cover.png" if cover is None else Path(copyfile(cover, folder / cover.name))
        _pack(partial, folder, content | {"covers": [{"source": picture.name}]})
        _close_files()
    for note in (*loaded.notes, *notes):
        warnings.warn(note, SuperResWarning, stacklevel=3)
    return target


def _check_is_own(card: ModelCard) -> None:
    """Check that a model is one of this program's own networks."""
    check_has_weights(card)
    if card.architecture not in list_architectures():
        raise SettingsError(
            f"bioimage.io packages are made of this program's own networks, and {card.name} is another program's "
            f"({card.architecture}).",
            remedy="Export it as .safetensors with `export_safetensors()`.",
        )


def _check_libraries() -> None:
    """Check that everything that writes and tests a package is installed."""
    check_library()
    try:
        import bioimageio.core, onnxruntime, onnxscript  # noqa: E401, F401, I001
    except ImportError as error:
        raise MissingExtraError(
            f"bioimage.io packages need {error.name}.",
            remedy="Install it with: pip install 'napari-superres-torch[zoo]'",
        ) from error


def _pack(package: Path, folder: Path, content: dict[str, Any]) -> None:
    """Write a package and test it: the format's validation, and each of its weights on the test input."""
    from bioimageio import core, spec

    # bioimageio.spec does not look up addresses in `known_files`, so no network connection is needed.
    known: dict[str, Any] = {entry["url"]: None for entry in content["cite"] if "url" in entry}
    with spec.ValidationContext(root=folder, file_name="bioimageio.yaml", known_files=dict(known)):
        description = spec.build_description(content)
        _require("valid-format", description.validation_summary)
        with package.open("wb") as file:
            spec.save_bioimageio_package_to_stream(description, output_stream=file)
    packed: Any = spec.load_description(package, known_files=known, perform_io_checks=True)
    for weights, device in (("pytorch_state_dict", "cpu"), ("onnx", "CPUExecutionProvider")):
        if weights in content["weights"]:
            _require("passed", core.test_model(packed, weights, [device]))


def _close_files() -> None:
    """Close the files that the library leaves open until they are collected: some systems cannot move open files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _require(status: str, summary: Any) -> None:
    """Raise ModelFileError with the first problem if a summary has another status."""
    if summary.status != status:
        problems = [f"{'.'.join(map(str, e.loc))}: {e.msg}" for detail in summary.details for e in detail.errors]
        problem = " ".join((problems or [summary.status])[0].split())[:400]
        raise ModelFileError(f"the package is not valid, nothing was written: {problem}.")
