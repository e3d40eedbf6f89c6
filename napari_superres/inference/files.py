"""`upscale_file` and `upscale_files`: from files to files, with records, resumption and isolated failures.

The only place of the engine that reads and writes files.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

from napari_superres import io
from napari_superres.core.image import Image
from napari_superres.errors import OutputError, OutputExistsError, SettingsError, SuperResError, UnreadableImageError
from napari_superres.inference.images import ModelChoice, Progress, loaded, make_parts, run_parts
from napari_superres.inference.planning.estimate import check_disk, estimate
from napari_superres.inference.planning.plan import Plan
from napari_superres.inference.stream.journal import is_unfinished
from napari_superres.inference.stream.stream_file import SETTINGS, Source, identified, settings, stream_file
from napari_superres.inference.stream.workers import ThisProcess, Workers, connected
from napari_superres.models.model import Model

_READING: dict[str, Any] = {"axes": None, "series": None, "pixel_size": None, "unit": "micrometer", "skip_bad": False}
_WRITING = {"overwrite": False, "resume": False, "allow_loss": False}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file of a batch.

    Attributes
    ----------
    source
        Its name; for DICOM the start of its sha256.
    target
        Where the result is, or would have been.
    status
        ``"done"``, ``"skipped"`` (done before, same input and settings) or ``"failed"``.
    message
        Why it failed; else empty.
    seconds
        Time it took.
    """

    source: str
    target: Path
    status: Literal["done", "skipped", "failed"]
    message: str
    seconds: float


def upscale_file(
    source: str | Path,
    target: str | Path,
    *,
    model: ModelChoice,
    axes: str | None = None,
    series: int | None = None,
    pixel_size: Sequence[float] | float | None = None,
    unit: str = "micrometer",
    overwrite: bool = False,
    resume: bool = False,
    allow_loss: bool = False,
    skip_bad: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Path:
    """Increase the resolution of a file's image and write the result, whole or not at all.

    An OME-Zarr is made part by part: neither image nor result need fit into memory, and a run that was
    interrupted, by anything, can be gone on with. Other formats are made in memory.

    Parameters
    ----------
    source, target
        Any readable file or folder; any writable file name.
    model
        As in `upscale`.
    axes, series, pixel_size, unit
        As in `read_image`: what the file does not say, or says wrongly.
    overwrite
        Replace an existing target.
    resume
        Leave a target alone that was made from the same input with the same model and settings;
        go on with an unfinished OME-Zarr.
    allow_loss
        As in `write_image`.
    skip_bad
        Fill chunks of a zarr that are missing or damaged and list them in the record, instead of failing.
    workers, scheduler
        Compute an OME-Zarr with so many processes on this machine, or with those of a running dask
        scheduler (``"tcp://..."``).
    progress
        Called with every `Progress`.
    **options
        As in `upscale`.

    Returns
    -------
    Path
        The target. Its record is beside it as ``NAME.provenance.json``.

    Raises
    ------
    SuperResError
        Whatever `read_image`, `upscale` and `write_image` raise; nothing is left behind.
    """
    with connected(workers, scheduler) as computing:
        return _upscale_file(
            Path(source),
            Path(target),
            model,
            computing,
            reading={"axes": axes, "series": series, "pixel_size": pixel_size, "unit": unit, "skip_bad": skip_bad},
            overwrite=overwrite,
            resume=resume,
            allow_loss=allow_loss,
            progress=progress,
            options=options,
        )


def _upscale_file(
    source: Path,
    target: Path,
    model: ModelChoice,
    computing: Workers,
    *,
    reading: Mapping[str, Any],
    overwrite: bool,
    resume: bool,
    allow_loss: bool,
    progress: Callable[[Progress], None] | None,
    options: Mapping[str, Any],
) -> Path:
    into_zarr = check_paths(source, target, by_workers=not isinstance(computing, ThisProcess))
    image = io.read_image(source, **reading)
    identity: dict[str, Any] = {"sha256": io.file_digest(source), "series": reading["series"] or 0}
    if not io.is_anonymous(source):
        identity["name"] = source.name
    if source.is_dir():  # of which only the metadata are digested
        identity["state"] = io.file_state(source)
    model = {k: loaded(m) for k, m in model.items()} if isinstance(model, Mapping) else loaded(model)
    if resume and target.exists():
        if _is_made(target, image, identity, make_parts(image, model, tuned=False, **options)):
            return target
        if not overwrite:
            beside = "Overwrite it (--overwrite) or choose another name."
            if is_unfinished(target, io.stem(target)):
                beside = "To finish the later run that was begun beside it, give --overwrite and --resume."
            raise OutputExistsError(f"{target} was made from another input or with other settings. {beside}")
    io.check_target(target, overwrite=overwrite, image=image, allow_loss=allow_loss)
    if into_zarr:
        known = Source(path=source.resolve(), reading=reading, image=image, identity=identity)
        steps = stream_file(known, target, model, computing, resume=resume, overwrite=overwrite, **options)
        # Closed here, also where an error's traceback keeps this frame: the run lets go of the target.
        with closing(steps):
            for step in steps:
                if progress is not None:
                    progress(step)
        return target
    parts = make_parts(image, model, **options)
    check_disk(target.parent, estimate(image, [plan for _, plan in parts]).disk_bytes)
    last = None
    for last in run_parts(image, parts):
        if progress is not None:
            progress(last)
    assert last is not None
    record = identified(last.image.metadata["provenance"], identity, getattr(image.data, "bad_chunks", ()))
    result = last.image.replace(metadata={**last.image.metadata, "provenance": record})
    return io.write_image(result, target, overwrite=overwrite, allow_loss=allow_loss)


def check_paths(source: Path, target: Path, *, by_workers: bool) -> bool:
    """Refuse a target that is the source or lies inside it, or that workers cannot write; return whether it is a zarr.

    Raises
    ------
    OutputExistsError, OutputError, SettingsError
        If it is refused.
    """
    if target.exists() and target.resolve() == source.resolve():
        raise OutputExistsError(f"{target} is the input itself, which is never overwritten. Choose another name.")
    if io.suffix(source) in io.ZARR_SUFFIXES and source.resolve() in target.resolve().parents:
        raise OutputError(f"{target} lies inside the input {source}, which is left as it is. Choose another folder.")
    into_zarr = io.suffix(target) in io.ZARR_SUFFIXES
    if by_workers and not into_zarr:
        raise SettingsError(
            f"several workers write OME-Zarr, part by part, got {target.name}. Name the result .ome.zarr "
            "(--format ome.zarr for a batch), or leave workers out."
        )
    return into_zarr


def upscale_files(
    sources: Sequence[str | Path],
    folder: str | Path,
    *,
    model: ModelChoice,
    suffix: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[str, int, Progress], None] | None = None,
    finished: Callable[[Outcome], None] | None = None,
    **options: Any,
) -> list[Outcome]:
    """Upscale many files into a folder; one that fails does not stop the others.

    Parameters
    ----------
    sources
        Files, folders of images, or glob patterns.
    folder
        Made if it is not there. Results are named ``STEM_MODEL.EXT``; for DICOM the stem is
        ``dicom-`` and the start of the input's sha256.
    model
        As in `upscale`.
    suffix
        Format of the results, such as ``".ome.zarr"``; by default the family of each input.
    workers, scheduler
        As in `upscale_file`; started once for all.
    progress
        Called with the source's name, its index and its `Progress`.
    finished
        Called with each `Outcome`.
    **options
        As in `upscale_file`.

    Raises
    ------
    UnreadableImageError
        If no image is found at all.
    OutputError
        If the folder cannot be made.
    """
    # What is wrong with the model is wrong for every file: said once, before the first.
    model = {k: loaded(m) for k, m in model.items()} if isinstance(model, Mapping) else loaded(model)
    folder = Path(folder)
    paths = batch_sources(sources, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"folder {folder} cannot be made: {error.strerror}. Choose another output folder.") from error
    outcomes: list[Outcome] = []
    with connected(workers, scheduler) as computing:
        for index, path in enumerate(paths):
            outcome = _one_of_many(path, folder, model, suffix, computing, outcomes, index, progress, options)
            outcomes.append(outcome)
            if finished is not None:
                finished(outcome)
    return outcomes


def batch_sources(sources: Sequence[str | Path], folder: Path) -> list[Path]:
    """Return the files of a batch whose results go into a folder; results that lie among their sources are none."""
    return [p for p in _found(sources) if not _is_result(p, folder)]


def _is_result(path: Path, folder: Path) -> bool:
    record = path.with_name(f"{io.stem(path)}.provenance.json")
    return path.parent.resolve() == folder.resolve() and record.is_file()


def _found(sources: Sequence[str | Path]) -> list[Path]:
    """Return the images of all sources; one that is missing is a failure of its own among others."""
    if len(sources) == 1:
        return io.find_images(sources[0])
    paths: list[Path] = []
    for source in sources:
        try:
            paths += io.find_images(source)
        except UnreadableImageError:
            paths.append(Path(source))
    return list(dict.fromkeys(paths))


def _one_of_many(
    path: Path,
    folder: Path,
    model: ModelChoice,
    suffix: str | None,
    computing: Workers,
    before: Sequence[Outcome],
    index: int,
    progress: Callable[[str, int, Progress], None] | None,
    options: dict[str, Any],
) -> Outcome:
    start = time.monotonic()
    label, target = path.name, folder / path.name
    computed = False

    def tell(step: Progress) -> None:
        nonlocal computed
        computed = True
        if progress is not None:
            progress(label, index, step)

    try:
        if io.is_anonymous(path):
            label = io.safe_name(path)
        target = result_path(path, folder, model, suffix)
        if any(o.target == target and o.status != "failed" for o in before):
            raise OutputExistsError(f"{target.name} is already the result of another file of this batch. Rename one.")
        reading = {**_READING, **{k: options[k] for k in _READING if k in options}}
        writing = {**_WRITING, **{k: options[k] for k in _WRITING if k in options}}
        rest = {k: v for k, v in options.items() if k not in reading and k not in writing}
        _upscale_file(path, target, model, computing, reading=reading, progress=tell, options=rest, **writing)
    except (SuperResError, OSError, MemoryError, RuntimeError, ValueError) as error:
        # A batch over a night must get to its end whatever one file does.
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Outcome(label, target, "failed", message, time.monotonic() - start)
    return Outcome(label, target, "done" if computed else "skipped", "", time.monotonic() - start)


def result_path(source: Path, folder: Path, model: ModelChoice, suffix: str | None = None) -> Path:
    """Return where a batch puts the result of a file."""
    return folder / f"{io.safe_name(source)}_{_model_name(model)}{suffix or io.output_suffix(source)}"


def _model_name(model: ModelChoice) -> str:
    if isinstance(model, Model):
        return model.card.name
    if isinstance(model, str | Path):
        return Path(model).name.removesuffix(".safetensors")
    return "-".join(dict.fromkeys(_model_name(m) for m in model.values()))


def _is_made(target: Path, image: Image, identity: dict[str, Any], parts: Sequence[tuple[Model, Plan]]) -> bool:
    try:
        record = json.loads(target.with_name(io.stem(target) + ".provenance.json").read_text(encoding="utf-8"))
        records = record.get("per_channel", [record])
        made = [{**{k: r["model"][k] for k in ("name", "sha256")}, **{k: r[k] for k in SETTINGS}} for r in records]
        before = {"affine": record["affine"], **record["input"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    wanted = [settings(model, plan) for model, plan in parts]
    # Axes and pixel size may have been said anew since.
    now = {
        "sha256": identity["sha256"],
        "series": identity["series"],
        "axes": image.axes,
        "units": dict(image.units),
        "affine": image.affine.tolist(),
        **({"state": identity["state"]} if "state" in identity else {}),
    }
    if made != wanted or any(before.get(k) != v for k, v in now.items()):
        return False
    try:  # the record may have outlived its result
        held = prod(io.read_image(target).shape)
    except SuperResError:
        return False
    return held == sum(prod(plan.out_shape) for _, plan in parts)
