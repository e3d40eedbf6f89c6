"""The training loop: Lightning gives batches to the module, keeps checkpoints, shows progress, writes curves."""

import itertools
import logging
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from napari_superres.training.checkpoint import Keeper, checkpoint_path
from napari_superres.training.lightning_module import SuperResolution
from napari_superres.training.pairs import PatchSource
from napari_superres.training.progress import TrainingStep


def seed_everything(seed: int) -> None:
    """Seed the weights to come."""
    # It reports hardware it did not find and advertises services.
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    lightning.seed_everything(seed, verbose=False)


def fit(
    module: SuperResolution,
    source: PatchSource,
    *,
    batch: int,
    output: Path,
    begun: Path | None,
    progress: Callable[[TrainingStep], object] | None,
    log: Path | str | None,
) -> None:
    """Train a module until its budget is spent.

    Parameters
    ----------
    module
        What is trained; it is changed.
    source
        Of its patches.
    batch
        Patches per step.
    output
        Model file to be made, beside which checkpoints lie.
    begun
        Checkpoint to go on from.
    progress, log
        As in `train`.
    """
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
        precision="bf16-mixed" if torch.cuda.is_available() or _multiplies_in_bf16() else "32-true",
    )
    # Convolutions over planes are faster so, forwards and backwards.
    if all(w.ndim <= 4 for w in module.parameters()):
        module.to(memory_format=torch.channels_last)
    module.tell = progress
    module.keep = keeper = Keeper(trainer, checkpoint_path(output))
    batches = DataLoader(_Batches(source, batch, module), batch_size=None)
    with warnings.catch_warnings(), keeper.between_steps():
        # That a step is skipped is on purpose.
        warnings.filterwarnings("ignore", "`training_step` returned `None`")
        try:
            trainer.fit(module, batches, ckpt_path=begun, weights_only=True)
        except SystemExit as error:  # what Lightning makes of it
            raise KeyboardInterrupt from error


def _multiplies_in_bf16() -> bool:
    """Return whether this processor has instructions for bfloat16: steps then take half of the time."""
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


class _Batches(IterableDataset[tuple[Tensor, Tensor]]):
    """An endless stream of batches, from the one that a training has come to."""

    def __init__(self, source: PatchSource, size: int, module: SuperResolution) -> None:
        self.source, self.size, self.module = source, size, module

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for step in itertools.count(self.module.batches):
            yield self.source.batch(self.size, step)


def _loggers(folder: Path | str | None) -> Any:
    """Return what writes the curves of a training: a table, and TensorBoard's files where that is installed."""
    if folder is None:
        return False
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    found: list[Any] = [CSVLogger(folder, name="", version="")]
    if find_spec("tensorboard") or find_spec("tensorboardX"):
        found.append(TensorBoardLogger(folder, name="", version=""))
    return found
