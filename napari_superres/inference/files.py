"""`upscale_file` and `upscale_files`: from files to files, with records, resumption and isolated failures."""

import os
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Literal, Unpack

from napari_superres import io
from napari_superres.core.options import as_list, takes_options
from napari_superres.errors import OutputExistsError, SettingsError, SuperResError, UnknownKindError
from napari_superres.inference.batch_files import BatchFiles
from napari_superres.inference.images import Progress, prepare, run_in_memory, warn_of_notes
from napari_superres.inference.options import (
    FILE_DEFAULTS,
    FileOptions,
    ModelChoice,
    ReadingOptions,
    UpscaleOptions,
    WritingOptions,
    split,
)
from napari_superres.inference.planning.estimate import check_disk, estimate
from napari_superres.inference.planning.upscale_run import UpscaleRun, load_models
from napari_superres.inference.provenance import chunk_notes
from napari_superres.inference.remote.elsewhere import OtherComputers
from napari_superres.inference.stream.journal import is_unfinished
from napari_superres.inference.stream.resume import SETTINGS, pixel_settings
from napari_superres.inference.stream.source import Source
from napari_superres.inference.stream.stream_file import stream_file, with_identity
from napari_superres.inference.stream.workers import Executor, open_executor
from napari_superres.limits import read_json
from napari_superres.storage import RemotePath, as_path
from napari_superres.storage.atomic import make_folder

_KINDS = (ReadingOptions, WritingOptions, UpscaleOptions)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file of a batch.

    Attributes
    ----------
    source
        Its name; for medical images the format and the start of the sha256.
    target
        Where the result is, or would have been.
    status
        ``"done"``, ``"skipped"`` (finished before, from the same input with the same settings) or ``"failed"``.
    message
        Why it failed; else empty.
    seconds
        Time it took.
    notes
        What the user should know of the run, in sentences.
    chosen
        Why the model was chosen, if the program chose it for this file.
    cause
        `message` without what to do.
    is_unknown
        Whether it failed because nothing tells what it shows, so that no model could be chosen.
    """

    source: str
    target: Path
    status: Literal["done", "skipped", "failed"]
    message: str
    seconds: float
    notes: tuple[str, ...] = ()
    chosen: str = ""
    cause: str = ""
    is_unknown: bool = False


@takes_options(_KINDS, FILE_DEFAULTS)
def upscale_file(
    source: str | Path,
    target: str | Path,
    *,
    model: ModelChoice,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    **options: Unpack[FileOptions],
) -> Path:
    """Increase the resolution of a file's image and write the result, complete or not at all.

    An OME-Zarr is computed box by box: neither image nor result need fit into memory, and an interrupted run can be
    resumed. Other formats are computed in memory.

    Parameters
    ----------
    source, target
        Any readable file or folder; any writable file name.
    model
        As for `upscale`.
    workers : int, optional
        Number of processes on this computer that compute an OME-Zarr.
    scheduler : str, optional
        Address of a running dask scheduler, such as ``"tls://10.0.0.1:8786"``, whose workers compute. For an OME-Zarr,
        they must see source and target; for other formats windows of the image travel to them, as for `upscale`.
    progress : callable, optional
        Called with every `Progress`.
    **options
        Options of the files and of the run.

    Returns
    -------
    Path
        The target. Its record lies next to it, for ``x.ome.tif`` as ``x.ome.tif.provenance.json``.

    Raises
    ------
    SuperResError
        As `read_image`, `upscale` and `write_image`; nothing is left behind.

    Warns
    -----
    SuperResWarning
        As `upscale`, and if chunks of the input were filled.
    """
    models = load_models(model)
    # The steps are closed here even if the traceback of an error keeps this frame, so the run lets go of the target.
    with (
        open_executor(workers, scheduler) as executor,
        closing(_steps(io.InputPath(source), as_path(target), models, executor, options)) as steps,
    ):
        for step in warn_of_notes(steps):
            if progress is not None:
                progress(step)
    return as_path(target)


def _steps(
    source: Path, target: Path, model: ModelChoice, executor: Executor, options: FileOptions
) -> Generator[Progress, None, None]:
    """Yield the steps of a run from file to file; nothing for a result that is finished."""
    reading, writing, running = split(options)
    into_zarr = check_paths(source, target, by_workers=executor.needs_zarr)
    elsewhere = None if into_zarr else executor.elsewhere(running.get("device", "auto"))
    opened = Source(source, reading)
    image = opened.image
    resume, overwrite, allow_loss = writing["resume"], writing["overwrite"], writing["allow_loss"]
    remote = isinstance(target, RemotePath)
    begun = remote and is_unfinished(target)
    if resume and not begun and (target.exists() if remote else os.path.lexists(target)):
        any_precision = running.get("precision", "auto") == "auto"
        run = prepare(image, model, running, measure=False, elsewhere=elsewhere)
        problem = _problem_of(target, opened, run, any_precision=any_precision)
        if not problem:
            return
        if not overwrite:
            raise _unusable(target, problem)
    with io.one_result(target):
        io.check_target(target, overwrite=overwrite, image=image, allow_loss=allow_loss, begun=begun)
        if into_zarr:
            yield from stream_file(opened, target, model, executor, running, resume=resume, overwrite=overwrite)
        else:
            run = prepare(image, model, running, elsewhere=elsewhere)
            yield from _in_memory(opened, target, run, writing, elsewhere)


def _in_memory(
    opened: Source, target: Path, run: UpscaleRun, writing: WritingOptions, elsewhere: OtherComputers | None
) -> Iterator[Progress]:
    """Yield the steps of a run whose result is computed in memory and then written."""
    image, identity = opened.image, opened.identity()
    disk_notes = check_disk(target.parent, estimate(run).disk_bytes)
    last = None
    for last in run_in_memory(image, run, elsewhere=elsewhere):
        yield _with_notes(last, disk_notes)
    assert last is not None
    opened.check_unchanged()
    bad = getattr(image.data, "bad_chunks", ())
    record = with_identity(last.image.metadata["provenance"], identity, bad)
    result = last.image.replace(metadata={**last.image.metadata, "provenance": record})
    lost = io.write_with_notes(result, target, overwrite=writing["overwrite"], allow_loss=writing["allow_loss"])
    if bad or lost:
        yield _with_notes(last, (*disk_notes, *chunk_notes(bad), *lost))


def _with_notes(step: Progress, notes: tuple[str, ...]) -> Progress:
    return replace(step, notes=(*step.notes, *notes)) if notes else step


def _unusable(target: Path, problem: str) -> OutputExistsError:
    remedy = "Replace it with `overwrite` or choose another name."
    if is_unfinished(target):
        remedy = "To finish the later run that was started next to it, give `overwrite` and `resume`."
    return OutputExistsError(f"{target} {problem}.", remedy=remedy)


def check_paths(source: Path, target: Path, *, by_workers: bool) -> bool:
    """Refuse a target that would change the source, or that workers cannot write; return whether it is a zarr.

    Raises
    ------
    OutputExistsError, OutputError, SettingsError
        If it is refused.
    """
    io.check_apart(target, [source])
    into_zarr = io.suffix(target) in io.ZARR_SUFFIXES
    if by_workers and not into_zarr:
        raise SettingsError(
            f"several workers write an OME-Zarr, box by box, got {target.name}.",
            remedy="Name the result .ome.zarr (in a batch: `suffix='.ome.zarr'`), or leave out `workers`.",
        )
    return into_zarr


@takes_options(_KINDS, FILE_DEFAULTS)
def upscale_files(
    sources: str | Path | Sequence[str | Path],
    folder: str | Path,
    *,
    model: ModelChoice,
    suffix: str | None = None,
    recursive: bool = False,
    only: Collection[Path] = (),
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[str, int, Progress], None] | None = None,
    finished: Callable[[Outcome], None] | None = None,
    **options: Unpack[FileOptions],
) -> list[Outcome]:
    """Upscale many files into a folder; one that fails does not stop the others.

    Parameters
    ----------
    sources
        One or several files, folders of images, or glob patterns.
    folder
        Created if it does not exist. Results are named ``STEM_MODEL.EXT``; for medical images the stem is the
        format and the start of the input's sha256, such as ``nifti-0123456789ab``. Inputs from several folders whose
        results would have the same name keep their folders, below the one that all inputs share. Images that lie in
        `folder` next to a record are results, and no inputs.
    model
        As for `upscale`.
    suffix : str, optional
        Format of the results, such as ``".ome.zarr"``; by default the format family of each input.
    recursive
        Also take the images in the subfolders of folders, except hidden ones and those that are images themselves.
    only : collection of Path, optional
        Compute only these of the inputs, under the names that they have among all of them; by default all.
    workers : int, optional
        As for `upscale_file`; the processes are started once for all files.
    scheduler : str, optional
        As for `upscale_file`.
    progress : callable, optional
        Called with the source's name, its index and its `Progress`.
    finished : callable, optional
        Called with each `Outcome`.
    **options
        Options of the files and of the runs.

    Returns
    -------
    list of Outcome
        One per file, with its notes; nothing is warned of.

    Raises
    ------
    UnreadableImageError
        If no image is found at all.
    OutputError
        If the folder cannot be created.
    """
    # An error of the model concerns every file: it is raised once, before the first.
    models = load_models(model)
    folder = as_path(folder)
    files = BatchFiles.find(as_list(sources), folder, models, suffix, recursive=recursive)
    batch = _Batch(models, options, progress, files)
    make_folder(folder)
    with open_executor(workers, scheduler) as executor:
        for index, path in enumerate(files.paths):
            if only and path not in only:
                continue
            outcome = batch.run(path, index, executor)
            if finished is not None:
                finished(outcome)
    return batch.outcomes


@dataclass
class _Batch:
    """Files with one model and one set of options, and what became of them so far."""

    model: ModelChoice
    options: FileOptions
    progress: Callable[[str, int, Progress], None] | None
    files: BatchFiles
    outcomes: list[Outcome] = field(default_factory=list)

    def run(self, path: Path, index: int, executor: Executor) -> Outcome:
        """Upscale one file; an error becomes its outcome."""
        start, last = time.monotonic(), None
        label = self.files.label(path)
        target = self.files.folder / label
        try:
            target = self._free_target(path)
            make_folder(target.parent)
            with closing(_steps(path, target, self.model, executor, self.options)) as steps:
                for last in steps:
                    if self.progress is not None:
                        self.progress(label, index, last)
        except (SuperResError, OSError, MemoryError, RuntimeError, ValueError) as error:
            # A batch over a night must reach its end whatever happens to one file.
            message = str(error).splitlines()[0] if str(error) else type(error).__name__
            if io.is_anonymous(path) and not isinstance(error, SuperResError):
                message = f"unexpected error: {type(error).__name__}"  # Messages of libraries name the file.
            cause = error.message if isinstance(error, SuperResError) else message
            is_unknown = isinstance(error, UnknownKindError)
            seconds = time.monotonic() - start
            outcome = Outcome(label, target, "failed", message, seconds, cause=cause, is_unknown=is_unknown)
        else:
            status: Literal["done", "skipped"] = "skipped" if last is None else "done"
            notes = () if last is None else last.notes
            outcome = Outcome(label, target, status, "", time.monotonic() - start, notes, _chosen(last))
        self.outcomes.append(outcome)
        return outcome

    def _free_target(self, path: Path) -> Path:
        target = self.files.target(path)
        if any(o.target == target and o.status != "failed" for o in self.outcomes):
            other = next(p for p in self.files.paths if p != path and self.files.target(p) == target)
            raise OutputExistsError(
                f"{self.files.label(path)} and {self.files.label(other)} would have the same result, {target.name}.",
                remedy="Rename one of the files, or upscale them into different folders.",
            )
        if target.resolve() in self.files.resolved:
            raise OutputExistsError(
                f"{target.name} is itself an input of this batch, which is never overwritten.",
                remedy="Choose another folder.",
            )
        return target


def _chosen(last: Progress | None) -> str:
    """Return why the model of a finished run was chosen; empty if it was named, or if nothing was computed."""
    record = {} if last is None else last.image.metadata.get("provenance", {})
    return str(record.get("chosen", ""))


def _problem_of(target: Path, source: Source, run: UpscaleRun, *, any_precision: bool) -> str:
    """Return why a target is not the result of a run; empty if it is, complete and undamaged.

    A precision that was chosen by itself may differ: it depends on measurements.
    """
    otherwise = "was made from another input or with other settings"
    try:
        record = read_json(io.sidecar_path(target))
        records = record.get("per_channel", [record])
        made = [{**{k: r["model"][k] for k in ("name", "sha256")}, **{k: r[k] for k in SETTINGS}} for r in records]
        before = {"affine": record["affine"], **record["input"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return otherwise
    settings = [pixel_settings(model, plan) for model, plan, _ in run.parts]
    if any_precision:
        made, settings = ([{**one, "precision": "auto"} for one in each] for each in (made, settings))
    # Axes and pixel size may be given differently now.
    if made != settings or not source.is_same_as(before):
        return otherwise
    if not io.is_as_written(target, record):  # The record may have outlived its result.
        for damage in io.find_damage(target):
            return f"is damaged: {damage.rstrip('.')}"
    return otherwise if prod(io.read_with_notes(target).shape) != prod(run.shape) else ""
