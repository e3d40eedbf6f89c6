"""`isotropic` and `isotropic_file`: a stack of thick slices in, one of thin slices out."""

import warnings
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack, cast

from napari_superres import io
from napari_superres.core.image import Array, Image
from napari_superres.core.options import takes_options
from napari_superres.errors import SuperResWarning
from napari_superres.inference import upscale, upscale_file
from napari_superres.inference.files import check_paths
from napari_superres.inference.images import Progress, as_image
from napari_superres.inference.options import (
    FILE_DEFAULTS,
    UPSCALE_DEFAULTS,
    FileOptions,
    ReadingOptions,
    UpscaleOptions,
    WritingOptions,
    split,
)
from napari_superres.models.library.registry import open_model
from napari_superres.models.model import Model
from napari_superres.models.model_file import SUFFIX, check_model_target, digest, write_model
from napari_superres.storage import as_path
from napari_superres.training.isotropic.geometry import find_geometry, with_spacing
from napari_superres.training.isotropic.learn import LearningStep, Learnt, learn
from napari_superres.training.isotropic.options import ISOTROPIC_DEFAULTS, IsotropicOptions

_FILE_KINDS = (IsotropicOptions, ReadingOptions, WritingOptions, UpscaleOptions)


class _MemoryOptions(IsotropicOptions, UpscaleOptions, total=False):
    """Options of `isotropic`."""


class _FileOptions(IsotropicOptions, FileOptions, total=False):
    """Options of `isotropic_file`."""


@takes_options((IsotropicOptions, UpscaleOptions), {**ISOTROPIC_DEFAULTS, **UPSCALE_DEFAULTS})
def isotropic(image: Image | Array, *, axes: str | None = None, **options: Unpack[_MemoryOptions]) -> Image:
    """Make the thick slices of a stack thin, with a network that is trained on the stack's own planes.

    All channels and time points share the network. Before the result, the gain over interpolation is predicted on the
    stack itself, and refused where it is not sure.

    Parameters
    ----------
    image
        Stack with known pixel size, or a bare array, whose pixel size is unknown and must then be set.
    axes : str, optional
        Axes of a bare array, such as ``"ZYX"``.
    **options
        Options.

    Returns
    -------
    Image
        As of `upscale`. Its record holds the checks, the slice profile, the seed, and the digest of the network.

    Raises
    ------
    TrainingError
        If the stack is not suitable, or interpolation is as good.
    SettingsError
        If an option does not fit the stack, or its pixel size is unknown.

    Warns
    -----
    SuperResWarning
        As `upscale`, and on what is doubtful in the stack.
    """
    image = as_image(image, axes)
    own, running = _divide(options)
    learnt = _finish(iter_learning(image, own, running.get("channels")), None)
    for note in learnt.notes:
        warnings.warn(note, SuperResWarning, stacklevel=3)
    spaced = with_spacing(image, own.get("axis", "Z"), own.get("spacing"))
    return upscale(spaced, learnt.model, **cast("UpscaleOptions", running))


@takes_options(_FILE_KINDS, {**ISOTROPIC_DEFAULTS, **FILE_DEFAULTS})
def isotropic_file(
    source: str | Path,
    target: str | Path,
    *,
    model_file: str | Path | None = None,
    workers: int | None = None,
    learning: Callable[[LearningStep], None] | None = None,
    learnt: Callable[[Learnt], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    **options: Unpack[_FileOptions],
) -> Path:
    """Make the thick slices of a file's stack thin, as `isotropic` does, and keep the model.

    Parameters
    ----------
    source, target
        As for `upscale_file`.
    model_file
        Where the model is written, ``.safetensors``; by default next to `target`. With `resume`, an existing one is
        used. It also makes other stacks of the same kind isotropic, by `upscale_file`.
    workers
        As for `upscale_file`.
    learning, learnt, progress
        Called with the steps of the training, with its model and the predicted gain, and with the steps of the run.
    **options
        Options.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    SuperResError
        As `isotropic` and `upscale_file`.

    Warns
    -----
    SuperResWarning
        As `isotropic` and `upscale_file`.
    """
    own, rest = _divide(options)
    reading, writing, running = split(cast("FileOptions", rest))
    place, kept = as_path(target), _model_path(target, model_file)
    check_paths(io.InputPath(source), place, by_workers=False)
    if own.get("spacing") is not None:
        stored = io.read_with_notes(io.InputPath(source), **reading)
        spaced = with_spacing(stored, own.get("axis", "Z"), own["spacing"])
        rest |= {"pixel_size": spaced.pixel_size, "unit": spaced.units["X"]}
    if writing["resume"] and kept.exists():
        model = open_model(kept)
    else:
        image = io.read_with_notes(io.InputPath(source), **reading)
        if not writing["resume"]:
            io.check_target(place, overwrite=writing["overwrite"], image=image, allow_loss=writing["allow_loss"])
        check_model_target(kept, overwrite=writing["overwrite"])
        found = _finish(iter_learning(image, own, running.get("channels")), learning)
        if learnt is not None:
            learnt(found)
        for note in found.notes:
            warnings.warn(note, SuperResWarning, stacklevel=3)
        model = keep_model(found, kept, overwrite=writing["overwrite"])
    return upscale_file(source, target, model=model, workers=workers, progress=progress, **cast("FileOptions", rest))


def iter_learning(
    image: Image, options: IsotropicOptions, channels: Any = None
) -> Generator[LearningStep, None, Learnt]:
    """Yield the steps of learning from a stack; return the model.

    Parameters
    ----------
    image
        Stack.
    options
        Options of learning.
    channels
        Channels to learn from; all by default.

    Raises
    ------
    TrainingError, SettingsError
        As `isotropic`.
    """
    chosen: IsotropicOptions = {**ISOTROPIC_DEFAULTS, **options}
    geometry = find_geometry(
        image,
        axis=chosen["axis"],
        profile=chosen["profile"],
        thickness=chosen["thickness"],
        spacing=chosen["spacing"],
        psf=chosen["psf"],
    )
    return (yield from learn(image, geometry, chosen, None if channels is None else tuple(channels)))


def keep_model(learnt: Learnt, path: Path, *, overwrite: bool) -> Model:
    """Write the model of a stack, and return it under the name of its file."""
    card = replace(learnt.model.card, name=path.stem)
    write_model(path, card, learnt.weights, overwrite=overwrite)
    return replace(learnt.model, card=card, sha256=digest(path))


def _divide(options: Mapping[str, Any]) -> tuple[IsotropicOptions, dict[str, Any]]:
    own = {k: v for k, v in options.items() if k in ISOTROPIC_DEFAULTS}
    return cast("IsotropicOptions", own), {k: v for k, v in options.items() if k not in ISOTROPIC_DEFAULTS}


def _finish(steps: Generator[LearningStep, None, Learnt], report: Callable[[LearningStep], None] | None) -> Learnt:
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            return cast("Learnt", stop.value)
        if report is not None:
            report(step)


def _model_path(target: str | Path, model_file: str | Path | None) -> Path:
    if model_file is not None:
        return Path(model_file)
    place = Path(target)
    return place.with_name(f"{place.name.split('.')[0]}.isotropic{SUFFIX}")
