"""`train`: from a folder of high-resolution images to a model file."""

import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import asdict
from itertools import product
from math import nan
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import torch

from napari_superres.degradation.instruments import Instrument, Scale
from napari_superres.errors import MissingExtraError, SuperResWarning, TrainingError
from napari_superres.models.architectures import build
from napari_superres.models.files import check_model_target, digest, read_weights, write_model
from napari_superres.models.library.registry import find_card, model_path
from napari_superres.training.card import describe
from napari_superres.training.losses import make_loss
from napari_superres.training.pairs import PatchSource, whole
from napari_superres.training.progress import Example, TrainingStep
from napari_superres.training.recipe import Recipe, load_recipe
from napari_superres.training.recorded import read_pairs
from napari_superres.training.sources import Field, read_fields
from napari_superres.training.validation import noise_range, recordings, score_fields

_VALIDATION_SHARE = 0.04
_VALIDATION_MOST = 16
_VALIDATION_PLANES = 32
_VALIDATION_EDGE = 96
"""Edge of the cube that is looked at of a volume, in high-resolution pixels."""

_JUDGED = 8
"""Planes that are looked at while a network is trained."""

_SHOWN, _SHOWN_ROWS = 96, 16
"""Edge of an example in high-resolution pixels; of volumes the edge along Y."""

_BEAT_SECONDS = 0.1


def train(
    recipe: Recipe | str | Path,
    data: Path | str,
    output: Path | str,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    start: Path | str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    resume: bool = False,
    register: bool = False,
    progress: Callable[[TrainingStep], object] | None = None,
    log: Path | str | None = None,
    stop: Callable[[], bool] | None = None,
) -> Path:
    """Train a model and write it with a complete card.

    Parameters
    ----------
    recipe
        A `Recipe`, the name of a shipped one, or a TOML file.
    data
        Folder that holds the recipe's data folders.
    output
        Model file to write, ``.safetensors``.
    minutes, steps
        Budget; whichever is spent first ends training. The recipe's minutes where both are None.
    start
        Model, by name or file, whose weights training starts from where their shapes agree; the recipe's where
        it names one.
    seed
        Of initial weights and all draws.
    overwrite
        Whether an existing `output` may be replaced, and an unfinished training forgotten.
    resume
        Go on with an unfinished training of the same recipe, images, seed and budget, if there is one. A
        checkpoint is written every minute; what follows equals an undisturbed training step by step.
    register
        Of recorded pairs: move them onto each other instead of refusing those that lie apart.
    progress
        Called with how far training is, a few times a second.
    log
        Folder for the curves of loss and validation: ``metrics.csv``, and TensorBoard's files where that
        is installed.
    stop
        Asked after every step whether to end now and write the best model so far. It is asked, too, whenever
        a network has been given an image; it may raise.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    TrainingError
        If images are missing or too small, the budget is not above zero, the loss stays not finite, or the
        unfinished training is another one.
    OutputExistsError, OutputError
        If `output` exists and `overwrite` is False, or cannot be written; before training. Or if an unfinished
        training is there and neither `resume` nor `overwrite` is asked for.
    MissingExtraError
        If Lightning is not installed.
    """
    try:
        from napari_superres.training.checkpoint import as_json, check_checkpoint, checkpoint_path
        from napari_superres.training.lightning_module import SuperResolution
        from napari_superres.training.loop import fit, seed_everything
    except ImportError as error:
        raise MissingExtraError(
            "training needs Lightning. Install it with: pip install 'napari-superres-torch[train]'"
        ) from error
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    output = Path(output)
    check_model_target(output, overwrite=overwrite)
    if not all(budget is None or budget > 0 for budget in (minutes, steps)):
        raise TrainingError(f"minutes and steps must be above 0, got minutes={minutes} and steps={steps}.")
    budget = minutes if minutes is not None or steps is not None else recipe.minutes
    start = start or recipe.start or None
    begins = None if start is None else _weights_of(start)
    seed_everything(seed)
    images = _read(recipe, Path(data), register)
    what = {
        "recipe": {**asdict(recipe), "card": {}},  # the card's text may be mended meanwhile
        "images": [[(*f.high.shape, float(f.high.mean())) for f in fields] for fields in images],
        "seed": seed,
        "steps": steps,
        "minutes": budget,
        "start": None if begins is None else digest(begins),
    }
    begun = check_checkpoint(output, what, resume=resume, overwrite=overwrite)
    training, held = split(images, seed) if recipe.hold_out else ([f for fields in images for f in fields], [])
    if recipe.hold_out and not held:
        warnings.warn(
            "there is only one image, and none to hold out: the model will have no scores. Give at least two.",
            SuperResWarning,
            stacklevel=2,
        )
    scale, instrument = recipe.scale, recipe.instrument
    source = PatchSource(training, scale=scale, patch=recipe.edges, instrument=instrument, seed=seed)
    network = build(recipe.architecture, recipe.built)
    if begins is not None:
        _load_matching(network, begins)

    def judge(found: torch.nn.Module) -> tuple[float, float]:
        with _asking(found, stop):
            scores = score_fields(found, held[:_JUDGED], scale=scale, instrument=instrument)
        return scores["psnr"], scores["bicubic_psnr"]

    module = SuperResolution(
        network,
        loss=make_loss(recipe.loss),
        rate=recipe.rate,
        steps=steps,
        minutes=budget,
        judge=judge if held else None,
        show=_exhibition(held[0], scale, instrument) if held and progress else None,
        stop=stop,
        what=as_json(what),
    )
    fit(module, source, batch=recipe.batch, output=output, begun=begun, progress=progress, log=log)
    best = module.best_network()
    with _asking(best, stop):
        scores = score_fields(best, held, scale=scale, instrument=instrument) if held else {}
    if scores and scores["psnr"] <= scores["bicubic_psnr"]:
        warnings.warn(
            f"the model is no better than bicubic interpolation ({scores['psnr']:.2f} and {scores['bicubic_psnr']:.2f} "
            "dB on images held out). Train longer, on more images, or on what the instrument really does.",
            SuperResWarning,
            stacklevel=2,
        )
    card = describe(
        recipe,
        images,
        best,
        scores=scores,
        steps=module.batches,
        registered=register,
        noise=noise_range(held or evenly(training), scale=scale, instrument=instrument),
        start=begins.stem if begins else "",
    )
    written = write_model(output, card, best.state_dict(), overwrite=overwrite)
    checkpoint_path(output).unlink(missing_ok=True)
    return written


def iter_train(
    recipe: Recipe | str | Path,
    data: Path | str,
    output: Path | str,
    *,
    enough: Callable[[], bool] = bool,
    **options: Any,
) -> Generator[TrainingStep, None, Path]:
    """Train as `train` does, in a thread, and yield how far training is, ten times a second or oftener.

    Closing the generator ends training within a step and writes no model; a checkpoint may be left.

    Parameters
    ----------
    recipe, data, output
        As in `train`.
    enough
        Asked after every step whether to end now and write the best model so far.
    options
        As in `train`.

    Yields
    ------
    TrainingStep
        One of step 0 until training has begun.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    SuperResError
        As `train`.
    """
    told: SimpleQueue[TrainingStep] = SimpleQueue()
    given_up = threading.Event()
    ended: list[Path | BaseException] = []

    def stop() -> bool:
        if given_up.is_set():
            raise _GivenUpError
        return enough()

    def work() -> None:
        try:
            ended.append(train(recipe, data, output, progress=told.put, stop=stop, **options))
        except BaseException as error:  # noqa: BLE001 - raised where the generator is used
            ended.append(error)

    # The context carries filters of warnings, in versions of Python where these belong to it.
    thread = threading.Thread(target=copy_context().run, args=(work,), name="training")
    thread.start()
    step = TrainingStep(0, 0.0, 0.0, nan, nan, ())
    try:
        while thread.is_alive() or not told.empty():
            with suppress(Empty):
                step = told.get(timeout=_BEAT_SECONDS)
            yield step  # the same again, if need be: whoever waits may want to give up
    finally:
        given_up.set()
        thread.join()
    if isinstance(ended[0], BaseException):
        raise ended[0]
    return ended[0]


class _GivenUpError(BaseException):
    """Ends a training that nobody waits for any more; no error that anything catches."""


@contextmanager
def _asking(network: torch.nn.Module, stop: Callable[[], bool] | None) -> Iterator[None]:
    """Let a network that is given many images give up between them."""

    def ask(*_: Any) -> None:
        if stop is not None:
            stop()

    hook = network.register_forward_hook(ask)
    try:
        yield
    finally:
        hook.remove()


def _exhibition(field: Field, scale: Scale, instrument: Instrument) -> Callable[[torch.nn.Module], Example]:
    """Return what shows a network's work on the part of a field with most structure."""
    part = _excerpt(field, scale)
    seen, high = next(recordings([part], scale=scale, instrument=instrument))
    low = seen[0, instrument.frames // 2].numpy()

    @torch.inference_mode()
    def show(network: torch.nn.Module) -> Example:
        return Example(low, network(seen)[0, 0].numpy(), high)

    return show


def _excerpt(field: Field, scale: Scale) -> Field:
    edges = (_SHOWN,) * 2 if len(scale) == 2 else (_SHOWN, _SHOWN_ROWS, _SHOWN)
    high = whole(field.high, scale)
    sizes = [min(e // s, n // s) for e, s, n in zip(edges, scale, high.shape, strict=True)]
    starts = product(
        *(range(0, n // s - e + 1, max(1, e // 2)) for n, s, e in zip(high.shape, scale, sizes, strict=True))
    )

    def window(start: Sequence[int], factors: Sequence[int]) -> tuple[slice, ...]:
        return tuple(slice(a * f, (a + e) * f) for a, e, f in zip(start, sizes, factors, strict=True))

    best = max(starts, key=lambda start: float(high[window(start, scale)].std()))
    low = None if field.low is None else field.low[window(best, (1,) * len(scale))]
    return Field(high[window(best, scale)], low)


def _read(recipe: Recipe, data: Path, register: bool) -> list[list[Field]]:
    if recipe.low:
        folders = zip(recipe.low, recipe.data, strict=True)
        pairs = [read_pairs(data / low, data / high, recipe.scale[0], register=register) for low, high in folders]
        return [fields for folder in pairs for fields in folder]
    for folder in recipe.data:
        if not Path(folder).is_absolute() and not (data / folder).is_dir():
            raise TrainingError(
                f"{data} must be the folder that holds those of the recipe, {', '.join(recipe.data)}; there is no "
                f"{folder} in it."
            )
    return read_fields(
        [data / d for d in recipe.data], channel=recipe.channel, shrink=recipe.shrink, ndim=len(recipe.scale)
    )


def split(images: Sequence[Sequence[Field]], seed: int) -> tuple[list[Field], list[Field]]:
    """Return fields for training and fields for validation; all planes of an image are on one side.

    Neighbouring planes of a stack are nearly the same: divided, they would flatter the score.
    """
    order = np.random.default_rng(seed).permutation(len(images))
    count = min(_VALIDATION_MOST, max(1, round(len(images) * _VALIDATION_SHARE))) if len(images) > 1 else 0
    chosen = [[field for i in part for field in images[i]] for part in (order[count:], order[:count])]
    return chosen[0], evenly(chosen[1])


def evenly(fields: Sequence[Field]) -> list[Field]:
    """Return fields evenly of all, of volumes their middle: not more than a score is worth."""
    step = max(1, -(-len(fields) // _VALIDATION_PLANES))
    return [_middle(field) for field in fields[::step]]


def _middle(field: Field) -> Field:
    """Return a field, of volumes the middle: looking at all of it would take longer than training."""
    if field.high.ndim == 2 or field.low is not None:
        return field
    starts = [max(0, (n - _VALIDATION_EDGE) // 2) for n in field.high.shape]
    return Field(field.high[tuple(slice(a, a + _VALIDATION_EDGE) for a in starts)])


def _weights_of(start: Path | str) -> Path:
    if find_card(start).is_interpolation:
        raise TrainingError(f"{start} is interpolation: it has no weights to start from. Start from a network.")
    return model_path(start)


def _load_matching(network: torch.nn.Module, path: Path) -> None:
    own = network.state_dict()
    given = {k: v for k, v in read_weights(path).items() if k in own and own[k].shape == v.shape}
    if not given:
        raise TrainingError(f"no weights of {path.name} fit this network. Start from a model of the same architecture.")
    if len(given) < len(own):
        warnings.warn(
            f"{len(given)} of {len(own)} weights are taken from {path.stem}; the others have another shape there, as "
            "those that depend on the scale, and start at random.",
            SuperResWarning,
            stacklevel=3,
        )
    network.load_state_dict({**own, **given})
