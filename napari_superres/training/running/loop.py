"""The training loop: Lightning takes batches through the module, with checkpoints, progress and curves."""

import itertools
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from napari_superres.training.patches import PatchSampler
from napari_superres.training.progress import TrainingStep
from napari_superres.training.running.checkpoint import CheckpointWriter, checkpoint_path, damaged
from napari_superres.training.running.lightning_module import SuperResolution


def fit(
    module: SuperResolution,
    sampler: PatchSampler,
    *,
    batch: int,
    output: Path,
    checkpoint: Path | None,
    report: Callable[[TrainingStep], object] | None,
    log: Path | str | None,
    notes: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Train a module until its budget is spent.

    Parameters
    ----------
    module
        Module to train; it is changed.
    sampler
        Draws the patches.
    batch
        Patches per step.
    output
        Model file to write later; checkpoints lie next to it.
    checkpoint
        Checkpoint to resume from.
    report
        Called with the progress, a few times a second.
    log
        Folder for the curves of loss and validation.
    notes
        Notes from the preparation, which each report carries too.

    Returns
    -------
    tuple of str
        Notes about checkpoints that could not be written.
    """
    with _quiet_lightning():
        trainer = lightning.Trainer(
            max_epochs=-1,
            accelerator="auto",
            devices=1,
            logger=_loggers(log),
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            gradient_clip_val=1.0,
            default_root_dir=output.parent,
            precision="bf16-mixed" if torch.cuda.is_available() or _has_bf16_instructions() else "32-true",
        )
        # Convolutions over planes are faster in this memory format, forwards and backwards.
        if all(w.ndim <= 4 for w in module.parameters()):
            module.to(memory_format=torch.channels_last)
        module.write_checkpoint = writer = CheckpointWriter(trainer, checkpoint_path(output))
        if report is not None:
            module.report = lambda step: report(replace(step, notes=(*notes, *writer.notes)))
        batches = _Batches(sampler, batch, module)
        with writer.delay_interrupt():
            try:
                trainer.fit(module, DataLoader(batches, batch_size=None), ckpt_path=checkpoint, weights_only=True)
            except SystemExit as error:  # Lightning raises it for an interrupt
                raise KeyboardInterrupt from error
            except Exception as error:
                if checkpoint is None or batches.are_asked_for:
                    raise
                raise damaged(checkpoint) from error
    return writer.notes


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silence what Lightning says about missing hardware and skipped steps, and restore everything after it."""
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # The module skips a step with a loss that is not finite by returning None.
            warnings.filterwarnings("ignore", "`training_step` returned `None`")
            yield
    finally:
        logger.setLevel(level)


def _has_bf16_instructions() -> bool:
    """Return whether this processor has instructions for bfloat16, which halve the time of a step."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


class _Batches(IterableDataset[tuple[Tensor, Tensor]]):
    """An endless stream of batches, from the step at which the training stands."""

    are_asked_for = False
    """Whether training has begun, so that a checkpoint has been restored."""

    def __init__(self, sampler: PatchSampler, size: int, module: SuperResolution) -> None:
        self._sampler, self._size, self._module = sampler, size, module

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.are_asked_for = True
        for step in itertools.count(self._module.batches):
            yield self._sampler.batch(self._size, step)


def _loggers(folder: Path | str | None) -> Any:
    """Return the loggers of the curves: a table, and TensorBoard's files if it is installed; False for none."""
    if folder is None:
        return False
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    loggers: list[Any] = [CSVLogger(folder, name="", version="")]
    if find_spec("tensorboard") or find_spec("tensorboardX"):
        loggers.append(TensorBoardLogger(folder, name="", version=""))
    return loggers
