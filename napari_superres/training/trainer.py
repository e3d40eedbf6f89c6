"""`train` and `iter_train`: from a recipe and a folder of images to a model file."""

import random
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Unpack

import torch

from napari_superres.core.options import takes_options
from napari_superres.errors import SuperResWarning
from napari_superres.models.model_file import write_model
from napari_superres.storage.atomic import one_writer, remove
from napari_superres.training.losses import make_loss
from napari_superres.training.options import TRAIN_DEFAULTS, TrainOptions
from napari_superres.training.preparation import Preparation, prepare
from napari_superres.training.progress import TrainingStep
from napari_superres.training.recipes import Recipe
from napari_superres.training.running.checkpoint import checkpoint_path
from napari_superres.training.shipped_score import score_shipped
from napari_superres.training.trained_card import make_card
from napari_superres.training.validation import make_example_function, measure_noise_range, score_fields, select_evenly

_QUICK_FIELDS = 8
"""Fields that are scored during training; the finished network is scored on all of them."""

_WAIT_SECONDS = 0.1


@takes_options(TrainOptions, TRAIN_DEFAULTS)
def train(
    recipe: Recipe | str | Path,
    data: Path | str,
    output: Path | str,
    *,
    progress: Callable[[TrainingStep], object] | None = None,
    stop: Callable[[], bool] | None = None,
    **options: Unpack[TrainOptions],
) -> Path:
    """Train a model and write it with a complete card.

    Parameters
    ----------
    recipe
        A `Recipe`, the name of a shipped one, or a TOML file.
    data
        Folder that holds the data folders of the recipe.
    output
        Model file to write, ``.safetensors``.
    progress
        Called with the progress, a few times a second.
    stop
        Called after every step and for every validation image. If it returns True, training ends after the step and the
        best model so far is written. It may raise.
    **options
        As in `TrainOptions`.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    TrainingError
        If images are missing or too small, the budget is not above zero, the loss is repeatedly not finite, or the
        unfinished training has other settings.
    OutputExistsError, OutputError
        If `output` exists and `overwrite` is False, if it cannot be written, or if an unfinished training exists and
        neither `resume` nor `overwrite` is set. Raised before training.
    MissingExtraError
        If Lightning is not installed.
    SettingsError
        If an option is unknown.

    Warns
    -----
    SuperResWarning
        If images are left out, or the model is no better than bicubic interpolation.
    """
    options = TRAIN_DEFAULTS | options
    with one_writer(checkpoint_path(Path(output))), _seeded(options["seed"]):
        preparation = prepare(recipe, Path(data), Path(output), options)
        for note in preparation.notes:
            warnings.warn(note, SuperResWarning, stacklevel=3)  # the caller of the decorated function
        training = _run(preparation, options, progress=progress, stop=stop)
    for note in training.notes:
        warnings.warn(note, SuperResWarning, stacklevel=3)
    return training.path


@takes_options(TrainOptions, TRAIN_DEFAULTS)
def iter_train(
    recipe: Recipe | str | Path,
    data: Path | str,
    output: Path | str,
    *,
    stop: Callable[[], bool] = bool,
    **options: Unpack[TrainOptions],
) -> Generator[TrainingStep, None, Path]:
    """Train as `train` does, in a thread, and yield the progress at least ten times a second.

    Closing the generator ends training within a step and writes no model; a checkpoint may remain. Nothing is warned:
    `TrainingStep.notes` carries what the user should know.

    Parameters
    ----------
    recipe, data, output
        As in `train`.
    stop
        Called after every step. If it returns True, training ends and the best model so far is written.
    **options
        As in `TrainOptions`.

    Yields
    ------
    TrainingStep
        Step 0 until the first step is done.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    SuperResError
        As `train`.
    """
    options = TRAIN_DEFAULTS | options
    steps: SimpleQueue[TrainingStep] = SimpleQueue()
    closed = threading.Event()
    outcome: list[Path | BaseException] = []
    step = TrainingStep(0, 0.0, 0.0, nan, nan, ())

    def stop_or_close() -> bool:
        if closed.is_set():
            raise _ClosedError
        return stop()

    def work() -> None:
        last = step

        def report(now: TrainingStep) -> None:
            nonlocal last
            last = now
            steps.put(now)

        try:
            with one_writer(checkpoint_path(Path(output))), _seeded(options["seed"]):
                preparation = prepare(recipe, Path(data), Path(output), options)
                report(replace(last, notes=preparation.notes))
                training = _run(preparation, options, progress=report, stop=stop_or_close)
            if training.notes:
                steps.put(replace(last, notes=(*preparation.notes, *training.notes)))
            outcome.append(training.path)
        except BaseException as error:  # noqa: BLE001 - raised again where the generator is used
            outcome.append(error)

    # The thread inherits the context of the caller, which holds warning filters in newer versions of Python.
    thread = threading.Thread(target=copy_context().run, args=(work,), name="training")
    thread.start()
    try:
        while thread.is_alive() or not steps.empty():
            with suppress(Empty):
                step = steps.get(timeout=_WAIT_SECONDS)
            yield step  # the same step again if there is no new one: callers can close the generator at any time
    finally:
        closed.set()
        thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


class _ClosedError(BaseException):
    """Ends a training whose generator was closed. No handler for errors catches it."""


@dataclass(frozen=True, slots=True)
class _Training:
    """A finished training: its model file, and notes that arose after the preparation."""

    path: Path
    notes: tuple[str, ...]


def _run(
    preparation: Preparation,
    options: TrainOptions,
    *,
    progress: Callable[[TrainingStep], object] | None,
    stop: Callable[[], bool] | None,
) -> _Training:
    """Train the network, score it, and write the model file."""
    from napari_superres.training.running.lightning_module import SuperResolution
    from napari_superres.training.running.loop import fit

    recipe, held_out, output = preparation.recipe, preparation.held_out, preparation.output
    scale, instrument = recipe.scale, recipe.instrument

    def score(network: torch.nn.Module) -> tuple[float, float]:
        with _stoppable(network, stop):
            scores = score_fields(network, held_out[:_QUICK_FIELDS], scale=scale, instrument=instrument)
        return scores["psnr"], scores["bicubic_psnr"]

    rival = None
    if progress is not None and held_out:  # Only for those who look at the curve.
        modality = str(recipe.card.get("modality", ""))
        rival = score_shipped(held_out[:_QUICK_FIELDS], modality=modality, scale=scale, instrument=instrument)
    report = None if progress is None else lambda step: progress(replace(step, shipped=rival))
    module = SuperResolution(
        preparation.network,
        loss=make_loss(recipe.loss),
        rate=recipe.rate,
        steps=preparation.steps,
        minutes=preparation.minutes,
        score=score if held_out else None,
        make_example=make_example_function(held_out[0], scale, instrument) if held_out and progress else None,
        stop=stop,
        settings=preparation.settings,
        teacher_share=recipe.teacher_share if preparation.teacher else 0.0,
    )
    notes = fit(
        module,
        preparation.sampler,
        batch=recipe.batch,
        output=output,
        checkpoint=preparation.checkpoint,
        report=report,
        log=options["log"],
        notes=preparation.notes,
    )
    best = module.best_network()
    with _stoppable(best, stop):
        scores = score_fields(best, held_out, scale=scale, instrument=instrument) if held_out else {}
    fields = held_out or select_evenly(preparation.training)
    card = make_card(
        recipe,
        preparation.images.images,
        best,
        scores=scores,
        steps=module.batches,
        registered=options["register"],
        noise=measure_noise_range(fields, scale=scale, instrument=instrument),
        start=preparation.start.stem if preparation.start else "",
        teacher=preparation.teacher,
    )
    path = write_model(output, card, best.state_dict(), overwrite=options["overwrite"])
    remove(checkpoint_path(output))
    return _Training(path, (*notes, *_note_scores(scores)))


def _note_scores(scores: dict[str, float]) -> tuple[str, ...]:
    if not scores or scores["psnr"] > scores["bicubic_psnr"]:
        return ()
    return (
        f"the model is no better than bicubic interpolation ({scores['psnr']:.2f} and {scores['bicubic_psnr']:.2f} dB "
        "on images held out). Train longer, on more images, or with a degradation closer to that of the instrument.",
    )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's random numbers; restore their state, and that of Python's, which Lightning uses, afterwards."""
    # Only the device that is used: asking another GPU for its state would occupy memory there.
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    state = random.getstate()
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(state)


@contextmanager
def _stoppable(network: torch.nn.Module, stop: Callable[[], bool] | None) -> Iterator[None]:
    """Call `stop`, which may raise, after each image that a network is applied to."""

    def call_stop(*_: Any) -> None:
        if stop is not None:
            stop()

    hook = network.register_forward_hook(call_stop)
    try:
        yield
    finally:
        hook.remove()
