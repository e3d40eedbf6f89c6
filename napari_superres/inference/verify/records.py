"""What the record of a result says: where its input and model are, found by digest, and the options of its run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_superres import io
from napari_superres.core.image import Image
from napari_superres.errors import ModelFileError, SettingsError, SuperResError, UnknownModelError, UnreadableImageError
from napari_superres.inference.options import UpscaleOptions
from napari_superres.limits import read_json
from napari_superres.models.library.registry import all_cards, open_model
from napari_superres.models.model import Model

Record = Mapping[str, Any]


def read_record(result: Path) -> Record:
    """Return the record next to a result, or the one inside its file.

    Raises
    ------
    SettingsError
        If there is none.
    """
    with suppress(OSError, ValueError):
        record = read_json(io.sidecar_path(result))
        if isinstance(record, dict):
            return record
    record = io.read_image(result).metadata.get("provenance")
    if not isinstance(record, Mapping):
        raise SettingsError(
            f"{io.label(result)} has no record of how it was made.",
            remedy=f"Keep the file {io.sidecar_path(Path('NAME')).name} next to a result when you copy it.",
        )
    return record


def parts_of(record: Record) -> list[Record]:
    """Return the records of each model: several where each channel had its own."""
    parts = record.get("per_channel")
    return list(parts) if isinstance(parts, Sequence) else [record]


def recorded_options(part: Record) -> UpscaleOptions:
    """Return the options that give the pixels of a recorded run again.

    Half precision is not repeated: it differs from device to device.
    """
    normalisation, told = part["normalisation"], part.get("told")
    options: UpscaleOptions = {
        "tta": part["tta"],
        "intensity_range": list(zip(normalisation["low"], normalisation["high"], strict=True)),
    }
    if part["precision"] == "fp64":
        options["precision"] = "fp64"
    else:
        options["precision"] = "fp32"
    if told is not None:
        options["noise"] = [(n["gain"], n["read_noise"], n["offset"]) for n in told["noise"]]
        options["strength"], options["psf_sigma"] = told["strength"], told["psf_sigma"] or None
    return options


def find_file(entry: Record, near: Path, given: Iterable[str | Path]) -> tuple[Path | None, tuple[Path, ...]]:
    """Return the file with the digest of a recorded input, or None; and those that differ.

    Those are files that were given, or that have the recorded name, and are another one.

    Parameters
    ----------
    entry
        The record's entry on the input.
    near
        File that was made from it.
    given
        Files, and folders to search by digest. The folder of `near` is searched too, and by the recorded name the
        folder above and those in it.
    """
    digest, others = entry.get("sha256"), list[Path]()
    asked = [Path(g) for g in given]
    for path in _candidates(asked, near, entry.get("name")):
        with suppress(SuperResError, OSError):
            if io.file_digest(path) == digest:
                return path, tuple(others)
            if path in asked or path.name == entry.get("name"):
                others.append(path)
    return None, tuple(others)


def _candidates(given: Sequence[Path], near: Path, name: str | None) -> Iterator[Path]:
    """Yield files that may be an input, the likely ones first: each is read to the end."""
    folder = io.InputPath(near).absolute().parent
    found: list[Path] = []
    for place in [*(io.InputPath(path) for path in given), folder]:
        with suppress(UnreadableImageError, OSError):
            found += io.find_images(place)
    if name is not None and Path(name).name == name:  # a name from a file must not lead elsewhere
        with suppress(OSError):
            found += [p for place in [folder.parent, *folder.parent.iterdir()] if (p := place / name).exists()]
    # Files that were given first, then equal names; a sort keeps the order of the rest.
    asked = {Path(path) for path in given}
    for path in sorted(dict.fromkeys(found), key=lambda p: (p not in asked, p.name != name)):
        if not _is_same(path, near):
            yield path


def _is_same(first: Path, second: Path) -> bool:
    with suppress(OSError):
        return first.samefile(second)
    return False


def open_input(path: Path, entry: Record) -> Image:
    """Return a recorded input, read as it was for the run: its series, axes, pixel size and place."""
    axes = entry["axes"]
    series = io.read_series(path)
    image = io.read_image(path, series=min(int(entry.get("series") or 0), len(series) - 1))
    if image.axes != axes:
        image = io.read_image(path, series=int(entry.get("series") or 0), axes=axes)
    sizes, units = entry.get("pixel_size"), entry.get("units") or {}
    if sizes is not None and units.get("X") is not None and list(image.pixel_size) != list(sizes):
        image = image.with_pixel_size(sizes, unit=units["X"])
    return image


def find_model(entry: Record, given: str | Path | None) -> Model | None:
    """Return the model with the digest of a recorded one; None if it is not here.

    Parameters
    ----------
    entry
        The record's entry on the model.
    given
        Name or file of the model; None looks for its name, then for its digest among all models.

    Raises
    ------
    UnknownModelError, ModelFileError
        If a model was given that does not exist or cannot be used.
    """
    if given is not None:
        model = open_model(given)
        return model if _is_recorded(model, entry) else None
    with suppress(UnknownModelError, ModelFileError):
        if _is_recorded(model := open_model(str(entry["name"])), entry):
            return model
    for card in all_cards()[0] if entry.get("sha256") else ():
        with suppress(UnknownModelError, ModelFileError):
            if _is_recorded(model := open_model(card.name), entry):
                return model
    return None


def _is_recorded(model: Model, entry: Record) -> bool:
    """Return whether a model is the recorded one: by digest, or by name if it is an interpolation."""
    return model.sha256 == entry["sha256"] and (bool(model.sha256) or model.card.name == entry["name"])
